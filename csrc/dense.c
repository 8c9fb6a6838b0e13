/* SPDX-License-Identifier: Apache-2.0
 * Dense stacks: sizes and the forward pass. */
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

#define BODY "dense_body.h"
#include "both_reals.h"
