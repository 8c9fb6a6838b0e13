/* SPDX-License-Identifier: Apache-2.0
 * One block through the coder of sorted columns as bench/ablation.py has changed it: pbwt.c is the changed source. */
#include "pbwt.c"

#include <stdlib.h>

__attribute__((visibility("default"))) int64_t ablation_bytes(
    const uint8_t *bits, size_t n_columns, size_t n_rows, size_t start, unsigned shift);

/* Bytes that bits (n_columns, n_rows) take, or -1 if they do not come back from them. */
int64_t
ablation_bytes(const uint8_t *bits, size_t n_columns, size_t n_rows, size_t start, unsigned shift)
{
    const fae_pbwt_shape shape = { .n_columns = n_columns, .n_rows = n_rows, .start = start };
    size_t cells = n_columns * n_rows, room = 4096 + cells / 2, right_len = 0, len = 0;
    void *work = malloc(fae_pbwt_work(&shape, 0));
    uint8_t *stream = malloc(room), *again = malloc(cells);
    int good = work != NULL && stream != NULL && again != NULL
               && !fae_pbwt_encode(bits, &shape, shift, work, stream, room, &right_len, &len)
               && !fae_pbwt_decode(stream, right_len, len, &shape, 0, n_columns, NULL, 0, work, again)
               && !memcmp(bits, again, cells);

    free(work);
    free(stream);
    free(again);
    return good ? (int64_t) len : -1;
}

__attribute__((visibility("default"))) int ablation_learnt(const uint8_t *bits, size_t n_columns, size_t n_rows,
    unsigned shift, uint32_t *cells, uint32_t *changes, uint32_t *p1, uint32_t *counts);

/* What all columns' model has learnt from a block, one way: cells and changes (RATES), in 256ths; p1 and counts (BITS).
 * Returns an error. */
int
ablation_learnt(const uint8_t *bits, size_t n_columns, size_t n_rows, unsigned shift, uint32_t *cells,
    uint32_t *changes, uint32_t *p1, uint32_t *counts)
{
    const fae_pbwt_shape shape = { .n_columns = n_columns, .n_rows = n_rows };
    size_t room = 4096 + n_columns * n_rows / 2, right_len, len;
    void *work = malloc(fae_pbwt_work(&shape, 0));
    uint8_t *stream = malloc(room);
    int err =
        work == NULL || stream == NULL || fae_pbwt_encode(bits, &shape, shift, work, stream, room, &right_len, &len);

    if (!err) {
        pbwt_state state;
        const cell_model *model;

        state_place(&state, work, &shape, 0);
        model = &state.model->columns.of_all;
        for (size_t at = 0; at < RATES; at++) {
            cells[at] = model->rates[at].cells;
            changes[at] = model->rates[at].changes;
        }
        for (size_t at = 0; at < BITS; at++) {
            p1[at] = model->bits[at].p1;
            counts[at] = model->bits[at].count;
        }
    }
    free(work);
    free(stream);
    return err;
}
