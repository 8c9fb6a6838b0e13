/* SPDX-License-Identifier: Apache-2.0
 * The integer decoder by AMX: a tile of 16 rows and 64 inputs times one of 64 inputs and a block of 16 outputs, whose
 * layout in memory is that of the other bodies. */
#include "intdec.h"

#include "amx.h"

#include <string.h>

#if defined(FAE_AMX)

#define INTDEC_TILE_GROUPS 16

/* A tile of sums, of which `rows` and `count` columns are wanted. */
#define INTDEC_STORE(TILE, ROWS, COUNT, TO, TO_ROW)                                                                    \
    do {                                                                                                               \
        if ((ROWS) >= FAE_TILE_ROWS && (COUNT) == INTDEC_BLOCK) {                                                      \
            _tile_stored(TILE, TO, (TO_ROW) * sizeof(int32_t));                                                        \
        } else {                                                                                                       \
            int32_t all[FAE_TILE_ROWS * INTDEC_BLOCK];                                                                 \
                                                                                                                       \
            _tile_stored(TILE, all, FAE_TILE_BYTES);                                                                   \
            fae_amx_stored(all);                                                                                       \
            for (size_t r = 0; r < fae_min(ROWS, FAE_TILE_ROWS); r++) {                                                \
                memcpy((TO) + r * (TO_ROW), all + r * INTDEC_BLOCK, (COUNT) * sizeof(int32_t));                        \
            }                                                                                                          \
        }                                                                                                              \
    } while (0)

FAE_AMX_TARGET static void
intdec_affine_amx(const intdec_layer *layer, const uint8_t *h, size_t h_row, size_t n, int32_t *sums, size_t sums_row)
{
    const uint8_t *w = layer->blocks;

    fae_amx_stored(h);
    for (size_t block = 0; block * INTDEC_BLOCK < layer->d_out; block++) {
        const int32_t *bias = layer->biases + block * INTDEC_BLOCK;
        size_t count = intdec_count(layer, block);
        int32_t *to = sums + block * INTDEC_BLOCK;

        _tile_loadd(0, bias, 0); /* the same row again and again */
        _tile_loadd(1, bias, 0);
        _tile_loadd(2, bias, 0);
        for (size_t g = 0; g < layer->n_groups; g += INTDEC_TILE_GROUPS, w += INTDEC_TILE_GROUPS * INTDEC_GROUP_BYTES) {
            const uint8_t *inputs = h + 4 * g;

            _tile_loadd(3, w, INTDEC_GROUP_BYTES);
            _tile_loadd(4, inputs, h_row);
            _tile_loadd(5, inputs + FAE_TILE_ROWS * h_row, h_row);
            _tile_loadd(6, inputs + 2 * FAE_TILE_ROWS * h_row, h_row);
            for (int times = 0; times <= layer->twice; times++) {
                _tile_dpbusd(0, 4, 3);
                _tile_dpbusd(1, 5, 3);
                _tile_dpbusd(2, 6, 3);
            }
        }
        INTDEC_STORE(0, n, count, to, sums_row);
        if (n > FAE_TILE_ROWS) {
            INTDEC_STORE(1, n - FAE_TILE_ROWS, count, to + FAE_TILE_ROWS * sums_row, sums_row);
        }
        if (n > 2 * FAE_TILE_ROWS) {
            INTDEC_STORE(2, n - 2 * FAE_TILE_ROWS, count, to + 2 * FAE_TILE_ROWS * sums_row, sums_row);
        }
    }
    fae_amx_stored(sums);
}

const intdec_body fae_intdec_amx = { INTDEC_UINT8, INTDEC_TILE_GROUPS, intdec_affine_amx, fae_intdec_activate_avx512,
    fae_amx_begin, fae_amx_end };
#else
typedef int intdec_amx_is_empty; /* ISO C has no empty files */
#endif
