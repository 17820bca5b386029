/* Load generator: many subscribers in one process, counted and timed.
 *
 * Opens N WebSocket connections (or event streams), takes each through the --send and --expect steps in the order given,
 * prints {"ready": N, …} with what that took, then counts the messages that hold --marker and times the nanosecond CLOCK_MONOTONIC number behind
 * it. The window begins --warmup seconds after the first delivery. Ends after --seconds, at --total deliveries, when
 * nothing came for --idle seconds, or when every connection is closed, with one JSON line on standard output.
 * --nap is for throughput: pausing so many microseconds between rounds, it reads more at once and the server does not
 * pay for waking it with every send. Latencies are right only without.
 * With --request they do not only listen (requests.h): the messages that hold --marker are the answers then. --topics
 * names a file with a line for each connection, which stands for %s in what it sends. --stalled is how many of the
 * connections, beyond those counted, read nothing once they are ready.
 * Of HTTP it reads the status alone; a chunked event stream is understood where no chunk ends inside a blank line.
 */
#define _GNU_SOURCE
#include "common.h"
#include "requests.h"
#include "subscriber.h"

#include <getopt.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 256     /* of one epoll_wait */
#define MAX_OPENING 64 /* handshakes under way at once */

/* The counters at the beginning of the window. */
struct start {
    int64_t at, cpu, run_queue;
    uint64_t deliveries, bytes, reads, message_bytes, segments;
};

static struct {
    int connections, stalled, sample, progress;
    double seconds, warmup, idle, nap;
    uint64_t total;
    const char *topics;
} opt = {.connections = 1, .sample = 1, .idle = 10};

static struct subscriber *subscribers;
static int poller;
static int64_t now, last_delivery;

/* Those that are counted come first, those that stall behind them. */
static int all_connections(void)
{
    return opt.connections + opt.stalled;
}

static void poll_once(void)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(poller, events, EVENTS, requests.every > 0 ? 1 : 100);
    uint64_t before = tally.deliveries;
    if (count < 0 && errno != EINTR)
        die("epoll_wait");
    for (int i = 0; i < count; i++)
        subscriber_readable(events[i].data.ptr);
    now = now_ns();
    if (tally.ready == all_connections())
        requests_due(now);
    if (tally.deliveries != before)
        last_delivery = now;
    if (opt.nap > 0 && count < EVENTS)
        usleep((useconds_t)opt.nap);
}

static void show_progress(void)
{
    static int64_t shown_at;
    static uint64_t shown;
    if (!opt.progress || now - shown_at < 1000000000)
        return;
    if (shown_at)
        fprintf(stderr, "  %d ready, %llu deliveries, %.0f a second\n", tally.ready,
                (unsigned long long)tally.deliveries,
                (double)(tally.deliveries - shown) * 1e9 / (double)(now - shown_at));
    shown_at = now;
    shown = tally.deliveries;
}

static void open_all(void)
{
    int64_t began = now_ns(), progressed = began, cpu = cpu_ns(), run_queue = run_queue_ns();
    for (int opened = 0, before = 0; tally.ready < all_connections();) {
        while (opened < all_connections() && opened - tally.ready < MAX_OPENING) {
            subscribers[opened].stalled = opened >= opt.connections;
            subscriber_open(&subscribers[opened], poller, opened % opt.sample == 0);
            opened++;
        }
        poll_once();
        show_progress();
        if (tally.ready != before)
            progressed = now;
        before = tally.ready;
        if (tally.closed || (double)(now - progressed) / 1e9 > opt.idle) {
            fprintf(stderr, "%d of %d connections ready, %d closed by the server; last reply not expected: %s\n",
                    tally.ready, all_connections(), tally.closed,
                    *tally.last_unexpected ? tally.last_unexpected : "none");
            exit(1);
        }
    }
    double wall = (double)(now - began);
    printf("{\"ready\": %d, \"seconds\": %.6f, \"cpu_share\": %.3f, \"run_queue_share\": %.3f}\n", tally.ready,
           wall / 1e9, (double)(cpu_ns() - cpu) / wall, (double)(run_queue_ns() - run_queue) / wall);
    fflush(stdout);
    requests_begin(subscribers, opt.connections, now);
}

/* TCP segments with data that all connections have received: to a server with TCP_NODELAY on loopback, its writes. */
static uint64_t count_segments(void)
{
    uint64_t segments = 0;
    for (int i = 0; i < opt.connections; i++) {
        struct tcp_info info = {0};
        socklen_t length = sizeof info;
        if (subscribers[i].state != CLOSED && !getsockopt(subscribers[i].fd, IPPROTO_TCP, TCP_INFO, &info, &length))
            segments += info.tcpi_data_segs_in;
    }
    return segments;
}

static struct start take_start(void)
{
    return (struct start){now,         cpu_ns(),    run_queue_ns(),      tally.deliveries,
                          tally.bytes, tally.reads, tally.message_bytes, count_segments()};
}

/* Runs to the end of the window; returns why it ended and sets `start` to the counters at its beginning. */
static const char *measure(struct start *start)
{
    int64_t window = 0; /* when it is to begin; 0 before the first delivery */
    int begun = 0;
    *start = take_start();
    last_delivery = now;
    for (;;) {
        poll_once();
        show_progress();
        if (!window && tally.deliveries)
            window = now + (int64_t)(opt.warmup * 1e9);
        if (!begun && window && now >= window) {
            begun = 1;
            if (opt.warmup > 0) {
                *start = take_start();
                memset(&tally.latencies, 0, sizeof tally.latencies);
            } else {
                start->at = now;
            }
        }
        if (opt.total && tally.deliveries >= opt.total)
            return "total";
        if (begun && opt.seconds > 0 && (double)(now - start->at) / 1e9 >= opt.seconds)
            return "seconds";
        if (tally.closed == opt.connections)
            return "closed";
        if ((double)(now - last_delivery) / 1e9 > opt.idle)
            return "idle";
    }
}

static double quantile_us(double quantile)
{
    return (double)histogram_quantile(&tally.latencies, quantile) / 1e3;
}

static void report(const struct start *start, const char *ended)
{
    double wall = (double)(now - start->at) / 1e9, per_ns = wall > 0 ? 1 / (wall * 1e9) : 0;
    uint64_t deliveries = tally.deliveries - start->deliveries, fewest = UINT64_MAX, most = 0;
    uint64_t reads = tally.reads - start->reads, bytes = tally.bytes - start->bytes;
    uint64_t message_bytes = tally.message_bytes - start->message_bytes, segments = count_segments() - start->segments;
    for (int i = 0; i < opt.connections; i++) {
        uint64_t n = subscribers[i].deliveries;
        fewest = n < fewest ? n : fewest;
        most = n > most ? n : most;
    }
    printf("{\"ended\": \"%s\", \"connections\": %d, \"closed\": %d, \"total\": %llu, \"other_messages\": %llu, "
           "\"fewest\": %llu, \"most\": %llu, \"bad_stamps\": %llu, \"seconds\": %.6f, \"deliveries\": %llu, "
           "\"bytes\": %llu, \"message_bytes\": %llu, \"reads\": %llu, \"segments\": %llu, "
           "\"per_second\": %.1f, \"cpu_share\": %.3f, \"run_queue_share\": %.3f, ",
           ended, opt.connections, tally.closed, (unsigned long long)tally.deliveries,
           (unsigned long long)tally.other_messages, (unsigned long long)fewest, (unsigned long long)most,
           (unsigned long long)tally.bad_stamps, wall, (unsigned long long)deliveries, (unsigned long long)bytes,
           (unsigned long long)message_bytes, (unsigned long long)reads, (unsigned long long)segments,
           wall > 0 ? (double)deliveries / wall : 0,
           (double)(cpu_ns() - start->cpu) * per_ns, (double)(run_queue_ns() - start->run_queue) * per_ns);
    printf("\"latency_us\": {\"samples\": %llu, \"p50\": %.1f, \"p90\": %.1f, \"p99\": %.1f, \"p999\": %.1f, "
           "\"max\": %.1f}}\n",
           (unsigned long long)tally.latencies.total, quantile_us(0.5), quantile_us(0.9), quantile_us(0.99),
           quantile_us(0.999), (double)tally.latencies.maximum / 1e3);
}

static void read_topics(void)
{
    size_t room = 0;
    FILE *file = opt.topics ? fopen(opt.topics, "r") : NULL;
    if (opt.topics && !file)
        die(opt.topics);
    for (int i = 0; file && i < all_connections(); i++) {
        char *line = NULL;
        room = 0;
        if (getline(&line, &room, file) < 0)
            die("--topics has too few lines");
        line[strcspn(line, "\n")] = 0;
        subscribers[i].topic = line;
    }
    if (file)
        fclose(file);
}

static void add_step(int is_send, const char *text)
{
    if (script.step_count == MAX_STEPS)
        die("too many steps");
    script.steps[script.step_count++] = (struct step){is_send, text};
}

static void parse_options(int argc, char **argv)
{
    static const struct option options[] = {
        {"host", required_argument, 0, 'h'},   {"port", required_argument, 0, 'p'},
        {"path", required_argument, 0, 'P'},   {"connections", required_argument, 0, 'c'},
        {"sse", no_argument, 0, 'S'},          {"header", required_argument, 0, 'H'},
        {"send", required_argument, 0, 's'},   {"expect", required_argument, 0, 'e'},
        {"marker", required_argument, 0, 'm'}, {"sample", required_argument, 0, 'k'},
        {"warmup", required_argument, 0, 'w'}, {"seconds", required_argument, 0, 'd'},
        {"total", required_argument, 0, 't'},  {"idle", required_argument, 0, 'i'},
        {"nap", required_argument, 0, 'n'},    {"progress", no_argument, 0, 'v'},
        {"stalled", required_argument, 0, 'z'}, {"topics", required_argument, 0, 'T'},
        {"request", required_argument, 0, 'r'}, {"depth", required_argument, 0, 'D'},
        {"every", required_argument, 0, 'E'},  {"once", no_argument, 0, '1'},
        {0, 0, 0, 0},
    };
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (o) {
        case 'h': script.host = optarg; break;
        case 'p': script.port = (int)number("--port", optarg, 1); break;
        case 'P': script.path = optarg; break;
        case 'c': opt.connections = (int)number("--connections", optarg, 1); break;
        case 'S': script.sse = 1; break;
        case 'H': script.header = optarg; break;
        case 's': add_step(1, optarg); break;
        case 'e': add_step(0, optarg); break;
        case 'm': script.marker = optarg; break;
        case 'k': opt.sample = (int)number("--sample", optarg, 1); break;
        case 'w': opt.warmup = number("--warmup", optarg, 0); break;
        case 'd': opt.seconds = number("--seconds", optarg, 0); break;
        case 't': opt.total = (uint64_t)number("--total", optarg, 0); break;
        case 'i': opt.idle = number("--idle", optarg, 0.1); break;
        case 'n': opt.nap = number("--nap", optarg, 0); break;
        case 'z': opt.stalled = (int)number("--stalled", optarg, 0); break;
        case 'T': opt.topics = optarg; break;
        case 'r': requests.text = optarg; break;
        case 'D': requests.depth = (int)number("--depth", optarg, 1); break;
        case 'E': requests.every = number("--every", optarg, 0); break;
        case '1': requests.once = 1; break;
        case 'v': opt.progress = 1; break;
        default: exit(2);
        }
    }
}

int main(int argc, char **argv)
{
    struct start start;
    parse_options(argc, argv);
    raise_descriptor_limit();
    srand((unsigned)now_ns());
    poller = epoll_create1(EPOLL_CLOEXEC);
    subscribers = calloc((size_t)all_connections(), sizeof *subscribers);
    if (poller < 0 || !subscribers)
        die("start");
    read_topics();
    open_all();
    const char *ended = measure(&start);
    report(&start, ended);
    return 0;
}
