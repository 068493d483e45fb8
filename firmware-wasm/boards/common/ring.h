/** A ring of bytes between one writer and one reader, of which one may be an interrupt: each moves only its own end. */
#ifndef HEDGE_RING_H
#define HEDGE_RING_H

#include <stdint.h>

/** `bytes` holds a power of two of them. The ends count on for ever and wrap around with their type. */
typedef struct {
    uint8_t * bytes;
    uint32_t size;
    volatile uint32_t written, read;
} ring;

static inline uint32_t ring_used (const ring * r)
{
    return r->written - r->read;
}

static inline uint32_t ring_room (const ring * r)
{
    return r->size - ring_used (r);
}

/** For rings with room. */
static inline void ring_put (ring * r, uint8_t byte)
{
    const uint32_t written = r->written;
    ((volatile uint8_t *) r->bytes) [written & (r->size - 1)] = byte;
    r->written = written + 1;
}

/** For rings with something in them. */
static inline uint8_t ring_take (ring * r)
{
    const uint32_t read = r->read;
    const uint8_t byte = ((volatile uint8_t *) r->bytes) [read & (r->size - 1)];
    r->read = read + 1;
    return byte;
}

#endif
