/* One subscriber of the load generator: its handshake, its script, its messages. */
#ifndef CALLBOARD_LOAD_SUBSCRIBER_H
#define CALLBOARD_LOAD_SUBSCRIBER_H

#include "histogram.h"

#include <stddef.h>
#include <stdint.h>

#define MAX_STEPS 16

enum state { HANDSHAKE, STEPS, READY, CLOSED };

struct subscriber {
    int fd, poller, step;
    enum state state;
    char *rest; /* the beginning of a message whose end has not come yet */
    size_t rest_length, rest_capacity;
    uint64_t deliveries;
    int sampled; /* whether its latencies are taken */
    int stalled; /* reads nothing any more once it is ready */
    int owed;    /* requests to send once all that a read brought is handled */
    int64_t asked_at, due_at; /* of the request under way and of the next that is overdue; 0: none */
    const char *topic;
};

struct step {
    int is_send; /* else a text to wait for */
    const char *text;
};

/* What all subscribers do alike. */
struct script {
    const char *host, *path, *header, *marker; /* header and marker may be NULL */
    int port, sse;
    struct step steps[MAX_STEPS];
    int step_count;
};

/* What all subscribers together have seen. */
struct tally {
    uint64_t deliveries, message_bytes; /* messages that hold the marker, without their WebSocket head */
    uint64_t bytes, reads, other_messages, bad_stamps;
    int ready, closed;
    struct histogram latencies;
    char last_unexpected[256];
};

extern struct script script;
extern struct tally tally;

/* Connects, registers with the epoll descriptor `poller` and sends the request; exits where nobody listens. */
void subscriber_open(struct subscriber *c, int poller, int sampled);

/* Sends `text` as `count` messages in one write, with the subscriber's topic in place of %s. */
void subscriber_send(struct subscriber *c, const char *text, int count);

/* Reads once and handles all that is whole. */
void subscriber_readable(struct subscriber *c);

#endif
