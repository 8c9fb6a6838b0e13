# SPDX-License-Identifier: Apache-2.0
cdef extern from "fastae.h" nogil:
    ctypedef struct fae_phase:
        size_t n_samples
        size_t n_columns
        const uint64_t *words
        const uint64_t *swappable
        const uint64_t *unknown
        const uint16_t *orders
        size_t n_nearest
        size_t beam
    int FAE_PHASE_KNOWN
    int FAE_PHASE_SWAPPABLE
    int FAE_PHASE_UNKNOWN
    int FAE_PHASE_MAX_BEAM
    size_t fae_phase_greedy_work(size_t n_samples)
    void fae_phase_greedy(uint8_t *bits, const uint8_t *calls, size_t n_columns, size_t n_samples, void *work)
    void fae_phase_orders(const uint64_t *words, size_t n_rows, size_t n_columns, uint16_t *orders)
    size_t fae_phase_refine_work(const fae_phase *phase, size_t n_threads)
    void fae_phase_refine(const fae_phase *phase, size_t first, size_t last, size_t n_threads, void *work,
                          uint64_t *found)

PHASE_KNOWN, PHASE_SWAPPABLE, PHASE_UNKNOWN = FAE_PHASE_KNOWN, FAE_PHASE_SWAPPABLE, FAE_PHASE_UNKNOWN
PHASE_MAX_BEAM = FAE_PHASE_MAX_BEAM


def phase_greedy(uint8_t[:, ::1] bits, const uint8_t[:, ::1] calls):
    cdef size_t n_columns = calls.shape[0], n_samples = calls.shape[1]
    cdef cnp.ndarray work
    _same_length(b"bits", bits.shape[0], n_columns)
    _same_length(b"a column of bits", bits.shape[1], 2 * n_samples)
    if not n_columns or not n_samples:
        return
    work = cnp.PyArray_EMPTY(1, [<cnp.npy_intp> fae_phase_greedy_work(n_samples)], cnp.NPY_UINT8, 0)
    with nogil:
        fae_phase_greedy(&bits[0, 0], &calls[0, 0], n_columns, n_samples, cnp.PyArray_DATA(work))


def phase_orders(const uint64_t[:, ::1] words, size_t n_columns, uint16_t[:, :, ::1] orders):
    cdef size_t n_rows = words.shape[0]
    if not 1 <= n_rows <= 65535:
        raise ValueError(f"{n_rows} rows given, orders are kept in 16 bits: 1 to 65535")
    _same_length(b"words", words.shape[1], (n_columns + 63) // 64)
    _same_length(b"orders", orders.shape[0], words.shape[1] + 1)
    _same_length(b"orders at a word", orders.shape[1], 2)
    _same_length(b"an order", orders.shape[2], n_rows)
    with nogil:
        fae_phase_orders(&words[0, 0] if n_columns else NULL, n_rows, n_columns, &orders[0, 0, 0])


def phase_refine(const uint64_t[:, ::1] words, const uint64_t[:, ::1] swappable, const uint64_t[:, ::1] unknown,
                 const uint16_t[:, :, ::1] orders, size_t n_columns, size_t first, size_t last, size_t n_nearest,
                 size_t beam, size_t n_threads, uint64_t[:, ::1] found):
    """Orders of no words stand for none: the panel is then everyone else."""
    cdef size_t n_samples = swappable.shape[0], n_words = words.shape[1]
    cdef fae_phase phase
    cdef cnp.ndarray work
    if not (2 <= n_samples and first <= last <= n_samples):
        raise ValueError(f"samples {first} to {last} of {n_samples} are wanted; 0 <= first <= last <= n_samples >= 2")
    if not (1 <= beam <= <size_t> FAE_PHASE_MAX_BEAM and n_nearest <= 65535 and n_threads):
        raise ValueError(f"beam is {beam}, n_nearest {n_nearest}, n_threads {n_threads}: out of range")
    for name, length in ((b"words", words.shape[0]), (b"swappable", 2 * swappable.shape[0]),
                         (b"unknown", 2 * unknown.shape[0])):
        _same_length(name, length, 2 * n_samples)
    for name, length in ((b"a row of words", words.shape[1]), (b"a row of swappable", swappable.shape[1]),
                         (b"a row of unknown", unknown.shape[1]), (b"a row of found", found.shape[1])):
        _same_length(name, length, (n_columns + 63) // 64)
    _same_length(b"found", found.shape[0], 2 * (last - first))
    if not n_columns or first == last:
        return
    phase.orders = NULL
    if orders.shape[0]:
        _same_length(b"orders", orders.shape[0], n_words + 1)
        _same_length(b"orders at a word", orders.shape[1], 2)
        _same_length(b"an order", orders.shape[2], 2 * n_samples)
        if not n_nearest:
            raise ValueError("n_nearest is 0 with orders: the panel would be empty")
        phase.orders = &orders[0, 0, 0]
    phase.n_samples, phase.n_columns, phase.n_nearest, phase.beam = n_samples, n_columns, n_nearest, beam
    phase.words, phase.swappable, phase.unknown = &words[0, 0], &swappable[0, 0], &unknown[0, 0]
    work = cnp.PyArray_EMPTY(1, [<cnp.npy_intp> fae_phase_refine_work(&phase, n_threads)], cnp.NPY_UINT8, 0)
    with nogil:
        fae_phase_refine(&phase, first, last, n_threads, cnp.PyArray_DATA(work), &found[0, 0])
