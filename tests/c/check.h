/* SPDX-License-Identifier: Apache-2.0
 * What the C tests share: checks, a small random generator, buffers of exactly the size asked for, so that the
 * sanitizers see each byte read or written outside. */
#ifndef FASTAE_TESTS_CHECK_H
#define FASTAE_TESTS_CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fastae.h"

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);                                  \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

static uint64_t check_state = 88172645463325252u;

/* Below n > 0 (Marsaglia's xorshift64). */
static inline uint32_t
check_random(uint32_t n)
{
    check_state ^= check_state << 13;
    check_state ^= check_state >> 7;
    check_state ^= check_state << 17;
    return (uint32_t) ((check_state >> 32) * n >> 32);
}

static inline void *
check_alloc(size_t size)
{
    void *p = malloc(size);

    CHECK(p != NULL || size == 0);
    return p;
}

static inline void *
check_copy(const void *from, size_t size)
{
    void *p = check_alloc(size);

    if (size) {
        memcpy(p, from, size);
    }
    return p;
}

/* A damaged copy of a stream in a buffer of its own size: bits flipped, and often a few bytes more or fewer. */
static inline uint8_t *
check_damage(const uint8_t *stream, size_t len, size_t *damaged_len)
{
    size_t size = len;
    uint8_t *p;

    switch (check_random(4)) {
        case 0:
            size = len ? check_random((uint32_t) len) : 0;
            break;
        case 1:
            size = len + 1 + check_random(8);
            break;
        default:
            break;
    }
    p = check_alloc(size);
    for (size_t i = 0; i < size; i++) {
        p[i] = i < len ? stream[i] : (uint8_t) check_random(256);
    }
    for (uint32_t flips = size ? check_random(4) : 0; flips > 0; flips--) {
        p[check_random((uint32_t) size)] ^= (uint8_t) (1u << check_random(8));
    }
    *damaged_len = size;
    return p;
}

/* Runs a test with every feature of this CPU, without AMX, with AVX2 alone, then with none. */
static inline void
check_every_body(void (*test)(void))
{
    fae_cpu_set_mask(UINT32_MAX);
    test();
    fae_cpu_set_mask(~(FAE_CPU_AMX_BF16 | FAE_CPU_AMX_INT8));
    test();
    fae_cpu_set_mask(FAE_CPU_AVX2);
    test();
    fae_cpu_set_mask(0);
    test();
}

#endif
