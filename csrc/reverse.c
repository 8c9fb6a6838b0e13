/* SPDX-License-Identifier: Apache-2.0
 * Gradients of a dense stack, by reverse mode and by forward mode with unit tangents, and of a chain of two. */
#include "internal.h"

#include <math.h>
#include <string.h>

/* A gradient is summed over rows in at most GRADIENT_PARTS parts, each of one or more slabs in order, and these are then
 * added in order: which thread ran a part does not show. */
#define GRADIENT_PARTS 16

static size_t
gradient_parts(size_t slabs)
{
    return fae_min(slabs, GRADIENT_PARTS);
}

/* Numbers of scratch where one thread needs `scratch`: the first part's sums are made where the gradient goes. */
static size_t
gradient_work(const fae_stack *stack, size_t n, size_t n_threads, size_t scratch)
{
    size_t partials = fae_max(1, gradient_parts(fae_n_slabs(n))) - 1;

    return fae_stack_threads(stack, n, n_threads) * fae_padded(scratch)
           + partials * fae_padded(fae_stack_n_params(stack));
}

static size_t
reverse_scratch(const fae_stack *stack, size_t n)
{
    return 2 * fae_min(n, FAE_ROWS) * fae_stack_width(stack);
}

size_t
fae_stack_reverse_work(const fae_stack *stack, size_t n, size_t n_threads)
{
    return gradient_work(stack, n, n_threads, reverse_scratch(stack, n));
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

static size_t
unit_scratch(const fae_stack *stack, size_t n)
{
    size_t stride = unit_stride(fae_min(n, FAE_ROWS)), outputs = fae_stack_n_outputs(stack);
    size_t d_0 = (size_t) stack->sizes[0], numbers = unit_numbers(stack, 1, 1);
    /* fewer tangents take larger tiles, but never more than this */
    size_t tangents = fae_min(numbers * fae_min(stride, UNIT_TILE_MAX), fae_max(numbers * UNIT_TILE_MIN, UNIT_NUMBERS));

    return LINE + stride * (2 * outputs + d_0 + fae_max(fae_stack_width(stack), d_0)) + 2 * tangents;
}

size_t
fae_stack_unit_tangents_work(const fae_stack *stack, size_t n, size_t n_threads)
{
    return gradient_work(stack, n, n_threads, unit_scratch(stack, n));
}

/* Rows that go through a chain together: fewer than elsewhere, since all of its layers and cotangents are to stay in the
 * cache. */
#define CHAIN_ROWS 128

static size_t
chain_slabs(size_t n)
{
    return (n + CHAIN_ROWS - 1) / CHAIN_ROWS;
}

static size_t
chain_n_params(const fae_chain *chain)
{
    return fae_stack_n_params(chain->encoder) + fae_stack_n_params(chain->decoder);
}

static size_t
chain_threads(const fae_chain *chain, size_t n, size_t n_threads)
{
    size_t useful = fae_min(gradient_parts(chain_slabs(n)), n * chain_n_params(chain) >> 19);

    return fae_max(1, fae_min(fae_min(n_threads, FAE_THREADS_MAX), useful));
}

/* Numbers that a thread needs: levels, layers and cotangents of a slab, and what its gradients need. */
static size_t
chain_scratch(const fae_chain *chain, size_t n)
{
    const fae_stack *encoder = chain->encoder, *decoder = chain->decoder;
    size_t rows = fae_min(n, CHAIN_ROWS);
    size_t rest_encoder = (chain->encoder_by == FAE_UNIT_TANGENTS ? unit_scratch : reverse_scratch)(encoder, rows);
    size_t rest_decoder = (chain->decoder_by == FAE_UNIT_TANGENTS ? unit_scratch : reverse_scratch)(decoder, rows);
    size_t layers = fae_stack_n_outputs(encoder) + fae_stack_n_outputs(decoder) + 2 * (size_t) decoder->sizes[0]
                    + 2 * (size_t) encoder->sizes[0];

    return fae_padded(rows * layers + fae_max(rest_encoder, rest_decoder));
}

size_t
fae_chain_gradient_work(const fae_chain *chain, size_t n, size_t n_threads)
{
    size_t partials = fae_max(1, gradient_parts(chain_slabs(n))) - 1;
    size_t sums = fae_padded(fae_stack_n_params(chain->encoder)) + fae_padded(fae_stack_n_params(chain->decoder));

    return chain_threads(chain, n, n_threads) * chain_scratch(chain, n) + partials * sums
           + chain_slabs(n) * sizeof(fae_chain_sums) / sizeof(float);
}

#define BODY "gradient_body.h"
#include "both_reals.h"
#undef BODY
#define BODY "reverse_body.h"
#include "both_reals.h"
#undef BODY
#define BODY "unit_tangents_body.h"
#include "both_reals.h"
#undef BODY
#define BODY "chain_body.h"
#include "both_reals.h"
