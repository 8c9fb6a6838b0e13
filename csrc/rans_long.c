/* SPDX-License-Identifier: Apache-2.0 */
#include "rans.h"

#include <string.h>

/* ---- encoder --------------------------------------------------------------------------------------------------- */

/* floor(x / freq) = x * reciprocal >> (32 + precision) for every x < limit = freq << (32 - precision): the error of the
 * rounded up reciprocal, below 2^-(32 + precision) x, stays below 1 / freq, and the product fits 64 bits. */
typedef struct {
    uint64_t reciprocal;
    uint32_t limit; /* 0: a symbol that cannot be encoded */
    uint16_t start, others; /* others: the slots that are not the symbol's */
} rans_step;

static inline uint8_t *
rans_put_word(uint8_t *next, uint32_t word)
{
    next[-2] = (uint8_t) word;
    next[-1] = (uint8_t) (word >> 8);
    return next - 2;
}

/* Encodes symbol i; the word is written in any case and kept if the state was too large, so that nothing branches. */
static inline uint8_t *
rans_push(uint32_t *state, rans_step step, int precision, uint8_t *next)
{
    uint32_t x = *state, full = x >= step.limit;

    rans_put_word(next, x);
    x >>= 16 * full;
    *state = x + step.start + (uint32_t) (x * step.reciprocal >> (32 + precision)) * step.others;
    return next - 2 * full;
}

int
fae_rans_put(const uint8_t *symbols, size_t n, const rans_range *ranges, int precision, size_t n_states,
    uint32_t *states, uint8_t *first, uint8_t **last)
{
    rans_step steps[256];
    uint8_t *next = *last;
    int known = 1;

    memset(steps, 0, sizeof steps);
    for (size_t s = 0; s < 256; s++) {
        uint64_t freq = ranges[s].freq;

        if (freq) {
            steps[s].reciprocal = (((uint64_t) 1 << (32 + precision)) + freq - 1) / freq;
            steps[s].limit = (uint32_t) (freq << (32 - precision));
            steps[s].start = ranges[s].start;
            steps[s].others = (uint16_t) ((1u << precision) - freq);
        }
    }
    for (size_t i = n; i > 0;) {
        size_t round = i % n_states ? i % n_states : n_states;

        if (next - first < RANS_ROUND_BYTES) {
            return FAE_ERR_CAPACITY;
        }
        i -= round;
        for (size_t lane = round; lane-- > 0;) {
            rans_step step = steps[symbols[i + lane]];

            known &= step.limit != 0;
            next = rans_push(&states[lane], step, precision, next);
        }
    }
    *last = next;
    return known ? 0 : FAE_ERR_SYMBOL;
}

int
fae_rans_encode_long(const uint8_t *symbols, size_t n, const rans_range *ranges, int precision, uint8_t *dst,
    size_t dst_len, size_t *out_len)
{
    uint32_t states[RANS_STATES];
    uint8_t *next = dst + dst_len;
    int err;

    if (dst_len < RANS_STATES_BYTES) {
        return FAE_ERR_CAPACITY;
    }
    fae_rans_states_start(states, RANS_STATES);
    err = fae_rans_put(symbols, n, ranges, precision, RANS_STATES, states, dst + RANS_STATES_BYTES, &next);
    if (err) {
        return err;
    }
    next = fae_rans_states_put(states, RANS_STATES, next);
    *out_len = (size_t) (dst + dst_len - next);
    memmove(dst, next, *out_len);
    return 0;
}

void
fae_rans_states_start(uint32_t *states, size_t n_states)
{
    for (size_t lane = 0; lane < n_states; lane++) {
        states[lane] = RANS_WORD_LOW;
    }
}

uint8_t *
fae_rans_states_put(const uint32_t *states, size_t n_states, uint8_t *next)
{
    for (size_t lane = n_states; lane-- > 0;) {
        next = rans_put_word(rans_put_word(next, states[lane] >> 16), states[lane]);
    }
    return next;
}

/* ---- decoder ---------------------------------------------------------------------------------------------------- */

static void
rans_fill_slots(const rans_range *ranges, size_t n_symbols, int precision, rans_slots *slots)
{
    for (size_t s = 0; s < n_symbols; s++) {
        uint32_t freq = ranges[s].freq, start = ranges[s].start;

        if (precision > RANS_ONE_STEP) {
            slots->two.ranges[s] = freq << 16 | start;
            memset(slots->two.slots + start, (int) s, freq);
        } else {
            for (uint32_t i = 0; i < freq; i++) {
                slots->entries[start + i] = (uint32_t) s << 24 | i << 12 | freq;
            }
        }
    }
    if (precision > RANS_ONE_STEP) {
        memset(slots->two.slots + ((size_t) 1 << precision), 0, 3);
    }
}

/* Takes a symbol from a state, which may be left too small. */
static inline uint32_t
rans_take(const rans_slots *slots, int precision, uint32_t x, uint8_t *symbol)
{
    uint32_t slot = x & ((1u << precision) - 1), entry;

    if (precision > RANS_ONE_STEP) {
        *symbol = slots->two.slots[slot];
        entry = slots->two.ranges[*symbol];
        return (entry >> 16) * (x >> precision) + slot - (entry & 0xffff);
    }
    entry = slots->entries[slot];
    *symbol = (uint8_t) (entry >> 24);
    return (entry & 0xfff) * (x >> precision) + (entry >> 12 & 0xfff);
}

static inline uint32_t
rans_word(const uint8_t *src)
{
    return (uint32_t) src[0] | (uint32_t) src[1] << 8;
}

static size_t
rans_rounds_scalar(const rans_slots *slots, int precision, const uint8_t **src, const uint8_t *end, uint32_t *states,
    size_t n, uint8_t *symbols)
{
    const uint8_t *next = *src;
    size_t i = 0;

    for (; i + RANS_STATES <= n && end - next >= RANS_ROUND_BYTES; i += RANS_STATES) {
        for (size_t lane = 0; lane < RANS_STATES; lane++) {
            uint32_t x = rans_take(slots, precision, states[lane], &symbols[i + lane]);
            uint32_t low = x < RANS_WORD_LOW;

            states[lane] = x << 16 * low | (rans_word(next) & (0u - low)); /* whether it is low is hard to predict */
            next += 2 * low;
        }
    }
    *src = next;
    return i;
}

int
fae_rans_states_take(const uint8_t **src, const uint8_t *end, uint32_t *states, size_t n_states)
{
    if ((size_t) (end - *src) < 4 * n_states) {
        return FAE_ERR_TRUNCATED;
    }
    for (size_t lane = 0; lane < n_states; lane++, *src += 4) {
        states[lane] = rans_word(*src) | rans_word(*src + 2) << 16;
        if (states[lane] < RANS_WORD_LOW) {
            return FAE_ERR_CORRUPT;
        }
    }
    return 0;
}

int
fae_rans_states_finish(const uint8_t *src, const uint8_t *end, const uint32_t *states, size_t n_states)
{
    for (size_t lane = 0; lane < n_states; lane++) {
        if (states[lane] != RANS_WORD_LOW) {
            return FAE_ERR_CORRUPT;
        }
    }
    return src == end ? 0 : FAE_ERR_CORRUPT;
}

int
fae_rans_take(const rans_range *ranges, size_t n_symbols, int precision, const uint8_t **src, const uint8_t *end,
    uint32_t *states, size_t n_states, size_t n, uint8_t *symbols)
{
    rans_slots slots;
    size_t i = 0;

    rans_fill_slots(ranges, n_symbols, precision, &slots);
    if (n_states == RANS_STATES) {
#if defined(__x86_64__)
        if (fae_cpu_enabled() & FAE_CPU_AVX512) {
            i = fae_rans_rounds_avx512(&slots, precision, src, end, states, n, symbols);
        } else if (fae_cpu_enabled() & FAE_CPU_AVX2) {
            i = fae_rans_rounds_avx2(&slots, precision, src, end, states, n, symbols);
        } else
#endif
        {
            i = rans_rounds_scalar(&slots, precision, src, end, states, n, symbols);
        }
    }
    for (; i < n; i++) { /* the end of the stream may be near */
        uint32_t x = rans_take(&slots, precision, states[i % n_states], &symbols[i]);

        if (x < RANS_WORD_LOW) {
            if (end - *src < 2) {
                return FAE_ERR_TRUNCATED;
            }
            x = x << 16 | rans_word(*src);
            *src += 2;
        }
        states[i % n_states] = x;
    }
    return 0;
}

int
fae_rans_decode_long(const uint8_t *src, size_t src_len, const rans_range *ranges, size_t n_symbols, int precision,
    size_t n, uint8_t *symbols)
{
    const uint8_t *end = src + src_len;
    uint32_t states[RANS_STATES];
    int err = fae_rans_states_take(&src, end, states, RANS_STATES);

    if (!err) {
        err = fae_rans_take(ranges, n_symbols, precision, &src, end, states, RANS_STATES, n, symbols);
    }
    return err ? err : fae_rans_states_finish(src, end, states, RANS_STATES);
}
