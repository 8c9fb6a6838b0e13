# SPDX-License-Identifier: Apache-2.0
# Losses and optimisers.
from libc.math cimport pow as c_pow

cdef extern from "fastae.h" nogil:
    double fae_loss_soft_hamming_f32(const float *, const int8_t *, size_t, const float *, size_t, float, float,
                                     float *)
    double fae_loss_soft_hamming_f64(const double *, const int8_t *, size_t, const double *, size_t, double, double,
                                     double *)
    double fae_loss_cross_entropy_f32(const float *, const int8_t *, size_t, const float *, size_t, float, float,
                                      float *)
    double fae_loss_cross_entropy_f64(const double *, const int8_t *, size_t, const double *, size_t, double, double,
                                      double *)
    size_t fae_loss_hamming_f32(const float *, const int8_t *, size_t, const float *, size_t)
    size_t fae_loss_hamming_f64(const double *, const int8_t *, size_t, const double *, size_t)
    void fae_optim_adam_f32(const float *, size_t, double, double, double, double, double, double, double, float *,
                            float *, float *)
    void fae_optim_adam_f64(const double *, size_t, double, double, double, double, double, double, double, double *,
                            double *, double *)
    void fae_optim_sgd_f32(const float *, size_t, double, double, float *, float *)
    void fae_optim_sgd_f64(const double *, size_t, double, double, double *, double *)
    int fae_optim_squares_are_finite_f32(const float *, size_t)
    int fae_optim_squares_are_finite_f64(const double *, size_t)


cdef const int8_t *codes_data(codes, x, levels) except? NULL:
    """Codes of x's shape, each -1 or the number of one of the levels: kernels index levels by them unchecked."""
    cdef const int8_t *data = <const int8_t *> same_shape_data("codes", codes, cnp.NPY_INT8, False, x)
    cdef Py_ssize_t n = cnp.PyArray_SIZE(codes), n_levels = cnp.PyArray_SIZE(levels), i
    cdef uint8_t top = 0, shifted
    if cnp.PyArray_NDIM(levels) != 1 or not 2 <= n_levels <= 127:
        raise ValueError(f"levels has shape {levels.shape}, expected 2 to 127 levels")
    with nogil:
        for i in range(n):
            shifted = <uint8_t> (data[i] + 1)
            top = shifted if shifted > top else top
    if top > n_levels:
        raise ValueError(f"codes must be -1 (missing) or 0 to {n_levels - 1}, got {<int8_t> (top - 1)}")
    return data


cdef double smooth_loss(x, codes, levels, double temperature, double scale, grad, bint entropy) except? -1:
    cdef int real = real_type("x", x)
    cdef const void *x_data = array_data("x", x, real, False)
    cdef const void *level_data = array_data("levels", levels, real, False)
    cdef const int8_t *code_data = codes_data(codes, x, levels)
    cdef void *grad_data = NULL
    cdef size_t n = <size_t> cnp.PyArray_SIZE(x), n_levels = <size_t> cnp.PyArray_SIZE(levels)
    cdef double value
    if grad is not None:
        grad_data = same_shape_data("grad", grad, real, True, x)
    with nogil:
        if real == cnp.NPY_FLOAT32:
            value = (fae_loss_cross_entropy_f32 if entropy else fae_loss_soft_hamming_f32)(
                <const float *> x_data, code_data, n, <const float *> level_data, n_levels, <float> temperature,
                <float> scale, <float *> grad_data)
        else:
            value = (fae_loss_cross_entropy_f64 if entropy else fae_loss_soft_hamming_f64)(
                <const double *> x_data, code_data, n, <const double *> level_data, n_levels, temperature, scale,
                <double *> grad_data)
    return value


def loss_soft_hamming(x, codes, levels, double temperature, double scale, grad):
    return smooth_loss(x, codes, levels, temperature, scale, grad, False)


def loss_cross_entropy(x, codes, levels, double temperature, double scale, grad):
    return smooth_loss(x, codes, levels, temperature, scale, grad, True)


def loss_hamming(x, codes, levels):
    cdef int real = real_type("x", x)
    cdef const void *x_data = array_data("x", x, real, False)
    cdef const void *level_data = array_data("levels", levels, real, False)
    cdef const int8_t *code_data = codes_data(codes, x, levels)
    cdef size_t n = <size_t> cnp.PyArray_SIZE(x), n_levels = <size_t> cnp.PyArray_SIZE(levels), wrong
    with nogil:
        if real == cnp.NPY_FLOAT32:
            wrong = fae_loss_hamming_f32(<const float *> x_data, code_data, n, <const float *> level_data, n_levels)
        else:
            wrong = fae_loss_hamming_f64(<const double *> x_data, code_data, n, <const double *> level_data, n_levels)
    return wrong


def optim_adam(grad, m, v, params, long step, double learning_rate, double beta1, double beta2, double epsilon,
               double weight_decay):
    cdef int real = real_type("params", params)
    cdef Py_ssize_t n = cnp.PyArray_SIZE(params)
    cdef void *params_data = vector_data("params", params, real, True, n)
    cdef const void *grad_data = vector_data("grad", grad, real, False, n)
    cdef void *m_data = vector_data("m", m, real, True, n)
    cdef void *v_data = vector_data("v", v, real, True, n)
    cdef double bias1 = 1 - c_pow(beta1, step), bias2 = 1 - c_pow(beta2, step)
    if step < 1:
        raise ValueError(f"step is {step}, steps count from 1")
    with nogil:
        if real == cnp.NPY_FLOAT32:
            fae_optim_adam_f32(<const float *> grad_data, <size_t> n, learning_rate, beta1, beta2, epsilon,
                               weight_decay, bias1, bias2, <float *> m_data, <float *> v_data, <float *> params_data)
        else:
            fae_optim_adam_f64(<const double *> grad_data, <size_t> n, learning_rate, beta1, beta2, epsilon,
                               weight_decay, bias1, bias2, <double *> m_data, <double *> v_data, <double *> params_data)


def optim_sgd(grad, velocity, params, double learning_rate, double momentum):
    cdef int real = real_type("params", params)
    cdef Py_ssize_t n = cnp.PyArray_SIZE(params)
    cdef void *params_data = vector_data("params", params, real, True, n)
    cdef const void *grad_data = vector_data("grad", grad, real, False, n)
    cdef void *velocity_data = vector_data("velocity", velocity, real, True, n)
    with nogil:
        if real == cnp.NPY_FLOAT32:
            fae_optim_sgd_f32(<const float *> grad_data, <size_t> n, learning_rate, momentum, <float *> velocity_data,
                              <float *> params_data)
        else:
            fae_optim_sgd_f64(<const double *> grad_data, <size_t> n, learning_rate, momentum, <double *> velocity_data,
                              <double *> params_data)


def optim_squares_are_finite(grad):
    cdef int real = real_type("grad", grad)
    cdef Py_ssize_t n = cnp.PyArray_SIZE(grad)
    cdef const void *grad_data = vector_data("grad", grad, real, False, n)
    cdef int finite
    with nogil:
        if real == cnp.NPY_FLOAT32:
            finite = fae_optim_squares_are_finite_f32(<const float *> grad_data, <size_t> n)
        else:
            finite = fae_optim_squares_are_finite_f64(<const double *> grad_data, <size_t> n)
    return finite != 0
