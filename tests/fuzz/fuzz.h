/* SPDX-License-Identifier: Apache-2.0
 * What fuzz_kernels.c makes its inputs and runs its decoders with. */
#ifndef FASTAE_FUZZ_H
#define FASTAE_FUZZ_H

#include "../c/check.h"

#define MOST_CELLS (1u << 17) /* an input takes milliseconds, not seconds */
#define HEAD 16
#define N_MASKS 4

typedef struct {
    unsigned kernel, option;
    uint32_t a, b, c, d, e, f, g; /* 0..65535 each */
    const uint8_t *data;
    size_t len;
} input;

static const uint32_t MASKS[N_MASKS] = {
    0,
    FAE_CPU_AVX2,
    ~(FAE_CPU_AMX_BF16 | FAE_CPU_AMX_INT8),
    UINT32_MAX,
};

/* The first n bytes of the data, zeros where there are fewer, in a buffer of their own. */
static uint8_t *
take(input *in, size_t n)
{
    uint8_t *p = check_alloc(n);
    size_t there = n < in->len ? n : in->len;

    if (n) {
        memset(p, 0, n);
    }
    if (there) {
        memcpy(p, in->data, there);
        in->data += there;
        in->len -= there;
    }
    return p;
}

static uint32_t
number_at(const uint8_t *p)
{
    return (uint32_t) p[0] | (uint32_t) p[1] << 8 | (uint32_t) p[2] << 16 | (uint32_t) p[3] << 24;
}

static uint32_t
clamp(uint32_t x, size_t least, size_t most)
{
    return x < least ? (uint32_t) least : x > most ? (uint32_t) most : x;
}

typedef int (*decoder)(const void *job, void *out);

/* Is told of each result, unless it is NULL. */
extern void (*fuzz_listener)(int err, const uint8_t *out, size_t out_len);

/* Runs a decoder with every mask: all refuse, or all give the same bytes. `out` is filled first, so that a byte that only
 * some of them leave alone is seen. */
static void
with_every_mask(decoder decode, const void *job, size_t out_len)
{
    uint8_t *out = check_alloc(out_len), *first = check_alloc(out_len);
    int err_of_first = 0;

    for (int m = 0; m < N_MASKS; m++) {
        int err;

        if (out_len) {
            memset(out, 0x55, out_len);
        }
        fae_cpu_set_mask(MASKS[m]);
        err = decode(job, out);
        if (m == 0) {
            err_of_first = err;
            if (out_len) {
                memcpy(first, out, out_len);
            }
        }
        CHECK((err == 0) == (err_of_first == 0));
        CHECK(err != FAE_ERR_INTERNAL);
        CHECK(err || !out_len || memcmp(out, first, out_len) == 0);
    }
    fae_cpu_set_mask(UINT32_MAX);
    if (fuzz_listener) {
        fuzz_listener(err_of_first, first, out_len);
    }
    free(first);
    free(out);
}

#endif
