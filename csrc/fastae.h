/* SPDX-License-Identifier: Apache-2.0
 *
 * fastae's C kernels: THE public header. Every kernel and its contract is here; nothing else is exported.
 *
 * Conventions
 * - Arguments: inputs, sizes, options, then outputs. `n` examples, `k` tangents, `d_in`/`d_out` widths.
 * - Arrays are dense, row-major; shapes are written (rows, columns). Suffix _f32/_f64 is the element type.
 * - Return 0 or a negative FAE_ERR_*; a kernel that cannot fail returns void.
 * - No kernel allocates, prints, exits or keeps state. The caller sizes buffers by fae_*_bound / fae_*_work.
 * - The sizes given are trusted, the bytes of a stream never: decoders bounds-check all they read.
 * - n_threads >= 1 is the most threads that a kernel may run. It starts them when called and joins them before it
 *   returns, and its results are the same, to the bit, for every n_threads.
 * - Pointers to nothing (n = 0) are never dereferenced. Outputs may not alias inputs unless said so.
 */
#ifndef FASTAE_H
#define FASTAE_H

#include <stddef.h>
#include <stdint.h>

/* ---- errors (error.c) -------------------------------------------------------------------------------------- */
#define FAE_ERR_INTERNAL (-1)     /* a broken promise inside the library */
#define FAE_ERR_SYMBOL (-100)     /* a symbol outside the alphabet or wider than the bits given */
#define FAE_ERR_BITS (-101)       /* bits per value outside 1..8 */
#define FAE_ERR_TABLE (-102)      /* frequencies that do not sum to 2^precision, or precision out of range */
#define FAE_ERR_CORRUPT (-200)    /* a stream that no encoder writes */
#define FAE_ERR_TRUNCATED (-201)  /* a stream that ends too early */
#define FAE_ERR_CAPACITY (-300)   /* the output buffer is too small */

/* One clear English clause for an error code; never NULL. */
const char *fae_strerror(int error);

/* ---- CPU features (cpu.c) ---------------------------------------------------------------------------------- */
#define FAE_CPU_AVX2 (1u << 0)        /* with FMA, BMI2 and operating-system support */
#define FAE_CPU_AVX512 (1u << 1)      /* F, BW, DQ, VL */
#define FAE_CPU_AVX512_VNNI (1u << 2)
#define FAE_CPU_NEON (1u << 3)
#define FAE_CPU_DOTPROD (1u << 4)
#define FAE_CPU_AMX_BF16 (1u << 5)    /* either of AMX: with AVX512_VNNI, and the system's permission to use tiles, */
#define FAE_CPU_AMX_INT8 (1u << 6)    /* which detection asks for; amx.h says how bodies configure and release them */

/* What this machine has; detected once. */
uint32_t fae_cpu_detected(void);
/* What kernels may use: detected AND the mask set last (all ones at the start). Kernels choose their body by this. */
uint32_t fae_cpu_enabled(void);
/* Sets the mask, for tests and benches only: the one global of the library. */
void fae_cpu_set_mask(uint32_t mask);

/* ---- dense stacks (dense.c, tangent.c, reverse.c) ----------------------------------------------------------- */
#define FAE_IDENTITY 0
#define FAE_TANH 1

/* L dense layers of widths d_0..d_L: h_0 = x, a_l = W_l h_{l-1} + b_l, h_l = f_l(a_l), y = h_L.
 *
 * `params` is one flat vector: W_1 (d_1, d_0), b_1 (d_1), W_2 (d_2, d_1), b_2, ...
 * `h` holds the outputs of every layer, one layer after the other: h_1 (n, d_1), h_2 (n, d_2), ..., h_L (n, d_L). */
typedef struct {
    size_t n_layers;            /* L >= 1 */
    const int64_t *sizes;       /* L + 1 widths, each >= 1 */
    const int32_t *activations; /* L of FAE_IDENTITY, FAE_TANH */
} fae_stack;

/* Numbers in `params`, and numbers in `h` per example. */
size_t fae_stack_n_params(const fae_stack *stack);
size_t fae_stack_n_outputs(const fae_stack *stack);

/* 1 if none of n numbers is NaN or infinite, else 0. */
int fae_dense_is_finite_f32(const float *x, size_t n);
int fae_dense_is_finite_f64(const double *x, size_t n);

/* x (n, d_0) -> h. */
void fae_stack_forward_f32(
    const fae_stack *stack, const float *params, const float *x, size_t n, size_t n_threads, float *h);
void fae_stack_forward_f64(
    const fae_stack *stack, const double *params, const double *x, size_t n, size_t n_threads, double *h);

/* Numbers of scratch that the kernels below need. */
size_t fae_stack_predict_work(const fae_stack *stack, size_t n, size_t n_threads);
size_t fae_stack_tangent_work(const fae_stack *stack, size_t n, size_t k, size_t n_threads);
size_t fae_stack_jvp_work(const fae_stack *stack, size_t n, size_t k, size_t n_threads);
size_t fae_stack_reverse_work(const fae_stack *stack, size_t n, size_t n_threads);
size_t fae_stack_unit_tangents_work(const fae_stack *stack, size_t n, size_t n_threads);

/* x (n, d_0) -> y (n, d_L), the last layer of forward alone: the others never leave the cache. Returns 1, or 0 if x holds
 * NaN or infinity: it is looked at while it is in the cache. */
int fae_stack_predict_f32(
    const fae_stack *stack, const float *params, const float *x, size_t n, size_t n_threads, float *work, float *y);
int fae_stack_predict_f64(
    const fae_stack *stack, const double *params, const double *x, size_t n, size_t n_threads, double *work, double *y);

/* Forward mode: k tangents beside the primal. x and h as given to and left by forward.
 * params_dot (k, n_params) and x_dot (k, n, d_0) may each be NULL (zero tangent). Writes y_dot (k, n, d_L). */
void fae_stack_tangent_f32(const fae_stack *stack, const float *params, const float *x, const float *h, size_t n,
    const float *params_dot, const float *x_dot, size_t k, size_t n_threads, float *work, float *y_dot);
void fae_stack_tangent_f64(const fae_stack *stack, const double *params, const double *x, const double *h, size_t n,
    const double *params_dot, const double *x_dot, size_t k, size_t n_threads, double *work, double *y_dot);

/* The value and its tangents in one pass over x: predict and tangent together. Returns 1, or 0 if x or x_dot holds NaN or
 * infinity. */
int fae_stack_jvp_f32(const fae_stack *stack, const float *params, const float *x, size_t n, const float *params_dot,
    const float *x_dot, size_t k, size_t n_threads, float *work, float *y, float *y_dot);
int fae_stack_jvp_f64(const fae_stack *stack, const double *params, const double *x, size_t n, const double *params_dot,
    const double *x_dot, size_t k, size_t n_threads, double *work, double *y, double *y_dot);

/* Reverse mode: cotangent y_bar (n, d_L) -> params_bar (n_params), x_bar (n, d_0); either may be NULL. Overwrites. */
void fae_stack_reverse_f32(const fae_stack *stack, const float *params, const float *x, const float *h, size_t n,
    const float *y_bar, size_t n_threads, float *work, float *params_bar, float *x_bar);
void fae_stack_reverse_f64(const fae_stack *stack, const double *params, const double *x, const double *h, size_t n,
    const double *y_bar, size_t n_threads, double *work, double *params_bar, double *x_bar);

/* The same gradient by forward mode, exactly: the unit tangents of each layer's pre-activations are pushed to y and
 * contracted with y_bar, since dL/dW_l[i,j] = (dL/da_l[i]) h_{l-1}[j]; x_bar comes from the d_0 unit tangents of x.
 * Arguments as for reverse. */
void fae_stack_unit_tangents_f32(const fae_stack *stack, const float *params, const float *x, const float *h, size_t n,
    const float *y_bar, size_t n_threads, float *work, float *params_bar, float *x_bar);
void fae_stack_unit_tangents_f64(const fae_stack *stack, const double *params, const double *x, const double *h,
    size_t n, const double *y_bar, size_t n_threads, double *work, double *params_bar, double *x_bar);

/* ---- alphabets (alphabet.c) ------------------------------------------------------------------------------------ */
/* codes (n) = code_of[symbol], for symbols (n) of one byte each; code_of (256) has -1 for missing and less for a symbol
 * outside the alphabet. Returns the index of the first of those, after which codes are undefined, or n. */
size_t fae_alphabet_codes(const uint8_t *symbols, size_t n, const int8_t *code_of, int8_t *codes);
/* levels (n) = level_of[code + 1], so that level_of (n_levels + 1) begins with the level of missing. Returns how many of the codes (n)
 * are not missing. Codes are trusted to be -1 or more and to have a level. */
size_t fae_alphabet_levels_f32(const int8_t *codes, size_t n, const float *level_of, size_t n_levels, float *levels);
size_t fae_alphabet_levels_f64(const int8_t *codes, size_t n, const double *level_of, size_t n_levels, double *levels);

/* ---- losses over symbols (loss.c) --------------------------------------------------------------------------- */
/* x (n) are reconstructions, codes (n) the true symbols' numbers in 0..n_levels-1, -1 where missing: it adds nothing
 * and its gradient is 0. p_s = softmax over s of -(x - levels[s])^2 / temperature.
 * Each returns the sum over the n cells and, where grad is not NULL, writes grad (n) = scale * d(sum)/dx.
 * Codes are trusted to be below n_levels; n_levels in 2..127. */
/* soft Hamming: sum of 1 - p_code. */
double fae_loss_soft_hamming_f32(const float *x, const int8_t *codes, size_t n, const float *levels, size_t n_levels,
    float temperature, float scale, size_t n_threads, float *grad);
double fae_loss_soft_hamming_f64(const double *x, const int8_t *codes, size_t n, const double *levels, size_t n_levels,
    double temperature, double scale, size_t n_threads, double *grad);
/* cross-entropy in bits: sum of -log2 p_code. */
double fae_loss_cross_entropy_f32(const float *x, const int8_t *codes, size_t n, const float *levels, size_t n_levels,
    float temperature, float scale, size_t n_threads, float *grad);
double fae_loss_cross_entropy_f64(const double *x, const int8_t *codes, size_t n, const double *levels, size_t n_levels,
    double temperature, double scale, size_t n_threads, double *grad);
/* exact Hamming: how many cells' nearest level (the lower number on a tie) is not the true symbol. */
size_t fae_loss_hamming_f32(const float *x, const int8_t *codes, size_t n, const float *levels, size_t n_levels);
size_t fae_loss_hamming_f64(const double *x, const int8_t *codes, size_t n, const double *levels, size_t n_levels);

/* ---- the gradient of a chain (reverse.c) ---------------------------------------------------------------------- */
#define FAE_REVERSE 0
#define FAE_UNIT_TANGENTS 1
#define FAE_SOFT_HAMMING 0
#define FAE_CROSS_ENTROPY 1

/* decoder(round(encoder(x))) and its loss. The decoder is as wide at its start as the encoder at its end, and at its end
 * as the encoder at its start. */
typedef struct {
    const fae_stack *encoder, *decoder;
    int encoder_by, decoder_by; /* FAE_REVERSE or FAE_UNIT_TANGENTS: how the gradient goes back through them */
    int latent_bits;            /* 1..8: latents are rounded to 2^bits even steps from -1 to 1; 0: not */
    int loss;                   /* FAE_SOFT_HAMMING or FAE_CROSS_ENTROPY */
    size_t n_levels;
} fae_chain;

/* Over the cells of a batch: of those not missing, how many there are and how many are reconstructed wrongly. */
typedef struct {
    double loss;
    size_t n_known, n_wrong;
} fae_chain_sums;

/* rounded (n) = the nearest of 2^bits even steps from -1 to 1, in double as where latents are stored; NaN stays. */
void fae_latents_round_f32(const float *z, size_t n, int bits, float *rounded);
void fae_latents_round_f64(const double *z, size_t n, int bits, double *rounded);

/* Numbers of scratch. */
size_t fae_chain_gradient_work(const fae_chain *chain, size_t n, size_t n_threads);
/* One pass over codes (n, d), which are both the examples, by their levels, and what they should be reconstructed as:
 * forward, loss and gradient of a few rows at a time, so that no layer leaves the cache. As the kernels above do:
 * level_of (n_levels + 1) as for fae_alphabet_levels, sums of the loss and of fae_loss_hamming as the return value,
 * encoder_bar and decoder_bar (n_params of each) the gradient of the mean loss. Rounding lets cotangents pass. */
fae_chain_sums fae_chain_gradient_f32(const fae_chain *chain, const float *encoder_params, const float *decoder_params,
    const int8_t *codes, size_t n, const float *level_of, float temperature, size_t n_threads, float *work,
    float *encoder_bar, float *decoder_bar);
fae_chain_sums fae_chain_gradient_f64(const fae_chain *chain, const double *encoder_params,
    const double *decoder_params, const int8_t *codes, size_t n, const double *level_of, double temperature,
    size_t n_threads, double *work, double *encoder_bar, double *decoder_bar);

/* ---- optimisers (optim.c): update params in place ------------------------------------------------------------ */
/* AdamW (Kingma & Ba 2015; Loshchilov & Hutter 2019): Adam, after params have shrunk by the share learning_rate *
 * weight_decay; 0 is plain Adam. m and v (n) are its moments; bias1 = 1 - beta1^t, bias2 = 1 - beta2^t. Rates are double
 * in both: 1 - 0.999 has lost five of seven digits in float. */
void fae_optim_adam_f32(const float *grad, size_t n, double learning_rate, double beta1, double beta2, double epsilon,
    double weight_decay, double bias1, double bias2, float *m, float *v, float *params);
void fae_optim_adam_f64(const double *grad, size_t n, double learning_rate, double beta1, double beta2, double epsilon,
    double weight_decay, double bias1, double bias2, double *m, double *v, double *params);
/* SGD with momentum: velocity = momentum * velocity + grad; params -= learning_rate * velocity. */
void fae_optim_sgd_f32(
    const float *grad, size_t n, double learning_rate, double momentum, float *velocity, float *params);
void fae_optim_sgd_f64(
    const double *grad, size_t n, double learning_rate, double momentum, double *velocity, double *params);
/* 1 if the square of every slope is finite, so that a step leaves moments and params finite; 0 if one is NaN, infinite
 * or of a square beyond the type. */
int fae_optim_squares_are_finite_f32(const float *grad, size_t n);
int fae_optim_squares_are_finite_f64(const double *grad, size_t n);

/* ---- fixed-width bits (bitpack.c) ---------------------------------------------------------------------------- */
/* Bytes that n values of `bits` bits fill: ceil(n * bits / 8). */
size_t fae_bitpack_bound(size_t n, int bits);
/* Packs n values of `bits` bits (1..8), first value in the lowest bits of the first byte, no padding between values;
 * spare bits of the last byte are zero. dst holds fae_bitpack_bound bytes.
 * FAE_ERR_BITS; FAE_ERR_SYMBOL if a value needs more bits (dst is then undefined). */
int fae_bitpack_pack(const uint8_t *values, size_t n, int bits, uint8_t *dst);
/* The inverse. FAE_ERR_BITS; FAE_ERR_TRUNCATED if src_len < bound; FAE_ERR_CORRUPT if a spare bit is set. */
int fae_bitpack_unpack(const uint8_t *src, size_t src_len, size_t n, int bits, uint8_t *values);

/* ---- rANS with static tables (rans*.c) ----------------------------------------------------------------------- */
/* Duda 2013. ANS is a stack: the encoder runs backwards so that the decoder runs forwards. freqs (n_symbols) sum to
 * 2^precision; 1 <= n_symbols <= 256, 1 <= precision <= 15. A symbol of frequency 0 cannot be encoded. */
/* Scales counts to frequencies that sum to 2^precision; every count > 0 gets at least 1; deterministic (integers).
 * FAE_ERR_TABLE if all counts are 0, more symbols occur than 2^precision, or precision is out of range. */
int fae_rans_normalize(const uint64_t *counts, size_t n_symbols, int precision, uint32_t *freqs);
/* Bytes that always suffice to encode n symbols. */
size_t fae_rans_bound(size_t n);
/* FAE_ERR_TABLE, FAE_ERR_SYMBOL (outside the table or of frequency 0), FAE_ERR_CAPACITY. */
int fae_rans_encode(const uint8_t *symbols, size_t n, const uint32_t *freqs, size_t n_symbols, int precision,
    uint8_t *dst, size_t dst_len, size_t *out_len);
/* Decodes exactly n symbols from exactly src_len bytes. FAE_ERR_TABLE; FAE_ERR_TRUNCATED, FAE_ERR_CORRUPT (bytes left
 * over, or a final state that no encoder starts from). */
int fae_rans_decode(const uint8_t *src, size_t src_len, const uint32_t *freqs, size_t n_symbols, int precision,
    size_t n, uint8_t *symbols);

/* ---- integer decoder (intdec*.c): the same bytes on every CPU -------------------------------------------------- */
/* A dense stack in integers. Its inputs are codes q of `latent_bits` bits, which stand for h = 2 q - (2^latent_bits - 1).
 * Layer l: acc = W_l h + b_l in int32; every layer but the last then gives
 * h' = TANH[clamp((acc * multipliers[l] + 2^(shifts[l]-1)) >> shifts[l], -128, 127) + 128], int8, where
 * TANH[i + 128] = round(127 tanh(i / 32)) is a fixed table. The last layer's int32 sums are the scores.
 * weights: W_1 (d_1, d_0), W_2 ... one after the other; biases: b_1, b_2, ... likewise. shifts in 1..62. */
typedef struct {
    size_t n_layers;
    int32_t latent_bits;        /* 1..8 */
    const int64_t *sizes;       /* n_layers + 1, each in 1..65536 */
    const int8_t *weights;
    const int32_t *biases;
    const int32_t *multipliers; /* n_layers - 1, each >= 0 */
    const int32_t *shifts;      /* n_layers - 1 */
} fae_intdec;

/* Bytes of scratch. */
size_t fae_intdec_work(const fae_intdec *decoder, size_t n, size_t n_threads);
/* 0, or FAE_ERR_TABLE where sums could overflow int32, or a shift, multiplier, size or latent_bits is out of range: call
 * it once on parameters that come from a file. */
int fae_intdec_check(const fae_intdec *decoder);
/* codes (n, d_0) -> scores (n, d_L) of a decoder that was checked. FAE_ERR_SYMBOL if a code has more bits. */
int fae_intdec_forward(
    const fae_intdec *decoder, const uint8_t *codes, size_t n, size_t n_threads, void *work, int32_t *scores);

/* ---- gaps between rare events (gaps.c) ------------------------------------------------------------------------- */
/* The residual coder. Cells are grouped in classes of (nearly) one probability of an event; a class's events are coded
 * as the gaps between them, by rANS under the geometric law of the class's rate, so the cost in time grows with the
 * events, not with the cells. Rate r in 0..FAE_GAPS_N_RATES-1 is a probability of 2^(-(r+1)/4). */
#define FAE_GAPS_N_RATES 100

/* positions: the events of all classes, one class after the other, ascending within a class and below its n_cells;
 * counts (n_classes) says how many each class has, n_cells (n_classes) how many cells, rates (n_classes) its rate.
 * The stream is written to dst[0..*out_len). FAE_ERR_TABLE (a rate out of range), FAE_ERR_SYMBOL (positions out of
 * order or range), FAE_ERR_CAPACITY (try again with twice the buffer). */
int fae_gaps_encode(const uint32_t *positions, const uint32_t *counts, const uint32_t *n_cells, const uint8_t *rates,
    size_t n_classes, uint8_t *dst, size_t dst_len, size_t *out_len);
/* The inverse: writes counts (n_classes) and exactly n_events positions. FAE_ERR_TABLE; FAE_ERR_TRUNCATED;
 * FAE_ERR_CORRUPT (another number of events, bytes left over, or a final state that no encoder starts from). */
int fae_gaps_decode(const uint8_t *src, size_t src_len, const uint32_t *n_cells, const uint8_t *rates, size_t n_classes,
    size_t n_events, uint32_t *positions, uint32_t *counts);

/* ---- sums over columns that are not unpacked (sums.c) ---------------------------------------------------------------- */
/* What is wanted of columns of bits: how many ones each has; the sum of weights over the rows where it has ones; the sum for
 * each row of weights of the columns that have ones there. All but the work start as zeros. */
typedef struct {
    size_t n_rows;                /* 1..65535 */
    size_t width;                 /* of the weights, k */
    const uint8_t *masks;         /* (any number, n_rows) 1: the bit of this row does not count, it is as a 0 */
    const int64_t *mask_of;       /* (n_columns) a column's mask, or -1; NULL: no masks */
    uint32_t *counts;             /* (n_columns) */
    const double *row_weights;    /* (n_rows, k), or NULL */
    double *of_columns;           /* (n_columns, k) */
    const double *column_weights; /* (n_columns, k), or NULL */
    double *of_rows;              /* (n_rows, k) */
    void *work;                   /* fae_sums_work bytes, aligned as malloc does */
} fae_sums;

size_t fae_sums_work(size_t n_rows, size_t width);
/* Before the first column and after the last. */
void fae_sums_start(const fae_sums *sums);
void fae_sums_finish(const fae_sums *sums);
/* A column whose bits, the lowest of each byte (n_rows), have been decoded. */
void fae_sums_add_bits(const fae_sums *sums, size_t column, const uint8_t *bits);

/* ---- columns by the positional Burrows-Wheeler transform (pbwt.c) --------------------------------------------------- */
/* What a decoder makes of rows' latents, for some columns, the guided ones: which rows are the likelier to have a 1. Its
 * outputs belong to the guided columns in their order. */
typedef struct {
    const uint8_t *leans;   /* (n_outputs, n_codes) 1 where rows of a code lean to a 1, otherwise 0 */
    const uint16_t *codes;  /* (n_rows) each below n_codes */
    const uint16_t *rows;   /* (n_rows) the rows, those of like codes together: their order before the first column */
    uint8_t *guided; /* (n_columns) 1 for n_outputs columns, otherwise 0; decoding: found as far as is decoded */
    size_t n_outputs, n_codes;
} fae_pbwt_guide;

/* A matrix of bits, and the column at which its wings start: one goes on to the last column, the other back to the first,
 * and either has none where start is n_columns or 0. */
typedef struct {
    size_t n_columns;
    size_t n_rows; /* 1..65535 */
    size_t start; /* 0..n_columns */
    const fae_pbwt_guide *guide; /* or NULL; with one, start is 0 and all rows are decoded */
    uint32_t *spent; /* or NULL; decoding: the bits that each column took (last - first) */
} fae_pbwt_shape;

/* Bytes of scratch, aligned as malloc does, where n_wanted rows are decoded (0: all, or encoding). */
size_t fae_pbwt_work(const fae_pbwt_shape *shape, size_t n_wanted);
/* bits (n_columns, n_rows), of each byte the lowest -> dst[0..*right_len) for the columns from start on, followed by
 * dst[*right_len..*out_len) for those before it; a wing of no columns has no bytes. shift in 0..2: lengths of matches
 * are classed times 2^shift. FAE_ERR_CAPACITY (try again with twice the buffer). */
int fae_pbwt_encode(const uint8_t *bits, const fae_pbwt_shape *shape, unsigned shift, void *work, uint8_t *dst,
    size_t dst_len, size_t *right_len, size_t *out_len);
/* Columns first..last-1 <= n_columns of such bytes, right_len <= src_len -> bits (last - first, n_wanted): of the rows, each
 * below n_rows, ascending and distinct, or where rows is NULL of all of them, n_wanted = 0. Time is that of the columns
 * between start and those. FAE_ERR_CORRUPT; FAE_ERR_TRUNCATED. The end of a wing is looked at only where its last
 * column is decoded. */
int fae_pbwt_decode(const uint8_t *src, size_t right_len, size_t src_len, const fae_pbwt_shape *shape, size_t first,
    size_t last, const uint32_t *rows, size_t n_wanted, void *work, uint8_t *bits);
/* Adds columns first..last-1, which `sums` numbers from 0 on; work as where all rows are decoded. */
int fae_pbwt_sum(const uint8_t *src, size_t right_len, size_t src_len, const fae_pbwt_shape *shape, size_t first,
    size_t last, void *work, const fae_sums *sums);

/* ---- phasing, for compression (phase.c, phase_beam.c) --------------------------------------------------------------- */
/* What is known of a call, in columns of bits over haplotypes, two rows a sample: both bits; that they are a 0 and a 1, in
 * whatever order; nothing. */
#define FAE_PHASE_KNOWN 0
#define FAE_PHASE_SWAPPABLE 1
#define FAE_PHASE_UNKNOWN 2

/* Bytes of scratch, aligned as malloc does. */
size_t fae_phase_greedy_work(size_t n_samples);
/* bits (n_columns, 2 * n_samples), calls (n_columns, n_samples) of FAE_PHASE_*: puts in order, and fills in, column by
 * column, what calls leave open, after the rows that were most alike. */
void fae_phase_greedy(uint8_t *bits, const uint8_t *calls, size_t n_columns, size_t n_samples, void *work);

/* Columns packed by row, 64 a word, the first in the lowest bit. */
#define FAE_PHASE_MAX_BEAM 16
typedef struct {
    size_t n_samples; /* >= 2, and no more than 32767 where there are orders */
    size_t n_columns; /* n_words = ceil(n_columns / 64) */
    const uint64_t *words; /* (2 * n_samples, n_words) bits of all haplotypes */
    const uint64_t *swappable; /* (n_samples, n_words) which calls are */
    const uint64_t *unknown; /* (n_samples, n_words) */
    const uint16_t *orders; /* (n_words + 1, 2, 2 * n_samples), or NULL: the panel is everyone else */
    size_t n_nearest; /* with orders: so many on either side in each make up the panel */
    size_t beam; /* 1..FAE_PHASE_MAX_BEAM hypotheses are kept */
} fae_phase;

/* words (n_rows, n_words) -> orders (n_words + 1, 2, n_rows): before each word and after the last, the rows in the order of
 * the bits before, read backwards, and the place of each row in it; n_rows <= 65535. */
void fae_phase_orders(const uint64_t *words, size_t n_rows, size_t n_columns, uint16_t *orders);
/* Bytes of scratch, aligned as malloc does. */
size_t fae_phase_refine_work(const fae_phase *phase, size_t n_threads);
/* The likeliest haplotypes of samples first..last-1 as mosaics of those of all other samples in `words`
 * -> found (2 * (last - first), n_words). Spare bits are those of words. */
void fae_phase_refine(const fae_phase *phase, size_t first, size_t last, size_t n_threads, void *work, uint64_t *found);

/* ---- the same columns, to be read sooner (runs.c) -------------------------------------------------------------------- */
/* Bytes of scratch, aligned as malloc does; n_rows in 1..65535 throughout. */
size_t fae_runs_encode_work(size_t n_rows, size_t n_symbols);
/* bits (n_columns, n_rows), of each byte the lowest, -> dst[0..*out_len). FAE_ERR_CAPACITY: try again with more n_symbols,
 * for which there is room in work, and a larger buffer. */
int fae_runs_encode(const uint8_t *bits, size_t n_columns, size_t n_rows, size_t n_symbols, void *work, uint8_t *dst,
    size_t dst_len, size_t *out_len);
/* Scratch to decode a stream: what it says it holds. FAE_ERR_CORRUPT; FAE_ERR_TRUNCATED, as of the two below. */
int fae_runs_decode_work(const uint8_t *src, size_t src_len, size_t n_columns, size_t n_rows, size_t *work_len);
/* Columns first..last-1 <= n_columns of a stream, painted on rows of `out`, which begin `stride` bytes apart: column c has
 * ones where row places[c - first] gets the value values[c - first]. The rest of the row keeps what it has if `over` or
 * if the column before had the same place, and is 0 otherwise. A column of a negative place is left out. */
int fae_runs_decode(const uint8_t *src, size_t src_len, size_t n_columns, size_t n_rows, size_t first, size_t last,
    const int64_t *places, const int8_t *values, int over, void *work, int8_t *out, size_t stride);
/* The same of n_wanted <= n_rows rows, each below n_rows. */
int fae_runs_decode_rows(const uint8_t *src, size_t src_len, size_t n_columns, size_t n_rows, size_t first, size_t last,
    const uint32_t *rows, size_t n_wanted, const int64_t *places, const int8_t *values, int over, void *work,
    int8_t *out, size_t stride);
/* Adds columns first..last-1, which `sums` numbers from 0 on. */
int fae_runs_sum(const uint8_t *src, size_t src_len, size_t n_columns, size_t n_rows, size_t first, size_t last,
    void *work, const fae_sums *sums);
/* ---- dosages by mosaics of the other samples (mosaic.c) -------------------------------------------------------------- */
#define FAE_MOSAIC_SAMPLES 1024 /* in a block, at most: time is sites x samples^2 */

#define FAE_MOSAIC_RARITIES 4 /* how rarely a sample is taken to go over from one like it to another */

/* What occurs at a site. */
#define FAE_MOSAIC_VARIES 1 /* dosages other than 0 */
#define FAE_MOSAIC_MISSES 2 /* missing calls */

/* Bytes of scratch, aligned as malloc does, for n_samples in 1..FAE_MOSAIC_SAMPLES. */
size_t fae_mosaic_work(size_t n_samples);
/* calls (n_sites, n_samples) of 0 to 2 and 3 (missing), as kinds (n_sites) has it -> dst[0..*out_len); rarity below
 * FAE_MOSAIC_RARITIES. FAE_ERR_CAPACITY (try again with twice the buffer). */
int fae_mosaic_encode(const uint8_t *calls, const uint8_t *kinds, size_t n_sites, size_t n_samples, unsigned rarity,
    void *work, uint8_t *dst, size_t dst_len, size_t *out_len);
/* Sites first..last-1 <= n_sites of such a stream -> calls (last - first, n_samples), and the bits that each took to
 * spent (last - first) unless it is NULL. Time is that of the sites before `last`. FAE_ERR_CORRUPT; FAE_ERR_TRUNCATED.
 * The end of the stream is looked at only where last = n_sites. */
int fae_mosaic_decode(const uint8_t *src, size_t src_len, const uint8_t *kinds, size_t n_sites, size_t n_samples,
    size_t first, size_t last, void *work, uint8_t *calls, uint32_t *spent);

/* ---- positions, SNP alleles and numbered IDs of sites (sites.c) ------------------------------------------------------ */
#define FAE_SITES_OTHER 16  /* in place of a pair of bases, for alleles that are none */
#define FAE_SITES_SERIES 64 /* most series */
/* Bytes of scratch, aligned as malloc does. */
size_t fae_sites_work(void);
/* n sites: gaps (n) of positions, above -2^31; pairs (n) of bases, 4 ref + alt or FAE_SITES_OTHER; ids (n), each in one of
 * 1..FAE_SITES_SERIES series of widths[s] >= 1 numbers from starts[s] on, which ascend, do not overlap and end below 2^32.
 * -> dst[0..*out_len). FAE_ERR_CAPACITY (try again with twice the buffer). */
int fae_sites_encode(const int32_t *gaps, const uint8_t *pairs, const uint32_t *ids, size_t n, const uint32_t *starts,
    const uint32_t *widths, size_t n_series, void *work, uint8_t *dst, size_t dst_len, size_t *out_len);
/* FAE_ERR_CORRUPT; FAE_ERR_TRUNCATED. */
int fae_sites_decode(const uint8_t *src, size_t src_len, size_t n, const uint32_t *starts, const uint32_t *widths,
    size_t n_series, void *work, int32_t *gaps, uint8_t *pairs, uint32_t *ids);

#endif
