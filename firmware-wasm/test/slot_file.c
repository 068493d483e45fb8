/**
 * Slots and configurations that other programs read and wrote: C and TypeScript held to each other.
 *
 * slot_file read IMAGE POINT   checks an image by the public key POINT (hex), in a slot of 112 KiB; prints the verdict and the header's fields
 * slot_file start SLOTS POINT  starts a device with such slots, one behind the other; prints which model runs
 * slot_file config BLOCK       prints what a device reads of its configuration
 */
#include <string.h>

#include "boot.h"
#include "check.h"
#include "config.h"

#define SECTOR 4096u
#define SLOT (28 * SECTOR)

static uint8_t memory [2 * SLOT] __attribute__ ((aligned (8)));

static uint32_t read_file (const char * path, uint8_t * o_bytes, uint32_t room)
{
    FILE * file = fopen (path, "rb");
    CHECK (file);
    const size_t length = fread (o_bytes, 1, room, file);
    CHECK (fgetc (file) == EOF);
    fclose (file);
    return (uint32_t) length;
}

static void print_hex (const char * name, const uint8_t * bytes, uint32_t length)
{
    printf ("%s ", name);
    for (uint32_t i = 0; i < length; ++i) printf ("%02x", bytes [i]);
    puts ("");
}

static uint8_t key [65];
static const hedge_trust trust = { { key }, 1 };
static const hedge_slot_limits limits = { .memory_bytes = 65536, .stack_bytes = 65536, .input_bytes = 65536, .payload_bytes = 65536 };

static void read_key (const char * point)
{
    CHECK_EQUAL (strlen (point), 2 * sizeof key);
    for (uint32_t i = 0; i < sizeof key; ++i)
    {
        unsigned value;
        CHECK_EQUAL (sscanf (point + 2 * i, "%2x", & value), 1);
        key [i] = (uint8_t) value;
    }
}

static bool program (const hedge_flash * of, uint32_t offset, const uint8_t * bytes, uint32_t length)
{
    (void) of;
    for (uint32_t i = 0; i < length; ++i) memory [offset + i] &= bytes [i];
    return true;
}

static const hedge_flash flash = {
    .memory = memory, .sector_bytes = SECTOR, .program_bytes = 1, .program = program, .slot_offset = { 0, SLOT }, .slot_bytes = SLOT,
};

static void start_with (const char * path)
{
    CHECK_EQUAL (read_file (path, memory, sizeof memory), sizeof memory);
    hedge_boot boot;
    hedge_boot_start (& boot, & flash, & limits, & trust);
    printf ("active %d\ntrial %d\nfloor %u\n", boot.active, boot.trial, boot.floor);
}

static void read_image (const char * path)
{
    memset (memory, 0xFF, sizeof memory);
    read_file (path, memory, SLOT - SECTOR);
    const hedge_slot_header * h = hedge_slot_at (& flash, 0);
    hedge_slot_verdict verdict = hedge_slot_check_header (h, SLOT, SECTOR, & limits, & trust);
    if (verdict == HEDGE_SLOT_OK) verdict = hedge_slot_check_body (& flash, 0, h);
    printf ("verdict %s\n", hedge_slot_verdict_text (verdict));
    if (verdict != HEDGE_SLOT_OK) return;
    printf ("counter %u\nhybrid %u\nwasmBytes %u\nweightsBytes %u\n", h->counter, h->flags & HEDGE_SLOT_HYBRID, h->wasm_bytes, h->weights_bytes);
    printf ("memoryBytes %u\nstackBytes %u\ninput %u\ninputBytes %u\n", h->memory_bytes, h->stack_bytes, h->input, h->input_bytes);
    printf ("threshold %u\nresult %u\nresultCount %u\npayload %u\n", h->threshold, h->result, h->result_count, h->payload);
    printf ("payloadBytes %u\nsteps %u\nthresholdValue %u\nclasses %u\n", h->payload_bytes, h->steps, h->threshold_value, h->classes);
    printf ("name %.32s\n", h->name);
    print_hex ("keyId", h->key_id, sizeof h->key_id);
    print_hex ("digest", h->digest, sizeof h->digest);
    print_hex ("bodySha256", h->body_sha256, sizeof h->body_sha256);
    print_hex ("wasm", hedge_slot_wasm (h), h->wasm_bytes);
    print_hex ("weights", hedge_slot_weights (h), h->weights_bytes);
}

static void read_config (const char * path)
{
    hedge_config c;
    const uint32_t length = read_file (path, memory, sizeof memory);
    if (! hedge_config_read (memory, length, & c))
    {
        puts ("refused");
        return;
    }
    printf ("id %s\ntransport %d\nbroker %s\nbrokerPort %u\ntls %u\n", c.id, c.transport, c.broker, c.broker_port, c.tls);
    print_hex ("ca", c.ca.bytes, c.ca.length);
    print_hex ("certificate", c.certificate.bytes, c.certificate.length);
    print_hex ("key", c.key.bytes, c.key.length);
    printf ("timeServer %s\ntimePort %u\n", c.time_server, c.time_port);
    print_hex ("signer0", c.signer [0].bytes, c.signer [0].length);
    print_hex ("signer1", c.signer [1].bytes, c.signer [1].length);
    printf ("deadlineMs %u\nretryFirstMs %u\nretryLongestMs %u\nconfirmMs %u\n", c.deadline_ms, c.retry_first_ms, c.retry_longest_ms, c.confirm_ms);
}

int main (int count, char ** arguments)
{
    if (count == 4) read_key (arguments [3]);
    if (count == 4 && strcmp (arguments [1], "read") == 0) read_image (arguments [2]);
    else if (count == 4 && strcmp (arguments [1], "start") == 0) start_with (arguments [2]);
    else if (count == 3 && strcmp (arguments [1], "config") == 0) read_config (arguments [2]);
    else CHECK (! "usage");
    return 0;
}
