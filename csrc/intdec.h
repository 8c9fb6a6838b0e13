/* SPDX-License-Identifier: Apache-2.0
 * What the bodies of the integer decoder share.
 *
 * A body computes one layer for some rows at a time: an affine map to int32 sums, and for hidden layers the activation,
 * which gives the next layer's inputs. Inputs are held as each body multiplies them best, and what a byte cannot say is
 * folded into the biases, since W (scale * h + zero) + b = scale * W h + (b + zero * (sum of the row of W)). Sums of
 * int32 may wrap on the way: the true ones fit (fae_intdec_check). */
#ifndef FASTAE_INTDEC_H
#define FASTAE_INTDEC_H

#include "internal.h"

#define INTDEC_BLOCK 16       /* outputs of a block of weights */
#define INTDEC_GROUP_BYTES 64 /* a group: the weights of a block for 4 inputs in int8 or 2 in int16 */
#define INTDEC_ROWS 48 /* rows that pass through all layers together: a multiple of each body's rows at a time */

/* round(127 tanh(i / 32)), i = -128..127, and three bytes more for a gather of the last. */
extern const int8_t fae_intdec_tanh[256 + 3];

/* How inputs are held: as they are; as unsigned bytes, 2 q or h + 128; or as bytes 2 q - 128 or h. Codes of 8 bits, of
 * which 2 q is no byte, are held as half of it, and their products added twice. */
typedef enum { INTDEC_INT16, INTDEC_UINT8, INTDEC_INT8 } intdec_inputs;

typedef struct {
    size_t d_in, d_out; /* as stored: hidden layers are filled up to whole blocks by outputs that nobody reads */
    size_t n_groups; /* of inputs */
    const uint8_t *blocks; /* (blocks, n_groups, INTDEC_GROUP_BYTES): 16 outputs side by side, each 4 bytes of inputs */
    const int32_t *biases; /* with what is folded into them */
    int twice; /* 1 where products are to be added twice, else 0 */
    int32_t multiplier, shift;
    int32_t least, most; /* sums past them have the activations of these, whose indices fit int32 */
} intdec_layer;

typedef struct {
    intdec_inputs inputs;
    size_t groups; /* inputs are filled up to a multiple of so many groups */
    /* h (INTDEC_ROWS, h_row bytes), of which n rows count -> sums (n, d_out; rows sums_row apart) */
    void (*affine)(const intdec_layer *layer, const uint8_t *h, size_t h_row, size_t n, int32_t *sums, size_t sums_row);
    /* sums (n, d_out) -> inputs of the next layer (n, h_row bytes) */
    void (*activate)(const intdec_layer *layer, const int32_t *sums, size_t n, uint8_t *h, size_t h_row);
    void (*begin)(void); /* before the first row and behind the last; or NULL */
    void (*end)(void);
} intdec_body;

#if defined(__x86_64__)
extern const intdec_body fae_intdec_avx2, fae_intdec_avx512_vnni, fae_intdec_amx;
void fae_intdec_activate_avx512(const intdec_layer *layer, const int32_t *sums, size_t n, uint8_t *h, size_t h_row);
#elif defined(__aarch64__)
extern const intdec_body fae_intdec_dotprod;
#endif

/* Outputs of a block that exist. */
static inline size_t
intdec_count(const intdec_layer *layer, size_t block)
{
    return fae_min(layer->d_out - block * INTDEC_BLOCK, INTDEC_BLOCK);
}

#endif
