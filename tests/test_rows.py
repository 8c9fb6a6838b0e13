# SPDX-License-Identifier: Apache-2.0
"""Rows from memory, from mapped files and from streams: the same training, in bounded memory."""

import subprocess
import sys

import numpy as np
import pytest

from fastae import DNA, DOSAGE, Decoder, Encoder, HammingLoss, RowStream, Trainer
from fastae.rows import open_rows


def symbols(n=50, d=10, seed=0):
    return np.random.default_rng(seed).integers(-1, 3, (n, d)).astype(np.int8)


def mapped(X, folder):
    np.save(folder / "rows.npy", X)
    return np.load(folder / "rows.npy", mmap_mode="r")


def trained(X, loss=None, **fit):
    trainer = Trainer(Encoder([10, 4]), Decoder([4, 10]), loss=loss or HammingLoss(DOSAGE), batch_size=8)
    history = trainer.fit(X, **({"n_epochs": 3} | fit))
    return [a.tobytes() for a in (trainer.encoder.params, trainer.decoder.params, history.loss, history.heldout_loss)]


def blocks_of(X, *sizes):
    ends = np.cumsum(sizes)
    assert ends[-1] == len(X)
    return lambda: (X[end - size : end] for end, size in zip(ends, sizes, strict=True))


def read(source, size, rng=None, start=0):
    return [batch.tolist() for batch in source.batches(size, rng, start)]


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint8])
def test_mapped_rows_train_to_the_same_bits_as_rows_in_memory(dtype, tmp_path):
    X = abs(symbols()).astype(dtype)
    file_rows = mapped(X, tmp_path)
    for view in (file_rows, file_rows[:, :], np.asarray(file_rows)):
        assert trained(view, validation_split=0.2) == trained(X, validation_split=0.2)
    assert trained(X, X_heldout=file_rows) == trained(X, X_heldout=X)


def test_mapped_rows_of_bytes_train_to_the_same_bits_as_rows_in_memory(tmp_path):
    X = DNA.to_symbols(symbols())
    assert trained(mapped(X, tmp_path), HammingLoss(DNA)) == trained(X, HammingLoss(DNA))


@pytest.mark.parametrize("view", [np.asanyarray, np.asarray, lambda X: np.asarray(X)[:, :]])
def test_mapped_rows_are_read_batch_by_batch(view, tmp_path):
    X = view(mapped(symbols(n=400), tmp_path))
    sizes = []

    class Watched(type(DOSAGE)):
        def to_codes(self, cells, **options):
            sizes.append(len(cells))
            return super().to_codes(cells, **options)

    trained(X, HammingLoss(Watched("dosage", (0, 1, 2))))
    assert max(sizes) <= 16 and sum(sizes) > 3 * 400


MEMORY = """
import resource, sys
import numpy as np
from fastae import DOSAGE, Decoder, Encoder, HammingLoss, RowStream, Trainer

path, how = sys.argv[1:]
X = np.load(path, mmap_mode="r")
if how == "streamed":
    rows = RowStream(lambda: (X[i : i + 256].copy() for i in range(0, len(X), 256)), len(X), buffer_rows=1024)
else:
    rows = np.array(X) if how == "in memory" else X
models = Encoder([X.shape[1], 2]), Decoder([2, X.shape[1]])
Trainer(*models, loss=HammingLoss(DOSAGE), gradient="reverse", batch_size=64).fit(
    rows, n_epochs=1, validation_split=0.1
)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits data memory, as Linux counts it")
@pytest.mark.parametrize("how", ["mapped", "streamed", "in memory"])
def test_rows_larger_than_memory_are_trained_on_within_it(how, tmp_path):
    """96 MiB of rows in a process that may have 48 MiB more than it starts with, not counting files it maps."""
    path = tmp_path / "rows.npy"
    np.lib.format.open_memmap(path, mode="w+", dtype=np.int8, shape=(24 << 10, 4 << 10))[::64] = 1
    limit = """
with open("/proc/self/status") as status:
    used = next(int(line.split()[1]) for line in status if line.startswith("VmData")) << 10
resource.setrlimit(resource.RLIMIT_DATA, (used + (48 << 20), -1))
"""
    code = MEMORY.replace("\npath, how", f"{limit}\npath, how")
    ran = subprocess.run([sys.executable, "-c", code, path, how], capture_output=True, text=True)
    if how == "in memory":  # the limit is one
        assert "MemoryError" in ran.stderr
    else:
        assert ran.returncode == 0, ran.stderr


def test_streamed_rows_are_all_seen_once_in_each_epoch_whatever_the_blocks():
    X = symbols()
    for sizes in ([50], [1, 49], [7] * 7 + [1], [0, 20, 0, 30, 0]):
        for buffer_rows in (1, 8, 20, 1000):
            source = open_rows(RowStream(blocks_of(X, *sizes), 50, buffer_rows=buffer_rows), DOSAGE, 10, "X")
            assert sum(read(source, 8), []) == DOSAGE.to_codes(X).tolist()
            assert [len(batch) for batch in read(source, 8)] == [8] * 6 + [2]
            shuffled = read(source, 8, np.random.default_rng(0))
            assert [len(batch) for batch in shuffled] == [8] * 6 + [2]
            assert sorted(sum(shuffled, [])) == sorted(DOSAGE.to_codes(X).tolist())


def test_streamed_rows_are_shuffled_within_the_buffer():
    X = np.zeros((40, 10), np.int8)
    X[20:] = 1
    X[:, 0] = np.arange(40) % 3
    near = open_rows(RowStream(blocks_of(X, 10, 10, 10, 10), 40, buffer_rows=20), DOSAGE, 10, "X")
    far = open_rows(RowStream(blocks_of(X, 10, 10, 10, 10), 40, buffer_rows=40), DOSAGE, 10, "X")
    order = np.array(sum(read(near, 4, np.random.default_rng(0)), []))
    assert order[:20, 1].max() == 0 and order[20:, 1].min() == 1 and order[:20, 0].tolist() != X[:20, 0].tolist()
    assert np.array(sum(read(far, 4, np.random.default_rng(0)), []))[:20, 1].max() == 1


def test_the_order_is_the_seeds_and_another_one_in_every_epoch():
    for X in (symbols(), RowStream(blocks_of(symbols(), 25, 25), 50, buffer_rows=25)):
        source = open_rows(X, DOSAGE, 10, "X")
        orders = [read(source, 8, np.random.default_rng(seed)) for seed in (1, 1, 2)]
        assert orders[0] == orders[1] != orders[2]


@pytest.mark.parametrize("buffer_rows", [1, 20, 1000])
def test_batches_from_any_start_are_those_that_are_left(buffer_rows):
    for X in (symbols(), RowStream(blocks_of(symbols(), 13, 13, 13, 11), 50, buffer_rows=buffer_rows)):
        source = open_rows(X, DOSAGE, 10, "X")
        for kept, heldout in [(source, source), source.split(np.array([0, 3, 4, 40, 49]))]:
            for rows in (kept, heldout):
                whole = read(rows, 8, np.random.default_rng(5))
                for start in range(len(whole) + 1):
                    assert read(rows, 8, np.random.default_rng(5), start) == whole[start:]


def test_a_stream_of_one_buffer_trains_to_the_same_bits_as_the_array():
    X = symbols()
    stream = RowStream(blocks_of(X, 20, 30), 50, buffer_rows=50)
    assert trained(stream) == trained(X)
    assert trained(X, X_heldout=RowStream(blocks_of(X, 20, 30), 50)) == trained(X, X_heldout=X)


def test_split_rows_are_the_ones_held_out_and_the_others():
    X = symbols()
    heldout_rows = np.array([0, 7, 8, 49])
    for rows in (X, RowStream(blocks_of(X, 9, 41), 50)):
        kept, heldout = open_rows(rows, DOSAGE, 10, "X").split(heldout_rows)
        assert (kept.n_rows, heldout.n_rows) == (46, 4)
        assert sum(read(heldout, 3), []) == DOSAGE.to_codes(X[heldout_rows]).tolist()
        assert sum(read(kept, 3), []) == DOSAGE.to_codes(np.delete(X, heldout_rows, axis=0)).tolist()


def test_a_symbol_that_is_none_is_named_by_its_row(tmp_path):
    X = symbols()
    X[37, 4] = 9
    with pytest.raises(ValueError, match=r"^X: symbols\[37, 4\] is 9"):
        trained(X)
    with pytest.raises(ValueError, match=r"^row 37 of X: symbols\[4\] is 9, but the dosage alphabet has"):
        trained(mapped(X, tmp_path))
    with pytest.raises(ValueError, match=r"^the block of X that starts at row 30: symbols\[7, 4\] is 9"):
        trained(RowStream(blocks_of(X, 30, 20), 50))
    with pytest.raises(TypeError, match="^the block of X that starts at row 0: symbols are float64"):
        trained(RowStream(lambda: [np.zeros((50, 10))], 50))


def test_a_stream_that_begins_only_once_is_told_to_begin_again():
    once = iter([symbols()])
    with pytest.raises(ValueError, match="have 0 rows, n_rows promises 50; let the function start from the first"):
        trained(RowStream(lambda: once, 50))


def test_a_stream_of_nothing_to_iterate_over_is_refused():
    with pytest.raises(TypeError, match="the blocks of X are NoneType; let the function give an iterable"):
        trained(RowStream(lambda: None, 50))


def test_a_stream_shows_its_rows():
    stream = RowStream(symbols, 50, buffer_rows=7)
    assert repr(stream) == f"RowStream({symbols!r}, n_rows=50, buffer_rows=7)"


@pytest.mark.parametrize(
    ("n_rows", "message"), [(49, "more than the 49 rows that n_rows promises"), (51, "50 rows, n_rows promises 51")]
)
def test_a_stream_of_another_number_of_rows_is_refused(n_rows, message):
    with pytest.raises(ValueError, match=message):
        trained(RowStream(blocks_of(symbols(), 20, 30), n_rows))


@pytest.mark.parametrize("block", [np.zeros((50, 9), int), np.zeros(10, int), [[[0] * 10]]])
def test_a_block_of_another_shape_is_refused(block):
    with pytest.raises(ValueError, match="the block of X that starts at row 0 has shape"):
        trained(RowStream(lambda: [block], 50))


@pytest.mark.parametrize(
    ("symbol", "message"),
    [(0, r"starts at row 0 has shape \(\), the encoder wants"), (9, "row 0: the symbol is 9, but the dosage alphabet")],
)
def test_a_block_that_is_one_symbol_is_refused(symbol, message):
    with pytest.raises(ValueError, match=message):
        list(open_rows(RowStream(lambda: [symbol], 4), DOSAGE, 3, "X").batches(2, None))


@pytest.mark.parametrize("shape", [(50, 9), (10,), (0, 10)])
def test_mapped_rows_of_another_shape_are_refused(shape, tmp_path):
    rows = np.memmap(tmp_path / "rows", dtype=np.int8, mode="w+", shape=(50, 10))[: shape[0], : shape[-1]]
    with pytest.raises(ValueError, match="X has shape|X has no rows"):
        trained(rows[0] if len(shape) == 1 else rows)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((symbols(), 50), TypeError, "blocks is ndarray; give a function"),
        ((lambda: [], 0), ValueError, "n_rows must be 1 or more"),
        ((lambda: [], 1.5), TypeError, "n_rows must be an integer"),
    ],
)
def test_what_is_no_stream_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        RowStream(*arguments)
    with pytest.raises(ValueError, match="buffer_rows must be 1 or more"):
        RowStream(lambda: [], 1, buffer_rows=0)
