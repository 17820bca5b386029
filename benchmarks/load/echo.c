/* The floor under every request: a server that reads frames and answers each with a fixed one.
 *
 * Accepts N WebSocket connections, then answers; the answers to all that one recv(2) brought go out in one send(2).
 * Prints {"port": P} when it listens and ends when a client leaves.
 */
#define _GNU_SOURCE
#include "common.h"
#include "listening.h"
#include "websocket.h"

#include <sys/epoll.h>

#define ROOM (64 << 10)
#define EVENTS 256

static const char answer[] = "\x81\x0f{\"type\":\"pong\"}";

struct client {
    int fd;
    size_t rest;
    char data[ROOM];
};

/* Returns 0 once the client has left. */
static int serve(struct client *c)
{
    static char out[ROOM * 4];
    size_t at = 0, filled = 0, size = sizeof answer - 1;
    struct ws_frame frame;
    ssize_t got = recv(c->fd, c->data + c->rest, ROOM - c->rest, MSG_DONTWAIT);
    if (got <= 0)
        return got < 0 && errno == EAGAIN;
    c->rest += (size_t)got;
    for (; at < c->rest; at += frame.total + 4) { /* a client's frames have a mask of four bytes besides */
        if (!ws_parse(c->data + at, c->rest - at, &frame) || at + frame.total + 4 > c->rest)
            break;
        if (frame.opcode == WS_CLOSE)
            return 0;
        memcpy(out + filled, answer, size);
        filled += size;
    }
    memmove(c->data, c->data + at, c->rest -= at);
    return !filled || !send_all(c->fd, out, filled);
}

int main(int argc, char **argv)
{
    int connections = argc > 1 ? (int)number("connections", argv[1], 1) : 1, poller = epoll_create1(0);
    struct client *clients = calloc((size_t)connections, sizeof *clients);
    struct epoll_event events[EVENTS];
    raise_descriptor_limit();
    if (!clients || poller < 0)
        die("start");
    int listener = listen_local(0);
    for (int i = 0; i < connections; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &clients[i]};
        clients[i].fd = accept_one(listener, 0);
        if (epoll_ctl(poller, EPOLL_CTL_ADD, clients[i].fd, &event))
            die("epoll_ctl");
    }
    for (;;) {
        int count = epoll_wait(poller, events, EVENTS, -1);
        for (int i = 0; i < count; i++)
            if (!serve(events[i].data.ptr))
                return 0;
    }
}
