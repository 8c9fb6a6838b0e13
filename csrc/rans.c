/* SPDX-License-Identifier: Apache-2.0
 * rANS (Duda 2013) with bytes as digits and static tables. ANS is a stack: the encoder runs backwards.
 *
 * A long stream has four states that take turns, so that a CPU works on four symbols at once; they start at RANS_LOW,
 * which costs three bytes each. A short stream has one state that starts at 0 and grows before its first byte is
 * written, so it wastes nothing. Both sides tell short from long by the bits that n symbols of the table should take. */
#include "fastae.h"

#include <string.h>

#include "rans_byte.h"

#define RANS_LANES 4
#define RANS_LONG_BITS (8u * 4096u)
#define RANS_MAX_PRECISION 15

typedef struct {
    uint16_t freq; /* up to 2^15 */
    uint16_t start;
} rans_range;

/* Checks a table and finds where each symbol's slots start; symbols outside the table get no slots. */
static int
rans_ranges(const uint32_t *freqs, size_t n_symbols, int precision, rans_range *ranges)
{
    uint32_t start = 0, total;

    if (precision < 1 || precision > RANS_MAX_PRECISION || n_symbols < 1 || n_symbols > 256) {
        return FAE_ERR_TABLE;
    }
    total = 1u << precision;
    memset(ranges, 0, 256 * sizeof *ranges);
    for (size_t s = 0; s < n_symbols; s++) {
        if (freqs[s] > total - start) {
            return FAE_ERR_TABLE;
        }
        ranges[s].freq = (uint16_t) freqs[s];
        ranges[s].start = (uint16_t) start;
        start += freqs[s];
    }
    return start == total ? 0 : FAE_ERR_TABLE;
}

/* Floor of the binary logarithm of x > 0. */
static uint32_t
rans_log2(uint32_t x)
{
    uint32_t log = 0;

    while (x >>= 1) {
        log++;
    }
    return log;
}

/* How many states a stream of n symbols has. */
static size_t
rans_lanes(const rans_range *ranges, size_t n_symbols, int precision, size_t n)
{
    uint64_t bits = 0; /* of 2^precision symbols, in whole bits each: at most 15 * 2^15 */

    for (size_t s = 0; s < n_symbols; s++) {
        if (ranges[s].freq) {
            bits += ranges[s].freq * (uint64_t) ((uint32_t) precision - rans_log2(ranges[s].freq));
        }
    }
    return n > 0 && bits >= ((uint64_t) RANS_LONG_BITS << precision) / n ? RANS_LANES : 1;
}

static uint32_t
rans_first_state(size_t lanes)
{
    return lanes == 1 ? 0 : RANS_BYTE_LOW;
}

int
fae_rans_normalize(const uint64_t *counts, size_t n_symbols, int precision, uint32_t *freqs)
{
    uint64_t scaled[256], most = 0, sum = 0;
    uint32_t total, given = 0;
    int shift = 0;

    if (precision < 1 || precision > RANS_MAX_PRECISION || n_symbols < 1 || n_symbols > 256) {
        return FAE_ERR_TABLE;
    }
    total = 1u << precision;
    for (size_t s = 0; s < n_symbols; s++) {
        most = counts[s] > most ? counts[s] : most;
    }
    while (most >> shift >= (uint64_t) 1 << 39) { /* so that no product below overflows */
        shift++;
    }
    for (size_t s = 0; s < n_symbols; s++) {
        scaled[s] = counts[s] >> shift;
        scaled[s] += counts[s] > 0 && scaled[s] == 0;
        sum += scaled[s];
    }
    for (size_t s = 0; s < n_symbols; s++) {
        freqs[s] = sum ? (uint32_t) (scaled[s] * total / sum) : 0;
        freqs[s] += scaled[s] > 0 && freqs[s] == 0;
        given += freqs[s];
    }
    /* Slots left over go, and slots given too many leave, one at a time where it matters most: d(bits) of a symbol is
     * about count / frequency. Ties fall to the lower symbol. */
    while (given != total) {
        size_t best = n_symbols;

        for (size_t s = 0; s < n_symbols; s++) {
            if (scaled[s] == 0 || (given > total && freqs[s] == 1)) {
                continue;
            }
            if (best == n_symbols) {
                best = s;
            } else if (given < total) {
                best = scaled[s] * (2 * freqs[best] + 1) > scaled[best] * (2 * freqs[s] + 1) ? s : best;
            } else {
                best = scaled[s] * (2 * freqs[best] - 1) < scaled[best] * (2 * freqs[s] - 1) ? s : best;
            }
        }
        if (best == n_symbols) {
            return FAE_ERR_TABLE; /* no counts, or more symbols than slots */
        }
        if (given < total) {
            freqs[best]++;
            given++;
        } else {
            freqs[best]--;
            given--;
        }
    }
    return 0;
}

size_t
fae_rans_bound(size_t n)
{
    return 2 * n + 4 * RANS_LANES; /* 15 bits a symbol, and the states */
}

/* The encoder with a number of states that the compiler knows. */
static inline int
rans_encode_lanes(const uint8_t *symbols, size_t n, const rans_range *ranges, int precision, size_t lanes, uint8_t *dst,
    size_t dst_len, size_t *out_len)
{
    uint32_t states[RANS_LANES];
    uint8_t *next = dst + dst_len;

    for (size_t lane = 0; lane < lanes; lane++) {
        states[lane] = rans_first_state(lanes);
    }
    for (size_t i = n; i-- > 0;) {
        rans_range range = ranges[symbols[i]];
        uint32_t state = states[i % lanes];
        uint32_t limit = (RANS_BYTE_LOW >> precision << 8) * range.freq; /* 2^31 at most */

        if (range.freq == 0) {
            return FAE_ERR_SYMBOL;
        }
        while (state >= limit) {
            if (next == dst) {
                return FAE_ERR_CAPACITY;
            }
            *--next = (uint8_t) state;
            state >>= 8;
        }
        states[i % lanes] = (state / range.freq << precision) + state % range.freq + range.start;
    }
    for (size_t lane = lanes; lane-- > 0;) {
        while (states[lane]) { /* no leading zeros: the decoder reads until a state is full or nothing is left */
            if (next == dst) {
                return FAE_ERR_CAPACITY;
            }
            *--next = (uint8_t) states[lane];
            states[lane] >>= 8;
        }
    }
    *out_len = (size_t) (dst + dst_len - next);
    memmove(dst, next, *out_len);
    return 0;
}

int
fae_rans_encode(const uint8_t *symbols, size_t n, const uint32_t *freqs, size_t n_symbols, int precision, uint8_t *dst,
    size_t dst_len, size_t *out_len)
{
    rans_range ranges[256];
    int err = rans_ranges(freqs, n_symbols, precision, ranges);

    if (err) {
        return err;
    }
    if (rans_lanes(ranges, n_symbols, precision, n) == 1) {
        return rans_encode_lanes(symbols, n, ranges, precision, 1, dst, dst_len, out_len);
    }
    return rans_encode_lanes(symbols, n, ranges, precision, RANS_LANES, dst, dst_len, out_len);
}

/* Takes a symbol from a state, which may be left too small. */
static inline uint32_t
rans_take(uint32_t state, const uint8_t *slots, const rans_range *ranges, int precision, uint8_t *symbol)
{
    uint32_t slot = state & ((1u << precision) - 1);
    rans_range range = ranges[slots[slot]];

    *symbol = slots[slot];
    return range.freq * (state >> precision) + slot - range.start;
}

/* Fills a state that was full before rans_take, so that two bytes are enough, without a branch: how many it needs is
 * hard to predict. */
static inline uint32_t
rans_fill(uint32_t state, const uint8_t **src)
{
    const uint8_t *p = *src;
    uint32_t bits = (state < RANS_BYTE_LOW ? 8u : 0u) + (state < RANS_BYTE_LOW >> 8 ? 8u : 0u);
    uint32_t bytes = (uint32_t) p[0] << 8 | p[1];

    *src = p + bits / 8;
    return state << bits | bytes >> (16 - bits);
}

/* The decoder with a number of states that the compiler knows. */
static inline int
rans_decode_lanes(const uint8_t *src, size_t src_len, const uint8_t *slots, const rans_range *ranges, int precision,
    size_t lanes, size_t n, uint8_t *symbols)
{
    uint32_t states[RANS_LANES] = { 0 };
    const uint8_t *end = src + src_len;
    size_t i = 0;

    for (size_t lane = 0; lane < lanes; lane++) {
        if (src < end && *src == 0) {
            return FAE_ERR_CORRUPT; /* states have no leading zeros, so that one stream decodes to one thing */
        }
        while (states[lane] < RANS_BYTE_LOW && src < end) {
            states[lane] = states[lane] << 8 | *src++;
        }
    }
    /* States that take turns wait for each other's bytes only; one alone is faster if the CPU guesses, as below. */
    for (; lanes > 1 && i + lanes <= n && (size_t) (end - src) >= 2 * lanes; i += lanes) {
        for (size_t lane = 0; lane < lanes; lane++) {
            states[lane] = rans_fill(rans_take(states[lane], slots, ranges, precision, &symbols[i + lane]), &src);
        }
    }
    for (; i < n; i++) { /* the end of the stream may be near */
        uint32_t state = rans_take(states[i % lanes], slots, ranges, precision, &symbols[i]);

        while (state < RANS_BYTE_LOW && src < end) {
            state = state << 8 | *src++;
        }
        states[i % lanes] = state;
    }
    for (size_t lane = 0; lane < lanes; lane++) {
        if (states[lane] != rans_first_state(lanes)) {
            return states[lane] < rans_first_state(lanes) ? FAE_ERR_TRUNCATED : FAE_ERR_CORRUPT;
        }
    }
    return src == end ? 0 : FAE_ERR_CORRUPT;
}

int
fae_rans_decode(const uint8_t *src, size_t src_len, const uint32_t *freqs, size_t n_symbols, int precision, size_t n,
    uint8_t *symbols)
{
    rans_range ranges[256];
    uint8_t slots[1 << RANS_MAX_PRECISION]; /* the symbol of each slot */
    int err = rans_ranges(freqs, n_symbols, precision, ranges);

    if (err) {
        return err;
    }
    for (size_t s = 0; s < n_symbols; s++) {
        memset(slots + ranges[s].start, (int) s, ranges[s].freq);
    }
    if (rans_lanes(ranges, n_symbols, precision, n) == 1) {
        return rans_decode_lanes(src, src_len, slots, ranges, precision, 1, n, symbols);
    }
    return rans_decode_lanes(src, src_len, slots, ranges, precision, RANS_LANES, n, symbols);
}
