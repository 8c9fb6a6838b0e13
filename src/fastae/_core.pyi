# SPDX-License-Identifier: Apache-2.0
"""The C kernels, one thin function each: types, sizes and memory safety are checked here, meaning above.

`Real` arrays are float32 or float64, all of one call alike, C-contiguous. Contracts are in csrc/fastae.h.
"""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Real = TypeVar("Real", np.float32, np.float64)
I8 = NDArray[np.int8]
U8 = NDArray[np.uint8]
I16 = NDArray[np.int16]
I32 = NDArray[np.int32]
U16 = NDArray[np.uint16]
U32 = NDArray[np.uint32]
I64 = NDArray[np.int64]
U64 = NDArray[np.uint64]
F64 = NDArray[np.float64]

# cpu
CPU_FEATURES: dict[str, int]  # name ("avx2", "avx512", "avx512_vnni", "neon", "dotprod", "amx_bf16", "amx_int8") -> bit

def cpu_detected() -> int: ...
def cpu_enabled() -> int: ...
def cpu_set_mask(mask: int) -> None: ...

# dense stacks: sizes (L+1) int64, activations (L) int32 (0 identity, 1 tanh), params (n_params),
# x (n, d_0), h (n * n_outputs): h_1 (n, d_1), h_2 (n, d_2), ... one after the other.
# Tangents are of their primal's shape, or k of them with a leading axis, which y_dot then has too; None is zero.
# Results do not depend on n_threads.
def dense_is_finite(x: NDArray[Real]) -> bool: ...

class Stack:
    n_params: int
    n_outputs: int

    def __init__(self, sizes: I64, activations: I32) -> None: ...
    # predict and jvp may be asked with whatever a caller gave: they refuse what is no finite array of the right kind
    def predict(self, params: Any, x: Any, n_threads: int = 1) -> NDArray[Any]: ...  # y (n, d_L)
    def jvp(
        self, params: Any, x: Any, params_dot: Any, x_dot: Any, n_threads: int = 1
    ) -> tuple[NDArray[Any], NDArray[Any]]: ...  # y, y_dot
    def forward(self, params: NDArray[Real], x: NDArray[Real], h: NDArray[Real], n_threads: int = 1) -> None: ...
    def tangent(
        self,
        params: NDArray[Real],
        x: NDArray[Real],
        h: NDArray[Real],
        params_dot: NDArray[Real] | None,
        x_dot: NDArray[Real] | None,
        n_threads: int = 1,
    ) -> NDArray[Real]: ...  # y_dot
    def reverse_work(self, n: int, n_threads: int = 1) -> int: ...  # numbers that work must hold
    def unit_tangents_work(self, n: int, n_threads: int = 1) -> int: ...
    def reverse(
        self,
        params: NDArray[Real],
        x: NDArray[Real],
        h: NDArray[Real],
        y_bar: NDArray[Real],  # (n, d_L)
        work: NDArray[Real],
        params_bar: NDArray[Real] | None,  # (n_params), written
        x_bar: NDArray[Real] | None,  # (n, d_0), written
        n_threads: int = 1,
    ) -> None: ...
    def unit_tangents(
        self,
        params: NDArray[Real],
        x: NDArray[Real],
        h: NDArray[Real],
        y_bar: NDArray[Real],
        work: NDArray[Real],
        params_bar: NDArray[Real] | None,
        x_bar: NDArray[Real] | None,
        n_threads: int = 1,
    ) -> None: ...

# alphabets: code_of (256), codes of the shape of symbols (one byte each) or levels; level_of (n_levels + 1), missing
# first. alphabet_codes returns the index of the first symbol without a code, or the size; alphabet_levels how many of
# the codes are not missing, and raises ValueError for a code outside -1..n_levels-1.
def alphabet_codes(symbols: NDArray[Any], code_of: I8, codes: I8) -> int: ...
def alphabet_levels(codes: I8, level_of: NDArray[Real], levels: NDArray[Real]) -> int: ...

# latents: rounded, of the shape of z, receives the nearest of 2^bits even steps from -1 to 1; bits 1 to 8
def latents_round(z: NDArray[Real], bits: int, rounded: NDArray[Real]) -> None: ...

# losses: x and grad (n, d), codes (n, d) int8 with -1 = missing, levels (n_levels). The two smooth losses return the
# sum over cells and write grad = scale * d(sum)/dx unless it is None; loss_hamming returns the count of wrong cells.
# A code outside -1..n_levels-1 raises ValueError.
def loss_soft_hamming(
    x: NDArray[Real],
    codes: I8,
    levels: NDArray[Real],
    temperature: float,
    scale: float,
    grad: NDArray[Real] | None,
    n_threads: int = 1,
) -> float: ...
def loss_cross_entropy(
    x: NDArray[Real],
    codes: I8,
    levels: NDArray[Real],
    temperature: float,
    scale: float,
    grad: NDArray[Real] | None,
    n_threads: int = 1,
) -> float: ...
def loss_hamming(x: NDArray[Real], codes: I8, levels: NDArray[Real]) -> int: ...

# decoder(round(encoder(x))), its loss and its gradient in one pass over x: returns the loss's sum over codes (n, d_L)
class ChainGradient:
    encoder: Stack
    decoder: Stack

    def __init__(
        self,
        encoder: Stack,
        decoder: Stack,
        encoder_by: str,  # "reverse" or "unit_tangents"
        decoder_by: str,
        loss: str,  # "hamming" or "cross_entropy"
        latent_bits: int | None = None,
    ) -> None: ...
    def work(self, n: int, n_threads: int = 1) -> int: ...  # numbers that work must hold
    def __call__(
        self,
        encoder_params: NDArray[Real],
        decoder_params: NDArray[Real],
        codes: I8,  # (n, d)
        level_of: NDArray[Real],  # of missing, then of every code
        temperature: float,
        work: NDArray[Real],
        encoder_bar: NDArray[Real],  # written
        decoder_bar: NDArray[Real],  # written
        n_threads: int = 1,
    ) -> tuple[float, int, int]: ...  # sum of the loss, known cells, cells reconstructed wrongly

# optimisers: flat vectors, updated in place; step counts from 1
def optim_adam(
    grad: NDArray[Real],
    m: NDArray[Real],
    v: NDArray[Real],
    params: NDArray[Real],
    step: int,
    learning_rate: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    weight_decay: float,
) -> None: ...
def optim_sgd(
    grad: NDArray[Real], velocity: NDArray[Real], params: NDArray[Real], learning_rate: float, momentum: float
) -> None: ...
def optim_squares_are_finite(grad: NDArray[Real]) -> bool: ...

# bits
def bitpack_pack(values: U8, bits: int, dst: U8) -> None: ...  # dst: ceil(n * bits / 8) bytes
def bitpack_unpack(src: U8, bits: int, values: U8) -> None: ...

# rANS
def rans_normalize(counts: U64, precision: int, freqs: U32) -> None: ...
def rans_bound(n: int) -> int: ...
def rans_encode(symbols: U8, freqs: U32, precision: int, dst: U8) -> int: ...  # bytes written
def rans_decode(src: U8, freqs: U32, precision: int, symbols: U8) -> None: ...  # symbols.size symbols

# integer decoder: weights int8 flat, biases int32 flat, multipliers and shifts (L-1); borrowed, so not to be changed
class IntDecoderArrays:
    def __init__(
        self, sizes: I64, weights: I8, biases: I32, multipliers: I32, shifts: I32, latent_bits: int
    ) -> None: ...
    def work(self, n: int, n_threads: int = 1) -> int: ...  # bytes
    # codes (n, d_0); scores (n, d_L), written
    def forward(self, codes: U8, work: U8, scores: I32, n_threads: int = 1) -> None: ...

# gaps: events of all classes (positions, one class after the other), counts, n_cells, rates: one per class
GAPS_N_RATES: int  # rate r is a probability of 2^(-(r+1)/4)

def gaps_encode(positions: U32, counts: U32, n_cells: U32, rates: U8, dst: U8) -> int: ...  # bytes, -1 = dst too small
def gaps_decode(src: U8, n_cells: U32, rates: U8, positions: U32, counts: U32) -> None: ...

# columns of bits by the positional Burrows-Wheeler transform: bits (n_columns, n_rows) of 0 and 1
PBWT_MAX_ROWS: int
PBWT_SHIFTS: int

def pbwt_encode(
    bits: U8, start: int, shift: int, dst: U8
) -> tuple[int, int] | None: ...  # bytes of the columns from start on, of all; None = dst too small
def pbwt_decode(
    src: U8,
    right_len: int,
    n_columns: int,
    n_rows: int,
    start: int,
    first: int,
    last: int,
    rows: U32 | None,
    bits: U8,
    spent: U32 | None = None,
) -> None: ...  # bits (last - first, n_rows or rows.size); spent (last - first) takes the bits that each column took

# the same, guided by a decoder: leans (n_outputs, n_codes) of 0 and 1, codes and rows (n_rows), guided (n_columns) of 0
# and 1, which decoding fills as far as it goes; bits (last - first, n_rows) when decoding
def guided_encode(
    bits: U8, shift: int, leans: U8, codes: U16, rows: U16, guided: U8, dst: U8
) -> int: ...  # bytes, -1 = dst too small
def guided_decode(
    src: U8,
    first: int,
    last: int,
    leans: U8,
    codes: U16,
    rows: U16,
    guided: U8,
    bits: U8,
    spent: U32 | None = None,
) -> None: ...

PHASE_KNOWN: int
PHASE_SWAPPABLE: int
PHASE_UNKNOWN: int
PHASE_MAX_BEAM: int

def phase_greedy(bits: U8, calls: U8) -> None: ...  # puts bits (columns, 2 * samples) in order
def phase_orders(words: NDArray[np.uint64], n_columns: int, orders: NDArray[np.uint16]) -> None: ...
def phase_refine(
    words: NDArray[np.uint64],
    swappable: NDArray[np.uint64],
    unknown: NDArray[np.uint64],
    orders: NDArray[np.uint16],
    n_columns: int,
    first: int,
    last: int,
    n_nearest: int,
    beam: int,
    n_threads: int,
    found: NDArray[np.uint64],
) -> None: ...

RUNS_MAX_ROWS: int

def runs_encode(bits: U8, n_symbols: int, dst: U8) -> int: ...  # bytes, -1 = dst or n_symbols too small
def runs_decode(
    src: U8,
    n_columns: int,
    n_rows: int,
    first: int,
    rows: U32 | None,
    places: I64,
    values: I8,
    over: bool,
    out: I8,
) -> None: ...  # columns first .. first + places.size - 1, out (n_places, rows or n_rows)

# sums over columns of bits, without unpacking them. masks (n_masks, n_rows): 1 where a bit counts as 0; mask_of
# (n_columns): a column's mask, or -1. One of the methods is to be called, once.
class ColumnSums:
    counts: U32  # (n_columns,) ones
    of_columns: F64 | None  # (n_columns, k): row_weights where a column has ones, summed
    of_rows: F64 | None  # (n_rows, k): column_weights where a row has ones, summed

    def __init__(
        self,
        n_columns: int,
        n_rows: int,
        masks: U8 | None,
        mask_of: I64 | None,
        row_weights: F64 | None = None,  # (n_rows, k)
        column_weights: F64 | None = None,  # (n_columns, k)
    ) -> None: ...
    def add_bits(self, bits: U8) -> None: ...  # (n_columns, n_rows)
    # of a stream's n_columns those from `first` on
    def add_pbwt(self, src: U8, right_len: int, n_columns: int, start: int, first: int) -> None: ...
    def add_runs(self, src: U8, n_columns: int, first: int) -> None: ...

# dosages by mosaics of the other samples: calls (n_sites, n_samples) of 0 to 2 and 3 (missing); kinds (n_sites) of what
# occurs at a site, 1 (dosages other than 0) + 2 (missing calls)
MOSAIC_MAX_SAMPLES: int
MOSAIC_RARITIES: int

def mosaic_encode(calls: U8, kinds: U8, rarity: int, dst: U8) -> int: ...  # bytes, -1 = dst too small
def mosaic_decode(
    src: U8, kinds: U8, first: int, last: int, calls: U8, spent: U32 | None = None
) -> None: ...  # last - first sites

# sites: gaps of positions; 4 * ref + alt, or SITES_OTHER; numbers of IDs, each in one of some series of numbers
SITES_OTHER: int
SITES_SERIES: int

def sites_encode(
    gaps: I32, pairs: U8, ids: U32, starts: U32, widths: U32, dst: U8
) -> int: ...  # bytes, -1 = dst too small
def sites_decode(src: U8, starts: U32, widths: U32, gaps: I32, pairs: U8, ids: U32) -> None: ...
