/* What the load generator and the floor share: time, CPU, numbers from the command line, fatal errors. */
#ifndef CALLBOARD_LOAD_COMMON_H
#define CALLBOARD_LOAD_COMMON_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static inline void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, errno ? strerror(errno) : "failed");
    exit(1);
}

/* CLOCK_MONOTONIC in nanoseconds: the same clock in every process of the machine, and Python's monotonic_ns(). */
static inline int64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* User and system time of this process in nanoseconds. */
static inline int64_t cpu_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* Nanoseconds that this process was ready to run and waited for a core; -1 where the kernel does not tell. */
static inline int64_t run_queue_ns(void)
{
    long long running = 0, waiting = -1;
    FILE *file = fopen("/proc/self/schedstat", "r");
    if (file) {
        if (fscanf(file, "%lld %lld", &running, &waiting) != 2)
            waiting = -1;
        fclose(file);
    }
    return waiting;
}

/* As many descriptors as the hard limit allows. */
static inline void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* A number of an option, at least `least`. */
static inline double number(const char *name, const char *text, double least)
{
    char *end;
    double value = strtod(text, &end);
    if (*end || end == text || !(value >= least)) {
        fprintf(stderr, "%s needs a number of at least %g, not %s\n", name, least, text);
        exit(2);
    }
    return value;
}

#endif
