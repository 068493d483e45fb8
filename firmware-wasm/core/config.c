/** The configuration area: seal first, then the fields, each in its range. */
#include "config.h"

#include <string.h>

#include "crypto.h"
#include "frames.h"
#include "msgpack.h"

#define HEADER_BYTES 16
#define ITEMS 16
/** Largest certificate or key. */
#define BLOB_LIMIT 4096
#define KEY_BYTES 65
/** Spans of time are compared in 32-bit milliseconds, which wrap around: none is longer than a day. */
#define LONGEST_MS 86400000u

static uint32_t word (const uint8_t * at)
{
    return at [0] | (uint32_t) at [1] << 8 | (uint32_t) at [2] << 16 | (uint32_t) at [3] << 24;
}

static void read_text (hedge_unpacker * io, char * o_text, uint32_t room)
{
    uint32_t length;
    const char * text = hedge_unpack_text (io, room - 1, & length);
    if (length) memcpy (o_text, text, length);
    o_text [length] = 0;
}

static hedge_blob read_blob (hedge_unpacker * io, uint32_t most)
{
    hedge_blob blob;
    blob.bytes = hedge_unpack_bytes (io, 0, most, & blob.length);
    return blob;
}

static uint32_t read_ms (hedge_unpacker * io)
{
    const uint32_t ms = (uint32_t) hedge_unpack_uint (io, LONGEST_MS);
    if (ms == 0) io->failed = true;
    return ms;
}

/** Whether the fields make sense together. */
static bool is_sound (const hedge_config * c)
{
    if (! hedge_is_name (c->id, (uint32_t) strlen (c->id)) || c->retry_first_ms > c->retry_longest_ms) return false;
    for (int i = 0; i < 2; ++i)
        if (c->signer [i].length != 0 && c->signer [i].length != KEY_BYTES) return false;
    if (c->transport == HEDGE_OVER_UART) return true;
    return c->broker [0] && c->broker_port && (! c->tls || c->ca.length) && (! c->time_server [0] || c->time_port)
        && (c->certificate.length == 0) == (c->key.length == 0);
}

bool hedge_config_read (const uint8_t * area, uint32_t area_bytes, hedge_config * o_config)
{
    if (area_bytes < HEADER_BYTES || word (area) != HEDGE_CONFIG_MAGIC || word (area + 4) != HEDGE_CONFIG_FORMAT) return false;
    const uint32_t length = word (area + 8);
    if (length > area_bytes - HEADER_BYTES || hedge_crc32 (0, area + HEADER_BYTES, length) != word (area + 12)) return false;

    hedge_config * c = o_config;
    hedge_unpacker io = { area + HEADER_BYTES, area + HEADER_BYTES + length, false };
    hedge_unpack_array (& io, ITEMS);
    read_text (& io, c->id, sizeof c->id);
    c->transport = (hedge_transport_kind) hedge_unpack_uint (& io, HEDGE_OVER_MQTT);
    read_text (& io, c->broker, sizeof c->broker);
    c->broker_port = (uint32_t) hedge_unpack_uint (& io, UINT16_MAX);
    c->tls = (uint32_t) hedge_unpack_uint (& io, 1);
    c->ca = read_blob (& io, BLOB_LIMIT);
    c->certificate = read_blob (& io, BLOB_LIMIT);
    c->key = read_blob (& io, BLOB_LIMIT);
    read_text (& io, c->time_server, sizeof c->time_server);
    c->time_port = (uint32_t) hedge_unpack_uint (& io, UINT16_MAX);
    c->signer [0] = read_blob (& io, KEY_BYTES);
    c->signer [1] = read_blob (& io, KEY_BYTES);
    c->deadline_ms = read_ms (& io);
    c->retry_first_ms = read_ms (& io);
    c->retry_longest_ms = read_ms (& io);
    c->confirm_ms = read_ms (& io);
    return hedge_unpacked (& io) && is_sound (c);
}

void hedge_config_blank (hedge_config * o_config)
{
    * o_config = (hedge_config) {
        .id = "unnamed",
        .transport = HEDGE_OVER_UART,
        .deadline_ms = 10000,
        .retry_first_ms = 500,
        .retry_longest_ms = 8000,
        .confirm_ms = 60000,
    };
}
