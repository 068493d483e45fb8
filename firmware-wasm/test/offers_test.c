/** When samples are offered: the clock is the test's. */
#include "offers.h"

#include "check.h"

#define FIRST 100
#define LONGEST 400

static hedge_offers offers;

/** Whether `at` is `delay` after `since`, give or take a quarter. */
static bool about (uint32_t at, uint32_t since, uint32_t delay)
{
    const uint32_t took = at - since;
    return took >= delay - delay / 4 && took <= delay + delay / 4;
}

static hedge_offer * hold (uint32_t sample, uint32_t now, uint32_t deadline)
{
    hedge_offer * offer = hedge_offers_hold (& offers, now);
    CHECK (offer);
    offer->sample = sample;
    offer->deadline = deadline;
    offer->answer = (hedge_answer) { .request = sample };
    return offer;
}

/** Delays double up to the longest, spread by a quarter, from any time on, also when the milliseconds wrap around. */
static void are_repeated_with_growing_delays (void)
{
    static const uint32_t starts [] = { 0, 1000000, UINT32_MAX - 300 };
    static const uint32_t delays [] = { 100, 200, 400, 400, 400 };
    for (uint32_t s = 0; s < 3; ++s)
    {
        hedge_offers_start (& offers, FIRST, LONGEST, 7 + s);
        uint32_t now = starts [s];
        hedge_offer * offer = hold (1, now, now + 10000);
        CHECK (hedge_offers_due (& offers, now) == offer);
        for (uint32_t attempt = 0; attempt < 5; ++attempt)
        {
            const uint32_t sent = now;
            hedge_offers_sent (& offers, offer, now);
            CHECK_EQUAL (offer->answer.attempts, attempt + 1);
            while (! hedge_offers_due (& offers, now)) ++now;
            CHECK (about (now, sent, delays [attempt]));
        }
        hedge_offers_release (offer);
        CHECK (! hedge_offers_due (& offers, now + 5000));
    }
}

/** Devices that lost the same broker do not come back in step. */
static void are_spread (void)
{
    uint32_t least = UINT32_MAX, most = 0;
    for (uint32_t seed = 0; seed < 200; ++seed)
    {
        hedge_offers_start (& offers, FIRST, LONGEST, seed * 2654435761u);
        hedge_offer * offer = hold (1, 0, 10000);
        hedge_offers_sent (& offers, offer, 0);
        if (offer->next < least) least = offer->next;
        if (offer->next > most) most = offer->next;
    }
    CHECK (least >= 75 && least < 80 && most > 120 && most <= 125);
}

static void what_cannot_go_out_stays_due (void)
{
    hedge_offers_start (& offers, FIRST, LONGEST, 1);
    hedge_offer * first = hold (1, 5, 1000), * second = hold (2, 6, 1000);
    CHECK (hedge_offers_due (& offers, 5) == first);
    CHECK (hedge_offers_due (& offers, 400) == first);
    hedge_offers_sent (& offers, first, 400);
    CHECK (hedge_offers_due (& offers, 400) == second);
}

static void all_are_due_again_behind_a_reconnection (void)
{
    hedge_offers_start (& offers, FIRST, LONGEST, 1);
    hedge_offer * first = hold (1, 0, 1000), * second = hold (2, 0, 1000);
    hedge_offers_sent (& offers, first, 0);
    hedge_offers_sent (& offers, second, 0);
    CHECK (! hedge_offers_due (& offers, 10));
    hedge_offers_again (& offers, 10);
    hedge_offers_sent (& offers, hedge_offers_due (& offers, 10), 10);
    hedge_offers_sent (& offers, hedge_offers_due (& offers, 10), 10);
    CHECK (! hedge_offers_due (& offers, 10));
    CHECK_EQUAL (first->answer.attempts, 2);
    CHECK_EQUAL (second->answer.attempts, 2);
}

static void end_at_their_deadline_or_with_a_result (void)
{
    hedge_offers_start (& offers, FIRST, LONGEST, 1);
    const uint32_t start = UINT32_MAX - 500;
    hedge_offer * first = hold (1, start, start + 1000), * second = hold (2, start, start + 2000);
    CHECK (! hedge_offers_expired (& offers, start + 999));
    CHECK (hedge_offers_expired (& offers, start + 1000) == first);
    hedge_offers_release (first);
    CHECK (! hedge_offers_find (& offers, 1));
    CHECK (hedge_offers_find (& offers, 2) == second);
    hedge_offers_release (second);
    CHECK (! hedge_offers_find (& offers, 2));
    CHECK (! hedge_offers_expired (& offers, start + 5000));
}

static void are_held_in_as_many_places_as_there_are (void)
{
    hedge_offers_start (& offers, FIRST, LONGEST, 1);
    hedge_offer * last = NULL;
    for (uint32_t i = 0; i < HEDGE_HELD_SAMPLES; ++i) last = hold (i, 0, 1000);
    CHECK (! hedge_offers_hold (& offers, 0));
    hedge_offers_release (last);
    CHECK (hedge_offers_hold (& offers, 0) == last);
}

int main (void)
{
    TEST (are_repeated_with_growing_delays);
    TEST (are_spread);
    TEST (what_cannot_go_out_stays_due);
    TEST (all_are_due_again_behind_a_reconnection);
    TEST (end_at_their_deadline_or_with_a_result);
    TEST (are_held_in_as_many_places_as_there_are);
    return 0;
}
