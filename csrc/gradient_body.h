/* SPDX-License-Identifier: Apache-2.0
 * What reverse mode and unit tangents share, for one element type: the rows of a batch as parts, and their sum. */

/* A stack, its layers for n examples as forward left them (the last, y, apart), and the cotangent to be pulled back.
 * x_bar may be NULL. */
typedef struct {
    const fae_stack *stack;
    const REAL *params, *x, *h, *y;
    size_t n;
    const REAL *y_bar;
    REAL *x_bar;
} FN(gradient_task);

/* The gradient of `rows` examples from example `first` on: sets params_bar (unless NULL) or, if `accumulate`, adds. */
typedef void FN(gradient_rows)(
    const FN(gradient_task) * task, size_t first, size_t rows, int accumulate, REAL *scratch, REAL *params_bar);

typedef struct {
    FN(gradient_task) task;
    REAL *params_bar;
    FN(gradient_rows) * body;
    REAL *scratch;
    size_t scratch_share; /* of a thread */
    REAL *partials;
    size_t partials_share; /* of a part */
} FN(gradient_job);

static void
FN(gradient_part)(const void *context, size_t part, size_t thread)
{
    const FN(gradient_job) *job = context;
    size_t n = job->task.n, slabs = fae_n_slabs(n), parts = gradient_parts(slabs);
    size_t begin = part * slabs / parts, end = (part + 1) * slabs / parts;
    REAL *sums =
        job->params_bar == NULL || part == 0 ? job->params_bar : job->partials + (part - 1) * job->partials_share;

    for (size_t slab = begin; slab < end; slab++) {
        size_t first = slab * FAE_ROWS;
        job->body(&job->task, first, fae_min(FAE_ROWS, n - first), slab > begin,
            job->scratch + thread * job->scratch_share, sums);
    }
}

/* sums (n) += the partials of parts 1, 2, ..., in order. */
static void
FN(gradient_add_up)(size_t parts, size_t n, const REAL *partials, size_t share, REAL *sums)
{
    for (size_t part = 1; part < parts; part++) {
        FN(fae_vector_add)(n, partials + (part - 1) * share, sums);
    }
}

static void
FN(gradient_run)(
    FN(gradient_task) task, size_t n_threads, FN(gradient_rows) * body, size_t scratch, REAL *work, REAL *params_bar)
{
    size_t n_params = fae_stack_n_params(task.stack), useful = fae_stack_threads(task.stack, task.n, n_threads);
    size_t parts = gradient_parts(fae_n_slabs(task.n));
    FN(gradient_job)
    job = { task, params_bar, body, work, fae_padded(scratch), work + useful * fae_padded(scratch),
        fae_padded(n_params) };

    if (task.n == 0 && params_bar != NULL) {
        memset(params_bar, 0, n_params * sizeof(REAL));
    }
    if (params_bar != NULL || task.x_bar != NULL) {
        fae_parallel(parts, useful, FN(gradient_part), &job);
    }
    if (params_bar != NULL) {
        FN(gradient_add_up)(parts, n_params, job.partials, job.partials_share, params_bar);
    }
}
