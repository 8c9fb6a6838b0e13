/* SPDX-License-Identifier: Apache-2.0
 * rANS (Duda 2013) with static tables. ANS is a stack: the encoder runs backwards.
 *
 * A long stream has many states that take turns (rans.h), which costs some hundred bytes. A short stream has one state
 * with bytes as digits; it starts at 0 and grows before its first byte is written, so it wastes nothing. Both sides tell
 * short from long by the bits that n symbols of the table should take. */
#include "rans.h"

#include <string.h>

#include "rans_byte.h"

#define RANS_LONG_BITS (8u * 32768u)

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

/* Whether a stream of n symbols is long. */
static int
rans_is_long(const rans_range *ranges, size_t n_symbols, int precision, size_t n)
{
    uint64_t bits = 0; /* of 2^precision symbols, in whole bits each: at most 15 * 2^15 */

    for (size_t s = 0; s < n_symbols; s++) {
        if (ranges[s].freq) {
            bits += ranges[s].freq * (uint64_t) ((uint32_t) precision - rans_log2(ranges[s].freq));
        }
    }
    return n > 0 && bits > (((uint64_t) RANS_LONG_BITS << precision) - 1) / n; /* n * bits could overflow */
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
    return 2 * (n + RANS_STATES) + RANS_STATES_BYTES; /* a word a symbol, whole rounds of them, and the states */
}

static int
rans_encode_short(const uint8_t *symbols, size_t n, const rans_range *ranges, int precision, uint8_t *dst,
    size_t dst_len, size_t *out_len)
{
    uint8_t *next = dst + dst_len;
    uint32_t state = 0;

    for (size_t i = n; i-- > 0;) {
        rans_range range = ranges[symbols[i]];
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
        state = (state / range.freq << precision) + state % range.freq + range.start;
    }
    while (state) { /* no leading zeros: the decoder reads until the state is full or nothing is left */
        if (next == dst) {
            return FAE_ERR_CAPACITY;
        }
        *--next = (uint8_t) state;
        state >>= 8;
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
    if (rans_is_long(ranges, n_symbols, precision, n)) {
        return fae_rans_encode_long(symbols, n, ranges, precision, dst, dst_len, out_len);
    }
    return rans_encode_short(symbols, n, ranges, precision, dst, dst_len, out_len);
}

static int
rans_decode_short(const uint8_t *src, size_t src_len, const rans_range *ranges, size_t n_symbols, int precision,
    size_t n, uint8_t *symbols)
{
    uint8_t slots[1 << RANS_MAX_PRECISION]; /* the symbol of each slot */
    const uint8_t *end = src + src_len;
    uint32_t state = 0, mask = (1u << precision) - 1;

    for (size_t s = 0; s < n_symbols; s++) {
        memset(slots + ranges[s].start, (int) s, ranges[s].freq);
    }
    if (src < end && *src == 0) {
        return FAE_ERR_CORRUPT; /* states have no leading zeros, so that one stream decodes to one thing */
    }
    while (state < RANS_BYTE_LOW && src < end) {
        state = state << 8 | *src++;
    }
    for (size_t i = 0; i < n; i++) {
        rans_range range;

        symbols[i] = slots[state & mask];
        range = ranges[symbols[i]];
        state = range.freq * (state >> precision) + (state & mask) - range.start;
        while (state < RANS_BYTE_LOW && src < end) {
            state = state << 8 | *src++;
        }
    }
    return state != 0 || src != end ? FAE_ERR_CORRUPT : 0;
}

int
fae_rans_decode(const uint8_t *src, size_t src_len, const uint32_t *freqs, size_t n_symbols, int precision, size_t n,
    uint8_t *symbols)
{
    rans_range ranges[256];
    int err = rans_ranges(freqs, n_symbols, precision, ranges);

    if (err) {
        return err;
    }
    if (rans_is_long(ranges, n_symbols, precision, n)) {
        return fae_rans_decode_long(src, src_len, ranges, n_symbols, precision, n, symbols);
    }
    return rans_decode_short(src, src_len, ranges, n_symbols, precision, n, symbols);
}
