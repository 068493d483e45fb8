/** Checks of test programs: the first that fails ends the program and says where. */
#ifndef HEDGE_CHECK_H
#define HEDGE_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                   \
    do                                                                                     \
        if (! (condition))                                                                 \
        {                                                                                  \
            fprintf (stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);       \
            exit (1);                                                                      \
        }                                                                                  \
    while (0)

/** Both are whole numbers. */
#define CHECK_EQUAL(is, should)                                                            \
    do                                                                                     \
    {                                                                                      \
        const long long is_ = (long long) (is), should_ = (long long) (should);            \
        if (is_ != should_)                                                                \
        {                                                                                  \
            fprintf (stderr, "%s:%d: %s is %lld, not %lld\n", __FILE__, __LINE__, #is, is_, should_); \
            exit (1);                                                                      \
        }                                                                                  \
    }                                                                                      \
    while (0)

/** Runs a test, which is a function, and says that it passed. */
#define TEST(name)                                                                         \
    do                                                                                     \
    {                                                                                      \
        name ();                                                                           \
        puts ("ok " #name);                                                                \
    }                                                                                      \
    while (0)

#endif
