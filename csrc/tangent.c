/* SPDX-License-Identifier: Apache-2.0
 * Forward mode: k tangents ride with the primal through a dense stack. */
#include "internal.h"

#include <string.h>

/* Tangents are taken in slabs of whole tangents, or where one has more than FAE_ROWS rows, of some of its rows: either
 * way the rows of a slab are neighbours in memory and share one product. */
static size_t
tangent_slab(size_t n, size_t k)
{
    return n == 0 ? k : fae_max(1, fae_min(k, FAE_ROWS / n));
}

size_t
fae_stack_tangent_work(const fae_stack *stack, size_t n, size_t k)
{
    return 2 * tangent_slab(n, k) * fae_min(n, FAE_ROWS) * fae_stack_width(stack);
}

#define BODY "tangent_body.h"
#include "both_reals.h"
