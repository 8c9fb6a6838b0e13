/* SPDX-License-Identifier: Apache-2.0
 * Vectors of one element type and instruction set, for the bodies that every_isa.h includes: no include guard.
 *
 * VEC holds LANES numbers and takes + - * / and comparisons (GNU vector extensions); IVEC and UVEC are its bits.
 * Written with these, a body becomes the vector code meant on every compiler, and a row's last few numbers go through
 * the same operations as all others, so that a result never depends on its place in an array. */
#undef VEC
#undef IVEC
#undef UVEC
#undef LANES
#undef INLINE
#undef MM
#undef UNROLL
#undef SHUFFLE
#undef ZIP_LOW
#undef ZIP_HIGH

#define VEC ISA(vec)
#define IVEC ISA(ivec)
#define UVEC ISA(uvec)
#define LANES (VECTOR_BYTES / sizeof(REAL))
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)") /* the loop below, which has a constant count */
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif
#define INLINE static inline __attribute__((always_inline)) TARGET

typedef REAL VEC __attribute__((vector_size(VECTOR_BYTES)));
#if REAL_BITS == 32
typedef int32_t IVEC __attribute__((vector_size(VECTOR_BYTES)));
typedef uint32_t UVEC __attribute__((vector_size(VECTOR_BYTES)));
#else
typedef int64_t IVEC __attribute__((vector_size(VECTOR_BYTES)));
typedef uint64_t UVEC __attribute__((vector_size(VECTOR_BYTES)));
#endif

/* MM(op): the intrinsic's name for this element type and width. */
#if VECTOR_BYTES == 64 && REAL_BITS == 32
#define MM(op) _mm512_##op##_ps
#elif VECTOR_BYTES == 64
#define MM(op) _mm512_##op##_pd
#elif VECTOR_BYTES == 32 && REAL_BITS == 32
#define MM(op) _mm256_##op##_ps
#elif VECTOR_BYTES == 32
#define MM(op) _mm256_##op##_pd
#elif defined(__x86_64__) && REAL_BITS == 32
#define MM(op) _mm_##op##_ps
#elif defined(__x86_64__)
#define MM(op) _mm_##op##_pd
#elif defined(__aarch64__) && REAL_BITS == 32
#define MM(op) op##q_f32
#elif defined(__aarch64__)
#define MM(op) op##q_f64
#endif

INLINE VEC
ISA(set)(REAL x)
{
    return x - (VEC) { 0 }; /* the only sum with zero that keeps the sign of -0 */
}

INLINE VEC
ISA(load)(const REAL *p)
{
    VEC v;

    memcpy(&v, p, sizeof v);
    return v;
}

INLINE void
ISA(store)(REAL *p, VEC v)
{
    memcpy(p, &v, sizeof v);
}

/* The first `count` < LANES numbers at p, zeros after them; nothing beyond is touched. */
INLINE VEC
ISA(load_part)(const REAL *p, size_t count)
{
#if VECTOR_BYTES == 64 && REAL_BITS == 32
    return (VEC) MM(maskz_loadu)((__mmask16) ((1u << count) - 1), p);
#elif VECTOR_BYTES == 64
    return (VEC) MM(maskz_loadu)((__mmask8) ((1u << count) - 1), p);
#elif VECTOR_BYTES == 32 && REAL_BITS == 32
    const IVEC place = { 0, 1, 2, 3, 4, 5, 6, 7 };
    return (VEC) MM(maskload)(p, (__m256i) (place < (int32_t) count));
#elif VECTOR_BYTES == 32
    const IVEC place = { 0, 1, 2, 3 };
    return (VEC) MM(maskload)(p, (__m256i) (place < (int64_t) count));
#else
    VEC v = { 0 };

    UNROLL
    for (size_t i = 0; i < LANES; i++) {
        if (i < count) {
            v[i] = p[i];
        }
    }
    return v;
#endif
}

INLINE void
ISA(store_part)(REAL *p, VEC v, size_t count)
{
#if VECTOR_BYTES == 64 && REAL_BITS == 32
    MM(mask_storeu)(p, (__mmask16) ((1u << count) - 1), v);
#elif VECTOR_BYTES == 64
    MM(mask_storeu)(p, (__mmask8) ((1u << count) - 1), v);
#elif VECTOR_BYTES == 32 && REAL_BITS == 32
    const IVEC place = { 0, 1, 2, 3, 4, 5, 6, 7 };
    MM(maskstore)(p, (__m256i) (place < (int32_t) count), v);
#elif VECTOR_BYTES == 32
    const IVEC place = { 0, 1, 2, 3 };
    MM(maskstore)(p, (__m256i) (place < (int64_t) count), v);
#else
    UNROLL
    for (size_t i = 0; i < LANES; i++) {
        if (i < count) {
            p[i] = v[i];
        }
    }
#endif
}

/* Either, for loops over rows: `count` numbers, LANES of them or fewer. */
INLINE VEC
ISA(load_some)(const REAL *p, size_t count)
{
    return count < LANES ? ISA(load_part)(p, count) : ISA(load)(p);
}

INLINE void
ISA(store_some)(REAL *p, VEC v, size_t count)
{
    if (count < LANES) {
        ISA(store_part)(p, v, count);
    } else {
        ISA(store)(p, v);
    }
}

/* a b + c, in one rounding where the CPU has it. */
INLINE VEC
ISA(fma)(VEC a, VEC b, VEC c)
{
#if VECTOR_BYTES > 16
    return (VEC) MM(fmadd)(a, b, c);
#elif defined(__aarch64__)
    return (VEC) MM(vfma)(c, a, b);
#else
    return a * b + c;
#endif
}

INLINE VEC
ISA(sqrt)(VEC a)
{
#if defined(__x86_64__)
    return (VEC) MM(sqrt)(a);
#elif defined(__aarch64__)
    return (VEC) MM(vsqrt)(a);
#else
    for (size_t i = 0; i < LANES; i++) {
        a[i] = (REAL) sqrt((double) a[i]);
    }
    return a;
#endif
}

/* a / b to an ulp, for b far from the ends of the range. AVX-512 divides at a third of this speed. */
INLINE VEC
ISA(quotient)(VEC a, VEC b)
{
#if VECTOR_BYTES == 64 && REAL_BITS == 32
    VEC inverse = (VEC) _mm512_rcp14_ps((__m512) b), first = a * inverse;

    return ISA(fma)(ISA(fma)(-b, first, a), inverse, first);
#else
    return a / b;
#endif
}

/* Lane by lane: a where mask is set (all bits), b elsewhere. */
INLINE VEC
ISA(select)(IVEC mask, VEC a, VEC b)
{
    return (VEC) ((mask & (IVEC) a) | (~mask & (IVEC) b));
}

/* The lesser of a limit, which is not NaN, and v; NaN where v is. */
INLINE VEC
ISA(least)(VEC limit, VEC v)
{
#if defined(__x86_64__)
    return (VEC) MM(min)(limit, v); /* the second operand where one is NaN */
#else
    return ISA(select)(v > limit, limit, v);
#endif
}

/* LANES signed bytes as the lanes of an IVEC. Compilers turn the generic conversion into code lane by lane. */
INLINE IVEC
ISA(widen)(const int8_t *p)
{
#if VECTOR_BYTES > 16
    __m128i bytes = _mm_setzero_si128();

    memcpy(&bytes, p, LANES);
#if VECTOR_BYTES == 64 && REAL_BITS == 32
    return (IVEC) _mm512_cvtepi8_epi32(bytes);
#elif VECTOR_BYTES == 64
    return (IVEC) _mm512_cvtepi8_epi64(bytes);
#elif REAL_BITS == 32
    return (IVEC) _mm256_cvtepi8_epi32(bytes);
#else
    return (IVEC) _mm256_cvtepi8_epi64(bytes);
#endif
#else
    typedef int8_t bytes __attribute__((vector_size(LANES)));
    bytes narrow;

    memcpy(&narrow, p, sizeof narrow);
    return __builtin_convertvector(narrow, IVEC);
#endif
}

INLINE REAL
ISA(sum)(VEC v)
{
    REAL sum = 0;

    for (size_t i = 0; i < LANES; i++) {
        sum += v[i];
    }
    return sum;
}

/* ZIP_LOW (a, b) = a_0 b_0 a_1 b_1 ..., ZIP_HIGH the same of their upper halves. */
#if defined(__clang__)
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (IVEC) { __VA_ARGS__ })
#endif
#if VECTOR_BYTES * 8 / REAL_BITS == 16
#define ZIP_LOW(a, b) SHUFFLE(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define ZIP_HIGH(a, b) SHUFFLE(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#elif VECTOR_BYTES * 8 / REAL_BITS == 8
#define ZIP_LOW(a, b) SHUFFLE(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define ZIP_HIGH(a, b) SHUFFLE(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#elif VECTOR_BYTES * 8 / REAL_BITS == 4
#define ZIP_LOW(a, b) SHUFFLE(a, b, 0, 4, 1, 5)
#define ZIP_HIGH(a, b) SHUFFLE(a, b, 2, 6, 3, 7)
#else
#define ZIP_LOW(a, b) SHUFFLE(a, b, 0, 2)
#define ZIP_HIGH(a, b) SHUFFLE(a, b, 1, 3)
#endif

/* Turns LANES vectors, the rows of a square, into its columns: each round zips the halves, a perfect shuffle. */
INLINE void
ISA(transpose)(VEC rows[LANES])
{
    VEC zipped[LANES];

    UNROLL
    for (size_t half = 1; half < LANES; half *= 2) {
        UNROLL
        for (size_t i = 0; i < LANES / 2; i++) {
            zipped[2 * i] = ZIP_LOW(rows[i], rows[i + LANES / 2]);
            zipped[2 * i + 1] = ZIP_HIGH(rows[i], rows[i + LANES / 2]);
        }
        UNROLL
        for (size_t i = 0; i < LANES; i++) {
            rows[i] = zipped[i];
        }
    }
}
