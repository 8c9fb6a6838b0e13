/* SPDX-License-Identifier: Apache-2.0
 * Dense stacks: sizes and the forward pass. */
#include "internal.h"

#include <stdatomic.h>

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

/* Numbers that a thread needs for two layers of a slab. */
static size_t
dense_scratch(const fae_stack *stack, size_t n)
{
    return fae_padded(2 * fae_min(n, FAE_ROWS) * fae_stack_width(stack));
}

size_t
fae_stack_predict_work(const fae_stack *stack, size_t n, size_t n_threads)
{
    return fae_stack_threads(stack, n, n_threads) * dense_scratch(stack, n);
}

#define BODY "dense_body.h"
#include "both_reals.h"
