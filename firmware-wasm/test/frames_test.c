/**
 * Frames and configurations between this side and TypeScript's: reads lines, answers each with one. What is read is told apart into its fields;
 * what is to be written is given by its fields. Bytes are in hexadecimal.
 *
 *   result HEX | command HEX | config HEX     -> the fields, or "refused"
 *   offload SESSION SAMPLE DEADLINE ATTEMPT LABEL ENTROPY MODEL PAYLOAD
 *   answer REQUEST SOURCE LABEL EDGE_LABEL ENTROPY ATTEMPTS MICROS CHECK
 *   event REQUEST CODE NUMBER SENTENCE...
 *   description REQUEST MODEL N1 ... N22      -> the frame
 */
#include <inttypes.h>
#include <string.h>

#include "check.h"
#include "config.h"
#include "crypto.h"
#include "frames.h"

#define MAX_LINE (1 << 16)

static char line [MAX_LINE];

/** The bytes in hexadecimal, in memory of their very size, so that reading beyond it is caught. */
static uint8_t * bytes_of (const char * text, uint32_t * o_length)
{
    * o_length = (uint32_t) strlen (text) / 2;
    uint8_t * bytes = malloc (* o_length);
    for (uint32_t i = 0; i < * o_length; ++i)
    {
        unsigned byte;
        CHECK (sscanf (text + 2 * i, "%2x", & byte) == 1);
        bytes [i] = (uint8_t) byte;
    }
    return bytes;
}

static void print_bytes (const uint8_t * bytes, uint32_t length)
{
    for (uint32_t i = 0; i < length; ++i) printf ("%02x", bytes [i]);
    puts (length ? "" : "-");
}

static const char * next_text (void)
{
    const char * text = strtok (NULL, " ");
    CHECK (text);
    return text;
}

static uint64_t next_number (void)
{
    return strtoull (next_text (), NULL, 10);
}

static uint32_t next_word (void)
{
    return (uint32_t) next_number ();
}

static void read_result (const uint8_t * frame, uint32_t length)
{
    hedge_result r;
    if (! hedge_read_result (frame, length, & r))
    {
        puts ("refused");
        return;
    }
    printf ("%u %u %d %u ", r.session, r.sample, (int) r.state, r.label);
    print_bytes (r.model, 32);
}

static void read_command (const uint8_t * frame, uint32_t length)
{
    hedge_command c;
    uint32_t request = 0;
    hedge_operation operation = HEDGE_DESCRIBE;
    const bool known = hedge_read_request (frame, length, & request, & operation);
    if (! hedge_read_command (frame, length, & c))
    {
        puts ("refused");
        return;
    }
    CHECK (known && request == c.request && operation == c.operation);
    printf ("%u %d %u %u ", c.request, (int) c.operation, c.number, c.check);
    print_bytes (c.data, c.data_bytes);
}

static void read_config (const uint8_t * area, uint32_t length)
{
    hedge_config c;
    if (! hedge_config_read (area, length, & c))
    {
        puts ("refused");
        return;
    }
    printf ("%s %d %s %u %u %u %u %u %s %u %u %u %u %u %u %u\n", c.id, (int) c.transport, c.broker [0] ? c.broker : "-", c.broker_port, c.tls, c.ca.length,
            c.certificate.length, c.key.length, c.time_server [0] ? c.time_server : "-", c.time_port, c.signer [0].length, c.signer [1].length,
            c.deadline_ms, c.retry_first_ms, c.retry_longest_ms, c.confirm_ms);
}

static void write_offload (void)
{
    uint32_t model_bytes;
    hedge_offload o = { .session = next_word () };
    o.sample = next_word ();
    o.deadline = next_number ();
    o.attempt = next_word ();
    o.label = next_word ();
    o.entropy = next_word ();
    uint8_t * model = bytes_of (next_text (), & model_bytes);
    CHECK_EQUAL (model_bytes, 32);
    uint8_t * payload = bytes_of (next_text (), & o.payload_bytes);
    o.model = model;
    uint8_t frame [HEDGE_OFFLOAD_OVERHEAD + 4096];
    const uint32_t head = hedge_write_offload_head (frame, HEDGE_OFFLOAD_OVERHEAD, & o);
    CHECK (head > 0);
    for (uint32_t room = 0; room < head; ++room) CHECK_EQUAL (hedge_write_offload_head (frame, room, & o), 0);
    CHECK_EQUAL (hedge_write_offload_head (frame, head, & o), head);
    memcpy (frame + head, payload, o.payload_bytes);
    print_bytes (frame, head + o.payload_bytes);
    free (model);
    free (payload);
}

static void write_answer (void)
{
    hedge_answer a = { .request = next_word () };
    a.source = (hedge_answer_source) next_word ();
    a.label = next_word ();
    a.edge_label = next_word ();
    a.entropy = next_word ();
    a.attempts = next_word ();
    a.micros = next_word ();
    a.check = next_word ();
    uint8_t frame [HEDGE_SMALL_FRAME_LIMIT];
    const uint32_t length = hedge_write_answer (frame, sizeof frame, & a);
    CHECK_EQUAL (hedge_write_answer (frame, length - 1, & a), 0);
    print_bytes (frame, hedge_write_answer (frame, length, & a));
}

static void write_event (void)
{
    hedge_event e = { .request = next_word () };
    e.code = next_word ();
    e.number = next_word ();
    e.sentence = strtok (NULL, "");
    uint8_t frame [HEDGE_SMALL_FRAME_LIMIT];
    print_bytes (frame, hedge_write_event (frame, sizeof frame, & e));
}

static void write_description (void)
{
    uint32_t model_bytes;
    hedge_description d = { .request = next_word (), .device = "porch", .board = "host", .firmware = "1.2.3", .model_name = "tiny" };
    const char * model = next_text ();
    uint8_t * digest = strcmp (model, "-") ? bytes_of (model, & model_bytes) : NULL;
    d.model = digest;
    uint32_t * const numbers [] = {
        & d.counter, & d.slot, & d.trial, & d.uptime_s, & d.reset_cause, & d.samples, & d.exited, & d.offloaded, & d.offered, & d.answered, & d.refused,
        & d.unconfirmed, & d.duplicates, & d.invalid, & d.dropped, & d.reconnects, & d.heap_peak, & d.heap_bytes, & d.stack_peak, & d.stack_bytes,
        & d.static_bytes, & d.ram_bytes
    };
    for (uint32_t i = 0; i < 22; ++i) * numbers [i] = next_word ();
    uint8_t frame [HEDGE_SMALL_FRAME_LIMIT];
    print_bytes (frame, hedge_write_description (frame, sizeof frame, & d));
    free (digest);
}

int main (void)
{
    while (fgets (line, sizeof line, stdin))
    {
        line [strcspn (line, "\n")] = 0;
        const char * what = strtok (line, " ");
        CHECK (what);
        if (strcmp (what, "offload") == 0) write_offload ();
        else if (strcmp (what, "answer") == 0) write_answer ();
        else if (strcmp (what, "event") == 0) write_event ();
        else if (strcmp (what, "description") == 0) write_description ();
        else
        {
            uint32_t length = 0;
            const char * hex = strtok (NULL, " ");
            uint8_t * frame = bytes_of (hex ? hex : "", & length);
            if (strcmp (what, "result") == 0) read_result (frame, length);
            else if (strcmp (what, "command") == 0) read_command (frame, length);
            else read_config (frame, length);
            free (frame);
        }
    }
    return 0;
}
