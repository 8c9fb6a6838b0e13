/* SPDX-License-Identifier: Apache-2.0
 * Long streams of rans.c: RANS_STATES states of 32 bits that take turns, with 16-bit words as digits, in
 * [2^16, 2^32). A symbol takes one word at most, so that a decoder has no branch on data and all states can move at
 * once (Giesen 2014, arXiv:1402.3392). */
#ifndef FASTAE_RANS_H
#define FASTAE_RANS_H

#include "internal.h"

#define RANS_MAX_PRECISION 15
#define RANS_STATES 32
#define RANS_WORD_LOW (1u << 16)
#define RANS_STATES_BYTES (4 * RANS_STATES)
#define RANS_ROUND_BYTES (2 * RANS_STATES) /* that RANS_STATES symbols can take */
#define RANS_ONE_STEP 12                   /* the largest precision whose slots fit a first-level cache */

typedef struct {
    uint16_t freq; /* up to 2^15 */
    uint16_t start;
} rans_range;

/* What a slot says. One step: symbol << 24 | (slot - start) << 12 | frequency. Two steps, for larger precisions: the
 * symbol in a byte, and frequency << 16 | start for each symbol. No symbol of a long stream has all slots, so that
 * frequencies have no more bits than the precision. */
typedef union {
    uint32_t entries[1 << RANS_ONE_STEP];
    struct {
        uint32_t ranges[256];
        uint8_t slots[(1 << RANS_MAX_PRECISION) + 3]; /* and what a gather of the last reads */
    } two;
} rans_slots;

int fae_rans_encode_long(const uint8_t *symbols, size_t n, const rans_range *ranges, int precision, uint8_t *dst,
    size_t dst_len, size_t *out_len);
int fae_rans_decode_long(const uint8_t *src, size_t src_len, const rans_range *ranges, size_t n_symbols, int precision,
    size_t n, uint8_t *symbols);

/* The same in pieces, each with a table of its own: states, RANS_STATES of them or 1, go on from piece to piece. Symbol i
 * of a piece is state i mod n_states. An encoder puts the last piece first, and all before *last; it needs room for
 * RANS_ROUND_BYTES more than it fills, down to `first`. A table whose one symbol has all slots takes no bytes: leave it
 * out. */
void fae_rans_states_start(uint32_t *states, size_t n_states);
int fae_rans_put(const uint8_t *symbols, size_t n, const rans_range *ranges, int precision, size_t n_states,
    uint32_t *states, uint8_t *first, uint8_t **last);
uint8_t *fae_rans_states_put(const uint32_t *states, size_t n_states, uint8_t *next);
int fae_rans_states_take(const uint8_t **src, const uint8_t *end, uint32_t *states, size_t n_states);
int fae_rans_take(const rans_range *ranges, size_t n_symbols, int precision, const uint8_t **src, const uint8_t *end,
    uint32_t *states, size_t n_states, size_t n, uint8_t *symbols);
int fae_rans_states_finish(const uint8_t *src, const uint8_t *end, const uint32_t *states, size_t n_states);

/* Whole rounds of RANS_STATES symbols, while RANS_ROUND_BYTES are left; the number of symbols. */
size_t fae_rans_rounds_avx2(const rans_slots *slots, int precision, const uint8_t **src, const uint8_t *end,
    uint32_t *states, size_t n, uint8_t *symbols);
size_t fae_rans_rounds_avx512(const rans_slots *slots, int precision, const uint8_t **src, const uint8_t *end,
    uint32_t *states, size_t n, uint8_t *symbols);

#endif
