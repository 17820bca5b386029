/* What the two floors share: to listen, to accept, to send whole. */
#ifndef CALLBOARD_LOAD_LISTENING_H
#define CALLBOARD_LOAD_LISTENING_H

#include "common.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

static inline int send_all(int fd, const char *data, size_t length)
{
    while (length) {
        ssize_t sent = send(fd, data, length, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return -1;
        data += sent;
        length -= (size_t)sent;
    }
    return 0;
}

/* Listens on loopback and prints the port. */
static inline int listen_local(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t length = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 4096))
        die("listen");
    getsockname(fd, (struct sockaddr *)&address, &length);
    printf("{\"port\": %d}\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

/* The next client, its request head answered. */
static inline int accept_one(int listener, int sse)
{
    static const char ws_answer[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                    "Connection: Upgrade\r\nSec-WebSocket-Accept: not-computed\r\n\r\n";
    static const char sse_answer[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
    const char *answer = sse ? sse_answer : ws_answer;
    char head[4096];
    size_t got = 0;
    int on = 1, fd = accept(listener, NULL, NULL);
    if (fd < 0)
        die("accept");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    do {
        ssize_t n = recv(fd, head + got, sizeof head - got, 0);
        if (n <= 0)
            die("request head");
        got += (size_t)n;
    } while (!memmem(head, got, "\r\n\r\n", 4));
    if (send_all(fd, answer, strlen(answer)))
        die("answer");
    return fd;
}

#endif
