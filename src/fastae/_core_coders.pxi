# SPDX-License-Identifier: Apache-2.0
cdef extern from "fastae.h" nogil:
    size_t fae_bitpack_bound(size_t n, int bits)
    int fae_bitpack_pack(const uint8_t *values, size_t n, int bits, uint8_t *dst)
    int fae_bitpack_unpack(const uint8_t *src, size_t src_len, size_t n, int bits, uint8_t *values)

    int fae_rans_normalize(const uint64_t *counts, size_t n_symbols, int precision, uint32_t *freqs)
    size_t fae_rans_bound(size_t n)
    int fae_rans_encode(const uint8_t *symbols, size_t n, const uint32_t *freqs, size_t n_symbols, int precision,
                        uint8_t *dst, size_t dst_len, size_t *out_len)
    int fae_rans_decode(const uint8_t *src, size_t src_len, const uint32_t *freqs, size_t n_symbols, int precision,
                        size_t n, uint8_t *symbols)

    ctypedef struct fae_intdec:
        size_t n_layers
        int32_t latent_bits
        const int64_t *sizes
        const int8_t *weights
        const int32_t *biases
        const int32_t *multipliers
        const int32_t *shifts
    size_t fae_intdec_work(const fae_intdec *decoder, size_t n, size_t n_threads)
    int fae_intdec_check(const fae_intdec *decoder)
    int fae_intdec_forward(const fae_intdec *decoder, const uint8_t *codes, size_t n, size_t n_threads, void *work,
                           int32_t *scores)

cdef uint8_t _no_bytes = 0   # what the pointers of empty arrays point to


def bitpack_pack(const uint8_t[::1] values, int bits, uint8_t[::1] dst):
    cdef size_t n = values.shape[0]
    cdef int err
    if not 1 <= bits <= 8:
        check(FAE_ERR_BITS)
    if <size_t> dst.shape[0] != fae_bitpack_bound(n, bits):
        raise ValueError(f"dst has {dst.shape[0]} bytes, {n} values of {bits} bits need {fae_bitpack_bound(n, bits)}")
    if n == 0:
        return
    with nogil:
        err = fae_bitpack_pack(&values[0], n, bits, &dst[0])
    check(err)


def bitpack_unpack(const uint8_t[::1] src, int bits, uint8_t[::1] values):
    cdef size_t n = values.shape[0]
    cdef int err
    if not 1 <= bits <= 8:
        check(FAE_ERR_BITS)
    if n == 0:
        return
    if src.shape[0] == 0:
        check(FAE_ERR_TRUNCATED)
    with nogil:
        err = fae_bitpack_unpack(&src[0], src.shape[0], n, bits, &values[0])
    check(err)


def rans_normalize(const uint64_t[::1] counts, int precision, uint32_t[::1] freqs):
    if counts.shape[0] == 0:
        check(FAE_ERR_TABLE)
    if freqs.shape[0] != counts.shape[0]:
        raise ValueError(f"freqs has {freqs.shape[0]} values, counts has {counts.shape[0]}")
    check(fae_rans_normalize(&counts[0], counts.shape[0], precision, &freqs[0]))


def rans_bound(size_t n):
    return fae_rans_bound(n)


def rans_encode(const uint8_t[::1] symbols, const uint32_t[::1] freqs, int precision, uint8_t[::1] dst):
    cdef size_t n = symbols.shape[0], out_len = 0
    cdef const uint8_t *p_symbols = &_no_bytes
    cdef uint8_t *p_dst = &_no_bytes
    cdef int err
    if freqs.shape[0] == 0:
        check(FAE_ERR_TABLE)
    if n:
        p_symbols = &symbols[0]
    if dst.shape[0]:
        p_dst = &dst[0]
    with nogil:
        err = fae_rans_encode(p_symbols, n, &freqs[0], freqs.shape[0], precision, p_dst, dst.shape[0], &out_len)
    check(err)
    return out_len


def rans_decode(const uint8_t[::1] src, const uint32_t[::1] freqs, int precision, uint8_t[::1] symbols):
    cdef size_t n = symbols.shape[0]
    cdef const uint8_t *p_src = &_no_bytes
    cdef uint8_t *p_symbols = &_no_bytes
    cdef int err
    if freqs.shape[0] == 0:
        check(FAE_ERR_TABLE)
    if src.shape[0]:
        p_src = &src[0]
    if n:
        p_symbols = &symbols[0]
    with nogil:
        err = fae_rans_decode(p_src, src.shape[0], &freqs[0], freqs.shape[0], precision, n, p_symbols)
    check(err)


cdef class IntDecoderArrays:
    """Arrays that fit each other, checked once, as a fae_intdec."""
    cdef fae_intdec c
    cdef const int64_t[::1] sizes
    cdef const int8_t[::1] weights
    cdef const int32_t[::1] biases, multipliers, shifts

    def __cinit__(self, const int64_t[::1] sizes, const int8_t[::1] weights, const int32_t[::1] biases,
                  const int32_t[::1] multipliers, const int32_t[::1] shifts, int32_t latent_bits):
        cdef Py_ssize_t n_layers = sizes.shape[0] - 1, l
        cdef int64_t n_weights = 0, n_biases = 0
        if n_layers < 1:
            raise ValueError(f"sizes has {sizes.shape[0]} widths, at least 2 are needed")
        for l in range(n_layers + 1):
            if not 1 <= sizes[l] <= 65536:
                raise ValueError(f"sizes[{l}] is {sizes[l]}, widths are 1 to 65536")
        for l in range(n_layers):
            n_weights += sizes[l] * sizes[l + 1]
            n_biases += sizes[l + 1]
        for name, got, want in (("weights", weights.shape[0], n_weights), ("biases", biases.shape[0], n_biases),
                                ("multipliers", multipliers.shape[0], n_layers - 1),
                                ("shifts", shifts.shape[0], n_layers - 1)):
            if got != want:
                raise ValueError(f"{name} has {got} values, {want} are needed")
        self.sizes, self.weights, self.biases = sizes, weights, biases
        self.multipliers, self.shifts = multipliers, shifts
        self.c.n_layers = n_layers
        self.c.latent_bits = latent_bits
        self.c.sizes = &sizes[0]
        self.c.weights = &weights[0]
        self.c.biases = &biases[0]
        if n_layers > 1:
            self.c.multipliers = &multipliers[0]
            self.c.shifts = &shifts[0]
        check(fae_intdec_check(&self.c))

    def __reduce__(self):
        return IntDecoderArrays, (self.sizes.base, self.weights.base, self.biases.base, self.multipliers.base,
                                  self.shifts.base, self.c.latent_bits)

    def work(self, size_t n, n_threads=1):
        """Bytes of scratch that forward needs for n rows."""
        return fae_intdec_work(&self.c, n, thread_count(n_threads))

    def forward(self, const uint8_t[:, ::1] codes, uint8_t[::1] work, int32_t[:, ::1] scores, n_threads=1):
        cdef size_t n = codes.shape[0], threads = thread_count(n_threads), needed = fae_intdec_work(&self.c, n, threads)
        cdef int64_t d_last = self.c.sizes[self.c.n_layers]
        cdef int err
        if codes.shape[1] != self.c.sizes[0]:
            raise ValueError(f"codes has {codes.shape[1]} columns, the decoder takes {self.c.sizes[0]}")
        if <size_t> scores.shape[0] != n or scores.shape[1] != d_last:
            raise ValueError(f"scores has shape ({scores.shape[0]}, {scores.shape[1]}), expected ({n}, {d_last})")
        if <size_t> work.shape[0] < needed:
            raise ValueError(f"work must be {needed} bytes, got {work.shape[0]}")
        if n == 0:
            return
        with nogil:
            err = fae_intdec_forward(&self.c, &codes[0, 0], n, threads, &work[0], &scores[0, 0])
        check(err)
