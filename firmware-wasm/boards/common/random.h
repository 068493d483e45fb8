/** `board_random` for boards without a generator. */
#ifndef HEDGE_RANDOM_H
#define HEDGE_RANDOM_H

/** Takes the seed out of flash and leaves another; before the first `board_random`. */
void random_start (void);

#endif
