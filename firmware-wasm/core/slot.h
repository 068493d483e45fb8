/**
 * A model slot: header, module and weights, signed; behind them, in the slot's last sector, what the device noted of it.
 *
 * | offset | what                                                                                    |
 * |--------|-----------------------------------------------------------------------------------------|
 * | 0      | header, HEDGE_SLOT_HEADER_BYTES, as below: little-endian words                           |
 * | 256    | edge.wasm, wasm_bytes                                                                     |
 * |        | weights.bin, weights_bytes, from the next multiple of 8                                  |
 * | last sector | status: a marker at 0 (tried), 32 (confirmed), 64 (rejected); at 256 the header of an unfinished update |
 *
 * The signature covers bytes 0 ... 191 of the header, which hold the SHA-256 of all behind the header (module, padding, weights).
 * A marker is set once its 8 bytes HEDGE_SLOT_MARKER are whole: a torn write is none.
 *
 * Whoever writes a slot by other means than boot.h (a probe, before the first start) erases all of it, its status too.
 */
#ifndef HEDGE_SLOT_H
#define HEDGE_SLOT_H

#include "flash.h"

#define HEDGE_SLOT_MAGIC 0x53474448u /* "HDGS" */
#define HEDGE_SLOT_FORMAT 1
#define HEDGE_SLOT_HEADER_BYTES 256
#define HEDGE_SLOT_SIGNED_BYTES 192
#define HEDGE_SLOT_NAME_BYTES 32

#define HEDGE_SLOT_MARKER "HedgeSet"
/** Offset of the header of an unfinished update in the status sector. */
#define HEDGE_SLOT_PENDING 256
/** Limits beside those of the board; the same ones as src/slot/header.ts. */
#define HEDGE_SLOT_MAX_STEPS 65535u
#define HEDGE_SLOT_MAX_CLASSES 1000u
/** Where weights lie: behind the module, from the next multiple of it. */
#define HEDGE_SLOT_ALIGNMENT 8u

/** Bits of `flags`. */
#define HEDGE_SLOT_HYBRID 1u /* has an exit, a threshold and a payload */

/** As it lies in flash; 32-bit words, then bytes. */
typedef struct {
    uint32_t magic;
    uint16_t format, header_bytes;
    /** Security counter: a device takes no model whose counter is not above that of every confirmed one. */
    uint32_t counter;
    uint32_t flags;
    uint32_t wasm_bytes, weights_bytes;
    /** Limit of the linear memory, and wasm3's value stack, in bytes. */
    uint32_t memory_bytes, stack_bytes;
    /** Addresses in linear memory, as in the manifest's `module`. */
    uint32_t input, input_bytes, threshold, result;
    /** Integers of the result row behind label, exited and entropy. */
    uint32_t result_count;
    uint32_t payload, payload_bytes;
    /** Calls of `step` within which a sample is done: 1 ... HEDGE_SLOT_MAX_STEPS. */
    uint32_t steps;
    /** The exit's threshold as the module takes it: 2^-16 nats. */
    uint32_t threshold_value;
    /** Labels are below it; 0 for an edge-only model whose output is no vector of logits. */
    uint32_t classes;
    /** First bytes of the SHA-256 of the signer's public key (uncompressed point). */
    uint8_t key_id [8];
    /** For people, padded with zeros, printable ASCII. */
    char name [HEDGE_SLOT_NAME_BYTES];
    /** Digest of the bundle's manifest: by it workers know the model. */
    uint8_t digest [32];
    /** Of all behind the header. */
    uint8_t body_sha256 [32];
    uint8_t reserved [16];
    /** ECDSA P-256 over the SHA-256 of the bytes before it: r, s, big-endian. */
    uint8_t signature [64];
} hedge_slot_header;

_Static_assert (sizeof (hedge_slot_header) == HEDGE_SLOT_HEADER_BYTES, "the header has its size");
_Static_assert (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the header is read as it lies in flash");

/** Why a model is not taken: on the log, and in Event frames (docs/wire.md). */
typedef enum {
    HEDGE_SLOT_OK = 0,
    HEDGE_SLOT_EMPTY,          /* erased: no header */
    HEDGE_SLOT_BAD_HEADER,     /* magic, format, or a field outside its range */
    HEDGE_SLOT_TOO_LARGE,      /* does not fit the slot, or the board's RAM */
    HEDGE_SLOT_UNKNOWN_KEY,    /* signed by a key that the device does not trust */
    HEDGE_SLOT_BAD_SIGNATURE,
    HEDGE_SLOT_BAD_HASH,       /* a flipped bit, or truncated */
    HEDGE_SLOT_OLD_COUNTER,
    HEDGE_SLOT_REJECTED,       /* it was tried, and trapped, hung or was not confirmed */
    HEDGE_SLOT_FLASH_FAILED,
    HEDGE_SLOT_NO_UPDATE,      /* a chunk without a header before it */
    HEDGE_SLOT_BAD_CHUNK,      /* wrong check, order or size */
    HEDGE_SLOT_UNRUNNABLE,     /* wasm3 does not take the module */
    HEDGE_SLOT_TRAPPED,        /* a step trapped, or there were more steps than the header says */
    HEDGE_SLOT_ON_TRIAL,       /* no update until the model on trial is confirmed or given up */
    HEDGE_SLOT_NO_TRIAL        /* nothing to give up: no model is on trial */
} hedge_slot_verdict;

/** A few words for people, such as "bad signature". */
const char * hedge_slot_verdict_text (hedge_slot_verdict verdict);

/** Keys whose signatures count: uncompressed P-256 points (65 bytes, 0x04 first). */
typedef struct {
    const uint8_t * keys [2];
    uint32_t count;
} hedge_trust;

/** What the board allows beside the slot's size. */
typedef struct {
    uint32_t memory_bytes, stack_bytes, input_bytes, payload_bytes;
} hedge_slot_limits;

/** Fields in range, signature by a trusted key; says nothing of the body. */
hedge_slot_verdict hedge_slot_check_header (const hedge_slot_header * header, uint32_t slot_bytes, uint32_t sector_bytes,
                                            const hedge_slot_limits * limits, const hedge_trust * trust);
/** The hash of the body of a slot whose header, in flash or still to come, has been checked. */
hedge_slot_verdict hedge_slot_check_body (const hedge_flash * flash, int slot, const hedge_slot_header * header);
/** Bytes behind the header: module, padding, weights. */
uint32_t hedge_slot_body_bytes (const hedge_slot_header * header);

/** What the device notes of a model: offsets in the status sector. */
typedef enum { HEDGE_SLOT_TRIED = 0, HEDGE_SLOT_CONFIRMED = 32, HEDGE_SLOT_GIVEN_UP = 64 } hedge_slot_mark;
bool hedge_slot_marked (const hedge_flash * flash, int slot, hedge_slot_mark mark);
/** Sets a mark. False when the flash does not take it. */
bool hedge_slot_set_mark (const hedge_flash * flash, int slot, hedge_slot_mark mark);
/** Offset of a slot's status sector in the flash's area. */
uint32_t hedge_slot_status (const hedge_flash * flash, int slot);

/**
 * Programs `length` bytes by units, the last one padded with 0xFF; what is there already is left alone. `offset` is a multiple of
 * HEDGE_FLASH_UNIT. False when the flash does not hold them afterwards.
 */
bool hedge_slot_write (const hedge_flash * flash, uint32_t offset, const uint8_t * bytes, uint32_t length);

/** The slot's header, mapped; meaningful once checked. */
const hedge_slot_header * hedge_slot_at (const hedge_flash * flash, int slot);
const uint8_t * hedge_slot_wasm (const hedge_slot_header * header);
const uint8_t * hedge_slot_weights (const hedge_slot_header * header);

#endif
