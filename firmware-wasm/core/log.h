/** The log: lines of text for people, to the link's LOG channel; a line is at most HEDGE_LOG_LINE characters. */
#ifndef HEDGE_LOG_H
#define HEDGE_LOG_H

#include <stdint.h>

#define HEDGE_LOG_LINE 160

/** %s, %u, %d, %x (each 32 bits) and %% only. */
void hedge_log (const char * format, ...) __attribute__ ((format (printf, 1, 2)));

/** Where lines go; set by main. */
extern void (* hedge_log_sink) (const char * line, uint32_t length);

#endif
