/* The little of RFC 6455 that a client which only listens needs. */
#ifndef CALLBOARD_LOAD_WEBSOCKET_H
#define CALLBOARD_LOAD_WEBSOCKET_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { WS_CONTINUATION = 0, WS_TEXT = 1, WS_BINARY = 2, WS_CLOSE = 8, WS_PING = 9, WS_PONG = 10 };

struct ws_frame {
    int opcode, masked;
    const char *payload;
    size_t length, total; /* `total` counts the head too */
};

/* Reads the frame at `data`; 0 where it is not whole yet, with `total` set once the head tells it, else 0. */
static inline int ws_parse(const char *data, size_t have, struct ws_frame *frame)
{
    const unsigned char *at = (const unsigned char *)data;
    size_t head = 2;
    frame->total = 0;
    if (have < 2)
        return 0;
    uint64_t length = at[1] & 0x7f;
    int extra = length == 126 ? 2 : length == 127 ? 8 : 0;
    if (extra) {
        head += (size_t)extra;
        if (have < head)
            return 0;
        length = 0;
        for (int i = 0; i < extra; i++)
            length = length << 8 | at[2 + i];
    }
    frame->opcode = at[0] & 0x0f;
    frame->masked = at[1] >> 7;
    frame->payload = data + head;
    frame->length = (size_t)length;
    frame->total = head + (size_t)length;
    return length <= have - head;
}

/* Writes one final frame, masked as a client's must be, to a fresh buffer that the caller frees. */
static inline char *ws_build(int opcode, const char *payload, size_t length, size_t *total)
{
    unsigned char *frame = malloc(length + 14);
    size_t head = 0;
    if (!frame)
        return NULL;
    frame[head++] = (unsigned char)(0x80 | opcode);
    if (length < 126) {
        frame[head++] = (unsigned char)(0x80 | length);
    } else {
        int extra = length < 65536 ? 2 : 8;
        frame[head++] = (unsigned char)(0x80 | (extra == 2 ? 126 : 127));
        for (int i = extra - 1; i >= 0; i--)
            frame[head++] = (unsigned char)((uint64_t)length >> (8 * i));
    }
    unsigned char mask[4];
    for (int i = 0; i < 4; i++)
        frame[head++] = mask[i] = (unsigned char)(rand() >> 7);
    for (size_t i = 0; i < length; i++)
        frame[head + i] = (unsigned char)payload[i] ^ mask[i % 4];
    *total = head + length;
    return (char *)frame;
}

#endif
