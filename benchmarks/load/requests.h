/* Subscribers that ask: each sends a request again and again and waits for the message that answers it. */
#ifndef CALLBOARD_LOAD_REQUESTS_H
#define CALLBOARD_LOAD_REQUESTS_H

#include "subscriber.h"

/* With `every` (seconds) each connection asks so often, in turn with the others, and is timed from the send, or from
 * when the request was due if the answer before it came too late. Without, `depth` requests of each are under way. */
struct requests {
    const char *text; /* NULL: nobody asks; %s is the connection's topic */
    int depth, once;  /* once: each connection asks one time */
    double every;
};

extern struct requests requests;

/* Everybody is ready: those that always ask send their first requests. */
void requests_begin(struct subscriber *all, int count, int64_t now);

/* Sends what is due. */
void requests_due(int64_t now);

/* Sends what `c` asks next, in one write: all that was answered by one read. */
void requests_settle(struct subscriber *c);

/* An answer has come to `c`, which owes its next request. Returns the nanoseconds since it was asked for, 0 where that cannot be told. */
int64_t request_answered(struct subscriber *c, int64_t now);

#endif
