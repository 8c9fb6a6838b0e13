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

/* The primal of a slab: its layers but the last in h, of h_n examples of which the slab begins at h_first, the last in y
 * (rows, d_L). They are made on the way, into made_h and made_y, which are the same memory, where these are not NULL. */
typedef struct {
    const REAL *h, *y;
    size_t h_n, h_first;
    REAL *made_h, *made_y;
} FN(tangent_primal);

/* k tangents from tangent `t` on, of `rows` examples from example `first` on; k = 1 unless rows = n, and where the primal
 * is made. Returns 1 if neither x nor x_dot holds NaN or infinity there, 0 where nobody looked. */
static int
FN(tangent_rows)(const FN(tangent_job) * job, size_t t, size_t k, size_t first, size_t rows, FN(tangent_primal) primal,
    REAL *scratch)
{
    const fae_stack *stack = job->stack;
    size_t n_params = fae_stack_n_params(stack), half = k * rows * fae_stack_width(stack);
    size_t d_0 = (size_t) stack->sizes[0], d_last = (size_t) stack->sizes[stack->n_layers];
    const REAL *params = job->params, *input = job->x + first * d_0;
    const REAL *params_dot = job->params_dot == NULL ? NULL : job->params_dot + t * n_params;
    const REAL *input_dot = job->x_dot == NULL ? NULL : job->x_dot + (t * job->n + first) * d_0; /* NULL while zero */
    int finite = 0;

    for (size_t l = 0; l < stack->n_layers; l++) {
        size_t d_in = (size_t) stack->sizes[l], d_out = (size_t) stack->sizes[l + 1];
        int last = l + 1 == stack->n_layers, then = stack->activations[l];
        const REAL *output = last ? primal.y : primal.h + primal.h_first * d_out;
        REAL *made = last ? primal.made_y : primal.made_h;
        REAL *output_dot = last ? job->y_dot + (t * job->n + first) * d_last : scratch + l % 2 * half;

        if (k == 1) {
            int seen = FN(fae_gemm_jvp)(
                rows, d_out, d_in, input, input_dot, params, params_dot, then, made, output, output_dot);
            finite |= l == 0 && seen;
        } else {
            int slope = then == FAE_TANH ? FAE_TANH_SLOPE : FAE_IDENTITY;

            if (input_dot != NULL) { /* W h_dot */
                FN(fae_gemm)(k * rows, d_out, d_in, input_dot, d_in, 1, params, 1, d_in, NULL, 0, FAE_IDENTITY, NULL,
                    output_dot, d_out);
            }
            for (size_t i = 0; i < k; i++) {
                REAL *cells = output_dot + i * rows * d_out;

                if (params_dot != NULL) { /* W_dot h + b_dot */
                    const REAL *w_dot = params_dot + i * n_params;
                    FN(fae_gemm)(rows, d_out, d_in, input, d_in, 1, w_dot, 1, d_in, w_dot + d_out * d_in,
                        input_dot != NULL, slope, output, cells, d_out);
                } else if (then == FAE_TANH) {
                    FN(fae_vector_chain)(rows * d_out, output, cells, cells);
                }
            }
        }
        params += d_out * (d_in + 1);
        params_dot = params_dot == NULL ? NULL : params_dot + d_out * (d_in + 1);
        input = output;
        input_dot = output_dot;
        primal.h += primal.h_n * d_out;
        primal.made_h = primal.made_h == NULL ? NULL : primal.made_h + primal.h_n * d_out;
    }
    return finite;
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
        const REAL *x = job->x + first * d_0;
        FN(tangent_primal) primal = { h, y, rows, 0, NULL, NULL };
        int finite = 1;

        if (job->k == 1) { /* what a product of the primal is made from serves its tangent, too */
            primal.made_h = h;
            primal.made_y = y;
        } else {
            FN(fae_stack_slab)(stack, job->params, x, rows, 0, rows, h, NULL, y);
            finite = FN(fae_vector_is_finite)(rows * d_0, x);
        }
        for (size_t t = 0; t < job->k; t += group) {
            size_t k = fae_min(group, job->k - t);
            const REAL *x_dot = job->x_dot == NULL ? NULL : job->x_dot + (t * n + first) * d_0;

            if (!FN(tangent_rows)(job, t, k, first, rows, primal, scratch)) {
                finite &= job->k > 1 || FN(fae_vector_is_finite)(rows * d_0, x);
                finite &= x_dot == NULL || FN(fae_vector_is_finite)(k * rows * d_0, x_dot);
            }
        }
        if (!finite) {
            atomic_store_explicit(job->infinite, 1, memory_order_relaxed);
        }
    } else {
        REAL *scratch = job->work + thread * tangent_scratch(stack, n, job->k);
        const REAL *y = job->h + n * (fae_stack_n_outputs(stack) - d_last) + first * d_last;
        FN(tangent_primal) primal = { job->h, y, n, first, NULL, NULL };

        for (size_t t = 0; t < job->k; t += group) {
            FN(tangent_rows)(job, t, fae_min(group, job->k - t), first, rows, primal, scratch);
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
