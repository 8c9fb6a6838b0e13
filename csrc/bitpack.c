/* SPDX-License-Identifier: Apache-2.0
 * Fixed-width bits: eight values, the eight bytes of a 64-bit word, become `bits` whole bytes. */
#include "fastae.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

size_t
fae_bitpack_bound(size_t n, int bits)
{
    return n / 8 * (size_t) bits + (n % 8 * (size_t) bits + 7) / 8; /* n * bits could overflow */
}

/* Little-endian words at any address; compilers make one instruction of each. */
static inline uint64_t
bitpack_load(const uint8_t *p)
{
    return (uint64_t) p[0] | (uint64_t) p[1] << 8 | (uint64_t) p[2] << 16 | (uint64_t) p[3] << 24
           | (uint64_t) p[4] << 32 | (uint64_t) p[5] << 40 | (uint64_t) p[6] << 48 | (uint64_t) p[7] << 56;
}

static inline void
bitpack_store(uint8_t *p, uint64_t x)
{
    for (int i = 0; i < 8; i++) {
        p[i] = (uint8_t) (x >> 8 * i);
    }
}

/* The low `bits` bits of each of the eight bytes of a word. */
static inline uint64_t
bitpack_mask(int bits)
{
    return 0x0101010101010101u * ((1u << bits) - 1);
}

/* Moves the low `bits` bits of each byte of x, whose other bits are zero, next to each other: pairs, fours, all. */
static inline uint64_t
bitpack_squeeze(uint64_t x, int bits)
{
    x = (x & 0x00ff00ff00ff00ffu) | (x & 0xff00ff00ff00ff00u) >> (8 - bits);
    x = (x & 0x0000ffff0000ffffu) | (x & 0xffff0000ffff0000u) >> (16 - 2 * bits);
    return (x & 0x00000000ffffffffu) | (x & 0xffffffff00000000u) >> (32 - 4 * bits);
}

/* The inverse of bitpack_squeeze; bits of x past the eighth value are ignored. */
static inline uint64_t
bitpack_spread(uint64_t x, int bits)
{
    uint64_t four = ((uint64_t) 1 << 4 * bits) - 1;
    uint64_t two = 0x0000000100000001u * (((uint64_t) 1 << 2 * bits) - 1);
    uint64_t one = 0x0001000100010001u * (((uint64_t) 1 << bits) - 1);

    x = (x & four) | (x >> 4 * bits & four) << 32;
    x = (x & two) | (x << (16 - 2 * bits) & two << 16);
    return (x & one) | (x << (8 - bits) & one << 8);
}

/* The bodies below take n_words full words and return the OR of all values, tested once: the loops stay branch-free.
 * Each word writes (reads) eight bytes of which `bits` count, so the caller leaves room after the last. */
static uint64_t
bitpack_pack_scalar(const uint8_t *values, size_t n_words, int bits, uint8_t *dst)
{
    uint64_t seen = 0;

    for (size_t i = 0; i < n_words; i++) {
        uint64_t x = bitpack_load(values + 8 * i);

        seen |= x;
        bitpack_store(dst + (size_t) bits * i, bitpack_squeeze(x, bits));
    }
    return seen;
}

static inline __attribute__((always_inline)) void
bitpack_unpack_words(const uint8_t *src, size_t n_words, const int bits, uint8_t *values)
{
    for (size_t i = 0; i < n_words; i++) {
        bitpack_store(values + 8 * i, bitpack_spread(bitpack_load(src + (size_t) bits * i), bits));
    }
}

/* Masks and shifts that the compiler knows halve the time; packing, with fewer masks, gains nothing from them. */
static void
bitpack_unpack_scalar(const uint8_t *src, size_t n_words, int bits, uint8_t *values)
{
    switch (bits) {
        case 1:
            bitpack_unpack_words(src, n_words, 1, values);
            break;
        case 2:
            bitpack_unpack_words(src, n_words, 2, values);
            break;
        case 3:
            bitpack_unpack_words(src, n_words, 3, values);
            break;
        case 4:
            bitpack_unpack_words(src, n_words, 4, values);
            break;
        case 8:
            bitpack_unpack_words(src, n_words, 8, values);
            break;
        default:
            bitpack_unpack_words(src, n_words, bits, values);
    }
}

#if defined(__x86_64__)
__attribute__((target("bmi2"))) static uint64_t
bitpack_pack_bmi2(const uint8_t *values, size_t n_words, int bits, uint8_t *dst)
{
    uint64_t mask = bitpack_mask(bits), seen = 0;

    for (size_t i = 0; i < n_words; i++) {
        uint64_t x = bitpack_load(values + 8 * i);

        seen |= x;
        bitpack_store(dst + (size_t) bits * i, _pext_u64(x, mask));
    }
    return seen;
}

__attribute__((target("bmi2"))) static void
bitpack_unpack_bmi2(const uint8_t *src, size_t n_words, int bits, uint8_t *values)
{
    uint64_t mask = bitpack_mask(bits);

    for (size_t i = 0; i < n_words; i++) {
        bitpack_store(values + 8 * i, _pdep_u64(bitpack_load(src + (size_t) bits * i), mask));
    }
}
#endif

/* How many full words can be packed to, or unpacked from, the `bound` bytes of n values by eight-byte accesses. */
static size_t
bitpack_n_words(size_t n, int bits, size_t bound)
{
    size_t fit = bound < 8 ? 0 : (bound - 8) / (size_t) bits + 1;

    return fit < n / 8 ? fit : n / 8;
}

int
fae_bitpack_pack(const uint8_t *values, size_t n, int bits, uint8_t *dst)
{
    size_t bound, n_words, n_bits = 0;
    uint64_t seen, pending = 0;

    if (bits < 1 || bits > 8) {
        return FAE_ERR_BITS;
    }
    bound = fae_bitpack_bound(n, bits);
    n_words = bitpack_n_words(n, bits, bound);
#if defined(__x86_64__)
    if (fae_cpu_enabled() & FAE_CPU_AVX2) {
        seen = bitpack_pack_bmi2(values, n_words, bits, dst);
    } else
#endif
    {
        seen = bitpack_pack_scalar(values, n_words, bits, dst);
    }
    for (size_t i = 8 * n_words, at = n_words * (size_t) bits; at < bound; at++) {
        for (; i < n && n_bits < 8; i++, n_bits += (size_t) bits) {
            seen |= values[i];
            pending |= (uint64_t) values[i] << n_bits;
        }
        dst[at] = (uint8_t) pending;
        pending >>= 8;
        n_bits = n_bits > 8 ? n_bits - 8 : 0;
    }
    return seen & ~bitpack_mask(bits) ? FAE_ERR_SYMBOL : 0;
}

int
fae_bitpack_unpack(const uint8_t *src, size_t src_len, size_t n, int bits, uint8_t *values)
{
    size_t bound, n_words, at, n_bits = 0;
    uint32_t pending = 0;

    if (bits < 1 || bits > 8) {
        return FAE_ERR_BITS;
    }
    bound = fae_bitpack_bound(n, bits);
    if (src_len < bound) {
        return FAE_ERR_TRUNCATED;
    }
    n_words = bitpack_n_words(n, bits, bound);
#if defined(__x86_64__)
    if (fae_cpu_enabled() & FAE_CPU_AVX2) {
        bitpack_unpack_bmi2(src, n_words, bits, values);
    } else
#endif
    {
        bitpack_unpack_scalar(src, n_words, bits, values);
    }
    at = n_words * (size_t) bits;
    for (size_t i = 8 * n_words; i < n; i++, n_bits -= (size_t) bits, pending >>= bits) {
        if (n_bits < (size_t) bits) {
            pending |= (uint32_t) src[at++] << n_bits;
            n_bits += 8;
        }
        values[i] = (uint8_t) (pending & ((1u << bits) - 1));
    }
    return pending ? FAE_ERR_CORRUPT : 0; /* only spare bits are left */
}
