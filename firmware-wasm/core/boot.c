/**
 * Choosing a model, trying it, and taking a new one. What is done in which order decides what a power cut leaves:
 *
 * - An update erases the header of the old image first, then its marks: marks are never gone while their image is there, so that no
 *   model that was given up looks new.
 * - The pending header is written once all is erased: as long as it is not whole, the update begins anew.
 * - The image's header is written last: before, the slot holds no model.
 * - A mark torn in half is none. Tried: the model did not run yet. Confirmed: nobody was told so. Given up: the next boot does it again.
 */
#include "boot.h"

#include <string.h>

#include "crypto.h"

static hedge_slot_verdict check_header (const hedge_boot * boot, const hedge_slot_header * header)
{
    return hedge_slot_check_header (header, boot->flash->slot_bytes, boot->flash->sector_bytes, & boot->limits, & boot->trust);
}

/** A slot's verdict by its content and marks; raises the floor, and gives up what was tried in vain. */
static hedge_slot_verdict look_at (hedge_boot * boot, int slot)
{
    const hedge_flash * flash = boot->flash;
    const hedge_slot_header * header = hedge_slot_at (flash, slot);
    const hedge_slot_verdict verdict = check_header (boot, header);
    if (verdict != HEDGE_SLOT_OK) return verdict;
    if (hedge_slot_marked (flash, slot, HEDGE_SLOT_GIVEN_UP)) return HEDGE_SLOT_REJECTED;
    if (hedge_slot_marked (flash, slot, HEDGE_SLOT_CONFIRMED))
    {
        /* Even if its body is damaged: its signed header proves that this counter was reached. */
        if (header->counter > boot->floor) boot->floor = header->counter;
    }
    else if (hedge_slot_marked (flash, slot, HEDGE_SLOT_TRIED))
    {
        hedge_slot_set_mark (flash, slot, HEDGE_SLOT_GIVEN_UP);
        boot->reverted = slot;
        return HEDGE_SLOT_REJECTED;
    }
    return hedge_slot_check_body (flash, slot, header);
}

/** The valid slot with the highest counter among the confirmed or among the new ones; -1 when there is none. */
static int newest (const hedge_boot * boot, bool confirmed)
{
    int best = -1;
    for (int slot = 0; slot < 2; ++slot)
    {
        if (boot->verdict [slot] != HEDGE_SLOT_OK || hedge_slot_marked (boot->flash, slot, HEDGE_SLOT_CONFIRMED) != confirmed) continue;
        if (best < 0 || hedge_slot_at (boot->flash, slot)->counter > hedge_slot_at (boot->flash, best)->counter) best = slot;
    }
    return best;
}

void hedge_boot_start (hedge_boot * boot, const hedge_flash * flash, const hedge_slot_limits * limits, const hedge_trust * trust)
{
    memset (boot, 0, sizeof * boot);
    boot->flash = flash;
    boot->limits = * limits;
    boot->trust = * trust;
    boot->reverted = -1;
    for (int slot = 0; slot < 2; ++slot) boot->verdict [slot] = look_at (boot, slot);

    for (int slot; (slot = newest (boot, false)) >= 0; )
    {
        if (hedge_slot_at (flash, slot)->counter <= boot->floor) boot->verdict [slot] = HEDGE_SLOT_OLD_COUNTER;
        else if (! hedge_slot_set_mark (flash, slot, HEDGE_SLOT_TRIED)) boot->verdict [slot] = HEDGE_SLOT_FLASH_FAILED;
        else
        {
            boot->active = slot;
            boot->trial = true;
            return;
        }
    }
    boot->active = newest (boot, true);
}

hedge_slot_verdict hedge_boot_confirm (hedge_boot * boot)
{
    if (boot->active < 0) return HEDGE_SLOT_EMPTY;
    if (! boot->trial) return HEDGE_SLOT_OK;
    if (boot->verdict [boot->active] != HEDGE_SLOT_OK) return boot->verdict [boot->active];
    if (! hedge_slot_set_mark (boot->flash, boot->active, HEDGE_SLOT_CONFIRMED)) return HEDGE_SLOT_FLASH_FAILED;
    boot->trial = false;
    boot->floor = hedge_slot_at (boot->flash, boot->active)->counter;
    return HEDGE_SLOT_OK;
}

hedge_slot_verdict hedge_boot_reject (hedge_boot * boot)
{
    if (! boot->trial) return HEDGE_SLOT_NO_TRIAL;
    boot->verdict [boot->active] = HEDGE_SLOT_REJECTED;
    return hedge_slot_set_mark (boot->flash, boot->active, HEDGE_SLOT_GIVEN_UP) ? HEDGE_SLOT_OK : HEDGE_SLOT_FLASH_FAILED;
}

/** The slot that an update goes to: the one that does not run. */
static int target_of (const hedge_boot * boot)
{
    return boot->active == 0 ? 1 : 0;
}

/** Where the body of the slot that is updated starts. */
static uint32_t body_offset (const hedge_boot * boot)
{
    return boot->flash->slot_offset [target_of (boot)] + HEDGE_SLOT_HEADER_BYTES;
}

/** Whether a slot holds this very model, which was tried and not confirmed. */
static bool was_given_up (const hedge_boot * boot, int slot, const hedge_slot_header * header)
{
    return memcmp (hedge_slot_at (boot->flash, slot), header, HEDGE_SLOT_SIGNED_BYTES) == 0
        && hedge_slot_marked (boot->flash, slot, HEDGE_SLOT_TRIED) && ! hedge_slot_marked (boot->flash, slot, HEDGE_SLOT_CONFIRMED);
}

/** Whether the slot is prepared for this update. One that was tried in it already, and is damaged now, is no unfinished one. */
static bool is_pending (const hedge_boot * boot)
{
    const uint8_t * pending = boot->flash->memory + hedge_slot_status (boot->flash, target_of (boot)) + HEDGE_SLOT_PENDING;
    return memcmp (pending, & boot->update, sizeof boot->update) == 0 && ! hedge_slot_marked (boot->flash, target_of (boot), HEDGE_SLOT_TRIED);
}

/** Erases the slot and notes the update in it. */
static bool prepare (const hedge_boot * boot)
{
    const hedge_flash * flash = boot->flash;
    const uint32_t start = flash->slot_offset [target_of (boot)];
    const uint32_t status = hedge_slot_status (flash, target_of (boot));
    if (! flash->erase (flash, start) || ! flash->erase (flash, status)) return false;
    for (uint32_t offset = start + flash->sector_bytes; offset < status; offset += flash->sector_bytes)
        if (! flash->erase (flash, offset)) return false;
    return hedge_slot_write (flash, status + HEDGE_SLOT_PENDING, (const uint8_t *) & boot->update, sizeof boot->update);
}

/** The unfinished update does not go on. The image has no valid header, so no mark of its slot counts. */
static void discard (hedge_boot * boot)
{
    boot->updating = false;
    boot->flash->erase (boot->flash, hedge_slot_status (boot->flash, target_of (boot)));
}

/** Bytes of the body that were certainly written: chunks come in order, so all before the last unit that is not blank. */
static uint32_t written_before (const hedge_boot * boot)
{
    const uint8_t * body = boot->flash->memory + body_offset (boot);
    uint32_t end = hedge_slot_body_bytes (& boot->update);
    while (end > 0 && body [end - 1] == 0xFF) --end;
    return end == 0 ? 0 : (end - 1) / HEDGE_FLASH_UNIT * HEDGE_FLASH_UNIT;
}

hedge_slot_verdict hedge_boot_update_begin (hedge_boot * boot, const uint8_t header [HEDGE_SLOT_HEADER_BYTES], uint32_t * o_next)
{
    * o_next = 0;
    boot->updating = false;
    if (boot->trial) return HEDGE_SLOT_ON_TRIAL;
    memcpy (& boot->update, header, sizeof boot->update);
    const hedge_slot_verdict verdict = check_header (boot, & boot->update);
    if (verdict != HEDGE_SLOT_OK) return verdict;
    if (boot->update.counter <= boot->floor) return HEDGE_SLOT_OLD_COUNTER;
    for (int slot = 0; slot < 2; ++slot)
        if (was_given_up (boot, slot, & boot->update)) return HEDGE_SLOT_REJECTED;

    if (! is_pending (boot))
    {
        boot->verdict [target_of (boot)] = HEDGE_SLOT_EMPTY;
        if (! prepare (boot)) return HEDGE_SLOT_FLASH_FAILED;
    }
    boot->written = * o_next = written_before (boot);
    boot->updating = true;
    return HEDGE_SLOT_OK;
}

hedge_slot_verdict hedge_boot_update_chunk (hedge_boot * boot, uint32_t offset, const uint8_t * bytes, uint32_t length, uint32_t crc,
                                            uint32_t * o_next)
{
    * o_next = boot->updating ? boot->written : 0;
    if (! boot->updating) return HEDGE_SLOT_NO_UPDATE;
    const uint32_t total = hedge_slot_body_bytes (& boot->update);
    if (length == 0 || offset % HEDGE_FLASH_UNIT || offset > boot->written || length > total - offset
        || (length % HEDGE_FLASH_UNIT && offset + length != total) || hedge_crc32 (0, bytes, length) != crc) return HEDGE_SLOT_BAD_CHUNK;

    /* What is there already is compared only: programming it again could but spoil it. */
    const uint32_t known = boot->written - offset < length ? boot->written - offset : length;
    const uint32_t at = body_offset (boot) + offset;
    if (memcmp (boot->flash->memory + at, bytes, known)) return HEDGE_SLOT_BAD_CHUNK;
    if (! hedge_slot_write (boot->flash, at + known, bytes + known, length - known))
    {
        discard (boot);
        * o_next = 0;
        return HEDGE_SLOT_FLASH_FAILED;
    }
    boot->written += length - known;
    * o_next = boot->written;
    return HEDGE_SLOT_OK;
}

hedge_slot_verdict hedge_boot_update_finish (hedge_boot * boot)
{
    if (! boot->updating) return HEDGE_SLOT_NO_UPDATE;
    if (boot->written != hedge_slot_body_bytes (& boot->update)) return HEDGE_SLOT_BAD_CHUNK;
    const int target = target_of (boot);
    const hedge_slot_verdict verdict = hedge_slot_check_body (boot->flash, target, & boot->update);
    if (verdict != HEDGE_SLOT_OK)
    {
        discard (boot);
        return verdict;
    }
    if (! hedge_slot_write (boot->flash, boot->flash->slot_offset [target], (const uint8_t *) & boot->update, sizeof boot->update))
    {
        discard (boot);
        return HEDGE_SLOT_FLASH_FAILED;
    }
    boot->updating = false;
    boot->verdict [target] = HEDGE_SLOT_OK;
    return HEDGE_SLOT_OK;
}
