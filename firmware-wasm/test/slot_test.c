/** Model slots: what is taken, why anything else is refused, and how a model lives on a device. `slot_test RUNS SEED`. */
#include "boot.h"
#include "nor.h"
#include "signed_image.h"

#include <stddef.h>

#define BODY_BYTES 300u

static signer ours, spare, foreign;
static image good, newer;
static hedge_trust trust;
static uint32_t fuzz_runs;

static void blank (void)
{
    memset (nor_memory, 0xFF, sizeof nor_memory);
    nor_operations = 0;
    nor_broken_at = NOR_NEVER;
}

/** Puts `length` bytes of an image into a slot, as a probe would. */
static void put (int slot, const image * from, uint32_t length)
{
    uint8_t * at = nor_memory + nor_flash.slot_offset [slot];
    memset (at, 0xFF, NOR_SLOT);
    memcpy (at, & from->header, length < HEDGE_SLOT_HEADER_BYTES ? length : HEDGE_SLOT_HEADER_BYTES);
    if (length > HEDGE_SLOT_HEADER_BYTES) memcpy (at + HEDGE_SLOT_HEADER_BYTES, from->body, length - HEDGE_SLOT_HEADER_BYTES);
}

static uint32_t length_of (const image * of)
{
    return HEDGE_SLOT_HEADER_BYTES + hedge_slot_body_bytes (& of->header);
}

static void put_whole (int slot, const image * from)
{
    put (slot, from, length_of (from));
}

static hedge_boot start (void)
{
    hedge_boot boot;
    hedge_boot_start (& boot, & nor_flash, & image_limits, & trust);
    return boot;
}

static hedge_slot_verdict header_verdict (const hedge_slot_header * header)
{
    return hedge_slot_check_header (header, NOR_SLOT, NOR_SECTOR, & image_limits, & trust);
}

/** Sends a whole image. */
static hedge_slot_verdict update (hedge_boot * boot, const image * model)
{
    uint32_t next;
    hedge_slot_verdict verdict = hedge_boot_update_begin (boot, (const uint8_t *) & model->header, & next);
    for (uint32_t total = hedge_slot_body_bytes (& model->header); verdict == HEDGE_SLOT_OK && next < total; )
    {
        const uint32_t length = total - next < 96 ? total - next : 96;
        verdict = hedge_boot_update_chunk (boot, next, model->body + next, length, hedge_crc32 (0, model->body + next, length), & next);
    }
    return verdict == HEDGE_SLOT_OK ? hedge_boot_update_finish (boot) : verdict;
}

/** Slot 0 holds the good model, confirmed. */
static hedge_boot confirmed (void)
{
    blank ();
    put_whole (0, & good);
    hedge_boot boot = start ();
    CHECK (boot.active == 0 && boot.trial);
    CHECK_EQUAL (hedge_boot_confirm (& boot), HEDGE_SLOT_OK);
    return boot;
}

static void crc_and_hash_are_the_known_ones (void)
{
    CHECK_EQUAL (hedge_crc32 (0, (const uint8_t *) "123456789", 9), 0xCBF43926);
    CHECK_EQUAL (hedge_crc32 (hedge_crc32 (0, (const uint8_t *) "1234", 4), (const uint8_t *) "56789", 5), 0xCBF43926);
    uint8_t digest [32];
    hedge_sha256 ((const uint8_t *) "abc", 3, digest);
    CHECK (digest [0] == 0xBA && digest [1] == 0x78 && digest [31] == 0xAD);
}

static void every_verdict_has_words (void)
{
    for (int verdict = HEDGE_SLOT_OK; verdict <= HEDGE_SLOT_NO_TRIAL; ++verdict)
        CHECK (strlen (hedge_slot_verdict_text ((hedge_slot_verdict) verdict)) > 1);
    CHECK (strcmp (hedge_slot_verdict_text ((hedge_slot_verdict) 99), "unknown") == 0);
}

/** A field out of its range is refused even under a good signature. */
static void fields_have_ranges (void)
{
#define FIELD(name) offsetof (hedge_slot_header, name)
    static const struct { size_t offset; uint32_t value; hedge_slot_verdict verdict; } cases [] = {
        { FIELD (magic), 0x53474449, HEDGE_SLOT_BAD_HEADER },
        { FIELD (format), HEDGE_SLOT_HEADER_BYTES << 16 | 2, HEDGE_SLOT_BAD_HEADER },
        { FIELD (format), 255 << 16 | 1, HEDGE_SLOT_BAD_HEADER },
        { FIELD (counter), 0, HEDGE_SLOT_BAD_HEADER },
        { FIELD (counter), UINT32_MAX, HEDGE_SLOT_OK },
        { FIELD (flags), 0, HEDGE_SLOT_BAD_HEADER }, /* a payload, but no exit */
        { FIELD (flags), HEDGE_SLOT_HYBRID | 2, HEDGE_SLOT_BAD_HEADER },
        { FIELD (wasm_bytes), 7, HEDGE_SLOT_BAD_HEADER },
        { FIELD (wasm_bytes), NOR_SLOT, HEDGE_SLOT_TOO_LARGE },
        { FIELD (wasm_bytes), UINT32_MAX, HEDGE_SLOT_TOO_LARGE },
        { FIELD (weights_bytes), NOR_SLOT - NOR_SECTOR - HEDGE_SLOT_HEADER_BYTES, HEDGE_SLOT_TOO_LARGE },
        { FIELD (weights_bytes), UINT32_MAX, HEDGE_SLOT_TOO_LARGE },
        { FIELD (memory_bytes), 8192, HEDGE_SLOT_OK },
        { FIELD (memory_bytes), 8193, HEDGE_SLOT_TOO_LARGE },
        { FIELD (memory_bytes), 2111, HEDGE_SLOT_BAD_HEADER }, /* the payload ends at 2112 */
        { FIELD (memory_bytes), 2112, HEDGE_SLOT_OK },
        { FIELD (stack_bytes), 4097, HEDGE_SLOT_TOO_LARGE },
        { FIELD (input), 4096 - 192, HEDGE_SLOT_OK },
        { FIELD (input), 4096 - 191, HEDGE_SLOT_BAD_HEADER },
        { FIELD (input), UINT32_MAX, HEDGE_SLOT_BAD_HEADER },
        { FIELD (input_bytes), 0, HEDGE_SLOT_BAD_HEADER },
        { FIELD (input_bytes), 3073, HEDGE_SLOT_TOO_LARGE },
        { FIELD (input_bytes), UINT32_MAX, HEDGE_SLOT_BAD_HEADER },
        { FIELD (threshold), 4092, HEDGE_SLOT_OK },
        { FIELD (threshold), 4096, HEDGE_SLOT_BAD_HEADER },
        { FIELD (threshold), 1022, HEDGE_SLOT_BAD_HEADER },
        { FIELD (result), 4096 - 52, HEDGE_SLOT_OK },
        { FIELD (result), 4096 - 48, HEDGE_SLOT_BAD_HEADER },
        { FIELD (result), 1029, HEDGE_SLOT_BAD_HEADER },
        { FIELD (result_count), 0x3FFFFFFF, HEDGE_SLOT_BAD_HEADER },
        { FIELD (result_count), UINT32_MAX, HEDGE_SLOT_BAD_HEADER },
        { FIELD (payload), 4096 - 63, HEDGE_SLOT_BAD_HEADER },
        { FIELD (payload_bytes), 0, HEDGE_SLOT_BAD_HEADER },
        { FIELD (payload_bytes), 2048, HEDGE_SLOT_OK },
        { FIELD (payload_bytes), UINT32_MAX, HEDGE_SLOT_BAD_HEADER },
        { FIELD (steps), 0, HEDGE_SLOT_BAD_HEADER },
        { FIELD (steps), 65536, HEDGE_SLOT_BAD_HEADER },
        { FIELD (threshold_value), 0x80000000, HEDGE_SLOT_BAD_HEADER },
        { FIELD (classes), 1, HEDGE_SLOT_BAD_HEADER },
        { FIELD (classes), 1001, HEDGE_SLOT_BAD_HEADER },
        { FIELD (key_id), 0, HEDGE_SLOT_UNKNOWN_KEY },
        { FIELD (name), 0, HEDGE_SLOT_BAD_HEADER },          /* empty, and something behind its end */
        { FIELD (name), 0x1B5B324A, HEDGE_SLOT_BAD_HEADER }, /* a terminal would obey it */
        { FIELD (reserved), 1, HEDGE_SLOT_BAD_HEADER },
    };
#undef FIELD
    CHECK_EQUAL (header_verdict (& good.header), HEDGE_SLOT_OK);
    for (uint32_t i = 0; i < sizeof cases / sizeof * cases; ++i)
    {
        hedge_slot_header header = good.header;
        memcpy ((uint8_t *) & header + cases [i].offset, & cases [i].value, 4);
        sign_header (& header, & ours);
        if (header_verdict (& header) != cases [i].verdict)
        {
            fprintf (stderr, "case %u: %s\n", i, hedge_slot_verdict_text (header_verdict (& header)));
            exit (1);
        }
    }
    hedge_slot_header edge_only = good.header;
    edge_only.flags = edge_only.payload_bytes = edge_only.payload = edge_only.classes = 0;
    sign_header (& edge_only, & ours);
    CHECK_EQUAL (header_verdict (& edge_only), HEDGE_SLOT_OK);
}

/** Whatever a signer wrote: a header that is taken leads nowhere outside of the slot and the module's memory. */
static void no_signed_header_leads_astray (void)
{
    static const uint32_t numbers [] = { 0, 1, 3, 4, 8, 32, 192, 1028, 2048, 3072, 4096, 8192, 65535, 65536, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF8, UINT32_MAX };
    const uint32_t first = offsetof (hedge_slot_header, flags) / 4, end = offsetof (hedge_slot_header, key_id) / 4;
    uint32_t taken = 0;
    for (uint32_t run = 0; run < 400; ++run)
    {
        hedge_slot_header h = good.header;
        for (uint32_t times = 1 + random_below (3); times; --times)
        {
            const uint32_t value = numbers [random_below (sizeof numbers / sizeof * numbers)] + random_below (3) - 1;
            memcpy ((uint8_t *) & h + 4 * (first + random_below (end - first)), & value, 4);
        }
        sign_header (& h, & ours);
        if (header_verdict (& h) != HEDGE_SLOT_OK) continue;
        ++taken;
        CHECK (h.memory_bytes <= image_limits.memory_bytes && h.input_bytes <= image_limits.input_bytes && h.payload_bytes <= image_limits.payload_bytes);
        CHECK ((uint64_t) h.input + h.input_bytes <= h.memory_bytes && (uint64_t) h.threshold + 4 <= h.memory_bytes);
        CHECK ((uint64_t) h.result + 12 + 4 * (uint64_t) h.result_count <= h.memory_bytes);
        CHECK ((uint64_t) h.payload + h.payload_bytes <= h.memory_bytes);
        CHECK ((uint64_t) h.wasm_bytes + h.weights_bytes + HEDGE_SLOT_HEADER_BYTES <= NOR_SLOT - NOR_SECTOR);
        CHECK (hedge_slot_weights (& h) - hedge_slot_wasm (& h) >= (ptrdiff_t) h.wasm_bytes);
        CHECK (hedge_slot_body_bytes (& h) <= NOR_SLOT - NOR_SECTOR - HEDGE_SLOT_HEADER_BYTES);
    }
    CHECK (taken > 20 && taken < 380);
}

/** Each bit of the header that is turned is noticed, and named as what it is. */
static void no_bit_of_a_header_can_turn (void)
{
    for (uint32_t bit = 0; bit < 8 * HEDGE_SLOT_HEADER_BYTES; ++bit)
    {
        const uint32_t byte = bit / 8;
        put_whole (0, & good);
        nor_memory [byte] ^= (uint8_t) (1u << bit % 8);
        const hedge_slot_verdict verdict = header_verdict (hedge_slot_at (& nor_flash, 0));
        if (byte < offsetof (hedge_slot_header, counter)) CHECK_EQUAL (verdict, HEDGE_SLOT_BAD_HEADER);
        else if (byte < offsetof (hedge_slot_header, flags)) CHECK_EQUAL (verdict, HEDGE_SLOT_BAD_SIGNATURE);
        else if (byte < offsetof (hedge_slot_header, wasm_bytes)) CHECK_EQUAL (verdict, HEDGE_SLOT_BAD_HEADER);
        else if (byte < offsetof (hedge_slot_header, key_id))
            CHECK (verdict == HEDGE_SLOT_BAD_HEADER || verdict == HEDGE_SLOT_TOO_LARGE || verdict == HEDGE_SLOT_BAD_SIGNATURE);
        else if (byte < offsetof (hedge_slot_header, name)) CHECK_EQUAL (verdict, HEDGE_SLOT_UNKNOWN_KEY);
        else if (byte < offsetof (hedge_slot_header, digest)) CHECK (verdict == HEDGE_SLOT_BAD_HEADER || verdict == HEDGE_SLOT_BAD_SIGNATURE);
        else if (byte < offsetof (hedge_slot_header, reserved)) CHECK_EQUAL (verdict, HEDGE_SLOT_BAD_SIGNATURE);
        else if (byte < offsetof (hedge_slot_header, signature)) CHECK_EQUAL (verdict, HEDGE_SLOT_BAD_HEADER);
        else CHECK_EQUAL (verdict, HEDGE_SLOT_BAD_SIGNATURE);
    }
}

static void no_bit_of_a_body_can_turn (void)
{
    blank ();
    for (uint32_t byte = HEDGE_SLOT_HEADER_BYTES; byte < length_of (& good); ++byte)
    {
        put_whole (0, & good);
        nor_memory [byte] ^= (uint8_t) (1u << random_below (8));
        CHECK_EQUAL (start ().verdict [0], HEDGE_SLOT_BAD_HASH);
    }
}

static void nothing_can_be_missing (void)
{
    blank ();
    CHECK_EQUAL (start ().verdict [0], HEDGE_SLOT_EMPTY);
    for (uint32_t length = 1; length < length_of (& good); ++length)
    {
        put (0, & good, length);
        const uint8_t * at = length < HEDGE_SLOT_HEADER_BYTES ? (const uint8_t *) & good.header + length : good.body + length - HEDGE_SLOT_HEADER_BYTES;
        const uint32_t rest = (length < HEDGE_SLOT_HEADER_BYTES ? HEDGE_SLOT_HEADER_BYTES : length_of (& good)) - length;
        bool blank_rest = true;
        for (uint32_t i = 0; i < rest; ++i) blank_rest &= at [i] == 0xFF;
        const hedge_slot_verdict verdict = start ().verdict [0];
        if (length < HEDGE_SLOT_SIGNED_BYTES) CHECK_EQUAL (verdict, HEDGE_SLOT_BAD_HEADER);
        else if (length < HEDGE_SLOT_HEADER_BYTES) CHECK_EQUAL (verdict, blank_rest ? HEDGE_SLOT_BAD_HASH : HEDGE_SLOT_BAD_SIGNATURE);
        else CHECK_EQUAL (verdict, blank_rest ? HEDGE_SLOT_OK : HEDGE_SLOT_BAD_HASH);
        put (0, & good, 0);
    }
}

static void only_trusted_keys_sign (void)
{
    hedge_slot_header header = good.header;
    image other;
    make_image (& other, & spare, 5, BODY_BYTES);
    CHECK_EQUAL (header_verdict (& other.header), HEDGE_SLOT_OK);
    make_image (& other, & foreign, 5, BODY_BYTES);
    CHECK_EQUAL (header_verdict (& other.header), HEDGE_SLOT_UNKNOWN_KEY);
    memcpy (other.header.key_id, good.header.key_id, sizeof header.key_id); /* a foreign key that says it is ours */
    sign_header (& other.header, & foreign);
    CHECK_EQUAL (header_verdict (& other.header), HEDGE_SLOT_BAD_SIGNATURE);
    memset (header.signature, 0, sizeof header.signature);
    CHECK_EQUAL (header_verdict (& header), HEDGE_SLOT_BAD_SIGNATURE);
    memset (header.signature, 0xFF, sizeof header.signature);
    CHECK_EQUAL (header_verdict (& header), HEDGE_SLOT_BAD_SIGNATURE);
    memcpy (header.signature, newer.header.signature, sizeof header.signature);
    CHECK_EQUAL (header_verdict (& header), HEDGE_SLOT_BAD_SIGNATURE);
    const hedge_trust nobody = { { NULL, NULL }, 0 };
    CHECK_EQUAL (hedge_slot_check_header (& good.header, NOR_SLOT, NOR_SECTOR, & image_limits, & nobody), HEDGE_SLOT_UNKNOWN_KEY);
    uint8_t no_point [65], digest [32] = { 1 };
    memset (no_point, 0xAB, sizeof no_point);
    CHECK (! verify_by_mbedtls (no_point, digest, good.header.signature));
}

static void a_model_is_tried_once (void)
{
    blank ();
    put_whole (1, & good);
    hedge_boot boot = start ();
    CHECK (boot.active == 1 && boot.trial && boot.reverted == -1);
    boot = start ();
    CHECK (boot.active == -1 && ! boot.trial && boot.reverted == 1);
    CHECK_EQUAL (boot.verdict [1], HEDGE_SLOT_REJECTED);
    boot = start ();
    CHECK (boot.active == -1 && boot.reverted == -1);
    CHECK_EQUAL (boot.verdict [1], HEDGE_SLOT_REJECTED);
    /* It does not come back; another one with the same counter does. */
    CHECK_EQUAL (update (& boot, & good), HEDGE_SLOT_REJECTED);
    image again;
    make_image (& again, & ours, good.header.counter, BODY_BYTES);
    CHECK_EQUAL (update (& boot, & again), HEDGE_SLOT_OK);
    CHECK (start ().trial);
}

static void a_confirmed_model_stays (void)
{
    hedge_boot boot = confirmed ();
    CHECK (! boot.trial);
    CHECK_EQUAL (boot.floor, good.header.counter);
    CHECK_EQUAL (hedge_boot_confirm (& boot), HEDGE_SLOT_OK);
    CHECK_EQUAL (hedge_boot_reject (& boot), HEDGE_SLOT_NO_TRIAL);
    for (int i = 0; i < 3; ++i)
    {
        boot = start ();
        CHECK (boot.active == 0 && ! boot.trial && boot.reverted == -1);
    }
}

static void an_update_replaces_the_other_slot (void)
{
    hedge_boot boot = confirmed ();
    CHECK_EQUAL (update (& boot, & newer), HEDGE_SLOT_OK);
    CHECK_EQUAL (boot.active, 0);
    boot = start ();
    CHECK (boot.active == 1 && boot.trial);
    CHECK (memcmp (hedge_slot_wasm (hedge_slot_at (& nor_flash, 1)), newer.body, newer.header.wasm_bytes) == 0);
    const uint8_t * weights = hedge_slot_weights (hedge_slot_at (& nor_flash, 1));
    CHECK_EQUAL ((uintptr_t) weights % 8, 0);
    CHECK (memcmp (weights, newer.body + hedge_slot_body_bytes (& newer.header) - newer.header.weights_bytes, newer.header.weights_bytes) == 0);
    CHECK_EQUAL (hedge_boot_confirm (& boot), HEDGE_SLOT_OK);
    boot = start ();
    CHECK (boot.active == 1 && ! boot.trial);
    /* The older one is still there, and refused. */
    CHECK_EQUAL (update (& boot, & good), HEDGE_SLOT_OLD_COUNTER);
    CHECK_EQUAL (update (& boot, & newer), HEDGE_SLOT_OLD_COUNTER);
}

static void a_trial_ends_with_the_confirmed_model (void)
{
    hedge_boot boot = confirmed ();
    CHECK_EQUAL (update (& boot, & newer), HEDGE_SLOT_OK);
    boot = start ();
    image newest;
    make_image (& newest, & ours, newer.header.counter + 1, BODY_BYTES);
    CHECK_EQUAL (update (& boot, & newest), HEDGE_SLOT_ON_TRIAL);
    CHECK_EQUAL (hedge_boot_reject (& boot), HEDGE_SLOT_OK);
    CHECK_EQUAL (hedge_boot_confirm (& boot), HEDGE_SLOT_REJECTED);
    CHECK_EQUAL (update (& boot, & newest), HEDGE_SLOT_ON_TRIAL);
    boot = start ();
    CHECK (boot.active == 0 && ! boot.trial && boot.reverted == -1);
    CHECK_EQUAL (boot.verdict [1], HEDGE_SLOT_REJECTED);
    CHECK_EQUAL (update (& boot, & newest), HEDGE_SLOT_OK);
    boot = start (); /* on trial, and nobody confirms it */
    CHECK (boot.active == 1 && boot.trial);
    boot = start ();
    CHECK (boot.active == 0 && ! boot.trial && boot.reverted == 1);
}

static void an_older_model_is_not_tried (void)
{
    image older;
    make_image (& older, & ours, good.header.counter - 1, BODY_BYTES);
    confirmed ();
    put_whole (1, & older); /* by a probe */
    hedge_boot boot = start ();
    CHECK (boot.active == 0 && ! boot.trial);
    CHECK_EQUAL (boot.verdict [1], HEDGE_SLOT_OLD_COUNTER);
    /* Even when the confirmed one is damaged: its header says that its counter was reached. */
    nor_memory [HEDGE_SLOT_HEADER_BYTES] ^= 1;
    boot = start ();
    CHECK_EQUAL (boot.active, -1);
    CHECK_EQUAL (boot.verdict [1], HEDGE_SLOT_OLD_COUNTER);
    CHECK_EQUAL (update (& boot, & newer), HEDGE_SLOT_OK);
    CHECK (start ().trial);
}

static void a_damaged_model_gives_way_to_the_one_before (void)
{
    hedge_boot boot = confirmed ();
    CHECK_EQUAL (update (& boot, & newer), HEDGE_SLOT_OK);
    boot = start ();
    CHECK_EQUAL (hedge_boot_confirm (& boot), HEDGE_SLOT_OK);
    nor_memory [NOR_SLOT + HEDGE_SLOT_HEADER_BYTES + 5] ^= 4;
    boot = start ();
    CHECK (boot.active == 0 && ! boot.trial);
    CHECK_EQUAL (boot.verdict [1], HEDGE_SLOT_BAD_HASH);
    CHECK_EQUAL (boot.floor, newer.header.counter);
}

static void chunks_come_in_order_and_whole (void)
{
    hedge_boot boot = confirmed ();
    uint32_t next = 7;
    const uint8_t * body = newer.body;
    const uint32_t total = hedge_slot_body_bytes (& newer.header);
    CHECK_EQUAL (hedge_boot_update_chunk (& boot, 0, body, 32, hedge_crc32 (0, body, 32), & next), HEDGE_SLOT_NO_UPDATE);
    CHECK_EQUAL (hedge_boot_update_finish (& boot), HEDGE_SLOT_NO_UPDATE);
    CHECK_EQUAL (hedge_boot_update_begin (& boot, (const uint8_t *) & newer.header, & next), HEDGE_SLOT_OK);
    CHECK_EQUAL (next, 0);
#define CHUNK(offset, length) hedge_boot_update_chunk (& boot, offset, body + (offset), length, hedge_crc32 (0, body + (offset), length), & next)
    CHECK_EQUAL (CHUNK (32, 32), HEDGE_SLOT_BAD_CHUNK);
    CHECK_EQUAL (CHUNK (0, 31), HEDGE_SLOT_BAD_CHUNK);
    CHECK_EQUAL (CHUNK (0, 0), HEDGE_SLOT_BAD_CHUNK);
    CHECK_EQUAL (hedge_boot_update_chunk (& boot, 0, body, 32, hedge_crc32 (0, body, 32) ^ 1, & next), HEDGE_SLOT_BAD_CHUNK);
    CHECK_EQUAL (next, 0);
    CHECK_EQUAL (CHUNK (0, 64), HEDGE_SLOT_OK);
    CHECK_EQUAL (next, 64);
    CHECK_EQUAL (CHUNK (0, 64), HEDGE_SLOT_OK);  /* once more */
    CHECK_EQUAL (CHUNK (32, 64), HEDGE_SLOT_OK); /* half of it is new */
    CHECK_EQUAL (next, 96);
    CHECK_EQUAL (CHUNK (8, 32), HEDGE_SLOT_BAD_CHUNK);
    CHECK_EQUAL (hedge_boot_update_chunk (& boot, 0, body + 32, 32, hedge_crc32 (0, body + 32, 32), & next), HEDGE_SLOT_BAD_CHUNK); /* other content */
    CHECK_EQUAL (hedge_boot_update_finish (& boot), HEDGE_SLOT_BAD_CHUNK);
    CHECK_EQUAL (CHUNK (96, total - 96), HEDGE_SLOT_OK);
    CHECK_EQUAL (next, total);
    const uint8_t more [32] = { 0 };
    CHECK_EQUAL (hedge_boot_update_chunk (& boot, total & ~31u, more, 32, hedge_crc32 (0, more, 32), & next), HEDGE_SLOT_BAD_CHUNK);
    CHECK_EQUAL (hedge_boot_update_chunk (& boot, UINT32_MAX & ~31u, more, 32, hedge_crc32 (0, more, 32), & next), HEDGE_SLOT_BAD_CHUNK);
    CHECK_EQUAL (next, total);
    CHECK_EQUAL (hedge_boot_update_finish (& boot), HEDGE_SLOT_OK);
    CHECK_EQUAL (hedge_boot_update_finish (& boot), HEDGE_SLOT_NO_UPDATE);
#undef CHUNK
    CHECK (start ().trial);
}

static void an_update_goes_on_behind_a_reset (void)
{
    hedge_boot boot = confirmed ();
    uint32_t next;
    const uint8_t * header = (const uint8_t *) & newer.header;
    CHECK_EQUAL (hedge_boot_update_begin (& boot, header, & next), HEDGE_SLOT_OK);
    CHECK_EQUAL (hedge_boot_update_chunk (& boot, 0, newer.body, 128, hedge_crc32 (0, newer.body, 128), & next), HEDGE_SLOT_OK);
    boot = start ();
    CHECK (boot.active == 0 && ! boot.trial && ! boot.updating);
    const uint32_t before = nor_operations;
    CHECK_EQUAL (hedge_boot_update_begin (& boot, header, & next), HEDGE_SLOT_OK);
    CHECK_EQUAL (next, 96); /* the last unit may be half done */
    CHECK_EQUAL (nor_operations, before);
    CHECK_EQUAL (update (& boot, & newer), HEDGE_SLOT_OK);
    CHECK (start ().trial);
}

/** Nobody takes over the bytes of another model, however alike their headers are. */
static void another_update_begins_anew (void)
{
    hedge_boot boot = confirmed ();
    image other = newer;
    other.body [0] ^= 1;
    hedge_sha256 (other.body, hedge_slot_body_bytes (& other.header), other.header.body_sha256);
    sign_header (& other.header, & ours);
    uint32_t next;
    CHECK_EQUAL (hedge_boot_update_begin (& boot, (const uint8_t *) & newer.header, & next), HEDGE_SLOT_OK);
    CHECK_EQUAL (hedge_boot_update_chunk (& boot, 0, newer.body, 64, hedge_crc32 (0, newer.body, 64), & next), HEDGE_SLOT_OK);
    CHECK_EQUAL (hedge_boot_update_begin (& boot, (const uint8_t *) & other.header, & next), HEDGE_SLOT_OK);
    CHECK_EQUAL (next, 0);
    CHECK_EQUAL (update (& boot, & other), HEDGE_SLOT_OK);
    boot = start ();
    CHECK (boot.trial && memcmp (hedge_slot_at (& nor_flash, 1), & other.header, HEDGE_SLOT_HEADER_BYTES) == 0);
}

/** The slot of a model that was given up is half erased for another one: what is left is no unfinished update, and its marks do not stay. */
static void a_given_up_model_that_comes_again_is_new (void)
{
    hedge_boot boot = confirmed ();
    CHECK_EQUAL (update (& boot, & newer), HEDGE_SLOT_OK);
    boot = start ();
    CHECK_EQUAL (hedge_boot_reject (& boot), HEDGE_SLOT_OK);
    memset (nor_memory + NOR_SLOT, 0xFF, HEDGE_FLASH_UNIT);
    boot = start ();
    CHECK_EQUAL (boot.verdict [1], HEDGE_SLOT_BAD_HEADER);
    uint32_t next = 1;
    CHECK_EQUAL (hedge_boot_update_begin (& boot, (const uint8_t *) & newer.header, & next), HEDGE_SLOT_OK);
    CHECK_EQUAL (next, 0);
    CHECK_EQUAL (update (& boot, & newer), HEDGE_SLOT_OK);
    CHECK (start ().trial);
}

/** A mark counts when its last bit is written, and not before. */
static void a_mark_is_whole_or_none (void)
{
    static const hedge_slot_mark marks [] = { HEDGE_SLOT_TRIED, HEDGE_SLOT_CONFIRMED, HEDGE_SLOT_GIVEN_UP };
    for (uint32_t i = 0; i < 3; ++i)
    {
        blank ();
        CHECK (! hedge_slot_marked (& nor_flash, 1, marks [i]));
        CHECK (hedge_slot_set_mark (& nor_flash, 1, marks [i]));
        for (uint32_t other = 0; other < 3; ++other)
            for (int slot = 0; slot < 2; ++slot) CHECK_EQUAL (hedge_slot_marked (& nor_flash, slot, marks [other]), slot == 1 && other == i);
        uint8_t * at = nor_memory + hedge_slot_status (& nor_flash, 1) + marks [i];
        for (uint32_t bit = 0; bit < 8 * (sizeof HEDGE_SLOT_MARKER - 1); ++bit)
        {
            const uint8_t whole = at [bit / 8];
            at [bit / 8] |= (uint8_t) (1u << bit % 8);
            CHECK_EQUAL (hedge_slot_marked (& nor_flash, 1, marks [i]), at [bit / 8] == whole);
            CHECK (hedge_slot_set_mark (& nor_flash, 1, marks [i]));
            CHECK (hedge_slot_marked (& nor_flash, 1, marks [i]));
        }
    }
}

/** What does not have the hash that was promised is dropped; then the update comes from the start. */
static void a_wrong_body_is_not_kept (void)
{
    hedge_boot boot = confirmed ();
    image wrong = newer;
    wrong.body [hedge_slot_body_bytes (& newer.header) / 2] ^= 0x10;
    CHECK_EQUAL (update (& boot, & wrong), HEDGE_SLOT_BAD_HASH);
    CHECK (! boot.updating);
    CHECK_EQUAL (start ().active, 0);
    uint32_t next = 1;
    CHECK_EQUAL (hedge_boot_update_begin (& boot, (const uint8_t *) & newer.header, & next), HEDGE_SLOT_OK);
    CHECK_EQUAL (next, 0);
    CHECK_EQUAL (update (& boot, & newer), HEDGE_SLOT_OK);
    CHECK (start ().trial);
}

/** Wherever the flash stops working, that is what the device says, and it goes on with what it has. */
static void broken_flash_is_told (void)
{
    hedge_boot boot = confirmed ();
    nor_operations = 0;
    CHECK_EQUAL (update (& boot, & newer), HEDGE_SLOT_OK);
    const uint32_t operations = nor_operations;
    for (uint32_t i = 0; i < 2 * operations; ++i)
    {
        boot = confirmed ();
        nor_operations = 0;
        nor_broken_at = i / 2;
        nor_unnoticed = i % 2;
        /* The slot was blank: erasing may fail unnoticed, programming may not. */
        CHECK_EQUAL (update (& boot, & newer), HEDGE_SLOT_FLASH_FAILED);
        CHECK (! boot.updating);
        boot = start ();
        CHECK (boot.active == 0 && ! boot.trial);
    }
    nor_unnoticed = false;
    blank ();
    put_whole (0, & good);
    nor_broken_at = 0;
    boot = start (); /* the mark cannot be set: it must not run */
    CHECK (boot.active == -1 && boot.verdict [0] == HEDGE_SLOT_FLASH_FAILED);
    nor_broken_at = NOR_NEVER;
    boot = start ();
    nor_broken_at = 0;
    CHECK_EQUAL (hedge_boot_confirm (& boot), HEDGE_SLOT_FLASH_FAILED);
    CHECK_EQUAL (hedge_boot_reject (& boot), HEDGE_SLOT_FLASH_FAILED);
    nor_broken_at = NOR_NEVER;
    CHECK_EQUAL (start ().verdict [0], HEDGE_SLOT_REJECTED);
}

/** Turns, overwrites, moves or drops some of the bytes. */
static void mutate (uint8_t * bytes, uint32_t length)
{
    for (uint32_t times = 1 + random_below (4); times; --times)
    {
        const uint32_t at = random_below (length), count = 1 + random_below (length - at < 40 ? length - at : 40);
        switch (random_below (5))
        {
            case 0: bytes [at] ^= (uint8_t) (1u << random_below (8)); break;
            case 1: for (uint32_t i = 0; i < count; ++i) bytes [at + i] = (uint8_t) random_word (); break;
            case 2: memset (bytes + at, random_below (2) ? 0xFF : 0, count); break;
            case 3: memmove (bytes + at, bytes + random_below (length - count + 1), count); break;
            default: memset (bytes + at, 0xFF, length - at); /* truncated */
        }
    }
}

/** Mutated slots, their status sectors too: the device runs the confirmed model, or the new one if that is whole. */
static void no_mutated_slot_runs (void)
{
    confirmed ();
    static uint8_t kept [NOR_SLOT];
    memcpy (kept, nor_memory, NOR_SLOT);
    uint32_t refused = 0;
    for (uint32_t run = 0; run < fuzz_runs; ++run)
    {
        memcpy (nor_memory, kept, NOR_SLOT);
        const image * from = random_below (4) ? & newer : & good;
        put_whole (1, from);
        const bool header_only = random_below (2);
        mutate (nor_memory + NOR_SLOT, header_only ? HEDGE_SLOT_HEADER_BYTES : length_of (from));
        if (random_below (4) == 0) mutate (nor_memory + 2 * NOR_SLOT - NOR_SECTOR, NOR_SECTOR);
        const hedge_boot boot = start ();
        if (boot.active != 1)
        {
            CHECK (boot.active == 0 && ! boot.trial && boot.verdict [0] == HEDGE_SLOT_OK);
            ++refused;
            continue;
        }
        CHECK (from == & newer);
        CHECK (memcmp (nor_memory + NOR_SLOT, & from->header, HEDGE_SLOT_HEADER_BYTES) == 0);
        CHECK (memcmp (nor_memory + NOR_SLOT + HEDGE_SLOT_HEADER_BYTES, from->body, hedge_slot_body_bytes (& from->header)) == 0);
    }
    CHECK (refused > fuzz_runs * 9 / 10);
}

/** Headers, chunks and finishes without sense: the confirmed model stays, and an honest update gets through afterwards. */
static void no_mutated_update_gets_in (void)
{
    hedge_boot boot = confirmed ();
    uint32_t begun = 0;
    for (uint32_t run = 0; run < fuzz_runs; ++run)
    {
        uint8_t bytes [512];
        uint32_t next;
        switch (random_below (4))
        {
            case 0:
                memcpy (bytes, & newer.header, HEDGE_SLOT_HEADER_BYTES);
                if (random_below (8)) mutate (bytes, HEDGE_SLOT_HEADER_BYTES);
                if (hedge_boot_update_begin (& boot, bytes, & next) == HEDGE_SLOT_OK) ++begun;
                break;
            case 1:
                for (uint32_t i = 0; i < sizeof bytes; ++i) bytes [i] = (uint8_t) random_word ();
                const uint32_t length = random_below (2) ? 32 * random_below (17) : random_below (513);
                const uint32_t offset = random_below (8) ? (random_below (2) ? boot.written : 32 * random_below (40)) : random_word ();
                hedge_boot_update_chunk (& boot, offset, bytes, length, random_below (8) ? hedge_crc32 (0, bytes, length) : random_word (), & next);
                break;
            case 2:
                CHECK (hedge_boot_update_finish (& boot) != HEDGE_SLOT_OK);
                break;
            default:
                boot = start ();
        }
        CHECK (boot.active == 0 && ! boot.trial);
    }
    CHECK (begun > fuzz_runs / 100);
    boot = start ();
    hedge_slot_verdict verdict = update (& boot, & newer);
    if (verdict != HEDGE_SLOT_OK) verdict = update (& boot, & newer); /* what somebody else had written under its header is gone */
    CHECK_EQUAL (verdict, HEDGE_SLOT_OK);
    CHECK (start ().active == 1);
}

int main (int count, char ** arguments)
{
    CHECK_EQUAL (count, 3);
    fuzz_runs = (uint32_t) strtoul (arguments [1], NULL, 10);
    random_state = strtoul (arguments [2], NULL, 10);
    make_signer (& ours);
    make_signer (& spare);
    make_signer (& foreign);
    trust = (hedge_trust) { { ours.point, spare.point }, 2 };
    make_image (& good, & ours, 100, BODY_BYTES);
    do make_image (& newer, & ours, 101, BODY_BYTES); /* chunks_come_in_order_and_whole wants some chunks, and the last one not whole */
    while (hedge_slot_body_bytes (& newer.header) < 160 || hedge_slot_body_bytes (& newer.header) % HEDGE_FLASH_UNIT == 0
           || newer.body [127] == 0xFF || memcmp (newer.body, newer.body + 32, 32) == 0);

    TEST (crc_and_hash_are_the_known_ones);
    TEST (every_verdict_has_words);
    TEST (fields_have_ranges);
    TEST (no_signed_header_leads_astray);
    TEST (no_bit_of_a_header_can_turn);
    TEST (no_bit_of_a_body_can_turn);
    TEST (nothing_can_be_missing);
    TEST (only_trusted_keys_sign);
    TEST (a_model_is_tried_once);
    TEST (a_confirmed_model_stays);
    TEST (an_update_replaces_the_other_slot);
    TEST (a_trial_ends_with_the_confirmed_model);
    TEST (an_older_model_is_not_tried);
    TEST (a_damaged_model_gives_way_to_the_one_before);
    TEST (chunks_come_in_order_and_whole);
    TEST (an_update_goes_on_behind_a_reset);
    TEST (another_update_begins_anew);
    TEST (a_given_up_model_that_comes_again_is_new);
    TEST (a_mark_is_whole_or_none);
    TEST (a_wrong_body_is_not_kept);
    TEST (broken_flash_is_told);
    TEST (no_mutated_slot_runs);
    TEST (no_mutated_update_gets_in);
    return 0;
}
