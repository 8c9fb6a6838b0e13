/* SPDX-License-Identifier: Apache-2.0
 * Body of sums.c for one instruction set. All of them take sums in the same order, and the only
 * products are with 1 and -1, so results are the same. */

#define LANES 8

/* The sum of the weights of some rows, (n_rows, width). */
static TARGET void
ISA(weights_add)(const double *weights, size_t width, const uint16_t *rows, size_t n, double *out)
{
    size_t first = 0;

    if (width == 1) {
        double sums[LANES] = { 0 };
        size_t i = 0;

        for (; i + LANES <= n; i += LANES) {
            for (size_t j = 0; j < LANES; j++) {
                sums[j] += weights[rows[i + j]];
            }
        }
        for (; i < n; i++) {
            sums[i % LANES] += weights[rows[i]];
        }
        for (size_t j = 0; j < LANES; j++) {
            out[0] += sums[j];
        }
        return;
    }
    for (; first + LANES <= width; first += LANES) {
        double sums[LANES] = { 0 };

        for (size_t i = 0; i < n; i++) {
            const double *of_row = weights + rows[i] * width + first;

            for (size_t j = 0; j < LANES; j++) {
                sums[j] += of_row[j];
            }
        }
        for (size_t j = 0; j < LANES; j++) {
            out[first + j] += sums[j];
        }
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t j = first; j < width; j++) {
            out[j] += weights[rows[i] * width + j];
        }
    }
}

/* Adds a column's weights to some rows of `out`, (n_rows, width), or takes them away. */
static TARGET void
ISA(weights_scatter)(const double *weights, size_t width, double sign, const uint16_t *rows, size_t n, double *out)
{
    if (width == 1) {
        const double weight = sign * weights[0];

        for (size_t i = 0; i < n; i++) {
            out[rows[i]] += weight;
        }
        return;
    }
    for (size_t i = 0; i < n; i++) {
        double *restrict to = out + rows[i] * width;

        for (size_t j = 0; j < width; j++) {
            to[j] += sign * weights[j];
        }
    }
}

#undef LANES
