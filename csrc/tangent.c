/* SPDX-License-Identifier: Apache-2.0
 * Forward mode: k tangents ride with the primal through a dense stack. */
#include "internal.h"

#include <stdatomic.h>
#include <string.h>

/* Tangents are taken in groups: whole tangents of all examples, or where there are more than FAE_ROWS, of a slab of them:
 * either way the rows of a group are neighbours in memory and share one product. */
static size_t
tangent_group(size_t n, size_t k)
{
    return n == 0 ? k : fae_max(1, fae_min(k, FAE_ROWS / n));
}

/* Numbers that a thread needs for two layers of a group. */
static size_t
tangent_scratch(const fae_stack *stack, size_t n, size_t k)
{
    return fae_padded(2 * tangent_group(n, k) * fae_min(n, FAE_ROWS) * fae_stack_width(stack));
}

/* Those, and the primal's layers. */
static size_t
jvp_scratch(const fae_stack *stack, size_t n, size_t k)
{
    return tangent_scratch(stack, n, k) + fae_padded(fae_min(n, FAE_ROWS) * fae_stack_n_outputs(stack));
}

/* Threads worth starting: the more tangents, the sooner. */
static size_t
tangent_threads(const fae_stack *stack, size_t n, size_t k, size_t n_threads)
{
    return fae_min(fae_n_slabs(n), fae_stack_threads(stack, n * (k + 1), n_threads));
}

size_t
fae_stack_tangent_work(const fae_stack *stack, size_t n, size_t k, size_t n_threads)
{
    return tangent_threads(stack, n, k, n_threads) * tangent_scratch(stack, n, k);
}

size_t
fae_stack_jvp_work(const fae_stack *stack, size_t n, size_t k, size_t n_threads)
{
    return tangent_threads(stack, n, k, n_threads) * jvp_scratch(stack, n, k);
}

#define BODY "tangent_body.h"
#include "both_reals.h"
