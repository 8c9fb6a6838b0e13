/* SPDX-License-Identifier: Apache-2.0
 * Body of loss.c for one element type. */

/* p_s of every level at x: 1 - p_code (summed from the others, so that it keeps its digits near 0), -log p_code, and
 * d log p_code / dx = 2 (levels[code] - sum of p_s levels[s]) / temperature. */
static REAL
FN(loss_wrong)(REAL x, int code, const REAL *levels, size_t n_levels, REAL temperature, double *surprise, REAL *slope)
{
    REAL best = -(REAL) HUGE_VAL, total = 0, others = 0, pull = 0;
    REAL own = -(x - levels[code]) * (x - levels[code]) / temperature;

    for (size_t s = 0; s < n_levels; s++) {
        REAL score = -(x - levels[s]) * (x - levels[s]) / temperature;
        best = score > best ? score : best;
    }
    for (size_t s = 0; s < n_levels; s++) {
        REAL p = (REAL) exp((double) (-(x - levels[s]) * (x - levels[s]) / temperature - best));
        total += p;
        others += s == (size_t) code ? (REAL) 0 : p;
        pull += p * (levels[code] - levels[s]);
    }
    *surprise = (double) (best - own) + log((double) total);
    *slope = 2 / temperature * pull / total;
    return others / total;
}

double
FN(fae_loss_soft_hamming)(const REAL *x, const int8_t *codes, size_t n, const REAL *levels, size_t n_levels,
    REAL temperature, REAL scale, REAL *grad)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        REAL wrong = 0, slope = 0;
        double surprise;

        if (codes[i] >= 0) {
            wrong = FN(loss_wrong)(x[i], codes[i], levels, n_levels, temperature, &surprise, &slope);
        }
        sum += (double) wrong;
        if (grad != NULL) {
            grad[i] = -scale * (1 - wrong) * slope;
        }
    }
    return sum;
}

double
FN(fae_loss_cross_entropy)(const REAL *x, const int8_t *codes, size_t n, const REAL *levels, size_t n_levels,
    REAL temperature, REAL scale, REAL *grad)
{
    const double bits = 1.4426950408889634; /* 1 / ln 2 */
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        REAL slope = 0;
        double surprise = 0;

        if (codes[i] >= 0) {
            FN(loss_wrong)(x[i], codes[i], levels, n_levels, temperature, &surprise, &slope);
        }
        sum += bits * surprise;
        if (grad != NULL) {
            grad[i] = -scale * (REAL) bits * slope;
        }
    }
    return sum;
}

size_t
FN(fae_loss_hamming)(const REAL *x, const int8_t *codes, size_t n, const REAL *levels, size_t n_levels)
{
    size_t wrong = 0;

    for (size_t i = 0; i < n; i++) {
        REAL nearest = (x[i] - levels[0]) * (x[i] - levels[0]);
        int symbol = 0;

        for (size_t s = 1; s < n_levels; s++) {
            REAL distance = (x[i] - levels[s]) * (x[i] - levels[s]);
            if (distance < nearest) {
                nearest = distance;
                symbol = (int) s;
            }
        }
        wrong += codes[i] >= 0 && codes[i] != symbol;
    }
    return wrong;
}
