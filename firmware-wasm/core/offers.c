/** The offers under way: a handful, looked through one by one. */
#include "offers.h"

/** Whether a time has come; times are less than 2^31 ms apart. */
static bool reached (uint32_t now, uint32_t time)
{
    return (int32_t) (now - time) >= 0;
}

/** Marsaglia's xorshift: enough to spread offers. */
static uint32_t next_random (hedge_offers * io)
{
    io->random ^= io->random << 13;
    io->random ^= io->random >> 17;
    io->random ^= io->random << 5;
    return io->random;
}

void hedge_offers_start (hedge_offers * offers, uint32_t first_ms, uint32_t longest_ms, uint32_t seed)
{
    offers->first_ms = first_ms;
    offers->longest_ms = longest_ms;
    offers->random = seed ? seed : 1;
    for (uint32_t i = 0; i < HEDGE_HELD_SAMPLES; ++i) offers->offers [i].held = false;
}

hedge_offer * hedge_offers_hold (hedge_offers * offers, uint32_t now)
{
    for (uint32_t i = 0; i < HEDGE_HELD_SAMPLES; ++i)
    {
        hedge_offer * offer = & offers->offers [i];
        if (offer->held) continue;
        offer->held = true;
        offer->next = now;
        return offer;
    }
    return NULL;
}

hedge_offer * hedge_offers_due (hedge_offers * offers, uint32_t now)
{
    hedge_offer * due = NULL;
    for (uint32_t i = 0; i < HEDGE_HELD_SAMPLES; ++i)
    {
        hedge_offer * offer = & offers->offers [i];
        if (! offer->held || ! reached (now, offer->next)) continue;
        if (! due || (int32_t) (offer->next - due->next) < 0) due = offer;
    }
    return due;
}

/** The delay behind so many attempts, spread over +-25 %. */
static uint32_t delay_after (hedge_offers * io, uint32_t attempts)
{
    uint32_t delay = io->first_ms;
    while (--attempts && delay < io->longest_ms) delay *= 2;
    if (delay > io->longest_ms) delay = io->longest_ms;
    const uint32_t quarter = delay / 4;
    return delay - quarter + next_random (io) % (2 * quarter + 1);
}

void hedge_offers_sent (hedge_offers * offers, hedge_offer * offer, uint32_t now)
{
    offer->next = now + delay_after (offers, ++offer->answer.attempts);
}

hedge_offer * hedge_offers_expired (hedge_offers * offers, uint32_t now)
{
    for (uint32_t i = 0; i < HEDGE_HELD_SAMPLES; ++i)
        if (offers->offers [i].held && reached (now, offers->offers [i].deadline)) return & offers->offers [i];
    return NULL;
}

hedge_offer * hedge_offers_find (hedge_offers * offers, uint32_t sample)
{
    for (uint32_t i = 0; i < HEDGE_HELD_SAMPLES; ++i)
        if (offers->offers [i].held && offers->offers [i].sample == sample) return & offers->offers [i];
    return NULL;
}

void hedge_offers_again (hedge_offers * offers, uint32_t now)
{
    for (uint32_t i = 0; i < HEDGE_HELD_SAMPLES; ++i) offers->offers [i].next = now;
}

void hedge_offers_release (hedge_offer * offer)
{
    offer->held = false;
}
