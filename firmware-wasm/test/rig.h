/**
 * A device on a bench: the real core with wasm3, slots and flash, between ports, a clock and a generator of random numbers that the test
 * has in its hands. Signatures count as good here, for what they cost; slots have tests of their own.
 *
 * The probe module (test/support/probe.ts) takes four bytes: how it behaves (a PROBE_...), the label, the entropy in 2^-7 nats, and one more.
 */
#ifndef HEDGE_TEST_RIG_H
#define HEDGE_TEST_RIG_H

#include <string.h>

#include "board.h"
#include "check.h"
#include "crypto.h"
#include "device.h"
#include "msgpack.h"
#include "random.h"

/* The board. */

static uint32_t clock_ms;
/** Whether time passes while the device works, too. */
static bool clock_runs;

const char board_name [] = "bench";
uint32_t board_millis (void) { return clock_runs && random_below (4) == 0 ? clock_ms += 1 + random_below (3) : clock_ms; }
uint32_t board_micros (void) { return clock_ms * 1000; }
void board_random (uint8_t * o_bytes, size_t length) { while (length--) * o_bytes++ = (uint8_t) random_word (); }
board_reset_cause_t board_reset_cause (void) { return BOARD_SOFTWARE_RESET; }
uint32_t board_stack_peak (void) { return 1; }
uint32_t board_stack_bytes (void) { return 2; }
uint32_t board_static_bytes (void) { return 3; }
uint32_t board_ram_bytes (void) { return 4; }

/* Its flash. */

#define SECTOR 4096
#define SLOT_BYTES (4 * SECTOR)
#define FLASH_BYTES (2 * SLOT_BYTES)

_Alignas (8) static uint8_t flash_bytes [FLASH_BYTES];

static inline bool flash_erase (const hedge_flash * flash, uint32_t offset)
{
    (void) flash;
    CHECK (offset % SECTOR == 0 && offset < FLASH_BYTES);
    memset (flash_bytes + offset, 0xFF, SECTOR);
    return true;
}

static inline bool flash_program (const hedge_flash * flash, uint32_t offset, const uint8_t * bytes, uint32_t length)
{
    CHECK (offset % flash->program_bytes == 0 && length % flash->program_bytes == 0 && offset + length <= FLASH_BYTES);
    for (uint32_t i = 0; i < length; ++i) flash_bytes [offset + i] &= bytes [i];
    return true;
}

static const hedge_flash flash = {
    .memory = flash_bytes,
    .sector_bytes = SECTOR,
    .program_bytes = 8,
    .erase = flash_erase,
    .program = flash_program,
    .slot_offset = { 0, SLOT_BYTES },
    .slot_bytes = SLOT_BYTES,
};

/* Cryptography. */

uint32_t hedge_crc32 (uint32_t crc, const uint8_t * bytes, uint32_t length)
{
    crc = ~ crc;
    while (length--)
    {
        crc ^= * bytes++;
        for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~ crc;
}

void hedge_sha256 (const uint8_t * bytes, uint32_t length, uint8_t o_digest [32])
{
    for (uint32_t word = 0; word < 8; ++word)
    {
        const uint32_t crc = hedge_crc32 (word, bytes, length);
        memcpy (o_digest + 4 * word, & crc, 4);
    }
}

bool hedge_ecdsa_verify (const uint8_t key [65], const uint8_t digest [32], const uint8_t signature [64])
{
    (void) key, (void) digest, (void) signature;
    return true;
}

/* Models. */

enum { PROBE_FINE = 0, PROBE_TRAPS = 2, PROBE_NEVER_ENDS = 3 };

typedef struct { const uint8_t * bytes; uint32_t length; } wasm_file;

/** What fits a slot: header, module, padding, weights. */
typedef struct { _Alignas (8) uint8_t bytes [SLOT_BYTES]; uint32_t length; } slot_image;

static const uint8_t signer [65] = { 4, 1, 2, 3 };

static inline wasm_file read_wasm (const char * path)
{
    static uint8_t room [3] [4096];
    static uint32_t next;
    FILE * file = fopen (path, "rb");
    CHECK (file && next < 3);
    wasm_file wasm = { room [next], (uint32_t) fread (room [next], 1, sizeof room [0], file) };
    fclose (file);
    ++next;
    return wasm;
}

static inline slot_image make_image (wasm_file wasm, uint32_t counter, uint32_t flags)
{
    static const uint8_t weights [3] = { 11, 22, 33 };
    slot_image image = { .length = 0 };
    hedge_slot_header header = {
        .magic = HEDGE_SLOT_MAGIC,
        .format = HEDGE_SLOT_FORMAT,
        .header_bytes = HEDGE_SLOT_HEADER_BYTES,
        .counter = counter,
        .flags = flags,
        .wasm_bytes = wasm.length,
        .weights_bytes = sizeof weights,
        .memory_bytes = 64,
        .stack_bytes = 1024,
        .input = 0,
        .input_bytes = 4,
        .threshold = 8,
        .result = 16,
        .result_count = 2,
        .payload = flags & HEDGE_SLOT_HYBRID ? 40 : 0,
        .payload_bytes = flags & HEDGE_SLOT_HYBRID ? 4 : 0,
        .steps = 3,
        .threshold_value = 1 << 15,
        .classes = 3,
        .name = "probe",
    };
    uint8_t digest [32];
    hedge_sha256 (signer, sizeof signer, digest);
    memcpy (header.key_id, digest, sizeof header.key_id);
    memset (header.digest, (int) counter, sizeof header.digest);
    memcpy (image.bytes + HEDGE_SLOT_HEADER_BYTES, wasm.bytes, wasm.length);
    const uint32_t weights_at = HEDGE_SLOT_HEADER_BYTES + (wasm.length + 7) / 8 * 8;
    memcpy (image.bytes + weights_at, weights, sizeof weights);
    image.length = weights_at + sizeof weights;
    hedge_sha256 (image.bytes + HEDGE_SLOT_HEADER_BYTES, image.length - HEDGE_SLOT_HEADER_BYTES, header.body_sha256);
    memcpy (image.bytes, & header, sizeof header);
    return image;
}

/* Ports that remember what was sent. */

typedef struct {
    hedge_frame_type type;
    uint32_t length;
    uint8_t bytes [HEDGE_OFFLOAD_OVERHEAD + HEDGE_PAYLOAD_BYTES];
} sent_frame;

typedef struct {
    hedge_port port;
    bool is_ready, is_online;
    uint32_t room; /* frames that it takes */
    sent_frame sent [64];
    uint32_t count;
} bench_port;

static inline bool bench_ready (hedge_port * port) { return ((bench_port *) port->context)->is_ready; }
static inline bool bench_online (hedge_port * port) { return ((bench_port *) port->context)->is_online; }

static inline bool bench_send (hedge_port * port, hedge_frame_type type, const uint8_t * frame, uint32_t length)
{
    bench_port * to = port->context;
    CHECK (to->is_ready && length > 0 && length <= sizeof to->sent [0].bytes);
    if (to->room == 0) return false;
    --to->room;
    /* The oldest is forgotten. */
    if (to->count == 64) memmove (to->sent, to->sent + 1, --to->count * sizeof to->sent [0]);
    sent_frame * sent = & to->sent [to->count++];
    sent->type = type;
    sent->length = length;
    memcpy (sent->bytes, frame, length);
    return true;
}

static inline void open_port (bench_port * io)
{
    * io = (bench_port) {
        .port = { .ready = bench_ready, .online = bench_online, .send = bench_send, .context = io },
        .is_ready = true,
        .is_online = true,
        .room = UINT32_MAX,
    };
}

/* The device. */

static hedge_config config;
static hedge_boot boot;
static hedge_device device;
/** The network and the link. */
static bench_port net, uart;

#define DEADLINE 2000
#define RETRY_FIRST 100
#define RETRY_LONGEST 400
#define CONFIRM 5000
#define NOW 1800000000000u

/** The device's next life, with what is in flash. */
static inline void power_up (void)
{
    const hedge_slot_limits limits = { HEDGE_HEAP_BYTES, HEDGE_HEAP_BYTES, HEDGE_INPUT_BYTES, HEDGE_PAYLOAD_BYTES };
    const hedge_trust trust = { .keys = { signer }, .count = 1 };
    if (device.has_model) hedge_model_unload (& device.model);
    hedge_config_blank (& config);
    config.deadline_ms = DEADLINE;
    config.retry_first_ms = RETRY_FIRST;
    config.retry_longest_ms = RETRY_LONGEST;
    config.confirm_ms = CONFIRM;
    open_port (& net);
    open_port (& uart);
    hedge_boot_start (& boot, & flash, & limits, & trust);
    hedge_device_start (& device, & config, & boot, & net.port);
}

static inline void put_image (uint32_t slot, const slot_image * image)
{
    memset (flash_bytes + slot * SLOT_BYTES, 0xFF, SLOT_BYTES);
    memcpy (flash_bytes + slot * SLOT_BYTES, image->bytes, image->length);
}

/** A device that runs a confirmed model, is connected, and knows the time. */
static inline void start_with (const slot_image * image)
{
    memset (flash_bytes, 0xFF, sizeof flash_bytes);
    put_image (0, image);
    power_up ();
    while (hedge_device_poll (& device)) {}
    CHECK_EQUAL (hedge_boot_confirm (& boot), HEDGE_SLOT_OK);
    power_up ();
    hedge_device_connected (& device);
    hedge_device_set_time (& device, NOW);
    while (hedge_device_poll (& device)) {}
    net.count = 0;
}

/** Works until there is nothing to do at once. */
static inline void settle (void)
{
    for (uint32_t i = 0; hedge_device_poll (& device); ++i) CHECK (i < 10000);
}

/** Lets time pass, a millisecond at a time. */
static inline void pass (uint32_t milliseconds)
{
    settle ();
    while (milliseconds--)
    {
        ++clock_ms;
        settle ();
    }
}

/** Brings a frame in pieces of random sizes. */
static inline void bring (bench_port * port, hedge_frame_type type, const uint8_t * frame, uint32_t length)
{
    if (! hedge_device_frame_begin (& device, & port->port, type, random_below (2) ? length : HEDGE_LENGTH_UNKNOWN)) return;
    for (uint32_t done = 0; done < length;)
    {
        const uint32_t left = length - done, size = 1 + random_below (left < 200 ? left : 200);
        hedge_device_frame_data (& device, & port->port, frame + done, size);
        done += size;
    }
    hedge_device_frame_end (& device, & port->port);
}

static inline uint32_t write_command (uint8_t * o_frame, uint32_t room, const hedge_command * command)
{
    hedge_packer io = { o_frame, o_frame + room, false };
    hedge_pack_array (& io, 7);
    hedge_pack_uint (& io, HEDGE_WIRE_VERSION);
    hedge_pack_uint (& io, HEDGE_FRAME_COMMAND);
    hedge_pack_uint (& io, command->request);
    hedge_pack_uint (& io, command->operation);
    hedge_pack_uint (& io, command->number);
    hedge_pack_uint (& io, command->check);
    hedge_pack_bytes (& io, command->data, command->data_bytes);
    CHECK (! io.failed);
    return (uint32_t) (io.at - o_frame);
}

static inline void ask (bench_port * port, const hedge_command * command)
{
    static uint8_t frame [2 * HEDGE_QUEUE_FRAME_BYTES];
    bring (port, HEDGE_FRAME_COMMAND, frame, write_command (frame, sizeof frame, command));
}

static inline void ask_for (bench_port * port, uint32_t request, hedge_operation operation)
{
    ask (port, & (hedge_command) { .request = request, .operation = operation });
}

static inline void ask_sample (bench_port * port, uint32_t request, uint8_t behaviour, uint8_t label, uint8_t entropy)
{
    const uint8_t input [4] = { behaviour, label, entropy, 77 };
    ask (port, & (hedge_command) { .request = request, .operation = HEDGE_SAMPLE, .data = input, .data_bytes = sizeof input });
}

static inline uint32_t write_result (uint8_t * o_frame, uint32_t room, const hedge_result * result)
{
    hedge_packer io = { o_frame, o_frame + room, false };
    hedge_pack_array (& io, 10);
    hedge_pack_uint (& io, HEDGE_WIRE_VERSION);
    hedge_pack_uint (& io, HEDGE_FRAME_RESULT);
    hedge_pack_bytes (& io, result->model, 32);
    hedge_pack_uint (& io, result->session);
    hedge_pack_uint (& io, result->sample);
    hedge_pack_uint (& io, result->state);
    hedge_pack_uint (& io, result->label);
    hedge_pack_uint (& io, 1);
    hedge_pack_text (& io, "worker");
    hedge_pack_uint (& io, 12);
    CHECK (! io.failed);
    return (uint32_t) (io.at - o_frame);
}

static inline void answer_with (const hedge_result * result)
{
    uint8_t frame [HEDGE_RESULT_LIMIT];
    bring (& net, HEDGE_FRAME_RESULT, frame, write_result (frame, sizeof frame, result));
}

/* What was sent, read back. */

static inline hedge_unpacker open_sent (const sent_frame * sent, uint32_t items)
{
    hedge_unpacker io = { sent->bytes, sent->bytes + sent->length, false };
    hedge_unpack_array (& io, items);
    CHECK_EQUAL (hedge_unpack_uint (& io, UINT32_MAX), HEDGE_WIRE_VERSION);
    CHECK_EQUAL (hedge_unpack_uint (& io, UINT32_MAX), sent->type);
    return io;
}

static inline uint32_t next_word (hedge_unpacker * io)
{
    return (uint32_t) hedge_unpack_uint (io, UINT32_MAX);
}

/** The first frame of a type at or behind `from`; NULL for none. */
static inline const sent_frame * find_sent (const bench_port * port, hedge_frame_type type, uint32_t from)
{
    for (uint32_t i = from; i < port->count; ++i)
        if (port->sent [i].type == type) return & port->sent [i];
    return NULL;
}

static inline uint32_t count_sent (const bench_port * port, hedge_frame_type type)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < port->count; ++i) count += port->sent [i].type == type;
    return count;
}

static inline hedge_answer read_answer (const sent_frame * sent)
{
    hedge_unpacker io = open_sent (sent, 10);
    hedge_answer answer;
    answer.request = next_word (& io);
    answer.source = (hedge_answer_source) next_word (& io);
    answer.label = next_word (& io);
    answer.edge_label = next_word (& io);
    answer.entropy = next_word (& io);
    answer.attempts = next_word (& io);
    answer.micros = next_word (& io);
    answer.check = next_word (& io);
    CHECK (hedge_unpacked (& io));
    return answer;
}

static inline hedge_event read_event (const sent_frame * sent)
{
    hedge_unpacker io = open_sent (sent, 6);
    hedge_event event;
    uint32_t length;
    event.request = next_word (& io);
    event.code = next_word (& io);
    event.number = next_word (& io);
    event.sentence = hedge_unpack_text (& io, HEDGE_SENTENCE_LENGTH, & length);
    CHECK (hedge_unpacked (& io) && length > 0);
    return event;
}

static inline hedge_offload read_offload (const sent_frame * sent, const uint8_t ** o_payload)
{
    hedge_unpacker io = open_sent (sent, 10);
    hedge_offload offload;
    uint32_t length;
    offload.model = hedge_unpack_bytes (& io, 32, 32, & length);
    offload.session = next_word (& io);
    offload.sample = next_word (& io);
    offload.deadline = hedge_unpack_uint (& io, UINT64_MAX);
    offload.attempt = next_word (& io);
    offload.label = next_word (& io);
    offload.entropy = next_word (& io);
    * o_payload = hedge_unpack_bytes (& io, 0, HEDGE_PAYLOAD_BYTES, & offload.payload_bytes);
    CHECK (hedge_unpacked (& io));
    return offload;
}

/** The answer to a request; fails when there is none, or more than one. */
static inline hedge_answer answer_to (const bench_port * port, uint32_t request)
{
    hedge_answer found = { .request = 0 };
    uint32_t count = 0;
    for (uint32_t i = 0; i < port->count; ++i)
    {
        if (port->sent [i].type != HEDGE_FRAME_ANSWER) continue;
        const hedge_answer answer = read_answer (& port->sent [i]);
        if (answer.request == request) found = answer, ++count;
    }
    CHECK_EQUAL (count, 1);
    return found;
}

/** Whether an event with such a request and code was sent; `o_number` may be NULL. */
static inline bool has_event (const bench_port * port, uint32_t request, uint32_t code, uint32_t * o_number)
{
    for (uint32_t i = 0; i < port->count; ++i)
    {
        if (port->sent [i].type != HEDGE_FRAME_EVENT) continue;
        const hedge_event event = read_event (& port->sent [i]);
        if (event.request != request || event.code != code) continue;
        if (o_number) * o_number = event.number;
        return true;
    }
    return false;
}

#endif
