/**
 * Power cuts while models are installed, confirmed and given up: before and in the middle of every single flash operation, then five in a
 * row at random, also while the device recovers from the one before. After each the device must run a whole, signed model that is no older
 * than the last one confirmed, and every model at most once on trial; once the power stays, the next update must get through.
 *
 * On two kinds of flash: a slot of many small sectors, and one of a sector for the image and another for its status.
 *
 * power_cut_test RUNS SEED; prints what was cut, and at last `bricks N`, before that each of them with what repeats it.
 */
#include "boot.h"
#include "nor.h"
#include "signed_image.h"

#define MODELS 10
#define LAST (MODELS - 1)
#define BODY_BYTES 500u
#define KINDS_OF_FLASH 2
static const uint32_t sector_bytes [KINDS_OF_FLASH] = { NOR_SECTOR, NOR_SLOT / 2 };
/** More starts than any run needs. */
#define MAX_STARTS 100

typedef enum { CONFIRM, GIVE_UP, HANG } outcome;
/** What the models do on trial. The last one comes when the power stays. */
static const outcome plan [MODELS] = { CONFIRM, CONFIRM, GIVE_UP, CONFIRM, HANG, CONFIRM, CONFIRM, GIVE_UP, CONFIRM, CONFIRM };

typedef enum { AT_START, AT_BEGIN, AT_CHUNK, AT_FINISH, AT_CONFIRM, AT_REJECT, PHASES } phase;
static const char * const phase_names [PHASES] = { "start", "begin", "chunk", "finish", "confirm", "reject" };

static image models [MODELS];
static hedge_trust trust;

/** What the tester knows; it loses nothing when the device's power goes. */
static struct {
    int confirmed;         /* the last model whose confirmation was acknowledged, -1 for none */
    int confirming;        /* was asked for, and cut */
    bool on_trial [MODELS];
    bool may_be_marked [MODELS]; /* as tried, though it never ran: the cut came with the mark's last bit */
    bool forgotten [MODELS];     /* that it was on trial: another one was begun in its place */
    int goal;              /* the model to be installed next */
    uint32_t starts, cuts_left;
    uint32_t operations;   /* on the flash, until the power stays */
    phase phase;
} life;

static hedge_boot boot;
static uint32_t cuts [PHASES], starts, anew, bricks;
/** Of many bricks the first few are told. */
#define MAX_TOLD 10
static jmp_buf run_over;
static const char * what_run;
static uint32_t run_seed, run_step;

/** The run is over: what should never happen did. */
static _Noreturn void brick (const char * why)
{
    if (++bricks <= MAX_TOLD)
        printf ("BRICK: %s (%s, sectors of %u, seed %u, step %u, start %u, in %s)\n", why, what_run, nor_flash.sector_bytes, run_seed, run_step,
                life.starts, phase_names [life.phase]);
    longjmp (run_over, 1);
}

/** The model that lies in a slot to the last byte; -1 when none does. */
static int model_in (int slot)
{
    for (int i = 0; i < MODELS; ++i)
    {
        const uint8_t * at = nor_memory + nor_flash.slot_offset [slot];
        const hedge_slot_header * header = & models [i].header;
        if (memcmp (at, header, HEDGE_SLOT_HEADER_BYTES) == 0
            && memcmp (at + HEDGE_SLOT_HEADER_BYTES, models [i].body, hedge_slot_body_bytes (header)) == 0) return i;
    }
    return -1;
}

static void check_start (void)
{
    if (boot.active < 0)
    {
        if (life.confirmed >= 0) brick ("no model");
        life.confirming = -1;
        return;
    }
    const int model = model_in (boot.active);
    if (model < 0) brick ("a model that was not signed");
    if (model < life.confirmed) brick ("an older model");
    if (boot.trial)
    {
        if (life.on_trial [model]) brick ("a model on trial again");
        life.on_trial [model] = true;
    }
    else
    {
        if (model != life.confirmed && model != life.confirming) brick ("a model that was not confirmed");
        life.confirmed = model;
    }
    life.confirming = -1;
}

/** The power is gone. */
static void note_cut (void)
{
    ++cuts [life.phase];
    for (int slot = 0; slot < 2 && life.phase == AT_START; ++slot)
        if (model_in (slot) >= 0) life.may_be_marked [model_in (slot)] = true;
}

static void next_cut (void)
{
    nor_cut_at = NOR_NEVER;
    if (life.cuts_left == 0) return;
    --life.cuts_left;
    /* Half of them soon: while the device still recovers from the last one. */
    nor_cut_at = nor_operations + random_below (random_below (2) ? 5 : 40);
    nor_torn = random_below (3) != 0;
}

/** From here on the power stays. */
static void keep_power (void)
{
    if (life.operations == 0) life.operations = nor_operations;
    nor_cut_at = NOR_NEVER;
    life.cuts_left = 0;
}

/** Sends a model's chunks. False when it is not to be started: the device wants it from the start, or somebody else breaks in. */
static bool send_chunks (int model, uint32_t next, bool fickle)
{
    const uint8_t * body = models [model].body;
    const uint32_t total = hedge_slot_body_bytes (& models [model].header);
    while (next < total)
    {
        const uint32_t room = HEDGE_FLASH_UNIT * (1 + random_below (10));
        const uint32_t length = room < total - next ? room : total - next;
        const uint32_t before = next;
        life.phase = AT_CHUNK;
        const hedge_slot_verdict verdict = hedge_boot_update_chunk (& boot, next, body + next, length, hedge_crc32 (0, body + next, length), & next);
        if (verdict == HEDGE_SLOT_FLASH_FAILED && fickle) return false;
        if (verdict != HEDGE_SLOT_OK) brick (hedge_slot_verdict_text (verdict));
        if (next != before + length) brick ("a chunk is not taken");
        if (fickle && random_below (40) == 0) return false;
    }
    /* What the device forgot, it may try again, but only if it comes again as a whole. */
    if (life.forgotten [model]) life.on_trial [model] = life.forgotten [model] = false;
    life.phase = AT_FINISH;
    const hedge_slot_verdict verdict = hedge_boot_update_finish (& boot);
    /* Its place was erased in part for somebody else's model, so that it has to come again. */
    if ((verdict == HEDGE_SLOT_BAD_HASH || verdict == HEDGE_SLOT_FLASH_FAILED) && fickle) ++anew;
    else if (verdict != HEDGE_SLOT_OK) brick (hedge_slot_verdict_text (verdict));
    return verdict == HEDGE_SLOT_OK && (! fickle || random_below (4));
}

/** Installs models until one is to be started, or all had their time. True: the device is to start again. */
static bool install (bool fickle)
{
    while (life.goal < MODELS)
    {
        if (life.goal == LAST) keep_power ();
        /* Somebody else has another model, and breaks in: the unfinished one may come back later. */
        const int model = fickle && life.goal + 1 < LAST && random_below (4) == 0 ? life.goal + 1 : life.goal;
        for (int i = 0; i < MODELS; ++i)
            if (i != model && (! life.on_trial [model] || life.forgotten [model])) life.forgotten [i] = true;
        uint32_t next;
        life.phase = AT_BEGIN;
        const hedge_slot_verdict verdict = hedge_boot_update_begin (& boot, (const uint8_t *) & models [model].header, & next);
        if (verdict == HEDGE_SLOT_OK)
        {
            if (model <= life.confirmed || (life.on_trial [model] && ! life.forgotten [model])) brick ("an update that is none");
            if (send_chunks (model, next, fickle)) return true;
            continue;
        }
        const bool right = verdict == HEDGE_SLOT_REJECTED ? life.on_trial [model] || life.may_be_marked [model]
            : verdict == HEDGE_SLOT_OLD_COUNTER && model <= life.confirmed;
        if (! right) brick (hedge_slot_verdict_text (verdict));
        if (model == life.goal) ++life.goal;
    }
    return false;
}

/** What goes on between a start and the next. True when there is nothing left to do. */
static bool live (bool fickle)
{
    life.phase = AT_START;
    if (++life.starts > MAX_STARTS) brick ("it comes to no end");
    ++starts;
    hedge_boot_start (& boot, & nor_flash, & image_limits, & trust);
    check_start ();
    if (boot.trial)
    {
        const int model = model_in (boot.active);
        if (plan [model] == HANG) return false;
        life.phase = plan [model] == CONFIRM ? AT_CONFIRM : AT_REJECT;
        if (plan [model] == GIVE_UP)
        {
            if (hedge_boot_reject (& boot) != HEDGE_SLOT_OK) brick ("giving up fails");
            return false;
        }
        life.confirming = model;
        if (hedge_boot_confirm (& boot) != HEDGE_SLOT_OK) brick ("confirming fails");
        life.confirmed = model;
        life.confirming = -1;
    }
    return ! install (fickle);
}

/** From blank flash until the last model is confirmed. @return operations on the flash until the power stayed */
static uint32_t run (bool fickle)
{
    memset (nor_memory, 0xFF, sizeof nor_memory);
    memset (life.on_trial, 0, sizeof life.on_trial);
    memset (life.forgotten, 0, sizeof life.forgotten);
    memset (life.may_be_marked, 0, sizeof life.may_be_marked);
    life.confirmed = life.confirming = -1;
    life.goal = 0;
    life.starts = life.operations = 0;
    nor_operations = 0;
    if (setjmp (run_over)) return life.operations;
    if (setjmp (nor_power))
    {
        note_cut ();
        next_cut ();
    }
    while (! live (fickle)) continue;
    if (life.confirmed != LAST) brick ("the last update did not get through");
    return life.operations;
}

int main (int count, char ** arguments)
{
    CHECK_EQUAL (count, 3);
    const uint32_t runs = (uint32_t) strtoul (arguments [1], NULL, 10), seed = (uint32_t) strtoul (arguments [2], NULL, 10);
    static signer key;
    random_state = seed;
    make_signer (& key);
    trust = (hedge_trust) { { key.point }, 1 };
    for (uint32_t i = 0; i < MODELS; ++i) make_image (& models [i], & key, 100 + i, BODY_BYTES);

    uint32_t operations [KINDS_OF_FLASH];
    for (uint32_t kind = 0; kind < KINDS_OF_FLASH; ++kind)
    {
        nor_flash.sector_bytes = sector_bytes [kind];
        what_run = "no cut";
        operations [kind] = run (false);
        what_run = "one cut";
        for (run_step = 0; run_step < operations [kind]; ++run_step)
            for (run_seed = 0; run_seed < 6; ++run_seed)
            {
                random_state = run_seed + 1;
                nor_cut_at = run_step;
                nor_torn = run_seed > 0;
                run (false);
            }
        printf ("sectors of %u: operations %u, each cut before and 5 times in the middle\n", sector_bytes [kind], operations [kind]);
    }
    what_run = "five cuts";
    run_seed = seed;
    for (run_step = 0; run_step < runs; ++run_step)
    {
        const uint32_t kind = run_step / 2 % KINDS_OF_FLASH;
        nor_flash.sector_bytes = sector_bytes [kind];
        random_state = ((uint64_t) seed << 32) + run_step;
        life.cuts_left = 5;
        next_cut ();
        nor_cut_at = random_below (operations [kind] / 2);
        run (run_step % 2);
    }
    printf ("runs %u, starts %u, updates begun anew %u, signatures %u valid, %u not\ncuts", runs, starts, anew, verified_count, refused_count);
    for (uint32_t i = 0; i < PHASES; ++i) printf (" %s %u", phase_names [i], cuts [i]);
    printf ("\nbricks %u\n", bricks);
    return 0;
}
