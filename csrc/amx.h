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
#endif

#endif
