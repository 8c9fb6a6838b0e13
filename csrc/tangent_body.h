/* SPDX-License-Identifier: Apache-2.0
 * Body of tangent.c for one element type. */

/* k tangents of `rows` examples from example `first` on; k = 1 unless rows = n. params_dot (k, n_params) and
 * x_dot (k, rows, d_0) begin at the slab. */
static void
FN(tangent_slab)(const fae_stack *stack, const REAL *params, const REAL *x, const REAL *h, size_t n, size_t first,
    size_t rows, const REAL *params_dot, const REAL *x_dot, size_t k, REAL *work, REAL *y_dot)
{
    size_t n_params = fae_stack_n_params(stack), half = k * rows * fae_stack_width(stack);
    const REAL *input = x + first * (size_t) stack->sizes[0];
    const REAL *input_dot = x_dot; /* (k, rows, d_in); NULL while zero */

    for (size_t l = 0; l < stack->n_layers; l++) {
        size_t d_in = (size_t) stack->sizes[l], d_out = (size_t) stack->sizes[l + 1];
        const REAL *output = h + first * d_out;
        REAL *output_dot = l + 1 == stack->n_layers ? y_dot : work + (l % 2) * half;

        if (input_dot != NULL) { /* W h_dot */
            FN(fae_gemm)(k * rows, d_out, d_in, input_dot, d_in, 1, params, 1, d_in, NULL, 0, output_dot, d_out);
        }
        for (size_t t = 0; t < k && params_dot != NULL; t++) { /* W_dot h + b_dot */
            const REAL *w_dot = params_dot + t * n_params;
            FN(fae_gemm)(rows, d_out, d_in, input, d_in, 1, w_dot, 1, d_in, w_dot + d_out * d_in, input_dot != NULL,
                output_dot + t * rows * d_out, d_out);
        }
        for (size_t t = 0; t < k && stack->activations[l] == FAE_TANH; t++) {
            FN(fae_vector_chain)(rows * d_out, output, output_dot + t * rows * d_out);
        }
        params += d_out * (d_in + 1);
        params_dot = params_dot == NULL ? NULL : params_dot + d_out * (d_in + 1);
        input = output;
        input_dot = output_dot;
        h += n * d_out;
    }
}

void
FN(fae_stack_tangent)(const fae_stack *stack, const REAL *params, const REAL *x, const REAL *h, size_t n,
    const REAL *params_dot, const REAL *x_dot, size_t k, REAL *work, REAL *y_dot)
{
    size_t d_in = (size_t) stack->sizes[0], d_out = (size_t) stack->sizes[stack->n_layers];
    size_t n_params = fae_stack_n_params(stack), slab = tangent_slab(n, k);

    if (n == 0 || k == 0) {
        return;
    }
    if (params_dot == NULL && x_dot == NULL) {
        memset(y_dot, 0, k * n * d_out * sizeof(REAL));
        return;
    }
    for (size_t t = 0; t < k; t += slab) {
        for (size_t first = 0; first < n; first += FAE_ROWS) {
            FN(tangent_slab)(stack, params, x, h, n, first, fae_min(FAE_ROWS, n - first),
                params_dot == NULL ? NULL : params_dot + t * n_params,
                x_dot == NULL ? NULL : x_dot + (t * n + first) * d_in, fae_min(slab, k - t), work,
                y_dot + (t * n + first) * d_out);
        }
    }
}
