/* SPDX-License-Identifier: Apache-2.0
 * A range coder (Martin 1979) of 64 bits, with carries: for probabilities that change with each symbol, which rANS, whose
 * encoder runs backwards, cannot follow. */
#ifndef FASTAE_RANGE_CODER_H
#define FASTAE_RANGE_CODER_H

#include "fastae.h"

#include <string.h>

/* A stream is the digits of a number, and each step narrows the interval in which it lies. The same calls encode and
 * decode, so that a model is written once. */
typedef struct {
    int decoding;
    uint8_t *dst;
    const uint8_t *src;
    size_t len;      /* of dst or src */
    size_t at;       /* bytes written, or read; past len once there were too few */
    uint64_t low;    /* encoding: where the interval begins, in the digits that are not written */
    uint64_t value;  /* decoding: how far the number is above where the interval begins, always below range */
    uint64_t digits; /* decoding: the last eight read */
    uint64_t range;
    int corrupt;     /* a value that no encoder leaves */
} range_coder;

static inline uint64_t
coder_pair(range_coder *coder)
{
    uint64_t high = coder->at < coder->len ? coder->src[coder->at] : 0;
    uint64_t low = coder->at + 1 < coder->len ? coder->src[coder->at + 1] : 0;

    coder->at += 2;
    return high << 8 | low;
}

static inline void
coder_start_encoding(range_coder *coder, uint8_t *dst, size_t dst_len)
{
    memset(coder, 0, sizeof *coder);
    coder->dst = dst;
    coder->len = dst_len;
    coder->range = UINT64_MAX;
}

static inline void
coder_start_decoding(range_coder *coder, const uint8_t *src, size_t src_len)
{
    memset(coder, 0, sizeof *coder);
    coder->decoding = 1;
    coder->src = src;
    coder->len = src_len;
    coder->range = UINT64_MAX;
    for (int i = 0; i < 4; i++) {
        coder->digits = coder->digits << 16 | coder_pair(coder);
    }
    coder->value = coder->digits;
    coder->corrupt = coder->value == UINT64_MAX;
}

static inline void
coder_renormalize(range_coder *coder)
{
    while (coder->range < (uint64_t) 1 << 48) {
        coder->range <<= 16;
        if (coder->decoding) {
            uint64_t pair = coder_pair(coder);

            coder->value = coder->value << 16 | pair;
            coder->digits = coder->digits << 16 | pair;
            continue;
        }
        if (coder->at + 2 <= coder->len) {
            coder->dst[coder->at] = (uint8_t) (coder->low >> 56);
            coder->dst[coder->at + 1] = (uint8_t) (coder->low >> 48);
        }
        coder->at += 2;
        coder->low <<= 16;
    }
}

/* Bits that have been coded so far: differences of it are what steps cost, to the bit. */
static inline uint64_t
coder_bits(const range_coder *coder)
{
    return 8 * (uint64_t) coder->at + (unsigned) __builtin_clzll(coder->range);
}

/* Narrows the interval to `width` from `start` on. */
static inline void
coder_narrow(range_coder *coder, uint64_t start, uint64_t width)
{
    if (coder->decoding) {
        coder->value -= start;
    } else {
        coder->low += start;
        if (coder->low < start && coder->at <= coder->len) {
            for (size_t i = coder->at; i > 0 && ++coder->dst[i - 1] == 0; i--) {
            }
        }
    }
    coder->range = width;
    coder_renormalize(coder);
}

/* 1 with a probability of p1 / 2^32. Returns the bit: that given where encoding, otherwise that found. */
static inline unsigned
coder_bit(range_coder *coder, uint32_t p1, unsigned bit)
{
    uint64_t split = (coder->range >> 32) * (0u - p1);

    if (coder->decoding) {
        bit = coder->value >= split;
    }
    if (bit) {
        coder_narrow(coder, split, coder->range - split);
    } else {
        coder_narrow(coder, 0, split);
    }
    return bit;
}

/* A number below n, all alike. */
static inline uint32_t
coder_uniform(range_coder *coder, uint32_t n, uint32_t number)
{
    uint64_t width = coder->range / n;

    if (coder->decoding) {
        uint64_t found = coder->value / width;

        if (found >= n) {
            coder->corrupt = 1;
            coder->value = 0;
            found = 0;
        }
        number = (uint32_t) found;
    }
    coder_narrow(coder, width * number, width);
    return number;
}

/* The shortest digits that lie in the interval when zeros follow: how many, with the digits in `tail`, the first in the
 * highest byte. */
static inline unsigned
coder_tail(uint64_t low, uint64_t range, uint64_t *tail)
{
    for (unsigned n = 0;; n++) {
        uint64_t spare = n == 0 ? UINT64_MAX : n == 8 ? 0 : UINT64_MAX >> (8 * n);

        *tail = (low + spare) & ~spare;
        if (*tail >= low && *tail - low < range) {
            return n;
        }
    }
}

static inline int
coder_finish_encoding(range_coder *coder, size_t *out_len)
{
    uint64_t tail;
    unsigned n = coder_tail(coder->low, coder->range, &tail);

    if (coder->at + n > coder->len) {
        return FAE_ERR_CAPACITY;
    }
    for (unsigned i = 0; i < n; i++) {
        coder->dst[coder->at + i] = (uint8_t) (tail >> (56 - 8 * i));
    }
    *out_len = coder->at + n;
    return 0;
}

/* An encoder that had come here would have written these bytes, or others. */
static inline int
coder_finish_decoding(const range_coder *coder)
{
    uint64_t tail;
    unsigned n = coder_tail(coder->digits - coder->value, coder->range, &tail);
    size_t len = coder->at - 8 + n;

    if (len > coder->len) {
        return FAE_ERR_TRUNCATED;
    }
    return coder->corrupt || len < coder->len || tail != coder->digits ? FAE_ERR_CORRUPT : 0;
}

#endif
