/* SPDX-License-Identifier: Apache-2.0
 * Body of dense.c for one element type. */

int
FN(fae_dense_is_finite)(const REAL *x, size_t n)
{
    unsigned bad = 0; /* no early way out: the loop is a vector's */

    for (size_t i = 0; i < n; i++) {
        bad |= !(x[i] - x[i] == 0); /* NaN for NaN and the infinities, and NaN equals nothing */
    }
    return !bad;
}

void
FN(fae_stack_forward)(const fae_stack *stack, const REAL *params, const REAL *x, size_t n, REAL *h)
{
    const REAL *input = x; /* (n, d_in) */

    for (size_t l = 0; l < stack->n_layers; l++) {
        size_t d_in = (size_t) stack->sizes[l], d_out = (size_t) stack->sizes[l + 1];

        FN(fae_gemm)(n, d_out, d_in, input, d_in, 1, params, 1, d_in, params + d_out * d_in, 0, h, d_out);
        if (stack->activations[l] == FAE_TANH) {
            FN(fae_vector_tanh)(n * d_out, h);
        }
        params += d_out * (d_in + 1);
        input = h;
        h += n * d_out;
    }
}
