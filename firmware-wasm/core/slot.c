/** Checks of slots and headers, and writing into them. */
#include "slot.h"

#include <string.h>

#include "crypto.h"

const char * hedge_slot_verdict_text (hedge_slot_verdict verdict)
{
    static const char * const texts [] = {
        [HEDGE_SLOT_OK] = "ok",
        [HEDGE_SLOT_EMPTY] = "empty",
        [HEDGE_SLOT_BAD_HEADER] = "bad header",
        [HEDGE_SLOT_TOO_LARGE] = "too large for this board",
        [HEDGE_SLOT_UNKNOWN_KEY] = "signed by an unknown key",
        [HEDGE_SLOT_BAD_SIGNATURE] = "bad signature",
        [HEDGE_SLOT_BAD_HASH] = "damaged: its hash differs",
        [HEDGE_SLOT_OLD_COUNTER] = "counter not above that of a confirmed model",
        [HEDGE_SLOT_REJECTED] = "was tried and given up",
        [HEDGE_SLOT_FLASH_FAILED] = "flash cannot be written",
        [HEDGE_SLOT_NO_UPDATE] = "no update under way",
        [HEDGE_SLOT_BAD_CHUNK] = "chunk damaged or out of order",
        [HEDGE_SLOT_UNRUNNABLE] = "module cannot be run",
        [HEDGE_SLOT_TRAPPED] = "module trapped",
        [HEDGE_SLOT_ON_TRIAL] = "another model is on trial",
        [HEDGE_SLOT_NO_TRIAL] = "no model is on trial",
    };
    return (uint32_t) verdict < sizeof texts / sizeof * texts ? texts [verdict] : "unknown";
}

static uint64_t weights_offset (const hedge_slot_header * header)
{
    return ((uint64_t) header->wasm_bytes + HEDGE_SLOT_ALIGNMENT - 1) & ~(uint64_t) (HEDGE_SLOT_ALIGNMENT - 1);
}

static bool all_are (const void * bytes, uint8_t value, uint32_t count)
{
    const uint8_t * at = bytes;
    for (uint32_t i = 0; i < count; ++i)
        if (at [i] != value) return false;
    return true;
}

/** 1 ... HEDGE_SLOT_NAME_BYTES printable characters, then nothing but zeros. */
static bool is_name (const char * name)
{
    uint32_t length = 0;
    while (length < HEDGE_SLOT_NAME_BYTES && name [length] >= ' ' && name [length] <= '~') ++length;
    return length > 0 && all_are (name + length, 0, HEDGE_SLOT_NAME_BYTES - length);
}

/** Whether a region lies in the module's memory. */
static bool lies_in (const hedge_slot_header * h, uint32_t address, uint64_t bytes)
{
    return address <= h->memory_bytes && bytes <= h->memory_bytes - address;
}

static bool in_range (const hedge_slot_header * h)
{
    if (h->magic != HEDGE_SLOT_MAGIC || h->format != HEDGE_SLOT_FORMAT || h->header_bytes != HEDGE_SLOT_HEADER_BYTES) return false;
    if ((h->flags & ~HEDGE_SLOT_HYBRID) || ! is_name (h->name) || ! all_are (h->reserved, 0, sizeof h->reserved)) return false;
    /* A module has at least its magic and version. */
    if (h->counter == 0 || h->wasm_bytes < 8 || h->input_bytes == 0 || h->steps == 0 || h->steps > HEDGE_SLOT_MAX_STEPS) return false;
    if (h->classes > HEDGE_SLOT_MAX_CLASSES || h->threshold_value > INT32_MAX) return false;
    if (h->flags & HEDGE_SLOT_HYBRID ? h->classes < 2 || h->payload_bytes == 0 : h->payload_bytes != 0) return false;
    if (h->threshold % 4 || h->result % 4) return false;
    return lies_in (h, h->input, h->input_bytes) && lies_in (h, h->threshold, 4)
        && lies_in (h, h->result, 4 * (3 + (uint64_t) h->result_count)) && lies_in (h, h->payload, h->payload_bytes);
}

static hedge_slot_verdict check_signature (const hedge_slot_header * header, const hedge_trust * trust)
{
    uint8_t digest [32];
    for (uint32_t i = 0; i < trust->count; ++i)
    {
        hedge_sha256 (trust->keys [i], 65, digest);
        if (memcmp (digest, header->key_id, sizeof header->key_id)) continue;
        hedge_sha256 ((const uint8_t *) header, HEDGE_SLOT_SIGNED_BYTES, digest);
        return hedge_ecdsa_verify (trust->keys [i], digest, header->signature) ? HEDGE_SLOT_OK : HEDGE_SLOT_BAD_SIGNATURE;
    }
    return HEDGE_SLOT_UNKNOWN_KEY;
}

hedge_slot_verdict hedge_slot_check_header (const hedge_slot_header * header, uint32_t slot_bytes, uint32_t sector_bytes,
                                            const hedge_slot_limits * limits, const hedge_trust * trust)
{
    if (all_are (header, 0xFF, sizeof * header)) return HEDGE_SLOT_EMPTY;
    if (! in_range (header)) return HEDGE_SLOT_BAD_HEADER;
    if (HEDGE_SLOT_HEADER_BYTES + weights_offset (header) + header->weights_bytes > slot_bytes - sector_bytes
        || header->memory_bytes > limits->memory_bytes || header->stack_bytes > limits->stack_bytes
        || header->input_bytes > limits->input_bytes || header->payload_bytes > limits->payload_bytes) return HEDGE_SLOT_TOO_LARGE;
    return check_signature (header, trust);
}

hedge_slot_verdict hedge_slot_check_body (const hedge_flash * flash, int slot, const hedge_slot_header * header)
{
    uint8_t digest [32];
    hedge_sha256 (flash->memory + flash->slot_offset [slot] + HEDGE_SLOT_HEADER_BYTES, hedge_slot_body_bytes (header), digest);
    return memcmp (digest, header->body_sha256, sizeof digest) ? HEDGE_SLOT_BAD_HASH : HEDGE_SLOT_OK;
}

uint32_t hedge_slot_body_bytes (const hedge_slot_header * header)
{
    return (uint32_t) weights_offset (header) + header->weights_bytes;
}

uint32_t hedge_slot_status (const hedge_flash * flash, int slot)
{
    return flash->slot_offset [slot] + flash->slot_bytes - flash->sector_bytes;
}

bool hedge_slot_marked (const hedge_flash * flash, int slot, hedge_slot_mark mark)
{
    const uint8_t * at = flash->memory + hedge_slot_status (flash, slot) + mark;
    return memcmp (at, HEDGE_SLOT_MARKER, sizeof HEDGE_SLOT_MARKER - 1) == 0;
}

bool hedge_slot_set_mark (const hedge_flash * flash, int slot, hedge_slot_mark mark)
{
    return hedge_slot_write (flash, hedge_slot_status (flash, slot) + mark, (const uint8_t *) HEDGE_SLOT_MARKER, sizeof HEDGE_SLOT_MARKER - 1);
}

bool hedge_slot_write (const hedge_flash * flash, uint32_t offset, const uint8_t * bytes, uint32_t length)
{
    for (uint32_t done = 0; done < length; done += HEDGE_FLASH_UNIT)
    {
        const uint32_t count = length - done < HEDGE_FLASH_UNIT ? length - done : HEDGE_FLASH_UNIT;
        const uint8_t * there = flash->memory + offset + done;
        if (memcmp (there, bytes + done, count) == 0) continue;
        uint8_t unit [HEDGE_FLASH_UNIT];
        memset (unit, 0xFF, sizeof unit);
        memcpy (unit, bytes + done, count);
        if (! flash->program (flash, offset + done, unit, sizeof unit) || memcmp (there, bytes + done, count)) return false;
    }
    return true;
}

const hedge_slot_header * hedge_slot_at (const hedge_flash * flash, int slot)
{
    return (const hedge_slot_header *) (const void *) (flash->memory + flash->slot_offset [slot]);
}

const uint8_t * hedge_slot_wasm (const hedge_slot_header * header)
{
    return (const uint8_t *) header + HEDGE_SLOT_HEADER_BYTES;
}

const uint8_t * hedge_slot_weights (const hedge_slot_header * header)
{
    return hedge_slot_wasm (header) + (uint32_t) weights_offset (header);
}
