/**
 * MessagePack, as much of it as frames need: one flat array of whole numbers, texts and bytes. Nothing is copied, nothing allocated;
 * after the first failure everything else fails, so that callers check once.
 */
#ifndef HEDGE_MSGPACK_H
#define HEDGE_MSGPACK_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    uint8_t * at;
    const uint8_t * end;
    bool failed;
} hedge_packer;

/** An array of fewer than 65,536 items, which follow. */
void hedge_pack_array (hedge_packer * io, uint32_t items);
/** In the shortest form. */
void hedge_pack_uint (hedge_packer * io, uint64_t value);
/** The head of `length` bytes, which the caller puts behind it. */
void hedge_pack_bytes_head (hedge_packer * io, uint32_t length);
void hedge_pack_bytes (hedge_packer * io, const uint8_t * bytes, uint32_t length);
/** Terminated by a zero, shorter than 65,536 bytes. */
void hedge_pack_text (hedge_packer * io, const char * text);

typedef struct {
    const uint8_t * at, * end;
    bool failed;
} hedge_unpacker;

/** An array of that many items. */
void hedge_unpack_array (hedge_unpacker * io, uint32_t items);
/** A whole number up to `most`, in any form that holds it exactly, floats included: JavaScript writes large ones as those. */
uint64_t hedge_unpack_uint (hedge_unpacker * io, uint64_t most);
/** Skips a number from 0 to 1. */
void hedge_unpack_unit (hedge_unpacker * io);
/** Bytes, `least` to `most` of them. */
const uint8_t * hedge_unpack_bytes (hedge_unpacker * io, uint32_t least, uint32_t most, uint32_t * o_length);
/** Printable ASCII, at most `most` characters, not terminated. */
const char * hedge_unpack_text (hedge_unpacker * io, uint32_t most, uint32_t * o_length);
/** Whether everything was there, and nothing else. */
bool hedge_unpacked (const hedge_unpacker * unpacker);

#endif
