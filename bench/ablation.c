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
