# SPDX-License-Identifier: Apache-2.0
"""A training that was stopped, even by SIGKILL, comes out as if it had not been; bytes of anything else are refused."""

import functools
import os
import signal
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import resumable
from hypothesis import given
from hypothesis import strategies as st

from fastae import (
    HAPLOTYPE,
    Checkpoint,
    ChecksumError,
    Decoder,
    Encoder,
    FormatError,
    HammingLoss,
    InputError,
    Trainer,
    VersionError,
)
from fastae.checkpoint import dumps_state, loads_state
from fastae.progress import training_bar
from fastae.run import TrainingState, rng_from_array, rng_to_array

GOLDEN = Path(__file__).parent / "golden" / "checkpoint-v1" / "training.ckpt"


class InterruptedTrainingError(Exception):
    pass


def interrupt_before_step(number):
    steps = iter(range(1, number + 1))

    def before_step():
        if next(steps) == number:
            raise InterruptedTrainingError

    return before_step


def assert_same(got, wanted):
    assert got.keys() == wanted.keys()
    for name, array in wanted.items():
        assert got[name].dtype == array.dtype and got[name].tobytes() == array.tobytes(), name


@pytest.fixture(autouse=True)
def _quick_disk(monkeypatch):
    """Do not wait for the disk; the programs that tests kill do."""
    monkeypatch.setattr("os.fsync", lambda file: None)


@pytest.fixture(scope="module")
def uninterrupted():
    return {kind: resumable.result(*resumable.train(None, kind)) for kind in resumable.KINDS}


@pytest.mark.parametrize("kind", resumable.KINDS)
def test_a_training_stopped_at_any_step_resumes_to_the_same_bits(kind, uninterrupted, tmp_path):
    n_epochs = uninterrupted[kind]["history.loss"].size
    last = uninterrupted[kind]["updates"][0]
    assert last == n_epochs * (5 if "watched" in kind else 6)
    for number in (2, 5, 6, 7, 14, last):
        path = tmp_path / f"{number}.ckpt"
        with pytest.raises(InterruptedTrainingError):
            resumable.train(Checkpoint(path, seconds=0), kind, interrupt_before_step(number))
        assert_same(resumable.result(*resumable.train(Checkpoint(path, seconds=0), kind)), uninterrupted[kind])


def test_a_training_stopped_again_and_again_resumes_to_the_same_bits(uninterrupted, tmp_path):
    path = tmp_path / "training.ckpt"
    n_stops = 0
    while True:
        try:
            trained = resumable.train(Checkpoint(path, seconds=0), "watched_stream", interrupt_before_step(4))
            break
        except InterruptedTrainingError:
            n_stops += 1
    assert n_stops == (uninterrupted["watched_stream"]["updates"][0] - 1) // 3
    assert_same(resumable.result(*trained), uninterrupted["watched_stream"])


def program(*arguments):
    return [sys.executable, resumable.__file__, *map(str, arguments)]


@pytest.mark.parametrize("kind", ["plain", "watched_stream"])
def test_a_killed_training_resumes_to_the_same_bits(kind, uninterrupted, tmp_path):
    path, result_path = tmp_path / "training.ckpt", tmp_path / "result.npz"
    for n_steps in (1, 9, 8):
        with subprocess.Popen(program(path, result_path, kind), stdout=subprocess.PIPE) as process:
            for _ in range(n_steps):
                assert process.stdout.readline() == b"step\n"
            process.kill()
        assert process.returncode == -signal.SIGKILL
    subprocess.run(program(path, result_path, kind), check=True, stdout=subprocess.DEVNULL)
    with np.load(result_path) as resumed:
        assert_same(dict(resumed), uninterrupted[kind])


@pytest.mark.parametrize(("call", "number"), [("fsync", 1), ("fsync", 7), ("fsync", 8), ("replace", 9)])
def test_a_training_killed_while_it_writes_its_checkpoint_resumes_to_the_same_bits(
    call, number, uninterrupted, tmp_path
):
    path, result_path = tmp_path / "training.ckpt", tmp_path / "result.npz"
    killed = subprocess.run(program(path, result_path, "plain", call, number), stdout=subprocess.DEVNULL)
    assert killed.returncode == -signal.SIGKILL
    assert path.exists() == ((call, number) != ("fsync", 1))
    assert len(list(tmp_path.glob("*.tmp"))) == ((call, number) in (("fsync", 1), ("fsync", 7)))
    subprocess.run(program(path, result_path, "plain"), check=True, stdout=subprocess.DEVNULL)
    with np.load(result_path) as resumed:
        assert_same(dict(resumed), uninterrupted["plain"])
    assert {file.name for file in tmp_path.iterdir()} == {"training.ckpt", "result.npz"}


def test_a_finished_training_is_read_and_not_repeated(uninterrupted, tmp_path):
    path = tmp_path / "training.ckpt"
    _, first = resumable.train(Checkpoint(path), "watched")
    seen = []
    trained = resumable.train(Checkpoint(path), "watched", interrupt_before_step(1), [lambda t, h: seen.append(h)])
    assert_same(resumable.result(*trained), uninterrupted["watched"])
    assert trained[1].seconds.tolist() == first.seconds.tolist() and seen == []
    assert trained[1].heldout_rows.tolist() == first.heldout_rows.tolist()


def test_a_training_that_a_callback_ended_stays_ended(tmp_path):
    path = tmp_path / "training.ckpt"
    _, history = resumable.train(Checkpoint(path), "plain", callbacks=[lambda t, h: len(h) == 2])
    _, again = resumable.train(Checkpoint(path), "plain", interrupt_before_step(1))
    assert len(history) == len(again) == 2


def test_a_learning_rate_that_a_callback_lowered_is_resumed(tmp_path):
    def lower(trainer, history):
        trainer.learning_rate *= 0.5

    path = tmp_path / "training.ckpt"
    whole = resumable.result(*resumable.train(None, "plain", callbacks=[lower]))
    with pytest.raises(InterruptedTrainingError):
        resumable.train(Checkpoint(path, seconds=0), "plain", interrupt_before_step(14), [lower])
    assert_same(resumable.result(*resumable.train(Checkpoint(path), "plain", callbacks=[lower])), whole)


def small_training(path, X=None, trainer=None, **fit):
    options = {"loss": HammingLoss(HAPLOTYPE), "batch_size": 4} | (trainer or {})
    X = np.random.default_rng(0).integers(0, 2, (20, 6)) if X is None else X
    sizes = options.pop("sizes", [6, 2])
    trainer = Trainer(Encoder(sizes), Decoder(sizes[::-1]), **options)
    return trainer.fit(X, **({"n_epochs": 2, "checkpoint": Checkpoint(path)} | fit))


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"trainer": {"batch_size": 5}}, "batch_size was 4, is 5"),
        ({"trainer": {"seed": 5}}, "seed was 0, is 5"),
        ({"trainer": {"seed": np.random.default_rng(0)}}, "seed was 0, is a generator"),
        ({"trainer": {"sizes": [6, 3]}}, "encoder was Encoder"),
        ({"trainer": {"optimizer": "sgd"}}, "optimizer was Adam"),
        ({"trainer": {"gradient": "reverse"}}, "gradient was forward, is reverse"),
        ({"trainer": {"learning_rate": 0.5}}, "learning_rate was 0.01, is 0.5"),
        ({"trainer": {"schedule": "cosine"}}, "schedule was constant, is cosine"),
        ({"trainer": {"latent_bits": 1}}, "latent_bits was None, is 1"),
        ({"trainer": {"loss": HammingLoss(HAPLOTYPE, temperature=2.0)}}, "loss was HammingLoss 0.5"),
        ({"n_epochs": 3}, "n_epochs was 2, is 3"),
        ({"X": np.zeros((21, 6), int)}, "X was 20 rows of 6, check .*, is 21 rows of 6"),
        ({"X": np.zeros((20, 6), int)}, "X was 20 rows of 6, check"),
        ({"X_heldout": np.zeros((5, 6), int)}, "held-out rows was none, is 5 rows"),
        ({"validation_split": 0.5}, "X was 20 rows"),
        ({"validation_split": 0.5, "patience": 3}, "patience was None, is 3"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused_by_name(change, name, tmp_path):
    path = tmp_path / "training.ckpt"
    small_training(path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=rf"training\.ckpt is the checkpoint of another training: {name}"):
        small_training(path, **change)
    assert path.read_bytes() == before
    small_training(path)  # and the same training goes on


def test_what_cannot_be_kept_is_refused_before_training(tmp_path):
    class Still:
        def __init__(self, params):
            pass

        def update(self, gradient, learning_rate):
            raise AssertionError("trained")

    path = tmp_path / "training.ckpt"
    with pytest.raises(TypeError, match="has no get_state and set_state"):
        small_training(path, trainer={"optimizer": Still})
    with pytest.raises(TypeError, match="is a MT19937 generator; a checkpoint can keep a number or a generator of"):
        small_training(path, trainer={"seed": np.random.Generator(np.random.MT19937(1))})
    with pytest.raises(InputError, match="there is no directory"):
        small_training(tmp_path / "no" / "training.ckpt")
    assert not path.exists()


def test_a_checkpoint_is_written_when_its_seconds_have_gone_by(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    checkpoint = Checkpoint(tmp_path / "training.ckpt", seconds=30)
    assert not checkpoint.is_due()
    now[0] += 30
    assert checkpoint.is_due()
    checkpoint.write(TrainingState({}, {}))
    assert not checkpoint.is_due()
    now[0] += 29.9
    assert not checkpoint.is_due()
    assert Checkpoint("x", seconds=0).is_due()


def test_seconds_count_from_the_start_of_the_training_and_not_of_the_program(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    checkpoint = Checkpoint(tmp_path / "training.ckpt", seconds=30)
    now[0] += 40
    assert checkpoint.read(TrainingState({}, {})) is None
    assert not checkpoint.is_due()


def test_the_progress_bar_of_a_resumed_training_begins_where_it_stopped(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr("fastae.trainer._bar", lambda *rows: seen.append(rows) or training_bar(*rows))
    n_rows = resumable.N_ROWS
    for number, n_done in ((3, 16), (6, 40), (7, n_rows), (9, n_rows + 16)):  # of 6 batches, the last one smaller
        path = tmp_path / f"{number}.ckpt"
        with pytest.raises(InterruptedTrainingError):
            resumable.train(Checkpoint(path, seconds=0), "plain", interrupt_before_step(number))
        resumable.train(Checkpoint(path, seconds=0), "plain", progress=True)
        assert seen.pop() == (resumable.N_EPOCHS * n_rows, n_done)

    def stop(trainer, history):
        raise InterruptedTrainingError

    path = tmp_path / "between.ckpt"  # all batches of an epoch are done, the epoch is not
    with pytest.raises(InterruptedTrainingError):
        resumable.train(Checkpoint(path, seconds=0), "plain", callbacks=[stop])
    resumable.train(Checkpoint(path, seconds=0), "plain", progress=True)
    assert seen.pop() == (resumable.N_EPOCHS * n_rows, n_rows)


@pytest.mark.parametrize("n_drawn", [1, 2])
def test_a_generator_is_kept_with_the_half_number_that_it_has_left(n_drawn):
    rng, again = np.random.default_rng(1), np.random.default_rng(2)
    rng.integers(2**32, size=n_drawn, dtype=np.uint32)
    rng_from_array(again, rng_to_array(rng))
    assert (
        again.integers(2**32, size=4, dtype=np.uint32).tolist() == rng.integers(2**32, size=4, dtype=np.uint32).tolist()
    )


@pytest.mark.parametrize(("seconds", "error"), [(-1, ValueError), (np.nan, ValueError), ("1", TypeError)])
def test_seconds_that_are_none_are_refused(seconds, error):
    with pytest.raises(error, match="seconds"):
        Checkpoint("x", seconds=seconds)


def test_a_path_may_be_bytes_and_nothing_that_is_no_path(tmp_path):
    small_training(os.fsencode(tmp_path / "training.ckpt"))
    assert loads_state((tmp_path / "training.ckpt").read_bytes()).arrays["epoch"] == 2
    with pytest.raises(TypeError, match="os.PathLike object, not int"):
        Checkpoint(3)


def sealed(body):
    return bytes(body) + struct.pack("<I", zlib.crc32(body))


def refused(data, path, error=FormatError, match=""):
    path.write_bytes(data)
    with pytest.raises(error, match=match):
        small_training(path)


def test_the_bytes_are_those_of_the_format_document():
    state = TrainingState({"rows": "é"}, {"epoch": np.array([3]), "x": np.array([1.5], np.float32)})
    body = b"FAECHECK" + struct.pack("<4H", 1, 1, 2, 0)
    body += struct.pack("<H", 4) + b"rows" + struct.pack("<I", 2) + b"\xc3\xa9"
    body += b"\x05epoch" + struct.pack("<BQq", 1, 1, 3)
    body += b"\x01x" + struct.pack("<BQf", 3, 1, 1.5)
    assert dumps_state(state) == sealed(body)


def test_a_checkpoint_of_version_1_is_read_for_ever(tmp_path):
    state = loads_state(GOLDEN.read_bytes())
    assert dumps_state(state) == GOLDEN.read_bytes()
    assert state.settings["n_epochs"] == "6" and state.settings["gradient"] == "reverse"
    assert state.settings["seed"] == "3"
    assert state.arrays["epoch"].tolist() == [2] and state.arrays["batch"].tolist() == [1]
    assert state.arrays["history.loss"].shape == (2,) and state.arrays["encoder.params"].dtype == np.float32
    path = tmp_path / "training.ckpt"
    path.write_bytes(GOLDEN.read_bytes())
    seen = []
    _, history = resumable.train(Checkpoint(path), "plain", callbacks=[lambda t, h: seen.append(len(h))])
    assert seen == [3, 4, 5, 6]  # it went on in the third epoch
    assert history.loss[:2].tolist() == state.arrays["history.loss"].tolist()


def test_every_truncation_and_every_flipped_bit_is_refused(tmp_path):
    small_training(tmp_path / "training.ckpt")
    data = (tmp_path / "training.ckpt").read_bytes()
    for end in range(len(data)):
        with pytest.raises(FormatError):
            loads_state(data[:end])
    with pytest.raises(FormatError):
        loads_state(data + b"\0")
    for place in range(0, len(data)):
        changed = bytearray(data)
        changed[place] ^= 1 << place % 8
        with pytest.raises(FormatError):
            loads_state(changed)


def test_other_bytes_newer_versions_and_changes_are_told_apart(tmp_path):
    path = tmp_path / "training.ckpt"
    small_training(path)
    data = bytearray(path.read_bytes())
    refused(b"PK\x03\x04" + bytes(100), path, match=r"training\.ckpt: the file is not a fastae checkpoint")
    refused(b"", path, match="not a fastae checkpoint")
    newer = bytearray(data)
    newer[8] = 2
    refused(newer, path, VersionError, r"training\.ckpt: the checkpoint has version 2, this release reads 1")
    changed = bytearray(data)
    changed[-10] ^= 1
    refused(changed, path, ChecksumError, "changed since it was written")


@given(data=st.data())
def test_no_bytes_with_a_good_checksum_do_harm(data):
    body = bytearray(GOLDEN.read_bytes()[:-4])
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(8, len(body) - 1))] = data.draw(st.integers(0, 255))
    body = body[: data.draw(st.integers(len(body) - 40, len(body)))]
    try:
        state = loads_state(sealed(body))
    except FormatError:
        return
    assert all(array.ndim == 1 for array in state.arrays.values())


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("epoch", [-1], "history.loss|epoch"),
        ("epoch", [1, 1], "epoch|history"),
        ("epoch", [1], "history.loss"),
        ("batch", [-3], "a negative number in batch"),
        ("updates", [2**62 + 1], "a count beyond all trainings in updates"),
        ("encoder.n_updates", [2**63 - 1], "a count beyond all trainings in encoder.n_updates"),
        ("decoder.params", np.full(18, np.nan, np.float32), "NaN or infinity in decoder.params"),
        ("order_seed", [-1], "a negative number in order_seed"),
        ("best_epoch", [1], "best.encoder"),
        ("encoder.params", np.zeros(3, np.float32), "encoder.params of 3 float32 numbers"),
        ("encoder.params", np.zeros(14), "encoder.params of 14 float64 numbers"),
        ("random", np.array([0, 0, 0, 1, 2, 0], np.uint64), "random generator"),
        ("random", np.array([0, 0, 0, 1, 1, 2**32], np.uint64), "random generator"),
        ("best.encoder", np.zeros(14, np.float32), "best.encoder"),
        ("history.seconds", [1.0], "history.seconds of 1 float64"),
        ("other", [1.0], "other arrays"),
    ],
)
def test_each_array_is_checked_past_the_checksum(name, array, message, tmp_path):
    path = tmp_path / "training.ckpt"
    small_training(path)
    state = loads_state(path.read_bytes())
    state.arrays[name] = np.asarray(array)
    refused(
        dumps_state(state), path, match=f"training.ckpt: the checkpoint holds what no release writes: .*({message})"
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"FAECHECK" + struct.pack("<4H", 1, 0, 0, 1), "a reserved field"),
        (b"FAECHECK" + struct.pack("<4H", 1, 0, 0, 0) + b"x", "1 bytes too many"),
        (b"FAECHECK" + struct.pack("<4H", 1, 1, 0, 0) + b"\1\0\xff\0\0\0\0", "utf-8"),
        (b"FAECHECK" + struct.pack("<4H", 1, 2, 0, 0) + 2 * b"\1\0a\0\0\0\0", "there twice"),
        (b"FAECHECK" + struct.pack("<4H", 1, 0, 1, 0) + b"\1a" + struct.pack("<BQ", 5, 0), "numbers of kind 5"),
        (b"FAECHECK" + struct.pack("<4H", 1, 0, 1, 0) + b"\1a" + struct.pack("<BQ", 1, 2**61), "bytes wanted"),
        (b"FAECHECK" + struct.pack("<4H", 1, 0, 1, 0), "bytes wanted"),
    ],
)
def test_each_field_is_checked_past_the_checksum(body, message):
    with pytest.raises(FormatError, match=f"holds what no release writes: .*{message}"):
        loads_state(sealed(body))


def test_a_directory_is_refused_as_a_checkpoint(tmp_path):
    trainer = Trainer(Encoder([4, 2]), Decoder([2, 4]), loss=HammingLoss(HAPLOTYPE))
    with pytest.raises(InputError, match="is a directory"):
        trainer.fit([[0, 1, 0, 1]], n_epochs=1, checkpoint=Checkpoint(tmp_path))


class _Descent:
    """An optimiser, and with it a schedule, of the caller's own, whose repr is Python's: it names an address."""

    def __init__(self, params=None):
        self.params = params

    def update(self, gradient, learning_rate):
        self.params -= np.asarray(learning_rate * gradient, dtype=self.params.dtype)

    def get_state(self):
        return {}

    def set_state(self, state):
        pass

    def __call__(self, progress):
        return 1 - progress


def test_a_training_with_the_callers_own_optimiser_and_schedule_is_found_again(tmp_path):
    X = np.array([[0, 0, 1, 1], [1, 1, 0, 0]] * 4)
    alive = []  # so that no two are at one address

    def train(**options):
        alive.extend([_Descent(), functools.partial(_Descent())])
        options = {"optimizer": _Descent, "schedule": alive[-1], "batch_size": 4} | options
        trainer = Trainer(Encoder([4, 2]), Decoder([2, 4]), loss=HammingLoss(HAPLOTYPE), **options)
        return trainer.fit(X, n_epochs=3, checkpoint=Checkpoint(tmp_path / "training.ckpt"))

    first = train()
    assert train().seconds.tobytes() == first.seconds.tobytes()  # from the file
    with pytest.raises(ValueError, match="optimizer was <.*_Descent object>, is Adam"):
        train(optimizer="adam")


@pytest.mark.parametrize(("path", "message"), [(".", "is a directory"), ("/dev/zero", "is a pipe or a device")])
def test_a_checkpoint_that_is_no_plain_file_is_refused(path, message):
    with pytest.raises(InputError, match=f"^{path}: .*{message}.*; give the name of a file"):
        resumable.train(Checkpoint(path), "plain")
