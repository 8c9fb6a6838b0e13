# SPDX-License-Identifier: Apache-2.0
# Dense stacks.
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc

cdef extern from "Python.h" nogil:
    ctypedef struct PyThreadState
    PyThreadState *PyEval_SaveThread()
    void PyEval_RestoreThread(PyThreadState *)

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
    int fae_stack_predict_f32(const fae_stack *, const float *, const float *, size_t, size_t, float *, float *)
    int fae_stack_predict_f64(const fae_stack *, const double *, const double *, size_t, size_t, double *, double *)
    void fae_stack_forward_f32(const fae_stack *, const float *, const float *, size_t, size_t, float *)
    void fae_stack_forward_f64(const fae_stack *, const double *, const double *, size_t, size_t, double *)
    void fae_stack_tangent_f32(const fae_stack *, const float *, const float *, const float *, size_t, const float *,
                               const float *, size_t, size_t, float *, float *)
    void fae_stack_tangent_f64(const fae_stack *, const double *, const double *, const double *, size_t,
                               const double *, const double *, size_t, size_t, double *, double *)
    int fae_stack_jvp_f32(const fae_stack *, const float *, const float *, size_t, const float *, const float *,
                          size_t, size_t, float *, float *, float *)
    int fae_stack_jvp_f64(const fae_stack *, const double *, const double *, size_t, const double *, const double *,
                          size_t, size_t, double *, double *, double *)
    void fae_stack_reverse_f32(const fae_stack *, const float *, const float *, const float *, size_t, const float *,
                               size_t, float *, float *, float *)
    void fae_stack_reverse_f64(const fae_stack *, const double *, const double *, const double *, size_t,
                               const double *, size_t, double *, double *, double *)
    void fae_stack_unit_tangents_f32(const fae_stack *, const float *, const float *, const float *, size_t,
                                     const float *, size_t, float *, float *, float *)
    void fae_stack_unit_tangents_f64(const fae_stack *, const double *, const double *, const double *, size_t,
                                     const double *, size_t, double *, double *, double *)

cdef enum:
    # No sum or product of sizes within these bounds can overflow 64 bits.
    MAX_LAYERS = 64
    MAX_WIDTH = 1 << 24
    # No machine has more; a kernel starts no more than have rows to work on.
    MAX_THREADS = 1 << 20
    # Numbers of scratch that fit on the C stack: there, a small network's costs nothing.
    SMALL_WORK = 2048
    # Products below which a call keeps the GIL: it is over in microseconds, and letting go would add a tenth.
    SMALL_CALL = 1 << 15


cdef PyThreadState *let_others_run(size_t n_products) noexcept:
    return PyEval_SaveThread() if n_products > SMALL_CALL else NULL


cdef void go_on(PyThreadState *others) noexcept:
    if others != NULL:
        PyEval_RestoreThread(others)


cdef void *room(size_t size, int real, double *small, void **heap) except NULL:
    """Scratch of `size` numbers: `small`, or where that is too little *heap, for the caller to free."""
    heap[0] = NULL
    if size <= SMALL_WORK:
        return small
    heap[0] = PyMem_RawMalloc(size * (4 if real == cnp.NPY_FLOAT32 else 8))
    if heap[0] == NULL:
        raise MemoryError(f"no memory for {size} numbers of scratch")
    return heap[0]


cdef size_t thread_count(n_threads) except 0:
    if type(n_threads) is not int and (type(n_threads) is bool or not hasattr(n_threads, "__index__")):
        raise TypeError(f"n_threads must be an integer, got {type(n_threads).__name__}")
    if n_threads < 1:
        raise ValueError(f"n_threads must be 1 or more, got {n_threads}")
    return min(n_threads, MAX_THREADS)


cdef bint all_finite(const void *data, size_t n, int real) noexcept:
    cdef PyThreadState *others = let_others_run(n)
    cdef bint finite
    if real == cnp.NPY_FLOAT32:
        finite = fae_dense_is_finite_f32(<const float *> data, n)
    else:
        finite = fae_dense_is_finite_f64(<const double *> data, n)
    go_on(others)
    return finite


def dense_is_finite(x):
    cdef int real = real_type("x", x)
    return all_finite(array_data("x", x, real, False), <size_t> cnp.PyArray_SIZE(x), real)


cdef int require_finite(name, array, int real) except -1:
    if not all_finite(cnp.PyArray_DATA(array), <size_t> cnp.PyArray_SIZE(array), real):
        raise ValueError(f"{name} holds NaN or infinity")
    return 0


cdef struct tangents:
    const void *of_params  # (k, n_params); NULL where zero
    const void *of_x       # (k, n, d_0); NULL where zero
    Py_ssize_t k           # -1 for one tangent without a leading axis


cdef void *tangent_data(name, dot, primal, int real, Py_ssize_t *k) except? NULL:
    """The numbers of tangents of an array, each of its shape, and their count."""
    cdef void *data = array_data(name, dot, real, False)
    cdef int extra = cnp.PyArray_NDIM(dot) - cnp.PyArray_NDIM(primal), axis
    cdef bint fits = 0 <= extra <= 1
    for axis in range(cnp.PyArray_NDIM(primal) if fits else 0):
        fits = fits and cnp.PyArray_DIM(dot, extra + axis) == cnp.PyArray_DIM(primal, axis)
    if not fits:
        raise ValueError(f"{name} has shape {dot.shape}, expected {primal.shape}, or one axis more before it")
    k[0] = cnp.PyArray_DIM(dot, 0) if extra else -1
    return data


cdef tangents tangents_of(params, x, params_dot, x_dot, int real) except *:
    cdef tangents dots
    cdef Py_ssize_t k_params = -1, k_x = -1
    dots.of_params = NULL if params_dot is None else tangent_data("params_dot", params_dot, params, real, &k_params)
    dots.of_x = NULL if x_dot is None else tangent_data("x_dot", x_dot, x, real, &k_x)
    if k_params != k_x and params_dot is not None and x_dot is not None:
        raise ValueError(f"params_dot has shape {params_dot.shape} and x_dot {x_dot.shape}; "
                         "both need the same leading axis, or none")
    dots.k = k_x if params_dot is None else k_params
    return dots


cdef class Stack:
    """Sizes and activations of dense layers, checked once; parameters come with every call."""

    cdef fae_stack stack
    cdef int64_t sizes[MAX_LAYERS + 1]
    cdef int32_t activations[MAX_LAYERS]
    cdef readonly Py_ssize_t n_params
    cdef readonly Py_ssize_t n_outputs

    def __cinit__(self, sizes, activations):
        cdef const int64_t *widths = <const int64_t *> array_data("sizes", sizes, cnp.NPY_INT64, False)
        cdef const int32_t *kinds
        cdef Py_ssize_t l, n_layers = cnp.PyArray_SIZE(sizes) - 1
        if cnp.PyArray_NDIM(sizes) != 1 or not 1 <= n_layers <= MAX_LAYERS:
            raise ValueError(f"sizes has shape {sizes.shape}, expected 2 to {MAX_LAYERS + 1} widths")
        kinds = <const int32_t *> vector_data("activations", activations, cnp.NPY_INT32, False, n_layers)
        for l in range(n_layers + 1):
            if not 1 <= widths[l] <= MAX_WIDTH:
                raise ValueError(f"sizes[{l}] is {widths[l]}, a layer's width must be 1 to {MAX_WIDTH}")
            self.sizes[l] = widths[l]
        for l in range(n_layers):
            if not 0 <= kinds[l] <= 1:
                raise ValueError(f"activations[{l}] is {kinds[l]}, expected 0 (identity) or 1 (tanh)")
            self.activations[l] = kinds[l]
        self.stack.n_layers = <size_t> n_layers
        self.stack.sizes = self.sizes
        self.stack.activations = self.activations
        self.n_params = <Py_ssize_t> fae_stack_n_params(&self.stack)
        self.n_outputs = <Py_ssize_t> fae_stack_n_outputs(&self.stack)

    cdef const void *params_data(self, params, int real) except NULL:
        return vector_data("params", params, real, False, self.n_params)

    cdef const void *examples_data(self, x, int real) except? NULL:
        """The numbers of x (n, d_0)."""
        if not isinstance(x, cnp.ndarray) or cnp.PyArray_NDIM(x) != 2:
            raise ValueError(f"x has shape {getattr(x, 'shape', None)}, expected 2 axes")
        return matrix_data("x", x, real, False, cnp.PyArray_DIM(x, 0), self.sizes[0])

    cdef void *outputs_data(self, h, int real, bint written, Py_ssize_t n) except? NULL:
        """The numbers of h, which holds the outputs of every layer for n examples."""
        cdef void *data = array_data("h", h, real, written)
        cdef Py_ssize_t size = cnp.PyArray_SIZE(h)
        if (size if n == 0 else size % n or size // n != self.n_outputs):
            raise ValueError(f"h holds {size} numbers, {n} examples of {self.n_outputs} outputs need "
                             f"{int(n) * int(self.n_outputs)}")
        return data

    cdef object new_outputs(self, Py_ssize_t k, Py_ssize_t n, int real):
        """An array (k, n, d_L), or (n, d_L) where k is -1."""
        cdef cnp.npy_intp shape[3]
        shape[0], shape[1], shape[2] = k, n, self.sizes[self.stack.n_layers]
        return cnp.PyArray_EMPTY(2 if k < 0 else 3, shape + (k < 0), real, 0)

    def reverse_work(self, size_t n, n_threads=1):
        return fae_stack_reverse_work(&self.stack, n, thread_count(n_threads))

    def unit_tangents_work(self, size_t n, n_threads=1):
        return fae_stack_unit_tangents_work(&self.stack, n, thread_count(n_threads))

    def predict(self, params, x, n_threads=1):
        cdef int real = real_type("params", params)
        cdef const void *params_data = self.params_data(params, real)
        cdef const void *x_data = self.examples_data(x, real)
        cdef size_t n = <size_t> cnp.PyArray_DIM(x, 0), threads = thread_count(n_threads)
        cdef double small[SMALL_WORK]
        cdef void *heap
        cdef void *work
        cdef PyThreadState *others
        cdef bint finite
        y = self.new_outputs(-1, <Py_ssize_t> n, real)
        work = room(fae_stack_predict_work(&self.stack, n, threads), real, small, &heap)
        others = let_others_run(n * <size_t> self.n_params)
        if real == cnp.NPY_FLOAT32:
            finite = fae_stack_predict_f32(&self.stack, <const float *> params_data, <const float *> x_data, n,
                                           threads, <float *> work, <float *> cnp.PyArray_DATA(y))
        else:
            finite = fae_stack_predict_f64(&self.stack, <const double *> params_data, <const double *> x_data, n,
                                           threads, <double *> work, <double *> cnp.PyArray_DATA(y))
        go_on(others)
        PyMem_RawFree(heap)
        if not finite:
            require_finite("x", x, real)
        return y

    def forward(self, params, x, h, n_threads=1):
        cdef int real = real_type("params", params)
        cdef const void *params_data = self.params_data(params, real)
        cdef const void *x_data = self.examples_data(x, real)
        cdef size_t n = <size_t> cnp.PyArray_DIM(x, 0), threads = thread_count(n_threads)
        cdef void *h_data = self.outputs_data(h, real, True, <Py_ssize_t> n)
        cdef PyThreadState *others = let_others_run(n * <size_t> self.n_params)
        if real == cnp.NPY_FLOAT32:
            fae_stack_forward_f32(&self.stack, <const float *> params_data, <const float *> x_data, n, threads,
                                  <float *> h_data)
        else:
            fae_stack_forward_f64(&self.stack, <const double *> params_data, <const double *> x_data, n, threads,
                                  <double *> h_data)
        go_on(others)

    def tangent(self, params, x, h, params_dot, x_dot, n_threads=1):
        cdef int real = real_type("params", params)
        cdef const void *params_data = self.params_data(params, real)
        cdef const void *x_data = self.examples_data(x, real)
        cdef size_t n = <size_t> cnp.PyArray_DIM(x, 0), threads = thread_count(n_threads)
        cdef const void *h_data = self.outputs_data(h, real, False, <Py_ssize_t> n)
        cdef tangents dots = tangents_of(params, x, params_dot, x_dot, real)
        cdef size_t k = 1 if dots.k < 0 else <size_t> dots.k
        cdef double small[SMALL_WORK]
        cdef void *heap
        cdef void *work
        cdef PyThreadState *others
        y_dot = self.new_outputs(dots.k, <Py_ssize_t> n, real)
        work = room(fae_stack_tangent_work(&self.stack, n, k, threads), real, small, &heap)
        others = let_others_run(k * n * <size_t> self.n_params)
        if real == cnp.NPY_FLOAT32:
            fae_stack_tangent_f32(&self.stack, <const float *> params_data, <const float *> x_data,
                                  <const float *> h_data, n, <const float *> dots.of_params, <const float *> dots.of_x,
                                  k, threads, <float *> work, <float *> cnp.PyArray_DATA(y_dot))
        else:
            fae_stack_tangent_f64(&self.stack, <const double *> params_data, <const double *> x_data,
                                  <const double *> h_data, n, <const double *> dots.of_params,
                                  <const double *> dots.of_x, k, threads, <double *> work,
                                  <double *> cnp.PyArray_DATA(y_dot))
        go_on(others)
        PyMem_RawFree(heap)
        return y_dot

    def jvp(self, params, x, params_dot, x_dot, n_threads=1):
        cdef int real = real_type("params", params)
        cdef const void *params_data = self.params_data(params, real)
        cdef const void *x_data = self.examples_data(x, real)
        cdef size_t n = <size_t> cnp.PyArray_DIM(x, 0), threads = thread_count(n_threads)
        cdef tangents dots = tangents_of(params, x, params_dot, x_dot, real)
        cdef size_t k = 1 if dots.k < 0 else <size_t> dots.k
        cdef double small[SMALL_WORK]
        cdef void *heap
        cdef void *work
        cdef PyThreadState *others
        cdef bint finite
        require_finite("params", params, real)
        if params_dot is not None:
            require_finite("params_dot", params_dot, real)
        y = self.new_outputs(-1, <Py_ssize_t> n, real)
        y_dot = self.new_outputs(dots.k, <Py_ssize_t> n, real)
        work = room(fae_stack_jvp_work(&self.stack, n, k, threads), real, small, &heap)
        others = let_others_run((k + 1) * n * <size_t> self.n_params)
        if real == cnp.NPY_FLOAT32:
            finite = fae_stack_jvp_f32(
                &self.stack, <const float *> params_data, <const float *> x_data, n, <const float *> dots.of_params,
                <const float *> dots.of_x, k, threads, <float *> work, <float *> cnp.PyArray_DATA(y),
                <float *> cnp.PyArray_DATA(y_dot))
        else:
            finite = fae_stack_jvp_f64(
                &self.stack, <const double *> params_data, <const double *> x_data, n, <const double *> dots.of_params,
                <const double *> dots.of_x, k, threads, <double *> work, <double *> cnp.PyArray_DATA(y),
                <double *> cnp.PyArray_DATA(y_dot))
        go_on(others)
        PyMem_RawFree(heap)
        if not finite:
            require_finite("x", x, real)
            if x_dot is not None:
                require_finite("x_dot", x_dot, real)
        return y, y_dot

    cdef int gradient(self, params, x, h, y_bar, work, params_bar, x_bar, n_threads, bint by_reverse) except -1:
        """What reverse mode and unit tangents share: everything but the kernel."""
        cdef int real = real_type("params", params)
        cdef const void *params_data = self.params_data(params, real)
        cdef const void *x_data = self.examples_data(x, real)
        cdef size_t n = <size_t> cnp.PyArray_DIM(x, 0), threads = thread_count(n_threads)
        cdef const void *h_data = self.outputs_data(h, real, False, <Py_ssize_t> n)
        cdef const void *y_bar_data = matrix_data("y_bar", y_bar, real, False, <Py_ssize_t> n,
                                                  self.sizes[self.stack.n_layers])
        cdef void *params_bar_data = NULL
        cdef void *x_bar_data = NULL
        if params_bar is not None:
            params_bar_data = vector_data("params_bar", params_bar, real, True, self.n_params)
        if x_bar is not None:
            x_bar_data = matrix_data("x_bar", x_bar, real, True, <Py_ssize_t> n, self.sizes[0])
        cdef void *scratch = work_data(work, real, fae_stack_reverse_work(&self.stack, n, threads) if by_reverse
                                       else fae_stack_unit_tangents_work(&self.stack, n, threads))
        cdef PyThreadState *others = let_others_run(n * <size_t> self.n_params)
        if real == cnp.NPY_FLOAT32:
            (fae_stack_reverse_f32 if by_reverse else fae_stack_unit_tangents_f32)(
                &self.stack, <const float *> params_data, <const float *> x_data, <const float *> h_data, n,
                <const float *> y_bar_data, threads, <float *> scratch, <float *> params_bar_data,
                <float *> x_bar_data)
        else:
            (fae_stack_reverse_f64 if by_reverse else fae_stack_unit_tangents_f64)(
                &self.stack, <const double *> params_data, <const double *> x_data, <const double *> h_data, n,
                <const double *> y_bar_data, threads, <double *> scratch, <double *> params_bar_data,
                <double *> x_bar_data)
        go_on(others)
        return 0

    def reverse(self, params, x, h, y_bar, work, params_bar, x_bar, n_threads=1):
        self.gradient(params, x, h, y_bar, work, params_bar, x_bar, n_threads, True)

    def unit_tangents(self, params, x, h, y_bar, work, params_bar, x_bar, n_threads=1):
        self.gradient(params, x, h, y_bar, work, params_bar, x_bar, n_threads, False)
