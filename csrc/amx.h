/* SPDX-License-Identifier: Apache-2.0
 * What bodies that use AMX share. FAE_AMX is defined where the compiler and the operating system know it: such bodies
 * and their detection exist under it alone. */
#ifndef FASTAE_AMX_H
#define FASTAE_AMX_H

#include "internal.h"

#if defined(__x86_64__) && defined(__linux__)
#if defined(__clang__) ? __clang_major__ >= 12 : __GNUC__ >= 11
#define FAE_AMX
#endif
#endif

#if defined(FAE_AMX)
#include <immintrin.h>

#define FAE_AMX_TARGET                                                                                                 \
    __attribute__((target("amx-tile,amx-bf16,amx-int8,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")))
#define FAE_TILE_ROWS 16
#define FAE_TILE_BYTES 64 /* in a row */

/* Tiles are state of the thread. A body configures them (all eight of full size; whatever lies in smaller arrays is
 * padded) before its first product and releases them before it returns: other libraries have configurations of their
 * own, and a thread with tiles in use costs the system 8 kB at each switch. */
FAE_AMX_TARGET static inline void
fae_amx_begin(void)
{
    /* constant, since compilers do not know that the instruction reads all of it: palette 1, columns at 16, rows at 48 */
    static const uint8_t config[64] = { [0] = 1,
        [16] = 64,
        [18] = 64,
        [20] = 64,
        [22] = 64,
        [24] = 64,
        [26] = 64,
        [28] = 64,
        [30] = 64,
        [48] = 16,
        [49] = 16,
        [50] = 16,
        [51] = 16,
        [52] = 16,
        [53] = 16,
        [54] = 16,
        [55] = 16 };

    _tile_loadconfig(config);
}

FAE_AMX_TARGET static inline void
fae_amx_end(void)
{
    _tile_release();
}

/* Call it between ordinary stores and tile loads of the same memory: some compilers do not know that a tile load reads
 * any. */
static inline void
fae_amx_stored(const void *p)
{
    __asm__ volatile("" : : "r"(p) : "memory");
}

/* fae_gemm_f32, for where it is the faster body; blocks with numbers that AMX cannot multiply go to the body given. */
typedef void fae_gemm_body(size_t m, size_t n, size_t k, const float *a, size_t a_row, size_t a_col, const float *b,
    size_t b_row, size_t b_col, const float *bias, int accumulate, int then, const float *h, float *c, size_t c_row);
void fae_gemm_amx(size_t m, size_t n, size_t k, const float *a, size_t a_row, size_t a_col, const float *b,
    size_t b_row, size_t b_col, const float *bias, int accumulate, int then, const float *h, float *c, size_t c_row,
    fae_gemm_body *otherwise);
int fae_gemm_jvp_amx(size_t m, size_t n, size_t k, const float *x, const float *x_dot, const float *params,
    const float *params_dot, int then, float *y, const float *h, float *y_dot, fae_gemm_body *otherwise);

/* Measured, one core, GF/s of the AVX-512 body and of this one for (m, n, k), A by rows and B by columns (f), by rows (r),
 * or A by columns and B by rows (w), in one run:
 * f 256 x 128 x 512: 152, 246    r 256 x  64 x 512: 153, 213    w 128 x 512 x 256: 147, 244
 * f 256 x 512 x  64: 156, 247    r 256 x 128 x  64: 148, 213    w  64 x 128 x 256: 133, 172
 * f  64 x 128 x 512: 135, 182    f  64 x  64 x 128: 139, 141    w  64 x  64 x  64: 148, 131
 * f 256 x  64 x  32: 136, 152    f 256 x  32 x  64: 148, 145    f 256 x  64 x  16: 124,  90 */
static inline int
fae_gemm_amx_pays(size_t m, size_t n, size_t k)
{
    return m >= 48 && n >= 48 && k >= FAE_TILE_BYTES / 2 && m * n * k >= (size_t) 1 << 19;
}
#endif

#endif
