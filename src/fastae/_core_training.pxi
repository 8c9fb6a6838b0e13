# SPDX-License-Identifier: Apache-2.0
# Alphabets, losses and optimisers.
from libc.math cimport pow as c_pow

cdef extern from "fastae.h" nogil:
    size_t fae_alphabet_codes(const uint8_t *, size_t, const int8_t *, int8_t *)
    size_t fae_alphabet_levels_f32(const int8_t *, size_t, const float *, size_t, float *)
    size_t fae_alphabet_levels_f64(const int8_t *, size_t, const double *, size_t, double *)
    double fae_loss_soft_hamming_f32(const float *, const int8_t *, size_t, const float *, size_t, float, float,
                                     size_t, float *)
    double fae_loss_soft_hamming_f64(const double *, const int8_t *, size_t, const double *, size_t, double, double,
                                     size_t, double *)
    double fae_loss_cross_entropy_f32(const float *, const int8_t *, size_t, const float *, size_t, float, float,
                                      size_t, float *)
    double fae_loss_cross_entropy_f64(const double *, const int8_t *, size_t, const double *, size_t, double, double,
                                      size_t, double *)
    size_t fae_loss_hamming_f32(const float *, const int8_t *, size_t, const float *, size_t)
    size_t fae_loss_hamming_f64(const double *, const int8_t *, size_t, const double *, size_t)
    ctypedef struct fae_chain:
        const fae_stack *encoder
        const fae_stack *decoder
        int encoder_by
        int decoder_by
        int latent_bits
        int loss
        size_t n_levels

    int FAE_REVERSE
    int FAE_UNIT_TANGENTS
    int FAE_SOFT_HAMMING
    int FAE_CROSS_ENTROPY
    size_t fae_chain_gradient_work(const fae_chain *, size_t n, size_t n_threads)
    ctypedef struct fae_chain_sums:
        double loss
        size_t n_known
        size_t n_wrong
    fae_chain_sums fae_chain_gradient_f32(const fae_chain *, const float *, const float *, const int8_t *, size_t,
                                          const float *, float, size_t, float *, float *, float *)
    fae_chain_sums fae_chain_gradient_f64(const fae_chain *, const double *, const double *, const int8_t *, size_t,
                                          const double *, double, size_t, double *, double *, double *)
    void fae_optim_adam_f32(const float *, size_t, double, double, double, double, double, double, double, float *,
                            float *, float *)
    void fae_optim_adam_f64(const double *, size_t, double, double, double, double, double, double, double, double *,
                            double *, double *)
    void fae_optim_sgd_f32(const float *, size_t, double, double, float *, float *)
    void fae_optim_sgd_f64(const double *, size_t, double, double, double *, double *)
    int fae_optim_squares_are_finite_f32(const float *, size_t)
    int fae_optim_squares_are_finite_f64(const double *, size_t)


cdef const int8_t *codes_data(codes, like, Py_ssize_t n_levels) except? NULL:
    """Codes of an array's shape, as `require_codes` has them."""
    cdef const int8_t *data = <const int8_t *> same_shape_data("codes", codes, cnp.NPY_INT8, False, like)
    require_codes(data, cnp.PyArray_SIZE(codes), n_levels)
    return data


cdef int require_codes(const int8_t *data, Py_ssize_t n, Py_ssize_t n_levels) except -1:
    """Each -1 or the number of one of the levels: kernels index levels by them unchecked."""
    cdef Py_ssize_t i
    cdef uint8_t top = 0, shifted
    cdef PyThreadState *others
    if not 2 <= n_levels <= 127:
        raise ValueError(f"levels has shape ({n_levels},), expected 2 to 127 levels")
    others = let_others_run(<size_t> n)
    for i in range(n):
        shifted = <uint8_t> (data[i] + 1)
        top = shifted if shifted > top else top
    go_on(others)
    if top > n_levels:
        raise ValueError(f"codes must be -1 (missing) or 0 to {n_levels - 1}, got {<int8_t> (top - 1)}")
    return 0


def alphabet_codes(symbols, code_of, codes):
    cdef const int8_t *code_data = <const int8_t *> vector_data("code_of", code_of, cnp.NPY_INT8, False, 256)
    cdef void *codes_written = array_data("codes", codes, cnp.NPY_INT8, True)
    cdef int symbol_type = cnp.PyArray_TYPE(symbols) if isinstance(symbols, cnp.ndarray) else cnp.NPY_INT8
    cdef const void *symbol_data = array_data("symbols", symbols, symbol_type, False)
    cdef size_t n = <size_t> cnp.PyArray_SIZE(codes), end
    cdef PyThreadState *others
    if cnp.PyArray_ITEMSIZE(symbols) != 1 or not cnp.PyArray_SAMESHAPE(symbols, codes):
        raise ValueError(f"symbols are {symbols.dtype} of shape {symbols.shape}, "
                         f"expected one byte each and the shape of codes, {codes.shape}")
    others = let_others_run(n)
    end = fae_alphabet_codes(<const uint8_t *> symbol_data, n, code_data, <int8_t *> codes_written)
    go_on(others)
    return end


def alphabet_levels(codes, level_of, levels):
    cdef int real = real_type("levels", levels)
    cdef void *data = array_data("levels", levels, real, True)
    cdef Py_ssize_t n_levels
    cdef const void *level_data = any_vector_data("level_of", level_of, real, &n_levels)
    cdef const int8_t *code_data = codes_data(codes, levels, n_levels - 1)
    cdef size_t n = <size_t> cnp.PyArray_SIZE(codes), n_known
    cdef PyThreadState *others = let_others_run(n)
    if real == cnp.NPY_FLOAT32:
        n_known = fae_alphabet_levels_f32(code_data, n, <const float *> level_data, <size_t> n_levels - 1,
                                          <float *> data)
    else:
        n_known = fae_alphabet_levels_f64(code_data, n, <const double *> level_data, <size_t> n_levels - 1,
                                          <double *> data)
    go_on(others)
    return n_known


cdef double smooth_loss(x, codes, levels, double temperature, double scale, grad, n_threads,
                        bint entropy) except? -1:
    cdef int real = real_type("x", x)
    cdef const void *x_data = array_data("x", x, real, False)
    cdef Py_ssize_t n_levels
    cdef const void *level_data = any_vector_data("levels", levels, real, &n_levels)
    cdef const int8_t *code_data = codes_data(codes, x, n_levels)
    cdef void *grad_data = NULL
    cdef size_t n = <size_t> cnp.PyArray_SIZE(x), threads = thread_count(n_threads)
    cdef PyThreadState *others
    cdef double value
    if grad is not None:
        grad_data = same_shape_data("grad", grad, real, True, x)
    others = let_others_run(n * <size_t> n_levels)
    if real == cnp.NPY_FLOAT32:
        value = (fae_loss_cross_entropy_f32 if entropy else fae_loss_soft_hamming_f32)(
            <const float *> x_data, code_data, n, <const float *> level_data, <size_t> n_levels, <float> temperature,
            <float> scale, threads, <float *> grad_data)
    else:
        value = (fae_loss_cross_entropy_f64 if entropy else fae_loss_soft_hamming_f64)(
            <const double *> x_data, code_data, n, <const double *> level_data, <size_t> n_levels, temperature, scale,
            threads, <double *> grad_data)
    go_on(others)
    return value


def loss_soft_hamming(x, codes, levels, double temperature, double scale, grad, n_threads=1):
    return smooth_loss(x, codes, levels, temperature, scale, grad, n_threads, False)


def loss_cross_entropy(x, codes, levels, double temperature, double scale, grad, n_threads=1):
    return smooth_loss(x, codes, levels, temperature, scale, grad, n_threads, True)


def loss_hamming(x, codes, levels):
    cdef int real = real_type("x", x)
    cdef const void *x_data = array_data("x", x, real, False)
    cdef Py_ssize_t n_levels
    cdef const void *level_data = any_vector_data("levels", levels, real, &n_levels)
    cdef const int8_t *code_data = codes_data(codes, x, n_levels)
    cdef size_t n = <size_t> cnp.PyArray_SIZE(x), wrong
    cdef PyThreadState *others
    others = let_others_run(n * <size_t> n_levels)
    if real == cnp.NPY_FLOAT32:
        wrong = fae_loss_hamming_f32(<const float *> x_data, code_data, n, <const float *> level_data,
                                     <size_t> n_levels)
    else:
        wrong = fae_loss_hamming_f64(<const double *> x_data, code_data, n, <const double *> level_data,
                                     <size_t> n_levels)
    go_on(others)
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


cdef int kind(name, word, words) except -1:
    if word not in words:
        raise ValueError(f"{name} is {word!r}, expected {' or '.join(map(repr, words))}")
    return words[word]


cdef class ChainGradient:
    """The gradient of a loss over a decoder over an encoder: sizes and kinds checked once."""

    cdef fae_chain chain
    cdef readonly Stack encoder
    cdef readonly Stack decoder

    def __cinit__(self, Stack encoder not None, Stack decoder not None, encoder_by, decoder_by, loss, latent_bits=None):
        sweeps = {"reverse": FAE_REVERSE, "unit_tangents": FAE_UNIT_TANGENTS}
        self.encoder, self.decoder = encoder, decoder
        self.chain.encoder, self.chain.decoder = &encoder.stack, &decoder.stack
        self.chain.encoder_by = kind("encoder_by", encoder_by, sweeps)
        self.chain.decoder_by = kind("decoder_by", decoder_by, sweeps)
        self.chain.loss = kind("loss", loss, {"hamming": FAE_SOFT_HAMMING, "cross_entropy": FAE_CROSS_ENTROPY})
        self.chain.latent_bits = 0 if latent_bits is None else latent_bits
        if latent_bits is not None and not 1 <= latent_bits <= 8:
            raise ValueError(f"latent_bits is {latent_bits}, expected 1 to 8, or None")
        if encoder.sizes[encoder.stack.n_layers] != decoder.sizes[0]:
            raise ValueError(f"the encoder gives {encoder.sizes[encoder.stack.n_layers]} latents, "
                             f"the decoder takes {decoder.sizes[0]}")
        if decoder.sizes[decoder.stack.n_layers] != encoder.sizes[0]:
            raise ValueError(f"the encoder takes {encoder.sizes[0]} symbols, "
                             f"the decoder gives {decoder.sizes[decoder.stack.n_layers]}")

    def work(self, size_t n, n_threads=1):
        return fae_chain_gradient_work(&self.chain, n, thread_count(n_threads))

    def __call__(self, encoder_params, decoder_params, codes, level_of, double temperature, work, encoder_bar,
                 decoder_bar, n_threads=1):
        cdef int real = real_type("encoder_params", encoder_params)
        cdef const void *encoder_data = self.encoder.params_data(encoder_params, real)
        cdef const void *decoder_data = self.decoder.params_data(decoder_params, real)
        cdef Py_ssize_t n = 0, n_levels
        if isinstance(codes, cnp.ndarray) and cnp.PyArray_NDIM(codes) == 2:
            n = cnp.PyArray_DIM(codes, 0)
        cdef const int8_t *code_data = <const int8_t *> matrix_data("codes", codes, cnp.NPY_INT8, False, n,
                                                                    self.encoder.sizes[0])
        cdef const void *level_data = any_vector_data("level_of", level_of, real, &n_levels)
        cdef size_t threads = thread_count(n_threads)
        cdef void *encoder_bar_data = vector_data("encoder_bar", encoder_bar, real, True, self.encoder.n_params)
        cdef void *decoder_bar_data = vector_data("decoder_bar", decoder_bar, real, True, self.decoder.n_params)
        cdef void *scratch = work_data(work, real, fae_chain_gradient_work(&self.chain, <size_t> n, threads))
        cdef fae_chain chain = self.chain
        cdef fae_chain_sums sums
        cdef PyThreadState *others
        n_levels -= 1
        require_codes(code_data, cnp.PyArray_SIZE(codes), n_levels)
        others = let_others_run(<size_t> n * <size_t> (self.encoder.n_params + self.decoder.n_params))
        chain.n_levels = <size_t> n_levels
        if real == cnp.NPY_FLOAT32:
            sums = fae_chain_gradient_f32(
                &chain, <const float *> encoder_data, <const float *> decoder_data, code_data, <size_t> n,
                <const float *> level_data, <float> temperature, threads, <float *> scratch,
                <float *> encoder_bar_data, <float *> decoder_bar_data)
        else:
            sums = fae_chain_gradient_f64(
                &chain, <const double *> encoder_data, <const double *> decoder_data, code_data, <size_t> n,
                <const double *> level_data, temperature, threads, <double *> scratch,
                <double *> encoder_bar_data, <double *> decoder_bar_data)
        go_on(others)
        return sums.loss, sums.n_known, sums.n_wrong
