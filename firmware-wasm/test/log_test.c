/** Lines of the log as people read them. */
#include "log.h"

#include <stdbool.h>
#include <string.h>

#include "check.h"

static char last [HEDGE_LOG_LINE + 1];

static void keep (const char * line, uint32_t length)
{
    CHECK (length <= HEDGE_LOG_LINE);
    memcpy (last, line, length);
    last [length] = 0;
}

static bool logged (const char * text)
{
    return strcmp (last, text) == 0;
}

static void numbers_and_texts_stand_where_they_belong (void)
{
    hedge_log ("%s: %u of %u, %d, 0x%x, 100 %%", "it", 0u, 4294967295u, -2147483647 - 1, 0xbeefu);
    CHECK (logged ("it: 0 of 4294967295, -2147483648, 0xbeef, 100 %"));
    hedge_log ("%d%d", 7, -7);
    CHECK (logged ("7-7"));
}

static void long_lines_are_cut_off (void)
{
    char text [1000];
    memset (text, 'x', sizeof text - 1);
    text [sizeof text - 1] = 0;
    hedge_log ("%s%u", text, 1u);
    CHECK_EQUAL (strlen (last), HEDGE_LOG_LINE);
}

static void without_a_sink_nothing_happens (void)
{
    hedge_log_sink = NULL;
    last [0] = 0;
    hedge_log ("lost");
    CHECK (logged (""));
}

int main (void)
{
    hedge_log_sink = keep;
    TEST (numbers_and_texts_stand_where_they_belong);
    TEST (long_lines_are_cut_off);
    TEST (without_a_sink_nothing_happens);
    return 0;
}
