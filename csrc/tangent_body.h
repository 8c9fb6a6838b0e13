/* SPDX-License-Identifier: Apache-2.0
 * Body of tangent.c for one element type. */

/* What the k tangents of a call are made from; h == NULL: the primal's layers are not given but made on the way. */
typedef struct {
    const fae_stack *stack;
    const REAL *params, *x, *h;
    size_t n;
    const REAL *params_dot, *x_dot;
    size_t k;
    REAL *work, *y, *y_dot; /* y == NULL where h is given */
    atomic_int *infinite;   /* where to tell that x or x_dot is not finite; NULL where h is given */
} FN(tangent_job);

/* k tangents from tangent `t` on, of `rows` examples from example `first` on; k = 1 unless rows = n. The primal's layers
 * before the last are in h, of h_n examples of which this slab begins at h_first; the last is y (rows, d_L). */
static void
FN(tangent_rows)(const FN(tangent_job) * job, size_t t, size_t k, size_t first, size_t rows, const REAL *h, size_t h_n,
    size_t h_first, const REAL *y, REAL *scratch)
{
    const fae_stack *stack = job->stack;
    size_t n_params = fae_stack_n_params(stack), half = k * rows * fae_stack_width(stack);
    size_t d_0 = (size_t) stack->sizes[0], d_last = (size_t) stack->sizes[stack->n_layers];
    const REAL *params = job->params, *input = job->x + first * d_0;
    const REAL *params_dot = job->params_dot == NULL ? NULL : job->params_dot + t * n_params;
    const REAL *input_dot = job->x_dot == NULL ? NULL : job->x_dot + (t * job->n + first) * d_0; /* NULL while zero */

    for (size_t l = 0; l < stack->n_layers; l++) {
        size_t d_in = (size_t) stack->sizes[l], d_out = (size_t) stack->sizes[l + 1];
        int last = l + 1 == stack->n_layers;
        const REAL *output = last ? y : h + h_first * d_out;
        REAL *output_dot = last ? job->y_dot + (t * job->n + first) * d_last : scratch + l % 2 * half;
        int then = stack->activations[l] == FAE_TANH ? FAE_TANH_SLOPE : FAE_IDENTITY;
        /* one tangent: a product ends with the slope. More share the product, but not h. */
        int at_once = k == 1 && params_dot == NULL ? then : FAE_IDENTITY;

        if (input_dot != NULL) { /* W h_dot */
            FN(fae_gemm)(k * rows, d_out, d_in, input_dot, d_in, 1, params, 1, d_in, NULL, 0, at_once, output,
                output_dot, d_out);
        }
        for (size_t i = 0; i < k && params_dot != NULL; i++) { /* W_dot h + b_dot */
            const REAL *w_dot = params_dot + i * n_params;
            FN(fae_gemm)(rows, d_out, d_in, input, d_in, 1, w_dot, 1, d_in, w_dot + d_out * d_in, input_dot != NULL,
                then, output, output_dot + i * rows * d_out, d_out);
        }
        for (size_t i = 0; i < k && params_dot == NULL && at_once != then; i++) {
            REAL *cells = output_dot + i * rows * d_out;
            FN(fae_vector_chain)(rows * d_out, output, cells, cells);
        }
        params += d_out * (d_in + 1);
        params_dot = params_dot == NULL ? NULL : params_dot + d_out * (d_in + 1);
        input = output;
        input_dot = output_dot;
        h += h_n * d_out;
    }
}

static void
FN(tangent_part)(const void *context, size_t part, size_t thread)
{
    const FN(tangent_job) *job = context;
    const fae_stack *stack = job->stack;
    size_t d_0 = (size_t) stack->sizes[0], d_last = (size_t) stack->sizes[stack->n_layers], n = job->n;
    size_t first = part * FAE_ROWS, rows = fae_min(FAE_ROWS, n - first), group = tangent_group(n, job->k);

    if (job->h == NULL) {
        REAL *scratch = job->work + thread * jvp_scratch(stack, n, job->k);
        REAL *h = scratch + tangent_scratch(stack, n, job->k), *y = job->y + first * d_last;
        int infinite;

        FN(fae_stack_slab)(stack, job->params, job->x + first * d_0, rows, 0, rows, h, NULL, y);
        infinite = !FN(fae_vector_is_finite)(rows * d_0, job->x + first * d_0);
        for (size_t t = 0; t < job->k; t += group) {
            size_t k = fae_min(group, job->k - t);

            if (job->x_dot != NULL) {
                infinite |= !FN(fae_vector_is_finite)(k * rows * d_0, job->x_dot + (t * n + first) * d_0);
            }
            FN(tangent_rows)(job, t, k, first, rows, h, rows, 0, y, scratch);
        }
        if (infinite) {
            atomic_store_explicit(job->infinite, 1, memory_order_relaxed);
        }
    } else {
        REAL *scratch = job->work + thread * tangent_scratch(stack, n, job->k);
        const REAL *y = job->h + n * (fae_stack_n_outputs(stack) - d_last) + first * d_last;

        for (size_t t = 0; t < job->k; t += group) {
            FN(tangent_rows)(job, t, fae_min(group, job->k - t), first, rows, job->h, n, first, y, scratch);
        }
    }
}

static void
FN(tangent_run)(FN(tangent_job) * job, size_t n_threads)
{
    size_t useful = tangent_threads(job->stack, job->n, job->k, n_threads);

    if (job->params_dot == NULL && job->x_dot == NULL && job->k > 0 && job->n > 0) {
        memset(job->y_dot, 0, job->k * job->n * (size_t) job->stack->sizes[job->stack->n_layers] * sizeof(REAL));
        job->k = 0;
    }
    fae_parallel(fae_n_slabs(job->n), useful, FN(tangent_part), job);
}

void
FN(fae_stack_tangent)(const fae_stack *stack, const REAL *params, const REAL *x, const REAL *h, size_t n,
    const REAL *params_dot, const REAL *x_dot, size_t k, size_t n_threads, REAL *work, REAL *y_dot)
{
    FN(tangent_job) job = { stack, params, x, h, n, params_dot, x_dot, k, work, NULL, y_dot, NULL };

    FN(tangent_run)(&job, n_threads);
}

int
FN(fae_stack_jvp)(const fae_stack *stack, const REAL *params, const REAL *x, size_t n, const REAL *params_dot,
    const REAL *x_dot, size_t k, size_t n_threads, REAL *work, REAL *y, REAL *y_dot)
{
    atomic_int infinite = 0;
    FN(tangent_job) job = { stack, params, x, NULL, n, params_dot, x_dot, k, work, y, y_dot, &infinite };

    FN(tangent_run)(&job, n_threads);
    return !infinite;
}
