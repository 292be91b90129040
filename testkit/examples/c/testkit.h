/* The test kit's program, as a test in C starts and steers it. */
#ifndef TESTKIT_H
#define TESTKIT_H

#include <stdio.h>

/* A stand-in that runs until testkit_stop. */
typedef struct testkit {
    int pid;
    FILE *orders;
    FILE *replies;
    /* Of the server, for the program under test. */
    char url[1024];
} testkit;

/* Starts `holdfast-testkit` (or the program that HOLDFAST_TESTKIT names) with these words, of which the last is NULL. Returns 0,
 * or -1 when it does not start: it has said why on the standard error. */
int testkit_start(testkit *kit, const char *const *words);

/* Gives an order, such as "free=1", and waits until it is in force. Returns 0, or -1 for an error, which is printed. */
int testkit_order(testkit *kit, const char *order);

/* Ends it, with everything that it has started. */
void testkit_stop(testkit *kit);

#endif
