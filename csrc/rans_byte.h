/* SPDX-License-Identifier: Apache-2.0
 *
 * One rANS state with bytes as digits (Duda 2013): the primitive under gaps.c. The state stays in [2^23, 2^31), so tables
 * of up to 15 bits lose nothing that can be measured. The encoder fills its buffer from the end. */
#ifndef FASTAE_RANS_BYTE_H
#define FASTAE_RANS_BYTE_H

#include "fastae.h"

#define RANS_BYTE_LOW (1u << 23)

typedef struct {
    uint32_t state;
    uint8_t *first; /* of the buffer */
    uint8_t *next;  /* one past where the next byte goes */
    uint8_t *end;
} rans_byte_encoder;

static inline void
rans_byte_encoder_start(rans_byte_encoder *coder, uint8_t *dst, size_t dst_len)
{
    coder->state = RANS_BYTE_LOW;
    coder->first = dst;
    coder->end = dst + dst_len;
    coder->next = coder->end;
}

static inline int
rans_byte_put(rans_byte_encoder *coder, uint32_t start, uint32_t freq, unsigned precision)
{
    uint64_t limit = ((uint64_t) (RANS_BYTE_LOW >> precision) << 8) * freq;
    uint32_t state = coder->state;

    while (state >= limit) {
        if (coder->next == coder->first) {
            return FAE_ERR_CAPACITY;
        }
        *--coder->next = (uint8_t) state;
        state >>= 8;
    }
    coder->state = (state / freq << precision) + state % freq + start;
    return 0;
}

/* Moves the stream to the start of the buffer. */
static inline int
rans_byte_encoder_finish(rans_byte_encoder *coder, uint8_t *dst, size_t *out_len)
{
    size_t n;

    if (coder->next - coder->first < 4) {
        return FAE_ERR_CAPACITY;
    }
    for (int i = 0; i < 4; i++) {
        *--coder->next = (uint8_t) (coder->state >> 8 * i);
    }
    n = (size_t) (coder->end - coder->next);
    for (size_t i = 0; i < n; i++) {
        dst[i] = coder->next[i];
    }
    *out_len = n;
    return 0;
}

typedef struct {
    uint32_t state;
    const uint8_t *next;
    const uint8_t *end;
} rans_byte_decoder;

static inline int
rans_byte_decoder_start(rans_byte_decoder *coder, const uint8_t *src, size_t src_len)
{
    if (src_len < 4) {
        return FAE_ERR_TRUNCATED;
    }
    coder->state = (uint32_t) src[0] << 24 | (uint32_t) src[1] << 16 | (uint32_t) src[2] << 8 | src[3];
    coder->next = src + 4;
    coder->end = src + src_len;
    return coder->state < RANS_BYTE_LOW || coder->state >= RANS_BYTE_LOW << 8 ? FAE_ERR_CORRUPT : 0;
}

static inline uint32_t
rans_byte_peek(const rans_byte_decoder *coder, unsigned precision)
{
    return coder->state & ((1u << precision) - 1);
}

static inline int
rans_byte_advance(rans_byte_decoder *coder, uint32_t start, uint32_t freq, unsigned precision)
{
    uint32_t state = freq * (coder->state >> precision) + rans_byte_peek(coder, precision) - start;

    while (state < RANS_BYTE_LOW) {
        if (coder->next == coder->end) {
            return FAE_ERR_TRUNCATED;
        }
        state = state << 8 | *coder->next++;
    }
    coder->state = state;
    return 0;
}

static inline int
rans_byte_decoder_finish(const rans_byte_decoder *coder)
{
    return coder->next != coder->end || coder->state != RANS_BYTE_LOW ? FAE_ERR_CORRUPT : 0;
}

#endif
