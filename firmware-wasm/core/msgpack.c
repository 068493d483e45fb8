/** MessagePack as github.com/msgpack/msgpack/blob/master/spec.md lays it down; floats are taken apart as integers, for the firmware has none. */
#include "msgpack.h"

#include <stddef.h>
#include <string.h>

enum {
    FIX_ARRAY = 0x90, FIX_TEXT = 0xa0, BYTES_8 = 0xc4, FLOAT_32 = 0xca, FLOAT_64 = 0xcb, UINT_8 = 0xcc, UINT_64 = 0xcf, INT_8 = 0xd0, INT_64 = 0xd3,
    TEXT_8 = 0xd9, ARRAY_16 = 0xdc
};

static uint8_t * room_for (hedge_packer * io, uint32_t bytes)
{
    if (io->failed || (size_t) (io->end - io->at) < bytes)
    {
        io->failed = true;
        return NULL;
    }
    uint8_t * at = io->at;
    io->at += bytes;
    return at;
}

/** A first byte, then the `bytes` low bytes of the value, the highest first. */
static void put (hedge_packer * io, uint8_t first, uint64_t value, uint32_t bytes)
{
    uint8_t * at = room_for (io, 1 + bytes);
    if (! at) return;
    * at++ = first;
    while (bytes--) * at++ = (uint8_t) (value >> (8 * bytes));
}

void hedge_pack_array (hedge_packer * io, uint32_t items)
{
    if (items < 16) put (io, (uint8_t) (FIX_ARRAY | items), 0, 0);
    else put (io, ARRAY_16, items, 2);
}

void hedge_pack_uint (hedge_packer * io, uint64_t value)
{
    if (value < 0x80) put (io, (uint8_t) value, 0, 0);
    else if (value <= UINT8_MAX) put (io, UINT_8, value, 1);
    else if (value <= UINT16_MAX) put (io, UINT_8 + 1, value, 2);
    else if (value <= UINT32_MAX) put (io, UINT_8 + 2, value, 4);
    else put (io, UINT_64, value, 8);
}

void hedge_pack_bytes_head (hedge_packer * io, uint32_t length)
{
    if (length <= UINT8_MAX) put (io, BYTES_8, length, 1);
    else if (length <= UINT16_MAX) put (io, BYTES_8 + 1, length, 2);
    else put (io, BYTES_8 + 2, length, 4);
}

static void pack_content (hedge_packer * io, const void * content, uint32_t length)
{
    uint8_t * at = room_for (io, length);
    if (at && length) memcpy (at, content, length);
}

void hedge_pack_bytes (hedge_packer * io, const uint8_t * bytes, uint32_t length)
{
    hedge_pack_bytes_head (io, length);
    pack_content (io, bytes, length);
}

void hedge_pack_text (hedge_packer * io, const char * text)
{
    const uint32_t length = (uint32_t) strlen (text);
    if (length < 32) put (io, (uint8_t) (FIX_TEXT | length), 0, 0);
    else if (length <= UINT8_MAX) put (io, TEXT_8, length, 1);
    else put (io, TEXT_8 + 1, length, 2);
    pack_content (io, text, length);
}

static const uint8_t * take (hedge_unpacker * io, uint32_t bytes)
{
    if (io->failed || (size_t) (io->end - io->at) < bytes)
    {
        io->failed = true;
        return NULL;
    }
    const uint8_t * at = io->at;
    io->at += bytes;
    return at;
}

/** The next byte; 0xc1, which begins nothing, where there is none. */
static uint8_t take_first (hedge_unpacker * io)
{
    const uint8_t * at = take (io, 1);
    return at ? * at : 0xc1;
}

/** A big-endian number of 1, 2, 4 or 8 bytes. */
static uint64_t take_number (hedge_unpacker * io, uint32_t bytes)
{
    const uint8_t * at = take (io, bytes);
    uint64_t value = 0;
    if (at) while (bytes--) value = value << 8 | * at++;
    return value;
}

void hedge_unpack_array (hedge_unpacker * io, uint32_t items)
{
    const uint8_t first = take_first (io);
    uint64_t count = first & 0x0f;
    if (first == ARRAY_16) count = take_number (io, 2);
    else if ((first & 0xf0) != FIX_ARRAY) io->failed = true;
    if (count != items) io->failed = true;
}

/** The whole number that a float of so many bits of exponent and fraction holds; fails when it holds another. */
static uint64_t whole (hedge_unpacker * io, uint64_t bits, uint32_t exponent_bits, uint32_t fraction_bits)
{
    const uint32_t bias = (1u << (exponent_bits - 1)) - 1;
    const uint64_t one = 1ull << fraction_bits;
    const uint64_t exponent = bits >> fraction_bits; /* with the sign in front of it */
    if ((bits & ~ (one << exponent_bits)) == 0) return 0; /* -0 as well */
    if (exponent < bias || exponent > bias + 63)
    {
        io->failed = true;
        return 0;
    }
    const uint32_t power = (uint32_t) exponent - bias;
    const uint64_t fraction = (bits & (one - 1)) | one;
    if (power >= fraction_bits) return fraction << (power - fraction_bits);
    if (fraction & ((1ull << (fraction_bits - power)) - 1)) io->failed = true;
    return fraction >> (fraction_bits - power);
}

static uint64_t unpack_any_uint (hedge_unpacker * io)
{
    const uint8_t first = take_first (io);
    if (first < 0x80) return first;
    if (first >= UINT_8 && first <= UINT_64) return take_number (io, 1u << (first - UINT_8));
    if (first >= INT_8 && first <= INT_64)
    {
        const uint32_t bytes = 1u << (first - INT_8);
        const uint64_t value = take_number (io, bytes);
        if (value >> (8 * bytes - 1)) io->failed = true; /* negative */
        return value;
    }
    if (first == FLOAT_32) return whole (io, take_number (io, 4), 8, 23);
    if (first == FLOAT_64) return whole (io, take_number (io, 8), 11, 52);
    io->failed = true;
    return 0;
}

uint64_t hedge_unpack_uint (hedge_unpacker * io, uint64_t most)
{
    const uint64_t value = unpack_any_uint (io);
    if (value > most) io->failed = true;
    return io->failed ? 0 : value;
}

void hedge_unpack_unit (hedge_unpacker * io)
{
    /* Floats that are not negative are in the order of their bits. */
    const uint8_t first = io->at < io->end ? * io->at : 0;
    if (first == FLOAT_32 || first == FLOAT_64)
    {
        ++io->at;
        const bool wide = first == FLOAT_64;
        const uint64_t bits = take_number (io, wide ? 8 : 4);
        const uint64_t minus_zero = wide ? 1ull << 63 : 1ull << 31, one = wide ? 0x3ffull << 52 : 0x7full << 23;
        if (bits > one && bits != minus_zero) io->failed = true;
    }
    else (void) hedge_unpack_uint (io, 1);
}

/** Length of bytes or a text whose first byte is `short_form` or one of the two behind it. */
static uint32_t take_length (hedge_unpacker * io, uint8_t first, uint8_t short_form)
{
    if (first < short_form || first > short_form + 2)
    {
        io->failed = true;
        return 0;
    }
    return (uint32_t) take_number (io, 1u << (first - short_form));
}

static const uint8_t * take_content (hedge_unpacker * io, uint32_t length, uint32_t least, uint32_t most, uint32_t * o_length)
{
    if (length < least || length > most) io->failed = true;
    const uint8_t * content = take (io, length);
    * o_length = content ? length : 0;
    return content;
}

const uint8_t * hedge_unpack_bytes (hedge_unpacker * io, uint32_t least, uint32_t most, uint32_t * o_length)
{
    const uint8_t first = take_first (io);
    return take_content (io, take_length (io, first, BYTES_8), least, most, o_length);
}

const char * hedge_unpack_text (hedge_unpacker * io, uint32_t most, uint32_t * o_length)
{
    const uint8_t first = take_first (io);
    const bool fix = (first & 0xe0) == FIX_TEXT;
    const uint32_t length = fix ? first & 0x1f : take_length (io, first, TEXT_8);
    const uint8_t * text = take_content (io, length, 0, most, o_length);
    for (uint32_t i = 0; i < * o_length; ++i)
        if (text [i] < 0x20 || text [i] > 0x7e) io->failed = true;
    return (const char *) text;
}

bool hedge_unpacked (const hedge_unpacker * unpacker)
{
    return ! unpacker->failed && unpacker->at == unpacker->end;
}
