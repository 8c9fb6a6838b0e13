/* SPDX-License-Identifier: Apache-2.0
 * What reverse mode and unit tangents share, for one element type: the rows of a batch as parts, and their sum. */

typedef struct FN(gradient_job) FN(gradient_job);

/* The gradient of `rows` examples from example `first` on: sets params_bar or, if `accumulate`, adds to it. */
typedef void FN(gradient_rows)(
    const FN(gradient_job) * job, size_t first, size_t rows, int accumulate, REAL *scratch, REAL *params_bar);

struct FN(gradient_job) {
    const fae_stack *stack;
    const REAL *params, *x, *h;
    size_t n;
    const REAL *y_bar;
    REAL *params_bar, *x_bar;
    FN(gradient_rows) * body;
    REAL *scratch;
    size_t scratch_share; /* of a thread */
    REAL *partials;
    size_t partials_share; /* of a part */
};

static void
FN(gradient_part)(const void *context, size_t part, size_t thread)
{
    const FN(gradient_job) *job = context;
    size_t slabs = fae_n_slabs(job->n), parts = gradient_parts(job->n);
    size_t begin = part * slabs / parts, end = (part + 1) * slabs / parts;
    REAL *sums =
        job->params_bar == NULL || part == 0 ? job->params_bar : job->partials + (part - 1) * job->partials_share;

    for (size_t slab = begin; slab < end; slab++) {
        size_t first = slab * FAE_ROWS;
        job->body(job, first, fae_min(FAE_ROWS, job->n - first), slab > begin,
            job->scratch + thread * job->scratch_share, sums);
    }
}

static void
FN(gradient_run)(const fae_stack *stack, const REAL *params, const REAL *x, const REAL *h, size_t n, const REAL *y_bar,
    size_t n_threads, FN(gradient_rows) * body, size_t scratch, REAL *work, REAL *params_bar, REAL *x_bar)
{
    size_t n_params = fae_stack_n_params(stack), useful = fae_stack_threads(stack, n, n_threads);
    FN(gradient_job)
    job = { stack, params, x, h, n, y_bar, params_bar, x_bar, body, work, fae_padded(scratch),
        work + useful * fae_padded(scratch), fae_padded(n_params) };

    if (n == 0 && params_bar != NULL) {
        memset(params_bar, 0, n_params * sizeof(REAL));
    }
    if (params_bar != NULL || x_bar != NULL) {
        fae_parallel(gradient_parts(n), useful, FN(gradient_part), &job);
    }
    for (size_t part = 1; part < gradient_parts(n) && params_bar != NULL; part++) {
        FN(fae_vector_add)(n_params, job.partials + (part - 1) * job.partials_share, params_bar);
    }
}
