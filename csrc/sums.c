/* SPDX-License-Identifier: Apache-2.0
 *
 * Products of a matrix of bits and of its transpose with narrow matrices, column by column as decoders come to them: who
 * has the minor allele is a list of rows, copied run by run from the order of the positional Burrows-Wheeler transform,
 * so that time goes with the minor alleles rather than with the cells. A flipped column is all rows less those. */
#include "sums.h"

#include <string.h>

/* ---- bodies ----------------------------------------------------------------------------------------------------------- */

#define BODY "sums_body.h"
#include "every_integer_isa.h"

/* ---- scratch ---------------------------------------------------------------------------------------------------------- */

typedef struct {
    double *total;  /* (width) of the row weights */
    double *common; /* (width) of the weights of flipped columns, which all rows get at the end */
    uint16_t *rows; /* (n_rows + SUMS_SLACK) */
    uint8_t *bits;  /* (n_rows) */
} sums_scratch;

static sums_scratch
scratch_of(const fae_sums *sums)
{
    sums_scratch scratch;

    scratch.total = sums->work;
    scratch.common = scratch.total + sums->width;
    scratch.rows = (uint16_t *) (scratch.common + sums->width);
    scratch.bits = (uint8_t *) (scratch.rows + sums->n_rows + SUMS_SLACK);
    return scratch;
}

size_t
fae_sums_work(size_t n_rows, size_t width)
{
    return 2 * width * sizeof(double) + (n_rows + SUMS_SLACK) * sizeof(uint16_t) + n_rows;
}

void
fae_sums_start(const fae_sums *sums)
{
    const sums_scratch scratch = scratch_of(sums);

    memset(scratch.total, 0, 2 * sums->width * sizeof(double));
    if (sums->row_weights != NULL) {
        for (size_t i = 0; i < sums->n_rows; i++) {
            for (size_t j = 0; j < sums->width; j++) {
                scratch.total[j] += sums->row_weights[i * sums->width + j];
            }
        }
    }
}

void
fae_sums_finish(const fae_sums *sums)
{
    const sums_scratch scratch = scratch_of(sums);

    if (sums->column_weights != NULL) {
        for (size_t i = 0; i < sums->n_rows; i++) {
            for (size_t j = 0; j < sums->width; j++) {
                sums->of_rows[i * sums->width + j] += scratch.common[j];
            }
        }
    }
}

/* ---- columns ---------------------------------------------------------------------------------------------------------- */

/* Adds a column that has ones, or where it is flipped zeros, in the rows listed. */
static void
rows_add(const fae_sums *sums, size_t column, unsigned flipped, const uint16_t *rows, size_t n)
{
    const sums_scratch scratch = scratch_of(sums);
    const size_t width = sums->width;

    if (sums->row_weights != NULL) {
        double *out = sums->of_columns + column * width;

        PICK(weights_add)(sums->row_weights, width, rows, n, out);
        for (size_t j = 0; flipped && j < width; j++) {
            out[j] = scratch.total[j] - out[j];
        }
    }
    if (sums->column_weights != NULL) {
        const double *weights = sums->column_weights + column * width;

        PICK(weights_scatter)(weights, width, flipped ? -1.0 : 1.0, rows, n, sums->of_rows);
        for (size_t j = 0; flipped && j < width; j++) {
            scratch.common[j] += weights[j];
        }
    }
}

void
fae_sums_add_bits(const fae_sums *sums, size_t column, const uint8_t *bits)
{
    uint16_t *rows = scratch_of(sums).rows;
    const int64_t mask = sums->mask_of != NULL ? sums->mask_of[column] : -1;
    size_t n = 0;

    if (mask >= 0) {
        const uint8_t *masked = sums->masks + (size_t) mask * sums->n_rows;

        for (size_t i = 0; i < sums->n_rows; i++) {
            rows[n] = (uint16_t) i;
            n += bits[i] & ~masked[i] & 1u;
        }
    } else {
        for (size_t i = 0; i < sums->n_rows; i++) {
            rows[n] = (uint16_t) i;
            n += bits[i] & 1u;
        }
    }
    sums->counts[column] = (uint32_t) n;
    rows_add(sums, column, 0, rows, n);
}

void
fae_sums_add(const fae_sums *sums, size_t column, const sums_column *found)
{
    const sums_scratch scratch = scratch_of(sums);
    uint16_t *to = scratch.rows;

    sums->counts[column] = found->flipped ? (uint32_t) sums->n_rows - found->n_minor : found->n_minor;
    if (!sums_need_order(sums)) {
        return;
    }
    if (found->n_minor == 1) {
        *to = (uint16_t) found->row;
    } else if (found->n_minor > 1) {
        for (size_t e = 0; e < found->n_edges; e += 2) {
            size_t n = (size_t) (found->edges[e + 1] - found->edges[e]);

            for (size_t i = 0; i < n; i += SUMS_SLACK) { /* up to a whole piece more */
                memcpy(to + i, found->order + found->edges[e] + i, SUMS_SLACK * sizeof *to);
            }
            to += n;
        }
    }
    if (sums->mask_of != NULL && sums->mask_of[column] >= 0) {
        memset(scratch.bits, (int) found->flipped, sums->n_rows);
        for (size_t i = 0; i < found->n_minor; i++) {
            scratch.bits[scratch.rows[i]] = (uint8_t) !found->flipped;
        }
        fae_sums_add_bits(sums, column, scratch.bits);
        return;
    }
    rows_add(sums, column, found->flipped, scratch.rows, found->n_minor);
}
