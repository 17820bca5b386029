#define _GNU_SOURCE
#include "requests.h"

struct requests requests = {.depth = 1};

static struct subscriber *askers;
static int asker_count;
static int64_t began, issued;

static void ask(struct subscriber *c, int64_t at)
{
    c->asked_at = at;
    c->owed++;
}

void requests_settle(struct subscriber *c)
{
    int count = c->owed;
    c->owed = 0;
    subscriber_send(c, requests.text, count);
}

void requests_begin(struct subscriber *all, int count, int64_t now)
{
    askers = all;
    asker_count = count;
    began = now;
    if (!requests.text || requests.every > 0)
        return;
    for (int i = 0; i < count; i++) {
        for (int ahead = 0; ahead < requests.depth; ahead++)
            ask(&all[i], now);
        requests_settle(&all[i]);
    }
}

void requests_due(int64_t now)
{
    if (!asker_count || !requests.text || requests.every <= 0)
        return;
    double step = requests.every * 1e9 / asker_count;
    for (;; issued++) {
        int64_t due = began + (int64_t)((double)issued * step);
        struct subscriber *c = &askers[issued % asker_count];
        if (due > now || (requests.once && issued >= asker_count))
            return;
        if (c->state != READY || c->stalled)
            continue;
        if (!c->asked_at) {
            ask(c, now);
            requests_settle(c);
        } else if (!c->due_at)
            c->due_at = due;
    }
}

int64_t request_answered(struct subscriber *c, int64_t now)
{
    int64_t taken = c->asked_at && now ? now - c->asked_at : 0, due = c->due_at;
    c->asked_at = c->due_at = 0;
    if (requests.every <= 0)
        ask(c, now);
    else if (due)
        ask(c, due);
    return requests.every > 0 || requests.depth == 1 ? taken : 0;
}
