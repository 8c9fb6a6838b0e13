/* SPDX-License-Identifier: Apache-2.0
 *
 * From the integer decoder's scores to predicted bits with a confidence class, and from there to the rare events, the
 * cells that are not as predicted. */
#include "fastae.h"

#define PREDICTED 0x80u
#define CLASS 0x7fu
#define MAX_CLASSES 128

void
fae_residual_classify(const int32_t *scores, size_t n_rows, size_t n_cols, const uint8_t *groups, size_t n_levels,
    uint32_t multiplier, int32_t shift, uint8_t *classes, uint32_t *n_cells)
{
    const uint64_t top = n_levels - 1;

    for (size_t row = 0; row < n_rows; row++) {
        const int32_t *score = scores + row * n_cols;
        uint8_t *cls = classes + row * n_cols;

        for (size_t col = 0; col < n_cols; col++) {
            int64_t s = score[col];
            uint64_t level = ((uint64_t) (s < 0 ? -s : s) * multiplier) >> shift;
            uint32_t c = (uint32_t) (groups[col] * n_levels + (level < top ? level : top));

            cls[col] = (uint8_t) (c | (s > 0 ? PREDICTED : 0));
            n_cells[c]++;
        }
    }
}

void
fae_residual_count(const uint8_t *classes, const uint8_t *bits, size_t n, size_t n_classes, uint32_t *counts)
{
    for (size_t c = 0; c < n_classes; c++) {
        counts[c] = 0;
    }
    for (size_t i = 0; i < n; i++) {
        counts[classes[i] & CLASS] += (classes[i] >> 7) ^ bits[i];
    }
}

/* Where each class's events begin. */
static void
residual_starts(const uint32_t *counts, size_t n_classes, uint32_t *starts)
{
    uint32_t sum = 0;

    for (size_t c = 0; c < n_classes; c++) {
        starts[c] = sum;
        sum += counts[c];
    }
}

void
fae_residual_collect(const uint8_t *classes, const uint8_t *bits, size_t n, size_t n_classes, const uint32_t *counts,
    uint32_t *positions)
{
    uint32_t next[MAX_CLASSES], seen[MAX_CLASSES] = { 0 };

    residual_starts(counts, n_classes, next);
    for (size_t i = 0; i < n; i++) {
        unsigned c = classes[i] & CLASS;

        if ((classes[i] >> 7) != bits[i]) {
            positions[next[c]++] = seen[c];
        }
        seen[c]++;
    }
}

void
fae_residual_apply(const uint8_t *classes, size_t n, size_t n_classes, const uint32_t *counts,
    const uint32_t *positions, uint8_t *bits)
{
    uint32_t next[MAX_CLASSES], last[MAX_CLASSES], left[MAX_CLASSES];

    residual_starts(counts, n_classes, next);
    /* `left` counts down the cells to the class's next event; the wrap to UINT32_MAX means none is near */
    for (size_t c = 0; c < n_classes; c++) {
        last[c] = next[c] + counts[c];
        left[c] = counts[c] ? positions[next[c]] : UINT32_MAX;
    }
    for (size_t i = 0; i < n; i++) {
        unsigned c = classes[i] & CLASS;
        uint8_t bit = classes[i] >> 7;

        if (left[c]-- == 0) {
            uint32_t at = positions[next[c]++];

            bit ^= 1;
            left[c] = next[c] < last[c] ? positions[next[c]] - at - 1 : UINT32_MAX;
        }
        bits[i] = bit;
    }
}
