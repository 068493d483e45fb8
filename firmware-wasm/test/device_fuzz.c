/**
 * Lives of a device among ports that come and go, time that jumps, and frames that are good, damaged, torn or made up: `device_fuzz PROBE BROKEN
 * UNLINKED SEED LIVES`. Whatever comes, no sample has two answers, the books balance, and at the end everything is free again.
 */
#include "rig.h"

#define STEPS 80
#define MAX_REQUESTS 256
/** Requests of whole samples count from here, where no damage takes others. */
#define FIRST_REQUEST 0xa5a5a500u

static slot_image images [3];

/** Of the requests of a life: whether it was a sample that came whole, and its answers. */
static struct { bool asked; uint8_t answers; } requests [MAX_REQUESTS];
static uint32_t next_request;
static uint32_t frames_brought;
/** Lives whose books were balanced at their end. */
static uint32_t accounted;

/** The newest offload, to be answered. */
static sent_frame last_offload;

/** No sample is offered for longer than it may wait. */
static void look_at_offload (const sent_frame * sent)
{
    const uint8_t * payload;
    const hedge_offload offload = read_offload (sent, & payload);
    CHECK (offload.deadline <= device.epoch_ms + DEADLINE);
    last_offload = * sent;
}

/** Notes what was sent, and forgets it. */
static void look (bench_port * port)
{
    for (uint32_t i = 0; i < port->count; ++i)
    {
        const sent_frame * sent = & port->sent [i];
        if (sent->type == HEDGE_FRAME_OFFLOAD) look_at_offload (sent);
        if (sent->type == HEDGE_FRAME_EVENT) (void) read_event (sent);
        if (sent->type != HEDGE_FRAME_ANSWER) continue;
        const hedge_answer answer = read_answer (sent);
        const uint32_t request = answer.request - FIRST_REQUEST;
        if (request < MAX_REQUESTS && requests [request].asked) CHECK_EQUAL (++requests [request].answers, 1);
    }
    port->count = 0;
}

static void look_at_both (void)
{
    look (& net);
    look (& uart);
}

static bench_port * any_port (void)
{
    return random_below (2) ? & net : & uart;
}

static uint32_t any_word (void)
{
    static const uint32_t words [] = { 0, 1, 2, 63, 64, 255, 65535, 1 << 16, INT32_MAX, UINT32_MAX };
    return random_below (2) ? words [random_below (10)] : random_word ();
}

/** A command that makes sense, more or less; its length. */
static uint32_t any_command (uint8_t * o_frame, uint32_t room)
{
    const slot_image * image = & images [random_below (3)];
    hedge_command command = { .request = 1 + random_below (1000), .operation = (hedge_operation) random_below (9), .number = any_word () };
    if (command.operation == HEDGE_UPDATE)
    {
        command.data = image->bytes;
        command.data_bytes = HEDGE_SLOT_HEADER_BYTES;
    }
    if (command.operation == HEDGE_CHUNK)
    {
        const uint32_t total = image->length - HEDGE_SLOT_HEADER_BYTES;
        command.number = random_below (2) ? boot.written : random_below (total) / 32 * 32;
        if (command.number > total) command.number = 0;
        command.data = image->bytes + HEDGE_SLOT_HEADER_BYTES + command.number;
        command.data_bytes = total - command.number;
        command.check = random_below (8) ? hedge_crc32 (0, command.data, command.data_bytes) : any_word ();
    }
    return write_command (o_frame, room, & command);
}

static uint32_t any_result (uint8_t * o_frame)
{
    const uint8_t * payload;
    if (last_offload.length == 0) return 0;
    const hedge_offload offload = read_offload (& last_offload, & payload);
    const hedge_result result = {
        .model = offload.model,
        .session = offload.session,
        .sample = offload.sample - random_below (3),
        .state = (hedge_result_state) random_below (3),
        .label = random_below (4),
    };
    return write_result (o_frame, HEDGE_RESULT_LIMIT, & result);
}

/** Frames of all kinds, damaged now and then, or nothing but noise. */
static void bring_anything (void)
{
    static uint8_t frame [2 * HEDGE_QUEUE_FRAME_BYTES];
    const bool is_result = random_below (3) == 0;
    uint32_t length = is_result ? any_result (frame) : any_command (frame, sizeof frame);
    if (random_below (4) == 0)
    {
        length = random_below (random_below (4) ? 300 : sizeof frame);
        for (uint32_t i = 0; i < length; ++i) frame [i] = (uint8_t) random_word ();
    }
    for (uint32_t damage = random_below (3); damage && length; --damage) frame [random_below (length)] = (uint8_t) random_word ();
    if (random_below (8) == 0) length = random_below (length + 1);
    ++frames_brought;
    bring (any_port (), is_result ? HEDGE_FRAME_RESULT : HEDGE_FRAME_COMMAND, frame, length);
}

/** A whole sample: it has to be answered once, unless its answer is dropped. */
static void bring_sample (void)
{
    static const uint8_t behaviours [] = { PROBE_FINE, PROBE_FINE, PROBE_FINE, PROBE_FINE, PROBE_TRAPS, PROBE_NEVER_ENDS };
    if (next_request == MAX_REQUESTS) return;
    const uint32_t request = next_request++;
    requests [request].asked = true;
    ++frames_brought;
    ask_sample (any_port (), FIRST_REQUEST + request, behaviours [random_below (6)], (uint8_t) random_below (3), (uint8_t) random_word ());
}

/** A piece of a frame, and then nothing, or something else. */
static void bring_a_torn_frame (void)
{
    static uint8_t noise [HEDGE_QUEUE_FRAME_BYTES];
    bench_port * port = any_port ();
    ++frames_brought;
    (void) hedge_device_frame_begin (& device, & port->port, (hedge_frame_type) random_below (40), any_word ());
    hedge_device_frame_data (& device, & port->port, noise, random_below (sizeof noise));
    if (random_below (2)) hedge_device_frame_abandon (& device, & port->port);
}

static void change_the_world (void)
{
    bench_port * port = any_port ();
    switch (random_below (6))
    {
    case 0:
        port->is_ready = random_below (3) > 0;
        port->is_online = port->is_ready && random_below (3) > 0;
        break;
    case 1:
        hedge_device_connected (& device);
        net.is_ready = net.is_online = true;
        break;
    case 2:
        port->room = random_below (3) ? UINT32_MAX : random_below (3);
        break;
    case 3:
        hedge_device_set_time (& device, ((uint64_t) random_word () << 20) + random_word ());
        break;
    case 4:
    {
        /* Just before a deadline. */
        const hedge_offer * offer = & device.offers.offers [random_below (HEDGE_HELD_SAMPLES)];
        if (offer->held && (int32_t) (offer->deadline - 1 - clock_ms) > 0) clock_ms = offer->deadline - 1;
        break;
    }
    default:
        clock_ms += random_below (4) ? random_below (200) : random_below (3 * DEADLINE);
    }
}

static void step (void)
{
    switch (random_below (8))
    {
    case 0: case 1: case 2:
        bring_anything ();
        break;
    case 3: case 4:
        bring_sample ();
        break;
    case 5:
        bring_a_torn_frame ();
        break;
    default:
        change_the_world ();
    }
    /* Sometimes more comes before the device has its turn. */
    if (random_below (3)) settle ();
    else (void) hedge_device_poll (& device);
    look_at_both ();
}

/** Everything gets its time and its way out: then nothing is held any more, and what was counted adds up. */
static void wind_up (void)
{
    bench_port * const ports [] = { & net, & uart };
    for (uint32_t i = 0; i < 2; ++i)
    {
        hedge_device_frame_abandon (& device, & ports [i]->port);
        ports [i]->is_ready = true;
        ports [i]->room = UINT32_MAX;
    }
    for (uint32_t round = 0; round < 2 * HEDGE_QUEUE_FRAMES + 4; ++round)
    {
        settle ();
        look_at_both ();
        clock_ms += DEADLINE;
    }
    const hedge_counts * c = & device.counts;
    if (device.restarts)
    {
        CHECK (hedge_device_wants_restart (& device));
        return;
    }
    ++accounted;
    CHECK_EQUAL (device.engine.state, HEDGE_ENGINE_IDLE);
    CHECK_EQUAL (device.replies.count, 0);
    for (uint32_t i = 0; i < HEDGE_QUEUE_PLACES; ++i) CHECK_EQUAL (device.queue.places [i].state, HEDGE_PLACE_FREE);
    for (uint32_t i = 0; i < HEDGE_HELD_SAMPLES; ++i) CHECK (! device.offers.offers [i].held);
    CHECK_EQUAL (c->samples, c->exited + c->offloaded);
    CHECK_EQUAL (c->offloaded, c->answered + c->unconfirmed);
    CHECK (c->refused <= c->unconfirmed && c->offered >= c->answered);
    /* Refusals that found no room are dropped. */
    if (device.replies.dropped == 0)
        for (uint32_t request = 0; request < next_request; ++request) CHECK_EQUAL (requests [request].answers, 1);
}

static void forget (void)
{
    memset (requests, 0, sizeof requests);
    next_request = 0;
    last_offload.length = 0;
}

/** The device is started again, as it asks for: what it answers for is the next life's business. */
static void restart (void)
{
    wind_up ();
    power_up ();
    forget ();
}

static void live (void)
{
    forget ();
    start_with (& images [0]);
    if (random_below (2))
    {
        put_image (1, & images [random_below (3)]);
        power_up ();
    }
    for (uint32_t i = 0; i < STEPS; ++i)
    {
        step ();
        if (device.restarts || random_below (STEPS) == 0) restart ();
    }
    wind_up ();
}

int main (int argc, char ** argv)
{
    CHECK (argc == 6);
    for (uint32_t i = 0; i < 3; ++i) images [i] = make_image (read_wasm (argv [1 + i]), 1 + i, HEDGE_SLOT_HYBRID);
    clock_runs = true;
    const uint32_t seed = (uint32_t) strtoul (argv [4], NULL, 10), lives = (uint32_t) strtoul (argv [5], NULL, 10);
    for (uint32_t i = 0; i < lives; ++i)
    {
        random_state = ((uint64_t) seed << 32) + i;
        fprintf (stderr, "life %u\n", i);
        live ();
    }
    printf ("lives %u accounted %u frames %u\n", lives, accounted, frames_brought);
    return 0;
}
