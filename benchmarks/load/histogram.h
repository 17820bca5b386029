/* Latencies in bounded memory: log-linear buckets, each under 1.6 % wide. */
#ifndef CALLBOARD_LOAD_HISTOGRAM_H
#define CALLBOARD_LOAD_HISTOGRAM_H

#include <stdint.h>

#define SUB_BITS 7
#define SUB (1 << SUB_BITS)

struct histogram {
    uint64_t counts[(64 - SUB_BITS + 1) * SUB];
    uint64_t total;
    int64_t maximum;
};

static inline void histogram_add(struct histogram *h, int64_t value)
{
    uint64_t v = (uint64_t)value;
    int shift = v < SUB ? 0 : 63 - __builtin_clzll(v) - SUB_BITS + 1;
    h->counts[shift * SUB + (int)(v >> shift)]++;
    h->total++;
    if (value > h->maximum)
        h->maximum = value;
}

/* The upper edge of the bucket that holds the quantile (0 to 1); 0 without a sample. */
static inline int64_t histogram_quantile(const struct histogram *h, double quantile)
{
    uint64_t rank = (uint64_t)(quantile * (double)h->total), seen = 0;
    for (int i = 0; i < (int)(sizeof h->counts / sizeof *h->counts); i++) {
        seen += h->counts[i];
        if (seen > rank || (seen == h->total && seen)) {
            int shift = i / SUB;
            int64_t edge = (int64_t)((((uint64_t)(i % SUB) + 1) << shift) - 1);
            return edge < h->maximum ? edge : h->maximum;
        }
    }
    return 0;
}

#endif
