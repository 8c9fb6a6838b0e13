/* SPDX-License-Identifier: Apache-2.0
 *
 * From the integer decoder's scores to predicted bits with a confidence class, and the events, the cells that are not as
 * predicted, coded one by one by binary rANS. A decoder that is wrong in one cell is often wrong in the next, and rows
 * of alike latents are wrong alike: the events already coded nearby are part of the context. */
#include <string.h>

#include "fastae.h"
#include "rans_byte.h"

#define PREDICTED 0x80u
#define CLASS 0x7fu
#define PRECISION 15

/* 2^15 / (1 + exp(-(rate - 96) / 8)), rounded, at least 1 */
static const uint16_t EVENT_FREQUENCY[128] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 4,
    4, 5, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 18, 21, 23, 26, 30, 34, 38, 43, 49, 56, 63, 72, 81, 92, 104, 118, 133, 151,
    171, 194, 219, 248, 281, 318, 360, 407, 461, 521, 589, 666, 753, 851, 961, 1084, 1223, 1379, 1554, 1750, 1969, 2213,
    2486, 2789, 3124, 3496, 3906, 4357, 4851, 5391, 5978, 6613, 7297, 8031, 8813, 9641, 10513, 11424, 12371, 13348,
    14347, 15361, 16384, 17407, 18421, 19420, 20397, 21344, 22255, 23127, 23955, 24737, 25471, 26155, 26790, 27377,
    27917, 28411, 28862, 29272, 29644, 29979, 30282, 30555, 30799, 31018, 31214, 31389, 31545, 31684, 31807, 31917,
    32015, 32102 };

void
fae_residual_classify(const int32_t *scores, size_t n_rows, size_t n_cols, const uint8_t *groups, size_t n_levels,
    uint32_t multiplier, int32_t shift, uint8_t *classes)
{
    const uint64_t top = n_levels - 1;

    for (size_t row = 0; row < n_rows; row++) {
        const int32_t *score = scores + row * n_cols;
        uint8_t *cls = classes + row * n_cols;

        for (size_t col = 0; col < n_cols; col++) {
            int64_t s = score[col];
            uint64_t level = ((uint64_t) (s < 0 ? -s : s) * multiplier) >> shift;

            cls[col] = (uint8_t) ((groups[col] * n_levels + (level < top ? level : top)) | (s > 0 ? PREDICTED : 0));
        }
    }
}

/* The events around a cell. */
typedef struct {
    uint8_t *above;  /* (n_cols): events of the row above in bit 0, of the row before it in bit 1 */
    unsigned before; /* the last 8 events of this row, one bit each */
} residual_history;

static inline uint32_t
residual_context(const residual_history *history, uint8_t cls, size_t col)
{
    static const uint8_t ABOVE[4] = { 0, 1, 1, 2 };
    unsigned before = history->before;
    /* 0, 1, 2 or more bits set, without a population count the baseline ISA may lack */
    unsigned n_before = before == 0 ? 0 : (before & (before - 1)) == 0 ? 1 : 2;

    return ((cls & CLASS) * 3u + ABOVE[history->above[col]]) * 3u + n_before;
}

static inline void
residual_history_add(residual_history *history, size_t col, unsigned event)
{
    history->above[col] = (uint8_t) (((unsigned) history->above[col] << 1 | event) & 3u);
    history->before = (history->before << 1 | event) & 0xffu;
}

void
fae_residual_count(const uint8_t *classes, const uint8_t *bits, size_t n_rows, size_t n_cols, uint8_t *history,
    uint64_t *cells, uint64_t *events)
{
    residual_history around = { history, 0 };

    memset(history, 0, n_cols);
    for (size_t row = 0; row < n_rows; row++) {
        around.before = 0;
        for (size_t col = 0; col < n_cols; col++) {
            size_t i = row * n_cols + col;
            unsigned event = (unsigned) (classes[i] >> 7) ^ bits[i];
            uint32_t context = residual_context(&around, classes[i], col);

            cells[context]++;
            events[context] += event;
            residual_history_add(&around, col, event);
        }
    }
}

int
fae_residual_encode(const uint8_t *classes, const uint8_t *bits, size_t n_rows, size_t n_cols, const uint8_t *rates,
    size_t n_contexts, uint8_t *history, uint16_t *contexts, uint8_t *dst, size_t dst_len, size_t *out_len)
{
    rans_byte_encoder coder;
    residual_history around = { history, 0 };

    for (size_t c = 0; c < n_contexts; c++) {
        if (rates[c] > 127) {
            return FAE_ERR_TABLE;
        }
    }
    memset(history, 0, n_cols);
    for (size_t row = 0; row < n_rows; row++) { /* forwards, as the decoder will meet them */
        around.before = 0;
        for (size_t col = 0; col < n_cols; col++) {
            size_t i = row * n_cols + col;
            unsigned event = (unsigned) (classes[i] >> 7) ^ bits[i];

            contexts[i] = (uint16_t) (residual_context(&around, classes[i], col) << 1 | event);
            residual_history_add(&around, col, event);
        }
    }
    rans_byte_encoder_start(&coder, dst, dst_len);
    for (size_t i = n_rows * n_cols; i-- > 0;) { /* and into the stack backwards */
        uint32_t frequency = EVENT_FREQUENCY[rates[contexts[i] >> 1]];
        int err = contexts[i] & 1 ? rans_byte_put(&coder, 0, frequency, PRECISION)
                                  : rans_byte_put(&coder, frequency, (1u << PRECISION) - frequency, PRECISION);

        if (err) {
            return err;
        }
    }
    return rans_byte_encoder_finish(&coder, dst, out_len);
}

int
fae_residual_decode(const uint8_t *src, size_t src_len, const uint8_t *classes, size_t n_rows, size_t n_cols,
    const uint8_t *rates, size_t n_contexts, uint8_t *history, uint8_t *bits)
{
    rans_byte_decoder coder;
    residual_history around = { history, 0 };
    int err = rans_byte_decoder_start(&coder, src, src_len);

    if (err) {
        return err;
    }
    for (size_t c = 0; c < n_contexts; c++) {
        if (rates[c] > 127) {
            return FAE_ERR_TABLE;
        }
    }
    memset(history, 0, n_cols);
    for (size_t row = 0; row < n_rows; row++) {
        around.before = 0;
        for (size_t col = 0; col < n_cols; col++) {
            size_t i = row * n_cols + col;
            uint32_t frequency = EVENT_FREQUENCY[rates[residual_context(&around, classes[i], col)]];
            unsigned event = rans_byte_peek(&coder, PRECISION) < frequency;

            err = event ? rans_byte_advance(&coder, 0, frequency, PRECISION)
                        : rans_byte_advance(&coder, frequency, (1u << PRECISION) - frequency, PRECISION);
            if (err) {
                return err;
            }
            bits[i] = (uint8_t) ((classes[i] >> 7) ^ event);
            residual_history_add(&around, col, event);
        }
    }
    return rans_byte_decoder_finish(&coder);
}
