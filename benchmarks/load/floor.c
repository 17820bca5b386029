/* The floor under every fan-out: a server that does nothing but send(2).
 *
 * Accepts N connections, answers each request head (101 or 200), then sends events of a fixed size to each connection in
 * turn, `batch` events joined in one send. At full speed a full socket blocks the loop; at a rate it sleeps in between.
 * Prints {"port": P} when it listens and one JSON line with what it did at the end. With --hold it sends nothing and
 * keeps the connections until it is killed: the floor under opening them.
 */
#define _GNU_SOURCE
#include "common.h"
#include "listening.h"

#include <getopt.h>
#include <unistd.h>

#define LARGEST (512 << 10)
#define STAMP_DIGITS 19 /* what a nanosecond clock needs until the year 2262 */

static struct {
    int connections, batch, bytes, sse, hold;
    long events; /* for each connection; 0 = until the clients leave */
    double rate; /* events a second for each connection; 0 = full speed */
} opt = {.connections = 1, .batch = 1, .bytes = 200};

static char *batch_bytes;
static size_t batch_length, event_length, stamp_offset;

/* Lays out `batch` events of opt.bytes each; their time stamps are filled in before each send. */
static void prepare(void)
{
    static const char ws_open[] = "{\"t\":", sse_open[] = "event: tick\ndata: {\"t\":";
    const char *open = opt.sse ? sse_open : ws_open, *pad = ",\"pad\":\"", *close = opt.sse ? "\"}\n\n" : "\"}";
    size_t fixed = strlen(open) + STAMP_DIGITS + strlen(pad) + strlen(close);
    if ((size_t)opt.bytes < fixed || opt.bytes > LARGEST) {
        fprintf(stderr, "--bytes is %zu to %d\n", fixed, LARGEST);
        exit(2);
    }
    unsigned char head[10];
    size_t head_length = 0;
    if (!opt.sse) {
        head[head_length++] = 0x81; /* FIN, text */
        int extra = opt.bytes < 126 ? 0 : opt.bytes < 65536 ? 2 : 8;
        head[head_length++] = (unsigned char)(extra == 0 ? opt.bytes : extra == 2 ? 126 : 127);
        for (int i = extra - 1; i >= 0; i--)
            head[head_length++] = (unsigned char)((uint64_t)opt.bytes >> (8 * i));
    }
    event_length = head_length + (size_t)opt.bytes;
    batch_length = event_length * (size_t)opt.batch;
    stamp_offset = head_length + strlen(open);
    batch_bytes = malloc(batch_length);
    if (!batch_bytes)
        die("malloc");
    for (int i = 0; i < opt.batch; i++) {
        char *at = batch_bytes + (size_t)i * event_length;
        memset(at, 'x', event_length);
        memcpy(at, head, head_length);
        memcpy(at + head_length, open, strlen(open));
        memcpy(at + stamp_offset + STAMP_DIGITS, pad, strlen(pad));
        memcpy(at + event_length - strlen(close), close, strlen(close));
    }
}

/* JSON forbids leading zeros, so a short clock is padded by spaces, which may stand before a number. */
static void stamp(void)
{
    char digits[32];
    snprintf(digits, sizeof digits, "%*lld", STAMP_DIGITS, (long long)now_ns());
    for (int i = 0; i < opt.batch; i++)
        memcpy(batch_bytes + (size_t)i * event_length + stamp_offset, digits, STAMP_DIGITS);
}

/* Sends until the events are out or the first client leaves; returns the events sent to all connections together. */
static int64_t send_loop(const int *fds)
{
    int64_t sent = 0, next = now_ns(), step = opt.rate > 0 ? (int64_t)(1e9 * opt.batch / opt.rate) : 0;
    for (long done = 0; !opt.events || done < opt.events; done += opt.batch) {
        if (step) {
            struct timespec ts = {next / 1000000000, next % 1000000000};
            while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
                continue;
            next += step;
        }
        stamp();
        for (int i = 0; i < opt.connections; i++) {
            if (send_all(fds[i], batch_bytes, batch_length))
                return sent;
            sent += opt.batch;
        }
    }
    return sent;
}

static void parse_options(int argc, char **argv, int *port)
{
    static const struct option options[] = {
        {"port", required_argument, 0, 'p'},  {"connections", required_argument, 0, 'c'},
        {"batch", required_argument, 0, 'b'}, {"bytes", required_argument, 0, 's'},
        {"rate", required_argument, 0, 'r'},  {"events", required_argument, 0, 'e'},
        {"sse", no_argument, 0, 'S'},         {"hold", no_argument, 0, 'h'},
        {0, 0, 0, 0},
    };
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (o) {
        case 'p': *port = (int)number("--port", optarg, 0); break;
        case 'c': opt.connections = (int)number("--connections", optarg, 1); break;
        case 'b': opt.batch = (int)number("--batch", optarg, 1); break;
        case 's': opt.bytes = (int)number("--bytes", optarg, 1); break;
        case 'r': opt.rate = number("--rate", optarg, 0); break;
        case 'e': opt.events = (long)number("--events", optarg, 0); break;
        case 'S': opt.sse = 1; break;
        case 'h': opt.hold = 1; break;
        default: exit(2);
        }
    }
    if (opt.events % opt.batch) {
        fprintf(stderr, "--events must be a multiple of --batch\n");
        exit(2);
    }
}

int main(int argc, char **argv)
{
    int port = 0;
    parse_options(argc, argv, &port);
    raise_descriptor_limit();
    prepare();
    int listener = listen_local(port);
    int *fds = calloc((size_t)opt.connections, sizeof *fds);
    for (int i = 0; i < opt.connections; i++)
        fds[i] = accept_one(listener, opt.sse);
    while (opt.hold)
        pause();
    int64_t began = now_ns(), cpu = cpu_ns();
    int64_t sent = send_loop(fds);
    double wall = (double)(now_ns() - began) / 1e9;
    printf("{\"sent\": %lld, \"seconds\": %.6f, \"cpu_share\": %.3f}\n", (long long)sent, wall,
           (double)(cpu_ns() - cpu) / 1e9 / wall);
    fflush(stdout);
    for (int i = 0; i < opt.connections; i++) { /* a client that has not read all yet loses nothing by a reset */
        char ignored[4096];
        shutdown(fds[i], SHUT_WR);
        while (recv(fds[i], ignored, sizeof ignored, 0) > 0)
            continue;
    }
    return 0;
}
