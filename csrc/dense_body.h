/* SPDX-License-Identifier: Apache-2.0
 * Body of dense.c for one element type. */

int
FN(fae_dense_is_finite)(const REAL *x, size_t n)
{
    return FN(fae_vector_is_finite)(n, x);
}

void
FN(fae_stack_slab)(const fae_stack *stack, const REAL *params, const REAL *x, size_t n, size_t first, size_t rows,
    REAL *h, REAL *scratch, REAL *y)
{
    size_t half = rows * fae_stack_width(stack);
    const REAL *input = x + first * (size_t) stack->sizes[0]; /* (rows, d_in) */

    for (size_t l = 0; l < stack->n_layers; l++) {
        size_t d_in = (size_t) stack->sizes[l], d_out = (size_t) stack->sizes[l + 1];
        REAL *output = l + 1 == stack->n_layers ? y + first * d_out
                       : h != NULL              ? h + first * d_out
                                                : scratch + l % 2 * half;

        FN(fae_gemm)(rows, d_out, d_in, input, d_in, 1, params, 1, d_in, params + d_out * d_in, 0,
            stack->activations[l], NULL, output, d_out);
        params += d_out * (d_in + 1);
        input = output;
        h = h == NULL ? NULL : h + n * d_out;
    }
}

typedef struct {
    const fae_stack *stack;
    const REAL *params, *x;
    size_t n;
    REAL *h, *work, *y;
    size_t work_share;    /* of a thread */
    atomic_int *infinite; /* NULL, or where to tell that x is not finite */
} FN(dense_job);

static void
FN(dense_part)(const void *context, size_t part, size_t thread)
{
    const FN(dense_job) *job = context;
    size_t first = part * FAE_ROWS, rows = fae_min(FAE_ROWS, job->n - first), d_0 = (size_t) job->stack->sizes[0];

    if (job->infinite != NULL && !FN(fae_vector_is_finite)(rows * d_0, job->x + first * d_0)) {
        atomic_store_explicit(job->infinite, 1, memory_order_relaxed);
    }
    FN(fae_stack_slab)(
        job->stack, job->params, job->x, job->n, first, rows, job->h, job->work + thread * job->work_share, job->y);
}

void
FN(fae_stack_forward)(const fae_stack *stack, const REAL *params, const REAL *x, size_t n, size_t n_threads, REAL *h)
{
    size_t before = fae_stack_n_outputs(stack) - (size_t) stack->sizes[stack->n_layers];
    FN(dense_job) job = { stack, params, x, n, h, h, h + n * before, 0, NULL };

    fae_parallel(fae_n_slabs(n), fae_stack_threads(stack, n, n_threads), FN(dense_part), &job);
}

int
FN(fae_stack_predict)(
    const fae_stack *stack, const REAL *params, const REAL *x, size_t n, size_t n_threads, REAL *work, REAL *y)
{
    atomic_int infinite = 0;
    FN(dense_job) job = { stack, params, x, n, NULL, work, y, dense_scratch(stack, n), &infinite };

    fae_parallel(fae_n_slabs(n), fae_stack_threads(stack, n, n_threads), FN(dense_part), &job);
    return !infinite;
}
