# SPDX-License-Identifier: Apache-2.0
# Arrays are taken by NumPy's C interface, not as typed memoryviews: a small network's whole step costs less than
# the acquisition of a few memoryviews, and a refusal can say which shape was wanted.
from libc.math cimport pow as c_pow

cimport numpy as cnp

cnp.import_array()

cdef extern from "fastae.h" nogil:
    ctypedef struct fae_stack:
        size_t n_layers
        const int64_t *sizes
        const int32_t *activations

    size_t fae_stack_n_params(const fae_stack *)
    size_t fae_stack_n_outputs(const fae_stack *)
    size_t fae_stack_predict_work(const fae_stack *, size_t n, size_t n_threads)
    size_t fae_stack_tangent_work(const fae_stack *, size_t n, size_t k, size_t n_threads)
    size_t fae_stack_jvp_work(const fae_stack *, size_t n, size_t k, size_t n_threads)
    size_t fae_stack_reverse_work(const fae_stack *, size_t n, size_t n_threads)
    size_t fae_stack_unit_tangents_work(const fae_stack *, size_t n, size_t n_threads)
    int fae_dense_is_finite_f32(const float *, size_t)
    int fae_dense_is_finite_f64(const double *, size_t)
    void fae_stack_forward_f32(const fae_stack *, const float *, const float *, size_t, size_t, float *)
    void fae_stack_forward_f64(const fae_stack *, const double *, const double *, size_t, size_t, double *)
    void fae_stack_predict_f32(const fae_stack *, const float *, const float *, size_t, size_t, float *, float *)
    void fae_stack_predict_f64(const fae_stack *, const double *, const double *, size_t, size_t, double *, double *)
    void fae_stack_tangent_f32(const fae_stack *, const float *, const float *, const float *, size_t, const float *,
                               const float *, size_t, size_t, float *, float *)
    void fae_stack_tangent_f64(const fae_stack *, const double *, const double *, const double *, size_t,
                               const double *, const double *, size_t, size_t, double *, double *)
    void fae_stack_jvp_f32(const fae_stack *, const float *, const float *, size_t, const float *, const float *,
                           size_t, size_t, float *, float *, float *)
    void fae_stack_jvp_f64(const fae_stack *, const double *, const double *, size_t, const double *, const double *,
                           size_t, size_t, double *, double *, double *)
    void fae_stack_reverse_f32(const fae_stack *, const float *, const float *, const float *, size_t, const float *,
                               size_t, float *, float *, float *)
    void fae_stack_reverse_f64(const fae_stack *, const double *, const double *, const double *, size_t,
                               const double *, size_t, double *, double *, double *)
    void fae_stack_unit_tangents_f32(const fae_stack *, const float *, const float *, const float *, size_t,
                                     const float *, size_t, float *, float *, float *)
    void fae_stack_unit_tangents_f64(const fae_stack *, const double *, const double *, const double *, size_t,
                                     const double *, size_t, double *, double *, double *)
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

# No sum or product of sizes within these bounds can overflow 64 bits.
cdef enum:
    MAX_LAYERS = 64
    MAX_WIDTH = 1 << 24


cdef int real_type(name, array) except -1:
    """The NumPy type number of a float32 or float64 array; the other arrays of the call must have the same."""
    cdef int type_num = cnp.PyArray_TYPE(array) if isinstance(array, cnp.ndarray) else -1
    if type_num != cnp.NPY_FLOAT32 and type_num != cnp.NPY_FLOAT64:
        kind = array.dtype if isinstance(array, cnp.ndarray) else type(array).__name__
        raise TypeError(f"{name} is {kind}, expected a float32 or float64 array")
    return type_num


cdef void *array_data(name, array, int type_num, bint written) except? NULL:
    """The numbers of a C-contiguous array of the type wanted (writable if `written`)."""
    if not isinstance(array, cnp.ndarray):
        raise TypeError(f"{name} is {type(array).__name__}, expected an array")
    if cnp.PyArray_TYPE(array) != type_num:
        raise TypeError(f"{name} has dtype {array.dtype}, expected {cnp.PyArray_DescrFromType(type_num)}")
    if not cnp.PyArray_ISCARRAY_RO(array):
        raise ValueError(f"{name} must be C-contiguous, aligned and of native byte order; "
                         "numpy.ascontiguousarray makes it so")
    if written and not cnp.PyArray_ISWRITEABLE(array):
        raise ValueError(f"{name} is read-only, but is written to")
    return cnp.PyArray_DATA(array)


cdef void *vector_data(name, array, int type_num, bint written, Py_ssize_t size) except? NULL:
    cdef void *data = array_data(name, array, type_num, written)
    if cnp.PyArray_NDIM(array) != 1 or cnp.PyArray_DIM(array, 0) != size:
        raise ValueError(f"{name} has shape {array.shape}, expected ({size},)")
    return data


cdef void *matrix_data(name, array, int type_num, bint written, Py_ssize_t rows, Py_ssize_t columns) except? NULL:
    cdef void *data = array_data(name, array, type_num, written)
    if (cnp.PyArray_NDIM(array) != 2 or cnp.PyArray_DIM(array, 0) != rows or cnp.PyArray_DIM(array, 1) != columns):
        raise ValueError(f"{name} has shape {array.shape}, expected ({rows}, {columns})")
    return data


cdef void *cube_data(name, array, int type_num, bint written, Py_ssize_t k, Py_ssize_t rows,
                     Py_ssize_t columns) except? NULL:
    cdef void *data = array_data(name, array, type_num, written)
    if (cnp.PyArray_NDIM(array) != 3 or cnp.PyArray_DIM(array, 0) != k or cnp.PyArray_DIM(array, 1) != rows
            or cnp.PyArray_DIM(array, 2) != columns):
        raise ValueError(f"{name} has shape {array.shape}, expected ({k}, {rows}, {columns})")
    return data


cdef void *work_data(array, int type_num, size_t size) except? NULL:
    cdef void *data = array_data("work", array, type_num, True)
    if <size_t> cnp.PyArray_SIZE(array) < size:
        raise ValueError(f"work holds {cnp.PyArray_SIZE(array)} numbers, {size} are needed")
    return data


cdef fae_stack stack_sizes(sizes) except *:
    """A stack without its activations."""
    cdef fae_stack stack
    cdef size_t l
    stack.sizes = <const int64_t *> array_data("sizes", sizes, cnp.NPY_INT64, False)
    stack.activations = NULL
    if cnp.PyArray_NDIM(sizes) != 1 or not 2 <= cnp.PyArray_DIM(sizes, 0) <= MAX_LAYERS + 1:
        raise ValueError(f"sizes has shape {sizes.shape}, expected 2 to {MAX_LAYERS + 1} widths")
    stack.n_layers = <size_t> cnp.PyArray_DIM(sizes, 0) - 1
    for l in range(stack.n_layers + 1):
        if not 1 <= stack.sizes[l] <= MAX_WIDTH:
            raise ValueError(f"sizes[{l}] is {stack.sizes[l]}, a layer's width must be 1 to {MAX_WIDTH}")
    return stack


cdef fae_stack stack_of(sizes, activations) except *:
    cdef fae_stack stack = stack_sizes(sizes)
    cdef size_t l
    stack.activations = <const int32_t *> vector_data("activations", activations, cnp.NPY_INT32, False,
                                                      <Py_ssize_t> stack.n_layers)
    for l in range(stack.n_layers):
        if not 0 <= stack.activations[l] <= 1:
            raise ValueError(f"activations[{l}] is {stack.activations[l]}, expected 0 (identity) or 1 (tanh)")
    return stack


cdef Py_ssize_t n_rows(x) except -1:
    """Examples in x, before its shape is checked in full."""
    if not isinstance(x, cnp.ndarray) or cnp.PyArray_NDIM(x) != 2:
        raise ValueError(f"x has shape {getattr(x, 'shape', None)}, expected 2 axes")
    return cnp.PyArray_DIM(x, 0)


cdef void *outputs_data(h, int type_num, bint written, const fae_stack *stack, Py_ssize_t n) except? NULL:
    cdef Py_ssize_t d = <Py_ssize_t> fae_stack_n_outputs(stack)
    cdef void *data = array_data("h", h, type_num, written)
    cdef Py_ssize_t size = cnp.PyArray_SIZE(h)
    if (size if n == 0 else size % n or size // n != d):
        raise ValueError(f"h holds {size} numbers, {n} examples of {d} outputs need {int(n) * int(d)}")
    return data


def stack_n_params(sizes):
    cdef fae_stack stack = stack_sizes(sizes)
    return fae_stack_n_params(&stack)


cdef size_t threads(n_threads) except 0:
    if n_threads < 1:
        raise ValueError(f"n_threads is {n_threads}, at least one is needed")
    return n_threads


def stack_predict_work(sizes, size_t n, n_threads=1):
    cdef fae_stack stack = stack_sizes(sizes)
    return fae_stack_predict_work(&stack, n, threads(n_threads))


def stack_tangent_work(sizes, size_t n, size_t k, n_threads=1):
    cdef fae_stack stack = stack_sizes(sizes)
    return fae_stack_tangent_work(&stack, n, k, threads(n_threads))


def stack_jvp_work(sizes, size_t n, size_t k, n_threads=1):
    cdef fae_stack stack = stack_sizes(sizes)
    return fae_stack_jvp_work(&stack, n, k, threads(n_threads))


def stack_reverse_work(sizes, size_t n, n_threads=1):
    cdef fae_stack stack = stack_sizes(sizes)
    return fae_stack_reverse_work(&stack, n, threads(n_threads))


def stack_unit_tangents_work(sizes, size_t n, n_threads=1):
    cdef fae_stack stack = stack_sizes(sizes)
    return fae_stack_unit_tangents_work(&stack, n, threads(n_threads))


def dense_is_finite(x):
    cdef int real = real_type("x", x)
    cdef const void *data = array_data("x", x, real, False)
    cdef size_t n = <size_t> cnp.PyArray_SIZE(x)
    cdef int finite
    with nogil:
        if real == cnp.NPY_FLOAT32:
            finite = fae_dense_is_finite_f32(<const float *> data, n)
        else:
            finite = fae_dense_is_finite_f64(<const double *> data, n)
    return finite != 0


def stack_forward(sizes, activations, params, x, h, n_threads=1):
    cdef fae_stack stack = stack_of(sizes, activations)
    cdef int real = real_type("params", params)
    cdef size_t n_used = threads(n_threads)
    cdef Py_ssize_t n = n_rows(x)
    cdef const void *params_data = vector_data("params", params, real, False, <Py_ssize_t> fae_stack_n_params(&stack))
    cdef const void *x_data = matrix_data("x", x, real, False, n, stack.sizes[0])
    cdef void *h_data = outputs_data(h, real, True, &stack, n)
    with nogil:
        if real == cnp.NPY_FLOAT32:
            fae_stack_forward_f32(&stack, <const float *> params_data, <const float *> x_data, <size_t> n, n_used,
                                  <float *> h_data)
        else:
            fae_stack_forward_f64(&stack, <const double *> params_data, <const double *> x_data, <size_t> n, n_used,
                                  <double *> h_data)


def stack_predict(sizes, activations, params, x, work, y, n_threads=1):
    cdef fae_stack stack = stack_of(sizes, activations)
    cdef int real = real_type("params", params)
    cdef size_t n_used = threads(n_threads)
    cdef Py_ssize_t n = n_rows(x)
    cdef const void *params_data = vector_data("params", params, real, False, <Py_ssize_t> fae_stack_n_params(&stack))
    cdef const void *x_data = matrix_data("x", x, real, False, n, stack.sizes[0])
    cdef void *y_data = matrix_data("y", y, real, True, n, stack.sizes[stack.n_layers])
    cdef void *scratch = work_data(work, real, fae_stack_predict_work(&stack, <size_t> n, n_used))
    with nogil:
        if real == cnp.NPY_FLOAT32:
            fae_stack_predict_f32(&stack, <const float *> params_data, <const float *> x_data, <size_t> n, n_used,
                                  <float *> scratch, <float *> y_data)
        else:
            fae_stack_predict_f64(&stack, <const double *> params_data, <const double *> x_data, <size_t> n, n_used,
                                  <double *> scratch, <double *> y_data)


cdef int stack_tangents(sizes, activations, params, x, h, y, params_dot, x_dot, work, y_dot, n_threads) except -1:
    """What tangents of given layers h and of layers made on the way (to y) share; the other of h and y is None."""
    cdef fae_stack stack = stack_of(sizes, activations)
    cdef int real = real_type("params", params)
    cdef size_t n_used = threads(n_threads), enough
    cdef bint fresh = h is None
    cdef Py_ssize_t n = n_rows(x), n_params = <Py_ssize_t> fae_stack_n_params(&stack)
    cdef const void *params_data = vector_data("params", params, real, False, n_params)
    cdef const void *x_data = matrix_data("x", x, real, False, n, stack.sizes[0])
    cdef const void *h_data = NULL
    cdef void *y_data = NULL
    cdef void *y_dot_data = array_data("y_dot", y_dot, real, True)
    cdef Py_ssize_t k = cnp.PyArray_DIM(y_dot, 0) if cnp.PyArray_NDIM(y_dot) == 3 else 0
    cdef const void *params_dot_data = NULL
    cdef const void *x_dot_data = NULL
    cube_data("y_dot", y_dot, real, True, k, n, stack.sizes[stack.n_layers])
    if params_dot is not None:
        params_dot_data = matrix_data("params_dot", params_dot, real, False, k, n_params)
    if x_dot is not None:
        x_dot_data = cube_data("x_dot", x_dot, real, False, k, n, stack.sizes[0])
    if fresh:
        y_data = matrix_data("y", y, real, True, n, stack.sizes[stack.n_layers])
        enough = fae_stack_jvp_work(&stack, <size_t> n, <size_t> k, n_used)
    else:
        h_data = outputs_data(h, real, False, &stack, n)
        enough = fae_stack_tangent_work(&stack, <size_t> n, <size_t> k, n_used)
    cdef void *scratch = work_data(work, real, enough)
    with nogil:
        if fresh and real == cnp.NPY_FLOAT32:
            fae_stack_jvp_f32(&stack, <const float *> params_data, <const float *> x_data, <size_t> n,
                              <const float *> params_dot_data, <const float *> x_dot_data, <size_t> k, n_used,
                              <float *> scratch, <float *> y_data, <float *> y_dot_data)
        elif fresh:
            fae_stack_jvp_f64(&stack, <const double *> params_data, <const double *> x_data, <size_t> n,
                              <const double *> params_dot_data, <const double *> x_dot_data, <size_t> k, n_used,
                              <double *> scratch, <double *> y_data, <double *> y_dot_data)
        elif real == cnp.NPY_FLOAT32:
            fae_stack_tangent_f32(&stack, <const float *> params_data, <const float *> x_data, <const float *> h_data,
                                  <size_t> n, <const float *> params_dot_data, <const float *> x_dot_data, <size_t> k,
                                  n_used, <float *> scratch, <float *> y_dot_data)
        else:
            fae_stack_tangent_f64(&stack, <const double *> params_data, <const double *> x_data,
                                  <const double *> h_data, <size_t> n, <const double *> params_dot_data,
                                  <const double *> x_dot_data, <size_t> k, n_used, <double *> scratch,
                                  <double *> y_dot_data)
    return 0


def stack_tangent(sizes, activations, params, x, h, params_dot, x_dot, work, y_dot, n_threads=1):
    if h is None:
        raise TypeError("h is NoneType, expected an array")
    stack_tangents(sizes, activations, params, x, h, None, params_dot, x_dot, work, y_dot, n_threads)


def stack_jvp(sizes, activations, params, x, params_dot, x_dot, work, y, y_dot, n_threads=1):
    stack_tangents(sizes, activations, params, x, None, y, params_dot, x_dot, work, y_dot, n_threads)


cdef int stack_gradient(sizes, activations, params, x, h, y_bar, work, params_bar, x_bar, bint by_reverse,
                        n_threads) except -1:
    """What reverse mode and unit tangents share: everything but the kernel."""
    cdef fae_stack stack = stack_of(sizes, activations)
    cdef int real = real_type("params", params)
    cdef size_t n_used = threads(n_threads)
    cdef Py_ssize_t n = n_rows(x), n_params = <Py_ssize_t> fae_stack_n_params(&stack)
    cdef const void *params_data = vector_data("params", params, real, False, n_params)
    cdef const void *x_data = matrix_data("x", x, real, False, n, stack.sizes[0])
    cdef const void *h_data = outputs_data(h, real, False, &stack, n)
    cdef const void *y_bar_data = matrix_data("y_bar", y_bar, real, False, n, stack.sizes[stack.n_layers])
    cdef void *params_bar_data = NULL
    cdef void *x_bar_data = NULL
    if params_bar is not None:
        params_bar_data = vector_data("params_bar", params_bar, real, True, n_params)
    if x_bar is not None:
        x_bar_data = matrix_data("x_bar", x_bar, real, True, n, stack.sizes[0])
    cdef void *scratch = work_data(work, real, (fae_stack_reverse_work if by_reverse else fae_stack_unit_tangents_work)(
        &stack, <size_t> n, n_used))
    with nogil:
        if real == cnp.NPY_FLOAT32:
            (fae_stack_reverse_f32 if by_reverse else fae_stack_unit_tangents_f32)(
                &stack, <const float *> params_data, <const float *> x_data, <const float *> h_data, <size_t> n,
                <const float *> y_bar_data, n_used, <float *> scratch, <float *> params_bar_data,
                <float *> x_bar_data)
        else:
            (fae_stack_reverse_f64 if by_reverse else fae_stack_unit_tangents_f64)(
                &stack, <const double *> params_data, <const double *> x_data, <const double *> h_data, <size_t> n,
                <const double *> y_bar_data, n_used, <double *> scratch, <double *> params_bar_data,
                <double *> x_bar_data)
    return 0


def stack_reverse(sizes, activations, params, x, h, y_bar, work, params_bar, x_bar, n_threads=1):
    stack_gradient(sizes, activations, params, x, h, y_bar, work, params_bar, x_bar, True, n_threads)


def stack_unit_tangents(sizes, activations, params, x, h, y_bar, work, params_bar, x_bar, n_threads=1):
    stack_gradient(sizes, activations, params, x, h, y_bar, work, params_bar, x_bar, False, n_threads)


cdef void *same_shape_data(name, array, int type_num, bint written, like) except? NULL:
    cdef void *data = array_data(name, array, type_num, written)
    if not cnp.PyArray_SAMESHAPE(array, like):
        raise ValueError(f"{name} has shape {array.shape}, x has {like.shape}; they must be equal")
    return data


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
