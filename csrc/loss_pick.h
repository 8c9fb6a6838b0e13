/* SPDX-License-Identifier: Apache-2.0
 * The faces of loss.c for one element type: each calls the body for this CPU. */

typedef double FN(loss_body)(const REAL *x, const int8_t *codes, size_t n, const REAL *levels, size_t n_levels,
    REAL temperature, REAL scale, REAL *grad);

typedef struct {
    FN(loss_body) * body;
    const REAL *x;
    const int8_t *codes;
    size_t n;
    const REAL *levels;
    size_t n_levels;
    REAL temperature, scale, *grad;
    double *sums; /* one for each part */
} FN(loss_job);

static void
FN(loss_part)(const void *context, size_t part, size_t thread)
{
    const FN(loss_job) *job = context;
    size_t cells = loss_part_cells(job->n), first = part * cells;

    (void) thread;
    job->sums[part] = job->body(job->x + first, job->codes + first, fae_min(cells, job->n - first), job->levels,
        job->n_levels, job->temperature, job->scale, job->grad == NULL ? NULL : job->grad + first);
}

static double
FN(loss_total)(FN(loss_job) job, size_t n_threads)
{
    double sums[PARTS_MAX], total = 0;
    size_t cells = loss_part_cells(job.n), n_parts = (job.n + cells - 1) / cells;

    job.sums = sums;
    fae_parallel(n_parts, fae_max(1, fae_min(n_threads, job.n / THREAD_CELLS)), FN(loss_part), &job);
    for (size_t part = 0; part < n_parts; part++) {
        total += sums[part];
    }
    return total;
}

double
FN(fae_loss_soft_hamming)(const REAL *x, const int8_t *codes, size_t n, const REAL *levels, size_t n_levels,
    REAL temperature, REAL scale, size_t n_threads, REAL *grad)
{
    return FN(loss_total)(
        (FN(loss_job)) { FAE_PICK(loss_soft_hamming), x, codes, n, levels, n_levels, temperature, scale, grad, NULL },
        n_threads);
}

double
FN(fae_loss_cross_entropy)(const REAL *x, const int8_t *codes, size_t n, const REAL *levels, size_t n_levels,
    REAL temperature, REAL scale, size_t n_threads, REAL *grad)
{
    return FN(loss_total)(
        (FN(loss_job)) { FAE_PICK(loss_cross_entropy), x, codes, n, levels, n_levels, temperature, scale, grad, NULL },
        n_threads);
}

size_t
FN(fae_loss_hamming)(const REAL *x, const int8_t *codes, size_t n, const REAL *levels, size_t n_levels)
{
    return FAE_PICK(loss_hamming)(x, codes, n, levels, n_levels);
}
