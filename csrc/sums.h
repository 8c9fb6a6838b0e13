/* SPDX-License-Identifier: Apache-2.0
 * Columns as decoders have them, for sums.c. */
#ifndef FASTAE_SUMS_H
#define FASTAE_SUMS_H

#include "internal.h"

#define SUMS_SLACK 16 /* numbers past the end of an order: copies are of whole pieces */

/* A column by its minor allele, which is 0 where the column is flipped: no more than half of the rows. */
typedef struct {
    unsigned flipped;
    uint32_t n_minor;
    uint32_t row;          /* of a single one */
    const uint16_t *order; /* (n_rows, and SUMS_SLACK more) the row at each position, if sums need it */
    const uint16_t *edges; /* (n_edges) positions where runs of several begin and end, by turns */
    size_t n_edges;
} sums_column;

/* Counts alone are known without the order of rows. */
static inline int
sums_need_order(const fae_sums *sums)
{
    return sums->row_weights != NULL || sums->column_weights != NULL || sums->mask_of != NULL;
}

void fae_sums_add(const fae_sums *sums, size_t column, const sums_column *found);

#endif
