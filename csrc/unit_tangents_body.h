/* SPDX-License-Identifier: Apache-2.0
 * Body of the exact gradient by forward mode for one element type. */

/* out (d, stride) = the transpose of 1 - h^2, h (n, d); ones where h is NULL (an identity layer). Zeros beyond n. */
static void
FN(unit_slopes)(size_t n, size_t d, const REAL *h, size_t stride, REAL *out)
{
    for (size_t j = 0; j < d; j++) {
        for (size_t e = 0; e < stride; e++) {
            REAL value = e >= n ? (REAL) 1 : h == NULL ? (REAL) 0 : h[e * d + j];
            out[j * stride + e] = 1 - value * value;
        }
    }
}

/* Pushes the unit tangents of x (if with_x) and of the pre-activations of layers 1..L-2 (if with_params) of `n` examples
 * to the output of layer L-1, and contracts them with c (d_{L-1}, n), the cotangent there: g (tangents, n).
 * slopes (n_outputs, n), c and g have rows of `stride` numbers, the examples of a tile being some of them. */
static void
FN(unit_push)(const fae_stack *stack, const REAL *params, const REAL *slopes, const REAL *c, size_t n, size_t stride,
    int with_params, int with_x, size_t numbers, REAL *work, REAL *g)
{
    size_t k = 0;
    REAL *t = work, *next = work + numbers * n; /* (d_l, k, n) */

    for (size_t l = 0; l + 1 < stack->n_layers; l++) {
        size_t d_in = (size_t) stack->sizes[l], d_out = (size_t) stack->sizes[l + 1];
        size_t joining = (l == 0 ? with_x : with_params) ? d_in : 0;
        size_t row = (k + joining) * n;
        const REAL *in_slopes = l == 0 ? NULL : slopes; /* x is no activation: slope 1 */
        const REAL *out_slopes = l == 0 ? slopes : slopes + d_in * stride;

        if (k > 0) {
            FN(fae_gemm)(d_out, k * n, d_in, params, d_in, 1, t, k * n, 1, NULL, 0, FAE_IDENTITY, NULL, next, row);
            FN(fae_vector_scale)(d_out, k, n, out_slopes, stride, next, row);
        }
        if (joining > 0) { /* a unit tangent's first hop needs no product: it is a column of W */
            FN(fae_vector_hop)(d_out, d_in, n, params, in_slopes, out_slopes, stride, next + k * n, row);
        }
        k += joining;
        params += d_out * (d_in + 1);
        slopes = out_slopes;
        REAL *swap = t;
        t = next;
        next = swap;
    }
    if (k > 0) {
        size_t d = (size_t) stack->sizes[stack->n_layers - 1];
        FN(fae_vector_contract)(d, k, n, c, stride, t, k * n, g, stride);
    }
}

static void
FN(unit_rows)(const FN(gradient_task) * task, size_t first, size_t n, int accumulate, REAL *scratch, REAL *params_bar)
{
    const fae_stack *stack = task->stack;
    const REAL *params = task->params, *x = task->x, *h = task->h, *y_bar = task->y_bar;
    size_t total = task->n;
    REAL *x_bar = task->x_bar;
    size_t n_layers = stack->n_layers, outputs = fae_stack_n_outputs(stack);
    size_t d_0 = (size_t) stack->sizes[0], d_last = (size_t) stack->sizes[n_layers];
    size_t d_before = (size_t) stack->sizes[n_layers - 1];
    size_t with_x = x_bar == NULL ? 0 : d_0;
    size_t numbers = unit_numbers(stack, params_bar != NULL, x_bar != NULL), tile = unit_tile(numbers);
    size_t stride = unit_stride(n);
    REAL *slopes = (REAL *) (((uintptr_t) scratch + 63) / 64 * 64); /* (outputs, stride) */
    REAL *g = slopes + outputs * stride;    /* (with_x + outputs, stride): dL/dx, dL/da_1, .. dL/da_L */
    REAL *c = g + (d_0 + outputs) * stride; /* (d_before, stride): dL/dh_{L-1} */
    REAL *tangents = c + fae_max(fae_stack_width(stack), d_0) * stride;
    REAL *g_last = g + (with_x + outputs - d_last) * stride;
    const REAL *last_slopes = slopes + (outputs - d_last) * stride;
    const REAL *last_params = params + fae_stack_n_params(stack) - d_last * (d_before + 1);

    for (size_t l = 1, done = 0; l <= n_layers; l++) {
        size_t d = (size_t) stack->sizes[l];
        const REAL *layer = l == n_layers ? task->y + first * d : h + total * done + first * d;
        FN(unit_slopes)(n, d, stack->activations[l - 1] == FAE_TANH ? layer : NULL, stride, slopes + done * stride);
        done += d;
    }
    for (size_t j = 0; j < d_last; j++) { /* the last layer's own tangents */
        for (size_t e = 0; e < stride; e++) {
            REAL cotangent = e < n ? y_bar[(first + e) * d_last + j] : (REAL) 0;
            g_last[j * stride + e] = cotangent * last_slopes[j * stride + e];
        }
    }
    FN(fae_gemm)(
        d_before, stride, d_last, last_params, 1, d_before, g_last, stride, 1, NULL, 0, FAE_IDENTITY, NULL, c, stride);
    if (n_layers == 1) {
        memcpy(g, c, with_x * stride * sizeof(REAL));
    } else {
        REAL *g_before = g_last - d_before * stride;
        const REAL *slopes_before = last_slopes - d_before * stride;

        for (size_t i = 0; i < d_before * stride; i++) {
            g_before[i] = c[i] * slopes_before[i];
        }
        for (size_t e = 0; e < stride; e += tile) {
            FN(unit_push)(stack, params, slopes + e, c + e, fae_min(tile, stride - e), stride, params_bar != NULL,
                x_bar != NULL, numbers, tangents, g + e);
        }
    }
    for (size_t e = 0; e < n && x_bar != NULL; e++) {
        for (size_t j = 0; j < d_0; j++) {
            x_bar[(first + e) * d_0 + j] = g[j * stride + e];
        }
    }
    const REAL *input = x + first * d_0;
    g += with_x * stride;
    for (size_t l = 0; l < n_layers && params_bar != NULL; l++) {
        size_t d_in = (size_t) stack->sizes[l], d_out = (size_t) stack->sizes[l + 1];

        FN(fae_gemm)(
            d_out, d_in, n, g, stride, 1, input, d_in, 1, NULL, accumulate, FAE_IDENTITY, NULL, params_bar, d_in);
        params_bar += d_out * d_in;
        for (size_t i = 0; i < d_out; i++) {
            REAL sum = accumulate ? params_bar[i] : (REAL) 0;
            for (size_t e = 0; e < n; e++) {
                sum += g[i * stride + e];
            }
            params_bar[i] = sum;
        }
        params_bar += d_out;
        g += d_out * stride;
        input = h + first * d_out;
        h += total * d_out;
    }
}

void
FN(fae_stack_unit_tangents)(const fae_stack *stack, const REAL *params, const REAL *x, const REAL *h, size_t n,
    const REAL *y_bar, size_t n_threads, REAL *work, REAL *params_bar, REAL *x_bar)
{
    const REAL *y = h + n * (fae_stack_n_outputs(stack) - (size_t) stack->sizes[stack->n_layers]);
    FN(gradient_task) task = { stack, params, x, h, y, n, y_bar, x_bar };

    FN(gradient_run)(task, n_threads, FN(unit_rows), unit_scratch(stack, n), work, params_bar);
}
