/* SPDX-License-Identifier: Apache-2.0
 * Dense stacks: sizes and the forward pass. */
#include <string.h>

#include "internal.h"

size_t
fae_stack_n_params(const fae_stack *stack)
{
    size_t total = 0;

    for (size_t l = 0; l < stack->n_layers; l++) {
        total += ((size_t) stack->sizes[l] + 1) * (size_t) stack->sizes[l + 1];
    }
    return total;
}

size_t
fae_stack_n_outputs(const fae_stack *stack)
{
    size_t total = 0;

    for (size_t l = 1; l <= stack->n_layers; l++) {
        total += (size_t) stack->sizes[l];
    }
    return total;
}

/* NaN and the infinities are the numbers whose exponent is all ones. No early way out: the loop is a vector's. */
int
fae_dense_is_finite_f32(const float *x, size_t n)
{
    uint32_t bad = 0;

    for (size_t i = 0; i < n; i++) {
        uint32_t bits;

        memcpy(&bits, x + i, sizeof bits);
        bad |= (bits & 0x7f800000u) == 0x7f800000u;
    }
    return !bad;
}

int
fae_dense_is_finite_f64(const double *x, size_t n)
{
    uint64_t bad = 0;

    for (size_t i = 0; i < n; i++) {
        uint64_t bits;

        memcpy(&bits, x + i, sizeof bits);
        bad |= (bits & 0x7ff0000000000000u) == 0x7ff0000000000000u;
    }
    return !bad;
}

#define BODY "dense_body.h"
#include "both_reals.h"
