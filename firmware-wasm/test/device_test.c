/** What the device does with samples, results, commands and trials: a scene per test. */
#include "rig.h"

#define SURE 1
#define UNSURE 100
#define FIRST_REPLY(port, type) find_sent (& port, type, 0)

static wasm_file probe_wasm, broken_wasm, unlinked_wasm;
static slot_image probe;

static void start (void)
{
    start_with (& probe);
}

/** A good result for the sample of an offload. */
static hedge_result result_for (const sent_frame * sent, uint32_t label)
{
    const uint8_t * payload;
    const hedge_offload offload = read_offload (sent, & payload);
    return (hedge_result) { .model = offload.model, .session = offload.session, .sample = offload.sample, .label = label };
}

/** CRC-32 of the probe's row and payload. */
static uint32_t check_of (uint32_t label, uint32_t exited, uint32_t entropy, const uint8_t * payload)
{
    const int32_t row [5] = { (int32_t) label, (int32_t) exited, (int32_t) entropy, 11, 123 };
    const uint32_t check = hedge_crc32 (0, (const uint8_t *) row, sizeof row);
    return payload ? hedge_crc32 (check, payload, 4) : check;
}

static void sure_samples_are_answered_by_the_edge (void)
{
    start ();
    ask_sample (& uart, 7, PROBE_FINE, 2, SURE);
    settle ();
    const hedge_answer answer = answer_to (& uart, 7);
    CHECK_EQUAL (answer.source, HEDGE_BY_EDGE);
    CHECK_EQUAL (answer.label, 2);
    CHECK_EQUAL (answer.edge_label, 2);
    CHECK_EQUAL (answer.entropy, SURE << 9);
    CHECK_EQUAL (answer.attempts, 0);
    CHECK_EQUAL (answer.check, check_of (2, 1, SURE << 9, NULL));
    CHECK_EQUAL (net.count, 0);
    CHECK_EQUAL (device.counts.samples, 1);
    CHECK_EQUAL (device.counts.exited, 1);
}

static void unsure_samples_get_the_clouds_answer (void)
{
    start ();
    ask_sample (& uart, 7, PROBE_FINE, 2, UNSURE);
    settle ();
    CHECK_EQUAL (net.count, 1);
    const uint8_t * payload;
    const hedge_offload offload = read_offload (FIRST_REPLY (net, HEDGE_FRAME_OFFLOAD), & payload);
    CHECK (memcmp (offload.model, ((const hedge_slot_header *) probe.bytes)->digest, 32) == 0);
    CHECK_EQUAL (offload.session, device.session);
    CHECK_EQUAL (offload.deadline, NOW + DEADLINE);
    CHECK_EQUAL (offload.attempt, 1);
    CHECK_EQUAL (offload.label, 2);
    CHECK_EQUAL (offload.entropy, UNSURE << 9);
    CHECK_EQUAL (offload.payload_bytes, 4);
    const uint8_t input [4] = { PROBE_FINE, 2, UNSURE, 77 };
    CHECK (memcmp (payload, input, 4) == 0);
    CHECK_EQUAL (uart.count, 0);

    const hedge_result result = result_for (& net.sent [0], 1);
    answer_with (& result);
    settle ();
    const hedge_answer answer = answer_to (& uart, 7);
    CHECK_EQUAL (answer.source, HEDGE_BY_CLOUD);
    CHECK_EQUAL (answer.label, 1);
    CHECK_EQUAL (answer.edge_label, 2);
    CHECK_EQUAL (answer.attempts, 1);
    CHECK_EQUAL (answer.check, check_of (2, 0, UNSURE << 9, input));
    CHECK_EQUAL (device.counts.offloaded, 1);
    CHECK_EQUAL (device.counts.offered, 1);
    CHECK_EQUAL (device.counts.answered, 1);
    pass (2 * DEADLINE);
    CHECK_EQUAL (net.count, 1);
    CHECK_EQUAL (uart.count, 1);
}

static void only_the_first_result_of_its_own_samples_and_model_counts (void)
{
    start ();
    ask_sample (& net, 7, PROBE_FINE, 2, UNSURE);
    settle ();
    const hedge_result good = result_for (& net.sent [0], 1);
    const uint8_t other [32] = { 1 };
    hedge_result bad = good;
    bad.model = other;
    answer_with (& bad);
    bad = good;
    bad.label = 3; /* the model has three classes */
    answer_with (& bad);
    bring (& net, HEDGE_FRAME_RESULT, (const uint8_t *) "garbage", 7);
    uint8_t large [HEDGE_RESULT_LIMIT + 100] = { 0 };
    bring (& net, HEDGE_FRAME_RESULT, large, sizeof large);
    CHECK_EQUAL (device.counts.invalid, 4);
    bad = good;
    ++bad.session;
    answer_with (& bad);
    bad = good;
    ++bad.sample;
    answer_with (& bad);
    answer_with (& good);
    answer_with (& good);
    settle ();
    CHECK_EQUAL (device.counts.duplicates, 3);
    CHECK_EQUAL (device.counts.answered, 1);
    CHECK_EQUAL (answer_to (& net, 7).label, 1);
}

static void what_the_cloud_refuses_falls_back_at_once (void)
{
    static const hedge_result_state states [] = { HEDGE_EXPIRED, HEDGE_REFUSED };
    for (uint32_t i = 0; i < 2; ++i)
    {
        start ();
        ask_sample (& net, 7, PROBE_FINE, 2, UNSURE);
        settle ();
        hedge_result result = result_for (& net.sent [0], 0);
        result.state = states [i];
        answer_with (& result);
        settle ();
        const hedge_answer answer = answer_to (& net, 7);
        CHECK_EQUAL (answer.source, HEDGE_BY_FALLBACK);
        CHECK_EQUAL (answer.label, 2);
        CHECK_EQUAL (device.counts.refused, 1);
        CHECK_EQUAL (device.counts.unconfirmed, 1);
    }
}

static void offers_are_repeated_until_the_deadline (void)
{
    start ();
    ask_sample (& net, 7, PROBE_FINE, 2, UNSURE);
    pass (DEADLINE - 1);
    const uint32_t offers = count_sent (& net, HEDGE_FRAME_OFFLOAD);
    CHECK (offers >= 5 && offers <= 8);
    CHECK_EQUAL (net.count, offers);
    const uint8_t * payload;
    for (uint32_t i = 0; i < offers; ++i)
    {
        const hedge_offload offload = read_offload (& net.sent [i], & payload);
        CHECK_EQUAL (offload.attempt, i + 1);
        CHECK_EQUAL (offload.deadline, NOW + DEADLINE);
        CHECK_EQUAL (payload [2], UNSURE);
    }
    pass (1);
    const hedge_answer answer = answer_to (& net, 7);
    CHECK_EQUAL (answer.source, HEDGE_BY_FALLBACK);
    CHECK_EQUAL (answer.attempts, offers);
    CHECK_EQUAL (device.counts.unconfirmed, 1);
    CHECK_EQUAL (device.counts.refused, 0);
    /* A result that comes now is of no use. */
    const hedge_result late = result_for (& net.sent [0], 1);
    answer_with (& late);
    CHECK_EQUAL (device.counts.duplicates, 1);
    CHECK_EQUAL (device.counts.answered, 0);
}

static void nothing_is_offered_before_the_time_is_known (void)
{
    start ();
    device.knows_time = false;
    hedge_device_set_time (& device, UINT64_MAX);
    ask_sample (& net, 7, PROBE_FINE, 2, UNSURE);
    pass (300);
    CHECK_EQUAL (net.count, 0);
    hedge_device_set_time (& device, NOW);
    settle ();
    const uint8_t * payload;
    const hedge_offload offload = read_offload (& net.sent [0], & payload);
    CHECK_EQUAL (offload.deadline, NOW + DEADLINE - 300);
    CHECK_EQUAL (offload.attempt, 1);
}

static void what_waits_is_offered_again_behind_a_reconnection (void)
{
    start ();
    ask_sample (& uart, 7, PROBE_FINE, 2, UNSURE);
    settle ();
    net.is_online = net.is_ready = false;
    ask_sample (& uart, 8, PROBE_FINE, 1, UNSURE);
    /* The engine goes on meanwhile. */
    ask_sample (& uart, 9, PROBE_FINE, 1, SURE);
    pass (1000);
    CHECK_EQUAL (answer_to (& uart, 9).source, HEDGE_BY_EDGE);
    CHECK_EQUAL (net.count, 1);
    hedge_device_connected (& device);
    net.is_online = net.is_ready = true;
    settle ();
    CHECK_EQUAL (count_sent (& net, HEDGE_FRAME_OFFLOAD), 3);
    CHECK_EQUAL (device.counts.reconnects, 1);
    CHECK_EQUAL (device.counts.offered, 3);
}

static void a_port_that_is_full_for_a_moment_costs_no_attempt (void)
{
    start ();
    net.room = 0;
    ask_sample (& uart, 7, PROBE_FINE, 2, UNSURE);
    pass (20);
    CHECK_EQUAL (device.counts.offered, 0);
    net.room = 1;
    settle ();
    CHECK_EQUAL (device.counts.offered, 1);
    const uint8_t * payload;
    CHECK_EQUAL (read_offload (& net.sent [0], & payload).attempt, 1);
}

/** Held places, then the engine, then the queue fill up; what comes then is refused, and nothing is lost of the rest. */
static void no_more_samples_are_taken_than_fit (void)
{
    start ();
    const uint32_t taken = HEDGE_HELD_SAMPLES + 1 + HEDGE_QUEUE_FRAMES;
    for (uint32_t request = 1; request <= taken + 1; ++request)
    {
        ask_sample (& uart, request, PROBE_FINE, (uint8_t) (request % 3), UNSURE);
        settle ();
    }
    CHECK_EQUAL (count_sent (& net, HEDGE_FRAME_OFFLOAD), HEDGE_HELD_SAMPLES);
    CHECK_EQUAL (answer_to (& uart, taken + 1).source, HEDGE_NOT_TAKEN);
    CHECK (has_event (& uart, taken + 1, HEDGE_EVENT_NO_ROOM, NULL));
    CHECK_EQUAL (uart.count, 2);
    CHECK_EQUAL (device.counts.dropped, 1);
    for (uint32_t i = 0; i < taken; ++i)
    {
        const hedge_result result = result_for (& net.sent [i], 2);
        answer_with (& result);
        settle ();
    }
    for (uint32_t request = 1; request <= taken; ++request)
    {
        const hedge_answer answer = answer_to (& uart, request);
        CHECK_EQUAL (answer.source, HEDGE_BY_CLOUD);
        CHECK_EQUAL (answer.edge_label, request % 3);
    }
    CHECK_EQUAL (device.counts.answered, taken);
    CHECK_EQUAL (device.counts.offered, taken);
}

/** As many as replies can wait are told that they are not taken, even when they come at once. */
static void a_burst_of_samples_is_refused_one_by_one (void)
{
    start ();
    const uint32_t burst = HEDGE_QUEUE_FRAMES + HEDGE_REPLIES;
    for (uint32_t request = 1; request <= burst; ++request) ask_sample (& uart, request, PROBE_FINE, 1, SURE);
    settle ();
    for (uint32_t request = 1; request <= burst; ++request)
    {
        const bool taken = request <= HEDGE_QUEUE_FRAMES;
        CHECK_EQUAL (answer_to (& uart, request).source, taken ? HEDGE_BY_EDGE : HEDGE_NOT_TAKEN);
        CHECK (taken || has_event (& uart, request, HEDGE_EVENT_NO_ROOM, NULL));
    }
    CHECK_EQUAL (device.counts.dropped, HEDGE_REPLIES);
    CHECK_EQUAL (device.replies.dropped, 0);
}

/** The clock of a sample that waits on the engine runs. */
static void the_deadline_counts_from_the_edges_answer (void)
{
    start ();
    net.is_online = false;
    for (uint32_t request = 1; request <= HEDGE_HELD_SAMPLES + 1; ++request) ask_sample (& uart, request, PROBE_FINE, 0, UNSURE), settle ();
    pass (DEADLINE);
    for (uint32_t request = 1; request <= HEDGE_HELD_SAMPLES + 1; ++request) CHECK_EQUAL (answer_to (& uart, request).source, HEDGE_BY_FALLBACK);
    CHECK_EQUAL (device.counts.unconfirmed, HEDGE_HELD_SAMPLES + 1);
    CHECK_EQUAL (device.counts.offloaded, HEDGE_HELD_SAMPLES + 1);
    CHECK_EQUAL (device.counts.offered, 0);
}

static void a_full_queue_still_answers_questions (void)
{
    start ();
    net.is_online = false;
    for (uint32_t request = 100; request < 101 + HEDGE_HELD_SAMPLES + HEDGE_QUEUE_FRAMES; ++request)
    {
        ask_sample (& net, request, PROBE_FINE, 0, UNSURE);
        settle ();
    }
    const uint8_t chunk [1024] = { 0 };
    ask (& uart, & (hedge_command) { .request = 5, .operation = HEDGE_CHUNK, .data = chunk, .data_bytes = sizeof chunk });
    ask_for (& uart, 6, HEDGE_DESCRIBE);
    settle ();
    CHECK (has_event (& uart, 5, HEDGE_EVENT_NO_ROOM, NULL));
    CHECK (FIRST_REPLY (uart, HEDGE_FRAME_DESCRIPTION));
}

static void a_sample_that_traps_is_refused_and_the_next_runs (void)
{
    start ();
    ask_sample (& uart, 1, PROBE_TRAPS, 0, 0);
    ask_sample (& uart, 2, PROBE_NEVER_ENDS, 0, 0);
    settle ();
    ask_sample (& uart, 3, PROBE_FINE, 1, SURE);
    settle ();
    for (uint32_t request = 1; request <= 2; ++request)
    {
        CHECK_EQUAL (answer_to (& uart, request).source, HEDGE_NOT_TAKEN);
        CHECK (has_event (& uart, request, HEDGE_EVENT_TRAPPED, NULL));
    }
    CHECK_EQUAL (answer_to (& uart, 3).source, HEDGE_BY_EDGE);
    CHECK (! hedge_device_wants_restart (& device));
}

static void what_is_no_sample_of_the_model_is_refused (void)
{
    start ();
    static const uint8_t input [2 * HEDGE_INPUT_BYTES];
    ask (& uart, & (hedge_command) { .request = 1, .operation = HEDGE_SAMPLE, .data = input, .data_bytes = 3 });
    ask (& uart, & (hedge_command) { .request = 2, .operation = HEDGE_SAMPLE, .data = input, .data_bytes = HEDGE_INPUT_BYTES });
    ask (& uart, & (hedge_command) { .request = 3, .operation = HEDGE_SAMPLE, .data = input, .data_bytes = sizeof input });
    bring (& uart, HEDGE_FRAME_COMMAND, input, 100);
    settle ();
    for (uint32_t request = 1; request <= 3; ++request)
    {
        CHECK_EQUAL (answer_to (& uart, request).source, HEDGE_NOT_TAKEN);
        CHECK (has_event (& uart, request, HEDGE_EVENT_WRONG_SIZE, NULL));
    }
    CHECK (has_event (& uart, 0, HEDGE_EVENT_BAD_FRAME, NULL));
    CHECK_EQUAL (device.counts.invalid, 1);
    CHECK (! hedge_device_frame_begin (& device, & uart.port, HEDGE_FRAME_OFFLOAD, 10));
    CHECK (! hedge_device_frame_begin (& device, & uart.port, (hedge_frame_type) 31, 10));
    /* The places are free again. */
    for (uint32_t i = 0; i < HEDGE_QUEUE_PLACES; ++i) CHECK_EQUAL (device.queue.places [i].state, HEDGE_PLACE_FREE);
}

static void without_a_model_there_are_no_answers (void)
{
    memset (flash_bytes, 0xFF, sizeof flash_bytes);
    power_up ();
    ask_sample (& uart, 1, PROBE_FINE, 0, SURE);
    ask_for (& uart, 2, HEDGE_DESCRIBE);
    settle ();
    CHECK (has_event (& net, 0, HEDGE_EVENT_STARTED, NULL));
    CHECK_EQUAL (answer_to (& uart, 1).source, HEDGE_NOT_TAKEN);
    CHECK (has_event (& uart, 1, HEDGE_EVENT_NO_MODEL, NULL));
    CHECK (FIRST_REPLY (uart, HEDGE_FRAME_DESCRIPTION));
    const uint8_t input [4] = { 0 };
    CHECK (! hedge_device_submit (& device, 3, input, 4));
}

static void a_sensor_may_hand_in_samples (void)
{
    start ();
    const uint8_t input [4] = { PROBE_FINE, 1, SURE, 0 };
    CHECK (! hedge_device_submit (& device, 9, input, 3));
    CHECK (hedge_device_submit (& device, 9, input, 4));
    settle ();
    CHECK_EQUAL (answer_to (& net, 9).label, 1);
}

static void edge_only_models_answer_every_sample (void)
{
    const slot_image image = make_image (probe_wasm, 1, 0);
    start_with (& image);
    ask_sample (& uart, 7, PROBE_FINE, 1, UNSURE);
    settle ();
    CHECK_EQUAL (answer_to (& uart, 7).source, HEDGE_BY_EDGE);
}

static void the_threshold_can_be_set (void)
{
    start ();
    ask (& uart, & (hedge_command) { .request = 1, .operation = HEDGE_THRESHOLD, .number = 1 << 20 });
    settle ();
    ask_sample (& uart, 2, PROBE_FINE, 1, UNSURE);
    settle ();
    uint32_t number = 0;
    CHECK (has_event (& uart, 1, HEDGE_SLOT_OK, & number));
    CHECK_EQUAL (number, 1 << 20);
    CHECK_EQUAL (answer_to (& uart, 2).source, HEDGE_BY_EDGE);
}

/** Whatever fits the frame is a threshold; the module takes less. */
static void the_highest_threshold_lets_every_sample_exit (void)
{
    start ();
    ask (& uart, & (hedge_command) { .request = 1, .operation = HEDGE_THRESHOLD, .number = UINT32_MAX });
    settle ();
    ask_sample (& uart, 2, PROBE_FINE, 1, UNSURE);
    settle ();
    CHECK_EQUAL (answer_to (& uart, 2).source, HEDGE_BY_EDGE);
}

static void a_flood_of_commands_does_not_keep_the_model_waiting (void)
{
    start ();
    ask_sample (& uart, 1, PROBE_FINE, 1, SURE);
    /* As many questions as the device has turns: the steps come in between. */
    for (uint32_t i = 0; i < 20; ++i)
    {
        ask (& net, & (hedge_command) { .request = 100 + i, .operation = HEDGE_THRESHOLD, .number = UINT32_MAX });
        hedge_device_poll (& device);
    }
    CHECK_EQUAL (answer_to (& uart, 1).source, HEDGE_BY_EDGE);
}

static void frames_from_two_ports_do_not_mix_and_torn_ones_vanish (void)
{
    start ();
    uint8_t frame [2] [4096];
    uint32_t length [2];
    const uint8_t chunk [1024] = { 0 };
    for (uint32_t i = 0; i < 2; ++i)
        length [i] = write_command (frame [i], sizeof frame [i], & (hedge_command) {
            .request = 1 + i, .operation = HEDGE_CHUNK, .data = chunk, .data_bytes = sizeof chunk });
    bench_port * const ports [2] = { & net, & uart };
    for (uint32_t i = 0; i < 2; ++i) CHECK (hedge_device_frame_begin (& device, & ports [i]->port, HEDGE_FRAME_COMMAND, HEDGE_LENGTH_UNKNOWN));
    for (uint32_t at = 0; at < length [0]; at += 10)
        for (uint32_t i = 0; i < 2; ++i)
            hedge_device_frame_data (& device, & ports [i]->port, frame [i] + at, length [i] - at < 10 ? length [i] - at : 10);
    for (uint32_t i = 0; i < 2; ++i) hedge_device_frame_end (& device, & ports [i]->port);
    settle ();
    for (uint32_t i = 0; i < 2; ++i) CHECK (has_event (ports [i], 1 + i, HEDGE_SLOT_NO_UPDATE, NULL));

    for (uint32_t round = 0; round < 10; ++round)
    {
        CHECK (hedge_device_frame_begin (& device, & net.port, HEDGE_FRAME_COMMAND, length [0]));
        hedge_device_frame_data (& device, & net.port, frame [0], 600);
        if (round % 2) hedge_device_frame_abandon (& device, & net.port);
    }
    hedge_device_frame_abandon (& device, & net.port);
    for (uint32_t i = 0; i < HEDGE_QUEUE_PLACES; ++i) CHECK_EQUAL (device.queue.places [i].state, HEDGE_PLACE_FREE);
    hedge_device_frame_data (& device, & net.port, frame [0], 10);
    hedge_device_frame_end (& device, & net.port);
    settle ();
    CHECK_EQUAL (net.count, 1);
}

/** Frames of all lengths about those of the places, in one piece or many, write into one place and nowhere else. */
static void a_frame_touches_only_its_place (void)
{
    static uint8_t frame [HEDGE_QUEUE_FRAME_BYTES + 20];
    static const uint32_t sizes [] = { HEDGE_SMALL_COMMAND_BYTES, HEDGE_QUEUE_FRAME_BYTES };
    memset (frame, 0x55, sizeof frame);
    for (uint32_t i = 0; i < 2; ++i)
        for (uint32_t length = sizes [i] - 10; length < sizes [i] + 20; ++length)
            for (uint32_t pieces = 0; pieces < 2; ++pieces)
            {
                start ();
                hedge_queue * queue = & device.queue;
                memset (queue->large, 0xEE, sizeof queue->large);
                memset (queue->small, 0xEE, sizeof queue->small);
                if (pieces) bring (& uart, HEDGE_FRAME_COMMAND, frame, length);
                else
                {
                    CHECK (hedge_device_frame_begin (& device, & uart.port, HEDGE_FRAME_COMMAND, HEDGE_LENGTH_UNKNOWN));
                    hedge_device_frame_data (& device, & uart.port, frame, length);
                    hedge_device_frame_end (& device, & uart.port);
                }
                settle ();
                CHECK_EQUAL (uart.count, 1);
                CHECK (has_event (& uart, 0, length <= HEDGE_QUEUE_FRAME_BYTES ? HEDGE_EVENT_BAD_FRAME : HEDGE_EVENT_WRONG_SIZE, NULL));
                const bool small = length <= HEDGE_SMALL_COMMAND_BYTES;
                const uint8_t * const smalls = queue->small [0], * const large = queue->large [0];
                for (uint32_t at = 0; at < sizeof queue->small; ++at) CHECK_EQUAL (smalls [at], small && at < length ? 0x55 : 0xEE);
                const uint32_t most = length <= HEDGE_QUEUE_FRAME_BYTES ? length : HEDGE_QUEUE_FRAME_BYTES;
                uint32_t written = 0;
                while (written < sizeof queue->large && large [written] == 0x55) ++written;
                CHECK (small ? written == 0 : length <= HEDGE_QUEUE_FRAME_BYTES ? written == length : written <= most);
                for (uint32_t at = written; at < sizeof queue->large; ++at) CHECK_EQUAL (large [at], 0xEE);
            }
}

/** A port that is gone keeps its newest replies, and holds up nobody. */
static void replies_wait_for_their_port (void)
{
    start ();
    uart.is_ready = false;
    for (uint32_t request = 1; request <= 2 * HEDGE_REPLIES; ++request)
    {
        ask_sample (& uart, request, PROBE_FINE, 1, SURE);
        settle ();
    }
    ask_sample (& net, 100, PROBE_FINE, 1, SURE);
    settle ();
    CHECK_EQUAL (answer_to (& net, 100).label, 1);
    uart.is_ready = true;
    settle ();
    CHECK_EQUAL (uart.count, HEDGE_REPLIES - 1);
    for (uint32_t i = 0; i < uart.count; ++i) CHECK_EQUAL (read_answer (& uart.sent [i]).request, HEDGE_REPLIES + 2 + i);
    CHECK_EQUAL (device.replies.dropped, HEDGE_REPLIES + 1);
}

/** A port that is there but slow slows down the engine instead of losing answers. */
static void answers_to_a_slow_port_are_not_lost (void)
{
    start ();
    uart.room = 0;
    uint32_t asked = 0;
    for (; asked < HEDGE_REPLIES + HEDGE_QUEUE_FRAMES; ++asked)
    {
        ask_sample (& uart, 1 + asked, PROBE_FINE, 1, SURE);
        settle ();
    }
    CHECK_EQUAL (device.counts.samples, HEDGE_REPLIES);
    uart.room = UINT32_MAX;
    settle ();
    for (uint32_t request = 1; request <= asked; ++request) CHECK_EQUAL (answer_to (& uart, request).source, HEDGE_BY_EDGE);
    CHECK_EQUAL (device.replies.dropped, 0);
}

static void the_description_tells_what_was_counted (void)
{
    start ();
    ask_sample (& uart, 1, PROBE_FINE, 1, SURE);
    pass (3500);
    ask_for (& uart, 2, HEDGE_DESCRIBE);
    settle ();
    hedge_unpacker io = open_sent (FIRST_REPLY (uart, HEDGE_FRAME_DESCRIPTION), 30);
    uint32_t length;
    CHECK_EQUAL (next_word (& io), 2);
    CHECK (memcmp (hedge_unpack_text (& io, 23, & length), "unnamed", 7) == 0);
    CHECK (memcmp (hedge_unpack_text (& io, 30, & length), "bench", 5) == 0);
    (void) hedge_unpack_text (& io, 30, & length);
    CHECK (memcmp (hedge_unpack_text (& io, 30, & length), "probe", 5) == 0);
    (void) hedge_unpack_bytes (& io, 32, 32, & length);
    uint32_t numbers [22];
    for (uint32_t i = 0; i < 22; ++i) numbers [i] = next_word (& io);
    CHECK (hedge_unpacked (& io));
    CHECK_EQUAL (numbers [0], 1); /* the model's counter */
    CHECK_EQUAL (numbers [2], 0); /* no trial */
    CHECK_EQUAL (numbers [3], 3); /* seconds */
    CHECK_EQUAL (numbers [4], BOARD_SOFTWARE_RESET);
    CHECK_EQUAL (numbers [5], 1); /* samples */
    CHECK_EQUAL (numbers [6], 1); /* exited */
    CHECK (numbers [16] > 0 && numbers [16] <= numbers [17]);
    CHECK_EQUAL (numbers [21], 4);
}

/* Trials. */

/** A device with the confirmed probe, and a new model in the other slot. */
static void try_model (const slot_image * image)
{
    start ();
    put_image (1, image);
    power_up ();
}

static void expect_restart (void)
{
    settle ();
    CHECK (hedge_device_wants_restart (& device));
}

/** The next life runs the confirmed probe, and the one behind it knows nothing of a trial. */
static void expect_reverted (bool is_news)
{
    expect_restart ();
    power_up ();
    settle ();
    uint32_t counter = 0;
    CHECK (has_event (& net, 0, HEDGE_EVENT_REVERTED, & counter) == is_news);
    CHECK (! is_news || counter == 2);
    power_up ();
    settle ();
    CHECK_EQUAL (net.count, 1);
    CHECK_EQUAL (boot.active, 0);
    CHECK (! boot.trial);
    uint32_t number = 0;
    CHECK (has_event (& net, 0, HEDGE_EVENT_STARTED, & number));
    CHECK_EQUAL (number, 1);
    ask_sample (& uart, 50, PROBE_FINE, 1, SURE);
    settle ();
    CHECK_EQUAL (answer_to (& uart, 50).source, HEDGE_BY_EDGE);
}

static void a_model_on_trial_is_tested_then_confirmed (void)
{
    const slot_image image = make_image (probe_wasm, 2, HEDGE_SLOT_HYBRID);
    try_model (& image);
    ask_for (& uart, 1, HEDGE_CONFIRM);
    ask_sample (& uart, 2, PROBE_FINE, 1, SURE);
    CHECK (device.engine.state == HEDGE_ENGINE_TESTING);
    settle ();
    uint32_t number = 0;
    CHECK (has_event (& net, 0, HEDGE_EVENT_STARTED, & number));
    CHECK_EQUAL (number, 2);
    CHECK (has_event (& uart, 1, HEDGE_SLOT_OK, & number));
    CHECK_EQUAL (number, 2);
    CHECK_EQUAL (answer_to (& uart, 2).source, HEDGE_BY_EDGE);
    CHECK_EQUAL (device.counts.samples, 1);
    pass (2 * CONFIRM);
    CHECK (! hedge_device_wants_restart (& device));
    power_up ();
    CHECK_EQUAL (boot.active, 1);
    CHECK (! boot.trial);
}

static void a_model_that_nobody_confirms_is_given_up (void)
{
    const slot_image image = make_image (probe_wasm, 2, HEDGE_SLOT_HYBRID);
    try_model (& image);
    pass (CONFIRM - 1);
    CHECK (! hedge_device_wants_restart (& device));
    ++clock_ms;
    expect_restart ();
    uint32_t number = 0;
    CHECK (has_event (& net, 0, HEDGE_SLOT_REJECTED, & number));
    CHECK_EQUAL (number, 2);
    expect_reverted (true);
}

static void a_model_that_traps_does_not_load_or_hangs_is_given_up (void)
{
    const slot_image broken = make_image (broken_wasm, 2, HEDGE_SLOT_HYBRID);
    try_model (& broken);
    expect_restart ();
    CHECK (has_event (& net, 0, HEDGE_SLOT_TRAPPED, NULL));
    expect_reverted (true);

    const slot_image unlinked = make_image (unlinked_wasm, 2, HEDGE_SLOT_HYBRID);
    try_model (& unlinked);
    expect_restart ();
    CHECK (has_event (& net, 0, HEDGE_SLOT_UNRUNNABLE, NULL));
    expect_reverted (true);

    /* The watchdog, or somebody who pulls the plug. */
    const slot_image hangs = make_image (probe_wasm, 2, HEDGE_SLOT_HYBRID);
    try_model (& hangs);
    CHECK (boot.trial);
    power_up ();
    settle ();
    CHECK (has_event (& net, 0, HEDGE_EVENT_REVERTED, NULL));
    CHECK_EQUAL (boot.active, 0);
}

/** A trial that ends before there is a network is given up once that was told why, or did not come. */
static void why_a_trial_ended_is_heard (void)
{
    const slot_image broken = make_image (broken_wasm, 2, HEDGE_SLOT_HYBRID);
    for (uint32_t comes = 0; comes < 2; ++comes)
    {
        try_model (& broken);
        net.is_ready = net.is_online = false;
        pass (5000);
        CHECK (! hedge_device_wants_restart (& device));
        net.is_ready = comes;
        if (comes) settle ();
        else pass (5000);
        CHECK (has_event (& net, 0, HEDGE_SLOT_TRAPPED, NULL) == comes);
        net.is_ready = true;
        expect_reverted (true);
    }
}

static void a_model_that_traps_on_a_sample_while_on_trial_is_given_up (void)
{
    const slot_image image = make_image (probe_wasm, 2, HEDGE_SLOT_HYBRID);
    try_model (& image);
    settle ();
    ask_sample (& uart, 1, PROBE_TRAPS, 0, 0);
    settle ();
    CHECK_EQUAL (answer_to (& uart, 1).source, HEDGE_NOT_TAKEN);
    expect_reverted (true);
}

static void a_trial_can_be_ended_by_command (void)
{
    const slot_image image = make_image (probe_wasm, 2, HEDGE_SLOT_HYBRID);
    try_model (& image);
    settle ();
    ask_for (& uart, 1, HEDGE_REVERT);
    settle ();
    CHECK (has_event (& uart, 1, HEDGE_SLOT_OK, NULL));
    expect_reverted (false);
    /* The confirmed one cannot be taken back. */
    ask_for (& uart, 2, HEDGE_REVERT);
    settle ();
    CHECK (! has_event (& uart, 2, HEDGE_SLOT_OK, NULL));
    CHECK (! hedge_device_wants_restart (& device));
}

/* Updates. */

static uint32_t reply_number (uint32_t request)
{
    uint32_t number = UINT32_MAX;
    CHECK (has_event (& uart, request, HEDGE_SLOT_OK, & number));
    return number;
}

/** Chunks up to `until`, from where the device says; returns the next request. */
static uint32_t send_chunks (const slot_image * image, uint32_t request, uint32_t until)
{
    ask (& uart, & (hedge_command) { .request = request, .operation = HEDGE_UPDATE, .data = image->bytes, .data_bytes = HEDGE_SLOT_HEADER_BYTES });
    settle ();
    uint32_t next = reply_number (request++);
    const uint32_t total = image->length - HEDGE_SLOT_HEADER_BYTES;
    while (next < total && next < until)
    {
        const uint8_t * bytes = image->bytes + HEDGE_SLOT_HEADER_BYTES + next;
        const uint32_t length = total - next < 64 ? total - next : 64;
        ask (& uart, & (hedge_command) {
            .request = request, .operation = HEDGE_CHUNK, .number = next, .check = hedge_crc32 (0, bytes, length), .data = bytes, .data_bytes = length });
        settle ();
        next = reply_number (request++);
    }
    return request;
}

static void a_new_model_comes_in_by_commands_also_with_a_reset_in_between (void)
{
    start ();
    const slot_image image = make_image (probe_wasm, 2, HEDGE_SLOT_HYBRID);
    uint32_t request = send_chunks (& image, 1, 200);
    power_up ();
    CHECK (! boot.trial);
    request = send_chunks (& image, request, UINT32_MAX);
    ask_sample (& net, 99, PROBE_FINE, 1, UNSURE);
    settle ();
    ask_for (& uart, request, HEDGE_INSTALL);
    settle ();
    CHECK_EQUAL (reply_number (request), 0);
    /* What was held gets its last answer. */
    CHECK_EQUAL (answer_to (& net, 99).source, HEDGE_BY_FALLBACK);
    CHECK (hedge_device_wants_restart (& device));
    power_up ();
    CHECK (boot.trial);
    CHECK_EQUAL (boot.active, 1);
}

static void bad_updates_are_refused_with_a_reason (void)
{
    start ();
    slot_image image = make_image (probe_wasm, 2, HEDGE_SLOT_HYBRID);
    ask (& uart, & (hedge_command) { .request = 1, .operation = HEDGE_UPDATE, .data = image.bytes, .data_bytes = 255 });
    image.bytes [0] ^= 1;
    ask (& uart, & (hedge_command) { .request = 2, .operation = HEDGE_UPDATE, .data = image.bytes, .data_bytes = HEDGE_SLOT_HEADER_BYTES });
    settle ();
    ask (& uart, & (hedge_command) { .request = 3, .operation = HEDGE_UPDATE, .data = probe.bytes, .data_bytes = HEDGE_SLOT_HEADER_BYTES });
    ask_for (& uart, 4, HEDGE_INSTALL);
    settle ();
    CHECK (has_event (& uart, 1, HEDGE_SLOT_BAD_HEADER, NULL));
    CHECK (has_event (& uart, 2, HEDGE_SLOT_BAD_HEADER, NULL));
    CHECK (has_event (& uart, 3, HEDGE_SLOT_OLD_COUNTER, NULL));
    CHECK (has_event (& uart, 4, HEDGE_SLOT_NO_UPDATE, NULL));
    CHECK (! hedge_device_wants_restart (& device));
}

static void a_restart_ends_everything_with_an_answer (void)
{
    start ();
    net.is_online = false;
    for (uint32_t request = 1; request <= HEDGE_HELD_SAMPLES + 2; ++request) ask_sample (& uart, request, PROBE_FINE, 1, UNSURE), settle ();
    ask_for (& uart, 20, HEDGE_RESTART);
    settle ();
    CHECK (has_event (& uart, 20, HEDGE_SLOT_OK, NULL));
    for (uint32_t request = 1; request <= HEDGE_HELD_SAMPLES + 1; ++request) CHECK_EQUAL (answer_to (& uart, request).source, HEDGE_BY_FALLBACK);
    CHECK_EQUAL (answer_to (& uart, HEDGE_HELD_SAMPLES + 2).source, HEDGE_NOT_TAKEN);
    CHECK (hedge_device_wants_restart (& device));
}

/** Nobody there to hear it does not keep a device from starting again; nobody listening does for a while. */
static void a_restart_waits_for_its_last_words (void)
{
    start ();
    uart.room = 0;
    ask_for (& uart, 1, HEDGE_RESTART);
    settle ();
    CHECK (! hedge_device_wants_restart (& device));
    pass (2000);
    CHECK (hedge_device_wants_restart (& device));
    start ();
    ask_for (& uart, 1, HEDGE_RESTART);
    uart.is_ready = false;
    settle ();
    CHECK (hedge_device_wants_restart (& device));
}

int main (int argc, char ** argv)
{
    CHECK (argc == 4);
    probe_wasm = read_wasm (argv [1]);
    broken_wasm = read_wasm (argv [2]);
    unlinked_wasm = read_wasm (argv [3]);
    probe = make_image (probe_wasm, 1, HEDGE_SLOT_HYBRID);
    TEST (sure_samples_are_answered_by_the_edge);
    TEST (unsure_samples_get_the_clouds_answer);
    TEST (only_the_first_result_of_its_own_samples_and_model_counts);
    TEST (what_the_cloud_refuses_falls_back_at_once);
    TEST (offers_are_repeated_until_the_deadline);
    TEST (nothing_is_offered_before_the_time_is_known);
    TEST (what_waits_is_offered_again_behind_a_reconnection);
    TEST (a_port_that_is_full_for_a_moment_costs_no_attempt);
    TEST (no_more_samples_are_taken_than_fit);
    TEST (a_burst_of_samples_is_refused_one_by_one);
    TEST (the_deadline_counts_from_the_edges_answer);
    TEST (a_full_queue_still_answers_questions);
    TEST (a_sample_that_traps_is_refused_and_the_next_runs);
    TEST (what_is_no_sample_of_the_model_is_refused);
    TEST (without_a_model_there_are_no_answers);
    TEST (a_sensor_may_hand_in_samples);
    TEST (edge_only_models_answer_every_sample);
    TEST (the_threshold_can_be_set);
    TEST (the_highest_threshold_lets_every_sample_exit);
    TEST (a_flood_of_commands_does_not_keep_the_model_waiting);
    TEST (frames_from_two_ports_do_not_mix_and_torn_ones_vanish);
    TEST (a_frame_touches_only_its_place);
    TEST (replies_wait_for_their_port);
    TEST (answers_to_a_slow_port_are_not_lost);
    TEST (the_description_tells_what_was_counted);
    TEST (a_model_on_trial_is_tested_then_confirmed);
    TEST (a_model_that_nobody_confirms_is_given_up);
    TEST (a_model_that_traps_does_not_load_or_hangs_is_given_up);
    TEST (why_a_trial_ended_is_heard);
    TEST (a_model_that_traps_on_a_sample_while_on_trial_is_given_up);
    TEST (a_trial_can_be_ended_by_command);
    TEST (a_new_model_comes_in_by_commands_also_with_a_reset_in_between);
    TEST (bad_updates_are_refused_with_a_reason);
    TEST (a_restart_ends_everything_with_an_answer);
    TEST (a_restart_waits_for_its_last_words);
    return 0;
}
