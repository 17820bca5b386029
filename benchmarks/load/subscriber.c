#define _GNU_SOURCE
#include "subscriber.h"

#include "common.h"
#include "requests.h"
#include "websocket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define LARGEST_MESSAGE (1 << 20)
#define LARGEST_TEXT 4096
#define STALLED_BUFFER 4096 /* SO_RCVBUF of those that stop reading, so that the server soon notices */

struct script script = {.host = "127.0.0.1", .path = "/"};
struct tally tally;

static char buffer[LARGEST_MESSAGE];

static void close_connection(struct subscriber *c)
{
    if (c->state == CLOSED)
        return;
    close(c->fd);
    c->state = CLOSED;
    tally.closed++;
}

static void send_whole(struct subscriber *c, const char *data, size_t length)
{
    if (send(c->fd, data, length, MSG_NOSIGNAL) != (ssize_t)length)
        close_connection(c); /* a peer that does not even take a short request is not one to measure */
}

static void send_frames(struct subscriber *c, int opcode, const char *payload, size_t length, int count)
{
    size_t total;
    char *frame = ws_build(opcode, payload, length, &total), *all = count > 1 ? malloc(total * (size_t)count) : frame;
    if (!frame || !all)
        die("malloc");
    for (int i = 0; all != frame && i < count; i++)
        memcpy(all + (size_t)i * total, frame, total);
    send_whole(c, all, total * (size_t)count);
    if (all != frame)
        free(all);
    free(frame);
}

void subscriber_send(struct subscriber *c, const char *text, int count)
{
    char filled[LARGEST_TEXT];
    const char *hole = c->topic ? strstr(text, "%s") : NULL;
    if (!hole) {
        send_frames(c, WS_TEXT, text, strlen(text), count);
        return;
    }
    int length = snprintf(filled, sizeof filled, "%.*s%s%s", (int)(hole - text), text, c->topic, hole + 2);
    if (length >= LARGEST_TEXT)
        die("a text to send is too long");
    send_frames(c, WS_TEXT, filled, (size_t)length, count);
}

void subscriber_open(struct subscriber *c, int poller, int sampled)
{
    char request[4096];
    int on = 1, small = STALLED_BUFFER;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)script.port)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (inet_pton(AF_INET, script.host, &address.sin_addr) != 1)
        die("--host is an IPv4 address");
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->stalled)
        setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, sizeof address))
        die("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    c->sampled = sampled;
    c->poller = poller;
    int length = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s:%d\r\n%s%s%s\r\n", script.path,
                          script.host,
                          script.port, script.header ? script.header : "", script.header ? "\r\n" : "",
                          script.sse ? "Accept: text/event-stream\r\n"
                                  : "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
    if (length >= (int)sizeof request)
        die("the request is too long");
    if (epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event))
        die("epoll_ctl");
    send_whole(c, request, (size_t)length);
}

/* Sends what the script says up to the next reply to wait for. */
static void advance(struct subscriber *c)
{
    while (c->state == STEPS && c->step < script.step_count && script.steps[c->step].is_send)
        subscriber_send(c, script.steps[c->step++].text, 1);
    if (c->state == STEPS && c->step == script.step_count) {
        c->state = READY;
        tally.ready++;
    }
}

/* Where the marker ends in the message, or NULL. It mostly stands where it stood in the message before. */
static const char *behind_marker(const char *message, size_t length)
{
    static size_t hint;
    size_t size = strlen(script.marker);
    if (hint + size <= length && memcmp(message + hint, script.marker, size) == 0)
        return message + hint + size;
    const char *found = memmem(message, length, script.marker, size);
    if (!found)
        return NULL;
    hint = (size_t)(found - message);
    return found + size;
}

static void record_latency(const char *at, const char *end, int64_t now)
{
    int64_t stamp = 0;
    while (at < end && *at == ' ')
        at++;
    for (; at < end && *at >= '0' && *at <= '9'; at++)
        stamp = stamp * 10 + (*at - '0');
    if (stamp > 0 && stamp <= now)
        histogram_add(&tally.latencies, now - stamp);
    else
        tally.bad_stamps++;
}

static void on_message(struct subscriber *c, const char *message, size_t length, int64_t now)
{
    if (c->state == STEPS) {
        const char *expected = script.steps[c->step].text;
        if (memmem(message, length, expected, strlen(expected))) {
            c->step++;
            advance(c);
        } else {
            size_t room = sizeof tally.last_unexpected;
            snprintf(tally.last_unexpected, room, "%.*s", (int)(length < room ? length : room), message);
        }
        return;
    }
    const char *stamp = script.marker ? behind_marker(message, length) : message;
    if (!stamp) {
        tally.other_messages++;
        return;
    }
    c->deliveries++;
    tally.deliveries++;
    tally.message_bytes += length;
    if (requests.text) {
        int64_t taken = request_answered(c, now_ns());
        if (taken)
            histogram_add(&tally.latencies, taken);
    } else if (script.marker && now)
        record_latency(stamp, message + length, now);
}

/* The size of the answer's head, 0 while it is not whole. */
static size_t read_head(struct subscriber *c, const char *data, size_t have)
{
    const char *end = memmem(data, have, "\r\n\r\n", 4), *status = script.sse ? " 200 " : " 101 ";
    if (!end)
        return 0;
    if (have < 13 || memcmp(data + 8, status, 5)) {
        fprintf(stderr, "answered %.*s\n", (int)strcspn(data, "\r\n"), data);
        exit(1);
    }
    c->state = STEPS;
    advance(c);
    return (size_t)(end - data) + 4;
}

/* The blank line that ends a block, or NULL. Hops from line to line: memmem is slow with so short a needle. */
static const char *block_end(const char *data, size_t have)
{
    const char *limit = data + have, *at = data;
    while (at < limit && (at = memchr(at, '\n', (size_t)(limit - at))) && ++at < limit)
        if (*at == '\n')
            return at - 1;
    return NULL;
}

/* Takes one message off the front; returns its size, 0 where it is not whole yet. */
static size_t take_message(struct subscriber *c, const char *data, size_t have, int64_t now)
{
    struct ws_frame frame;
    if (script.sse) {
        const char *end = block_end(data, have);
        if (!end)
            return 0;
        on_message(c, data, (size_t)(end - data) + 2, now);
        return (size_t)(end - data) + 2;
    }
    if (!ws_parse(data, have, &frame))
        return 0;
    if (frame.opcode == WS_PING)
        send_frames(c, WS_PONG, frame.payload, frame.length, 1);
    else if (frame.opcode == WS_CLOSE)
        close_connection(c);
    else if (frame.opcode <= WS_BINARY)
        on_message(c, frame.payload, frame.length, now);
    return frame.total;
}

static void keep_rest(struct subscriber *c, const char *data, size_t length)
{
    if (length == sizeof buffer)
        die("a message is over 1 MiB");
    if (length > c->rest_capacity) {
        c->rest_capacity = length;
        c->rest = realloc(c->rest, length);
        if (!c->rest)
            die("malloc");
    }
    if (length)
        memcpy(c->rest, data, length);
    c->rest_length = length;
}

void subscriber_readable(struct subscriber *c)
{
    if (c->stalled && c->state == READY) {
        epoll_ctl(c->poller, EPOLL_CTL_DEL, c->fd, NULL);
        return;
    }
    if (c->rest_length)
        memcpy(buffer, c->rest, c->rest_length);
    ssize_t got = recv(c->fd, buffer + c->rest_length, sizeof buffer - c->rest_length, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        close_connection(c);
        return;
    }
    tally.reads++;
    tally.bytes += (uint64_t)got;
    int64_t now = c->sampled ? now_ns() : 0;
    size_t have = c->rest_length + (size_t)got, at = 0, size = 1;
    if (c->state == HANDSHAKE)
        at = read_head(c, buffer, have);
    while (c->state != HANDSHAKE && c->state != CLOSED && size) {
        size = take_message(c, buffer + at, have - at, now);
        at += size;
    }
    keep_rest(c, buffer + at, have - at);
    if (c->owed && c->state == READY)
        requests_settle(c);
}
