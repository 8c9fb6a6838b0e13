/* SPDX-License-Identifier: Apache-2.0
 * Gradients of a dense stack: by reverse mode, and by forward mode with unit tangents. */
#include "internal.h"

#include <string.h>

size_t
fae_stack_reverse_work(const fae_stack *stack, size_t n)
{
    return 2 * fae_min(n, FAE_ROWS) * fae_stack_width(stack);
}

/* Unit tangents are kept as (unit, tangent, example), examples innermost: tangents of earlier layers and of a later one
 * are then neighbours, however many have joined, and even the smallest network fills the vectors. */
#define UNIT_NUMBERS ((size_t) 1 << 17) /* that the tangents of one tile of examples should fill */
#define UNIT_TILE_MIN 16                /* examples: a whole vector of the widest */
#define UNIT_TILE_MAX 64
#define LINE 16                         /* numbers to spare, so that scratch can begin on a cache line */

/* Examples and the zeros after them that make the last vector whole: parts of vectors cost several times as much. Very
 * few examples are cheaper as they are. */
static size_t
unit_stride(size_t n)
{
    return n < UNIT_TILE_MIN / 2 ? n : (n + UNIT_TILE_MIN - 1) / UNIT_TILE_MIN * UNIT_TILE_MIN;
}

/* Numbers per example that the tangents fill at the layer where they fill most. */
static size_t
unit_numbers(const fae_stack *stack, int with_params, int with_x)
{
    size_t tangents = with_x ? (size_t) stack->sizes[0] : 0, most = 1;

    for (size_t l = 1; l < stack->n_layers; l++) {
        most = fae_max(most, tangents * (size_t) stack->sizes[l]);
        tangents += with_params ? (size_t) stack->sizes[l] : 0;
    }
    return most;
}

/* Examples in a tile. */
static size_t
unit_tile(size_t numbers)
{
    return fae_max(UNIT_TILE_MIN, fae_min(UNIT_TILE_MAX, UNIT_NUMBERS / numbers / UNIT_TILE_MIN * UNIT_TILE_MIN));
}

size_t
fae_stack_unit_tangents_work(const fae_stack *stack, size_t n)
{
    size_t stride = unit_stride(fae_min(n, FAE_ROWS)), outputs = fae_stack_n_outputs(stack);
    size_t d_0 = (size_t) stack->sizes[0], numbers = unit_numbers(stack, 1, 1);
    /* fewer tangents take larger tiles, but never more than this */
    size_t tangents = fae_min(numbers * fae_min(stride, UNIT_TILE_MAX), fae_max(numbers * UNIT_TILE_MIN, UNIT_NUMBERS));

    return LINE + stride * (2 * outputs + d_0 + fae_max(fae_stack_width(stack), d_0)) + 2 * tangents;
}

#define BODY "reverse_body.h"
#include "both_reals.h"
#undef BODY
#define BODY "unit_tangents_body.h"
#include "both_reals.h"
