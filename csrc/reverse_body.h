/* SPDX-License-Identifier: Apache-2.0
 * Body of reverse mode for one element type. */

static void
FN(reverse_rows)(
    const FN(gradient_task) * task, size_t first, size_t rows, int accumulate, REAL *scratch, REAL *params_bar)
{
    const fae_stack *stack = task->stack;
    const REAL *params = task->params;
    size_t n = task->n, d_0 = (size_t) stack->sizes[0], d_last = (size_t) stack->sizes[stack->n_layers];
    const REAL *output = task->y + first * d_last, *output_bar = task->y_bar + first * d_last;
    const REAL *h = task->h + n * (fae_stack_n_outputs(stack) - d_last); /* past the layers before the last */
    REAL *bar = scratch, *next = scratch + rows * fae_stack_width(stack); /* cotangents of pre-activations */
    size_t offset = fae_stack_n_params(stack);

    if (stack->activations[stack->n_layers - 1] == FAE_TANH) {
        FN(fae_vector_chain)(rows * d_last, output, output_bar, bar);
    } else {
        memcpy(bar, output_bar, rows * d_last * sizeof(REAL));
    }
    for (size_t l = stack->n_layers; l-- > 0;) {
        size_t d_in = (size_t) stack->sizes[l], d_out = (size_t) stack->sizes[l + 1];
        const REAL *input = l == 0 ? task->x + first * d_0 : (h -= n * d_in) + first * d_in;

        offset -= d_out * (d_in + 1);
        if (params_bar != NULL) {
            REAL *w_bar = params_bar + offset;
            FN(fae_gemm)(
                d_out, d_in, rows, bar, 1, d_out, input, d_in, 1, NULL, accumulate, FAE_IDENTITY, NULL, w_bar, d_in);
            FN(fae_vector_column_sums)(rows, d_out, bar, accumulate, w_bar + d_out * d_in);
        }
        if (l > 0) {
            REAL *swap = bar;
            FN(fae_gemm)(rows, d_in, d_out, bar, d_out, 1, params + offset, d_in, 1, NULL, 0,
                stack->activations[l - 1] == FAE_TANH ? FAE_TANH_SLOPE : FAE_IDENTITY, input, next, d_in);
            bar = next;
            next = swap;
        } else if (task->x_bar != NULL) {
            FN(fae_gemm)(rows, d_in, d_out, bar, d_out, 1, params, d_in, 1, NULL, 0, FAE_IDENTITY, NULL,
                task->x_bar + first * d_0, d_in);
        }
    }
}

void
FN(fae_stack_reverse)(const fae_stack *stack, const REAL *params, const REAL *x, const REAL *h, size_t n,
    const REAL *y_bar, size_t n_threads, REAL *work, REAL *params_bar, REAL *x_bar)
{
    const REAL *y = h + n * (fae_stack_n_outputs(stack) - (size_t) stack->sizes[stack->n_layers]);
    FN(gradient_task) task = { stack, params, x, h, y, n, y_bar, x_bar };

    FN(gradient_run)(task, n_threads, FN(reverse_rows), reverse_scratch(stack, n), work, params_bar);
}
