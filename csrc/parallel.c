/* SPDX-License-Identifier: Apache-2.0
 * Work shared by threads that live as long as one call: no pool, so nothing starts at import and a fork is harmless. */
#include "internal.h"

#include <pthread.h>
#include <stdatomic.h>

#define STACK_BYTES ((size_t) 1 << 21) /* of a helper: bodies keep a quarter of it there, systems may give less */

typedef struct {
    atomic_size_t next; /* the first part that nobody has taken */
    size_t n_parts;
    fae_body *body;
    const void *context;
} parallel_job;

typedef struct {
    parallel_job *job;
    size_t thread;
    pthread_t id;
} parallel_helper;

static void
parallel_work(parallel_job *job, size_t thread)
{
    size_t part;

    while ((part = atomic_fetch_add_explicit(&job->next, 1, memory_order_relaxed)) < job->n_parts) {
        job->body(job->context, part, thread);
    }
}

static void *
parallel_help(void *argument)
{
    const parallel_helper *helper = argument;

    parallel_work(helper->job, helper->thread);
    return NULL;
}

void
fae_parallel(size_t n_parts, size_t n_threads, fae_body *body, const void *context)
{
    parallel_job job = { 0, n_parts, body, context };
    parallel_helper helpers[FAE_THREADS_MAX];
    size_t wanted = fae_min(fae_min(n_threads, n_parts), FAE_THREADS_MAX), started = 0;
    pthread_attr_t attributes;

    if (wanted > 1 && pthread_attr_init(&attributes) != 0) {
        wanted = 1;
    }
    if (wanted > 1) {
        pthread_attr_setstacksize(&attributes, STACK_BYTES);
    }
    while (started + 1 < wanted) { /* where no thread can be made, those there are do its share */
        helpers[started] = (parallel_helper){ .job = &job, .thread = started + 1 };
        if (pthread_create(&helpers[started].id, &attributes, parallel_help, &helpers[started]) != 0) {
            break;
        }
        started++;
    }
    if (wanted > 1) {
        pthread_attr_destroy(&attributes);
    }
    parallel_work(&job, 0);
    for (size_t i = 0; i < started; i++) {
        pthread_join(helpers[i].id, NULL);
    }
}
