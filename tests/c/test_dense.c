/* SPDX-License-Identifier: Apache-2.0
 * Dense stacks, alphabets, losses and optimisers on buffers of exactly their size; forward and reverse mode agree. */
#include <math.h>

#include "check.h"

static double
random_real(void)
{
    return (double) check_random(2001) / 1000 - 1;
}

static double *
random_f64(size_t n)
{
    double *p = check_alloc(n * sizeof *p);

    for (size_t i = 0; i < n; i++) {
        p[i] = random_real();
    }
    return p;
}

static float *
random_f32(size_t n)
{
    float *p = check_alloc(n * sizeof *p);

    for (size_t i = 0; i < n; i++) {
        p[i] = (float) random_real();
    }
    return p;
}

/* A stack of 1 to 4 layers in the arrays given. */
static fae_stack
random_stack(int64_t *sizes, int32_t *activations)
{
    static const int64_t WIDTHS[] = { 1, 2, 3, 5, 8, 16, 17, 31, 40 };
    fae_stack stack = { 1 + check_random(4), sizes, activations };

    for (size_t l = 0; l <= stack.n_layers; l++) {
        sizes[l] = WIDTHS[check_random(sizeof WIDTHS / sizeof *WIDTHS)];
        if (l < stack.n_layers) {
            activations[l] = check_random(4) ? FAE_TANH : FAE_IDENTITY;
        }
    }
    return stack;
}

static const size_t ROWS[] = { 1, 2, 3, 7, 16, 33, 300 };

/* <y_bar, J u> = <J' y_bar, u>, and the unit tangents' gradient is the reverse one. */
static void
test_derivatives_f64(void)
{
    for (int round = 0; round < 40; round++) {
        int64_t sizes[5];
        int32_t activations[4];
        fae_stack stack = random_stack(sizes, activations);
        size_t n = ROWS[check_random(sizeof ROWS / sizeof *ROWS)], k = 1 + check_random(3);
        size_t threads = 1 + check_random(4);
        size_t n_params = fae_stack_n_params(&stack), n_x = n * (size_t) sizes[0];
        size_t n_y = n * (size_t) sizes[stack.n_layers];
        double *params = random_f64(n_params), *x = random_f64(n_x), *h = random_f64(n * fae_stack_n_outputs(&stack));
        double *params_dot = random_f64(k * n_params), *x_dot = random_f64(k * n_x), *y_dot = random_f64(k * n_y);
        double *y_bar = random_f64(n_y), *params_bar = random_f64(n_params), *x_bar = random_f64(n_x);
        double *params_unit = random_f64(n_params), *x_unit = random_f64(n_x);
        double *work = random_f64(fae_stack_tangent_work(&stack, n, k, threads));

        fae_stack_forward_f64(&stack, params, x, n, threads, h);
        fae_stack_tangent_f64(&stack, params, x, h, n, params_dot, x_dot, k, threads, work, y_dot);
        free(work);
        work = random_f64(fae_stack_reverse_work(&stack, n, threads));
        fae_stack_reverse_f64(&stack, params, x, h, n, y_bar, threads, work, params_bar, x_bar);
        free(work);
        work = random_f64(fae_stack_unit_tangents_work(&stack, n, threads));
        fae_stack_unit_tangents_f64(&stack, params, x, h, n, y_bar, threads, work, params_unit, x_unit);
        free(work);
        for (size_t t = 0; t < k; t++) {
            double forward = 0, reverse = 0, size = 1;

            for (size_t i = 0; i < n_y; i++) {
                forward += y_bar[i] * y_dot[t * n_y + i];
                size += fabs(y_bar[i] * y_dot[t * n_y + i]);
            }
            for (size_t i = 0; i < n_params; i++) {
                reverse += params_bar[i] * params_dot[t * n_params + i];
            }
            for (size_t i = 0; i < n_x; i++) {
                reverse += x_bar[i] * x_dot[t * n_x + i];
            }
            CHECK(fabs(forward - reverse) <= 1e-9 * size);
        }
        for (size_t i = 0; i < n_params; i++) {
            CHECK(fabs(params_bar[i] - params_unit[i]) <= 1e-8 * (1 + fabs(params_bar[i])));
        }
        for (size_t i = 0; i < n_x; i++) {
            CHECK(fabs(x_bar[i] - x_unit[i]) <= 1e-8 * (1 + fabs(x_bar[i])));
        }
        free(params);
        free(x);
        free(h);
        free(params_dot);
        free(x_dot);
        free(y_dot);
        free(y_bar);
        free(params_bar);
        free(x_bar);
        free(params_unit);
        free(x_unit);
    }
}

/* In float32, with the arguments that may be NULL left out by turns. */
static void
test_derivatives_f32(void)
{
    for (int round = 0; round < 40; round++) {
        int64_t sizes[5];
        int32_t activations[4];
        fae_stack stack = random_stack(sizes, activations);
        size_t n = ROWS[check_random(sizeof ROWS / sizeof *ROWS)], k = 1 + check_random(3);
        size_t threads = 1 + check_random(4);
        size_t n_params = fae_stack_n_params(&stack), n_x = n * (size_t) sizes[0];
        size_t n_y = n * (size_t) sizes[stack.n_layers];
        int skip_params = round % 2, skip_x = round % 3 == 0;
        float *params = random_f32(n_params), *x = random_f32(n_x), *h = random_f32(n * fae_stack_n_outputs(&stack));
        float *params_dot = random_f32(k * n_params), *x_dot = random_f32(k * n_x), *y_dot = random_f32(k * n_y);
        float *y_bar = random_f32(n_y), *params_bar = random_f32(n_params), *x_bar = random_f32(n_x);
        float *params_unit = random_f32(n_params), *x_unit = random_f32(n_x);
        float *work = random_f32(fae_stack_tangent_work(&stack, n, k, threads));

        fae_stack_forward_f32(&stack, params, x, n, threads, h);
        fae_stack_tangent_f32(
            &stack, params, x, h, n, skip_params ? NULL : params_dot, skip_x ? NULL : x_dot, k, threads, work, y_dot);
        free(work);
        work = random_f32(fae_stack_reverse_work(&stack, n, threads));
        fae_stack_reverse_f32(
            &stack, params, x, h, n, y_bar, threads, work, skip_params ? NULL : params_bar, skip_x ? NULL : x_bar);
        free(work);
        work = random_f32(fae_stack_unit_tangents_work(&stack, n, threads));
        fae_stack_unit_tangents_f32(
            &stack, params, x, h, n, y_bar, threads, work, skip_params ? NULL : params_unit, skip_x ? NULL : x_unit);
        free(work);
        for (size_t i = 0; !skip_params && i < n_params; i++) {
            CHECK(fabsf(params_bar[i] - params_unit[i]) <= 2e-2f * (1 + fabsf(params_bar[i])));
        }
        for (size_t i = 0; !skip_x && i < n_x; i++) {
            CHECK(fabsf(x_bar[i] - x_unit[i]) <= 2e-2f * (1 + fabsf(x_bar[i])));
        }
        free(params);
        free(x);
        free(h);
        free(params_dot);
        free(x_dot);
        free(y_dot);
        free(y_bar);
        free(params_bar);
        free(x_bar);
        free(params_unit);
        free(x_unit);
    }
}

/* Large enough that threads are started, and tiles multiply in more than one step of depth: the same bits as one thread gives. */
static void
test_threads(void)
{
    int64_t sizes[] = { 300, 70, 60 };
    int32_t activations[] = { FAE_TANH, FAE_TANH };
    fae_stack stack = { 2, sizes, activations };
    size_t n = 600, k = 2, n_params = fae_stack_n_params(&stack), n_h = n * fae_stack_n_outputs(&stack);
    float *params = random_f32(n_params), *x = random_f32(n * 300), *y_bar = random_f32(n * 60);
    float *params_dot = random_f32(k * n_params), *x_dot = random_f32(k * n * 300);
    float *results[2];
    size_t y = n_h, predicted = y + n * 60, y_dot = predicted + n * 60, params_bar = y_dot + 2 * k * n * 60;
    size_t x_bar = params_bar + 2 * n_params, size = x_bar + 2 * n * 300;

    for (size_t i = 0; i < 2; i++) {
        size_t threads = 1 + 2 * i;
        float *r = results[i] = check_alloc(size * sizeof *r), *work;

        fae_stack_forward_f32(&stack, params, x, n, threads, r);
        work = random_f32(fae_stack_predict_work(&stack, n, threads));
        fae_stack_predict_f32(&stack, params, x, n, threads, work, r + predicted);
        free(work);
        work = random_f32(fae_stack_tangent_work(&stack, n, k, threads));
        fae_stack_tangent_f32(&stack, params, x, r, n, params_dot, x_dot, k, threads, work, r + y_dot);
        free(work);
        work = random_f32(fae_stack_jvp_work(&stack, n, k, threads));
        fae_stack_jvp_f32(&stack, params, x, n, params_dot, x_dot, k, threads, work, r + y, r + y_dot + k * n * 60);
        free(work);
        work = random_f32(fae_stack_reverse_work(&stack, n, threads));
        fae_stack_reverse_f32(&stack, params, x, r, n, y_bar, threads, work, r + params_bar, r + x_bar);
        free(work);
        work = random_f32(fae_stack_unit_tangents_work(&stack, n, threads));
        fae_stack_unit_tangents_f32(
            &stack, params, x, r, n, y_bar, threads, work, r + params_bar + n_params, r + x_bar + n * 300);
        free(work);
    }
    CHECK(memcmp(results[0], results[1], size * sizeof **results) == 0);
    free(results[0]);
    free(results[1]);
    free(params);
    free(x);
    free(y_bar);
    free(params_dot);
    free(x_dot);
}

/* A chain in one pass: reverse mode and unit tangents agree, and so do one thread and several. */
static void
test_chain(void)
{
    static const size_t COUNTS[] = { 0, 1, 7, 128, 700 };

    for (size_t i = 0; i < sizeof COUNTS / sizeof *COUNTS; i++) {
        int64_t down[] = { 50, 31, 3 }, up[] = { 3, 33, 50 };
        int32_t activations[] = { FAE_TANH, FAE_TANH };
        fae_stack encoder = { 2, down, activations }, decoder = { 2, up, activations };
        size_t n = COUNTS[i], n_encoder = fae_stack_n_params(&encoder), n_decoder = fae_stack_n_params(&decoder);
        double *params = random_f64(n_encoder + n_decoder), *bars[2];
        double level_of[] = { 0, -0.5, 0.5 };
        fae_chain_sums sums[2];
        int8_t *codes = check_alloc(n * 50);

        for (size_t j = 0; j < n * 50; j++) {
            codes[j] = (int8_t) ((int) check_random(3) - 1);
        }
        for (int by = 0; by < 2; by++) {
            fae_chain chain = { &encoder, &decoder, by, by, (int) i % 3, FAE_SOFT_HAMMING, 2 };
            size_t threads = 1 + 2 * (size_t) by;
            double *work = random_f64(fae_chain_gradient_work(&chain, n, threads));

            bars[by] = random_f64(n_encoder + n_decoder);
            sums[by] = fae_chain_gradient_f64(&chain, params, params + n_encoder, codes, n, level_of, 0.5, threads,
                work, bars[by], bars[by] + n_encoder);
            free(work);
        }
        CHECK(sums[0].loss == sums[1].loss && sums[0].n_known == sums[1].n_known);
        CHECK(sums[0].n_wrong == sums[1].n_wrong && sums[0].n_wrong <= sums[0].n_known && sums[0].n_known <= n * 50);
        for (size_t j = 0; j < n_encoder + n_decoder; j++) {
            CHECK(fabs(bars[0][j] - bars[1][j]) <= 1e-8 * (1 + fabs(bars[0][j])));
        }
        for (int by = 0; by < 2; by++) {
            free(bars[by]);
        }
        free(params);
        free(codes);
    }
}

static void
test_alphabets(void)
{
    for (size_t n_levels = 2; n_levels < 12; n_levels++) {
        for (size_t n = 0; n < 2100; n += 1 + n / 2) {
            uint8_t *symbols = check_alloc(n);
            int8_t *codes = check_alloc(n), *code_of = check_alloc(256);
            float *level_of = random_f32(n_levels + 1), *levels = random_f32(n);
            size_t n_known = 0;

            memset(code_of, -2, 256);
            for (size_t s = 0; s <= n_levels; s++) {
                code_of[s] = (int8_t) ((int) s - 1);
            }
            for (size_t i = 0; i < n; i++) {
                symbols[i] = (uint8_t) check_random((uint32_t) n_levels + 1);
                n_known += symbols[i] > 0;
            }
            CHECK(fae_alphabet_codes(symbols, n, code_of, codes) == n);
            CHECK(fae_alphabet_levels_f32(codes, n, level_of, n_levels, levels) == n_known);
            for (size_t i = 0; i < n; i++) {
                CHECK(levels[i] == level_of[symbols[i]]);
            }
            if (n > 0) {
                symbols[n - 1] = 255;
                CHECK(fae_alphabet_codes(symbols, n, code_of, codes) == n - 1);
            }
            free(symbols);
            free(codes);
            free(code_of);
            free(level_of);
            free(levels);
        }
    }
}

static void
test_losses(void)
{
    for (size_t n_levels = 2; n_levels < 7; n_levels++) {
        for (size_t n = 0; n < 70; n += 1 + n / 9) {
            double *x = random_f64(n), *levels = random_f64(n_levels), *grad = random_f64(n);
            float *x32 = random_f32(n), *levels32 = random_f32(n_levels), *grad32 = random_f32(n);
            int8_t *codes = check_alloc(n);
            double soft, bits;

            for (size_t s = 0; s < n_levels; s++) {
                levels[s] = (2 * (double) s + 1) / (double) n_levels - 1;
                levels32[s] = (float) levels[s];
            }
            for (size_t i = 0; i < n; i++) {
                codes[i] = (int8_t) ((int) check_random((uint32_t) n_levels + 1) - 1);
            }
            soft = fae_loss_soft_hamming_f64(x, codes, n, levels, n_levels, 0.05, 1, 2, grad);
            bits = fae_loss_cross_entropy_f64(x, codes, n, levels, n_levels, 0.05, 1, 2, NULL);
            CHECK(soft >= 0 && soft <= (double) n && bits >= soft);
            CHECK(fae_loss_hamming_f64(x, codes, n, levels, n_levels) <= n);
            for (size_t i = 0; i < n; i++) {
                CHECK(isfinite(grad[i]) && (codes[i] >= 0 || grad[i] == 0));
            }
            soft = fae_loss_soft_hamming_f32(x32, codes, n, levels32, n_levels, 0.05f, 1, 2, NULL);
            bits = fae_loss_cross_entropy_f32(x32, codes, n, levels32, n_levels, 0.05f, 1, 2, grad32);
            CHECK(soft >= 0 && soft <= (double) n && bits >= 0);
            CHECK(fae_loss_hamming_f32(x32, codes, n, levels32, n_levels) <= n);
            free(x);
            free(levels);
            free(grad);
            free(x32);
            free(levels32);
            free(grad32);
            free(codes);
        }
    }
}

static void
test_optimisers(void)
{
    for (size_t n = 0; n < 70; n++) {
        double *grad = random_f64(n), *m = random_f64(n), *v = random_f64(n), *params = random_f64(n);
        float *grad32 = random_f32(n), *m32 = random_f32(n), *v32 = random_f32(n), *params32 = random_f32(n);

        for (size_t i = 0; i < n; i++) {
            v[i] = fabs(v[i]);
            v32[i] = fabsf(v32[i]);
        }
        fae_optim_adam_f64(grad, n, 0.1, 0.9, 0.999, 1e-8, 0.01, 0.1, 0.001, m, v, params);
        fae_optim_sgd_f64(grad, n, 0.1, 0.9, m, params);
        fae_optim_adam_f32(grad32, n, 0.1f, 0.9f, 0.999f, 1e-8f, 0.01f, 0.1f, 0.001f, m32, v32, params32);
        fae_optim_sgd_f32(grad32, n, 0.1f, 0.9f, m32, params32);
        for (size_t i = 0; i < n; i++) {
            CHECK(isfinite(params[i]) && isfinite(params32[i]));
        }
        CHECK(fae_optim_squares_are_finite_f64(grad, n) && fae_optim_squares_are_finite_f32(grad32, n));
        free(grad);
        free(m);
        free(v);
        free(params);
        free(grad32);
        free(m32);
        free(v32);
        free(params32);
    }
}

int
main(void)
{
    check_every_body(test_derivatives_f64);
    check_every_body(test_derivatives_f32);
    check_every_body(test_threads);
    check_every_body(test_alphabets);
    check_every_body(test_chain);
    check_every_body(test_losses);
    check_every_body(test_optimisers);
    return 0;
}
