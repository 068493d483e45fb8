/** Lines of text, put together without the printf of a C library, which would take more flash than the rest of the log. */
#include "log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

void (* hedge_log_sink) (const char * line, uint32_t length);

typedef struct {
    char text [HEDGE_LOG_LINE];
    uint32_t length;
} log_line;

/** What does not fit is cut off. */
static void add (log_line * io, char c)
{
    if (io->length < HEDGE_LOG_LINE) io->text [io->length++] = c;
}

static void add_text (log_line * io, const char * text)
{
    while (* text) add (io, * text++);
}

static void add_number (log_line * io, uint32_t number, uint32_t base)
{
    char digits [10];
    uint32_t count = 0;
    do digits [count++] = "0123456789abcdef" [number % base];
    while (number /= base);
    while (count) add (io, digits [--count]);
}

void hedge_log (const char * format, ...)
{
    if (! hedge_log_sink) return;
    log_line line = { .length = 0 };
    va_list arguments;
    va_start (arguments, format);
    for (; * format; ++format)
    {
        if (* format != '%')
        {
            add (& line, * format);
            continue;
        }
        switch (* ++format)
        {
        case 's':
            add_text (& line, va_arg (arguments, const char *));
            break;
        case 'u':
            add_number (& line, va_arg (arguments, unsigned), 10);
            break;
        case 'x':
            add_number (& line, va_arg (arguments, unsigned), 16);
            break;
        case 'd':
        {
            const int number = va_arg (arguments, int);
            if (number < 0) add (& line, '-');
            add_number (& line, number < 0 ? 0u - (unsigned) number : (unsigned) number, 10);
            break;
        }
        default:
            add (& line, '%');
        }
    }
    va_end (arguments);
    hedge_log_sink (line.text, line.length);
}
