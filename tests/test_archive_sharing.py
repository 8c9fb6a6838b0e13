# SPDX-License-Identifier: Apache-2.0
"""One archive in many hands: pickled, read by threads, by forked processes and by fresh ones."""

import multiprocessing
import os
import pickle
import signal
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
from cohorts import mixed

import fastae
from fastae import FormatError
from fastae.jobs import ForkLock

HAS_FORK = hasattr(os, "fork")
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


@pytest.fixture(scope="module")
def cohort():
    return mixed(np.random.default_rng(12), n_variants=200, n_samples=60)


@pytest.fixture(scope="module")
def path(cohort, tmp_path_factory):
    path = tmp_path_factory.mktemp("sharing") / "a.fae"
    fastae.write_archive(path, cohort, block_variants=25, block_samples=16)
    return path


def part(archive, start):
    return os.getpid(), archive[start : start + 20, ::-3], archive.samples, archive.read([start]).sites.pos.tolist()


def compare(cohort, starts, results):
    for start, (_, calls, samples, positions) in zip(starts, results, strict=True):
        np.testing.assert_array_equal(calls, cohort.call_genotype[start : start + 20, ::-3])
        assert samples == cohort.samples
        assert positions == [cohort.sites.pos[start]]


def test_a_copy_reads_on_its_own_and_opens_nothing_before_that(path, cohort, tmp_path, monkeypatch):
    monkeypatch.chdir(path.parent)
    with fastae.open(path.name, n_threads=2) as archive:
        monkeypatch.chdir(tmp_path)  # the path that was given means nothing here
        data = pickle.dumps(archive)
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None
    other = pickle.loads(data)
    assert other.shape == cohort.call_genotype.shape
    if before is not None:
        assert len(os.listdir("/proc/self/fd")) == before
    np.testing.assert_array_equal(other[:], cohort.call_genotype)
    again = pickle.loads(pickle.dumps(pickle.loads(data)))  # also of a copy that has opened nothing
    assert again.info() == other.info()
    other.close()
    again.close()
    with pytest.raises(ValueError, match="is closed: open the archive again"):
        other[0]


def test_what_cannot_be_opened_again_is_refused(path, tmp_path):
    with fastae.open(path) as archive:
        pass
    with pytest.raises(ValueError, match="is closed: open the archive again"):
        pickle.dumps(archive)
    moved = tmp_path / "b.fae"
    moved.write_bytes(path.read_bytes())
    with fastae.open(moved) as archive:
        data = pickle.dumps(archive)
    moved.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(FormatError, match="is not the file that it was: open the archive again"):
        pickle.loads(data)[0]
    moved.unlink()
    with pytest.raises(FileNotFoundError):
        pickle.loads(data)[0]


ANSWERS_WHEN_CLOSED = {
    "path": lambda archive: archive.path,
    "shape": lambda archive: archive.shape,
    "dtype": lambda archive: archive.dtype,
    "ndim": lambda archive: archive.ndim,
    "bytes_read": lambda archive: archive.bytes_read,
    "close": lambda archive: archive.close(),
    "__len__": len,
}
REFUSED_WHEN_CLOSED = {
    "__enter__": lambda archive: archive.__enter__(),
    "__getitem__": lambda archive: archive[0],
    "__iter__": lambda archive: next(iter(archive)),
    "__reduce__": pickle.dumps,
    "samples": lambda archive: archive.samples,
    "header": lambda archive: archive.header,
    "source": lambda archive: archive.source,
    "attributes": lambda archive: archive.attributes,
    "sites": lambda archive: archive.sites,
    "variants": lambda archive: archive.variants,
    "windows": lambda archive: archive.windows,
    "window_bytes": lambda archive: archive.window_bytes(),
    "site_bits": lambda archive: archive.site_bits(),
    "query": lambda archive: archive.query("chr1"),
    "region": lambda archive: archive.region("chr1"),
    "read": lambda archive: archive.read([]),
    "read_calls": lambda archive: archive.read_calls([], []),
    "stream": lambda archive: archive.stream(),
    "info": lambda archive: archive.info(),
    "verify": lambda archive: archive.verify(),
    "latents": lambda archive: archive.latents([]),
    "hamming": lambda archive: archive.hamming(),
    "allele_counts": lambda archive: archive.allele_counts([]),
    "dot": lambda archive: archive.dot(np.zeros(60)),
    "rdot": lambda archive: archive.rdot(np.zeros(200)),
    "to_dask": lambda archive: archive.to_dask(),
    "to_xarray": lambda archive: archive.to_xarray(),
}


def test_each_member_of_an_archive_is_known_to_answer_or_not_when_it_is_closed():
    public = {name for name in dir(fastae.Archive) if not name.startswith("_")}
    special = {"__enter__", "__getitem__", "__iter__", "__len__", "__reduce__"}
    assert public | special == ANSWERS_WHEN_CLOSED.keys() | REFUSED_WHEN_CLOSED.keys()


@pytest.mark.parametrize("was_asked", [False, True], ids=["at once", "after all was asked for"])
def test_a_closed_archive_answers_what_it_is_and_refuses_all_else(path, was_asked):
    pytest.importorskip("dask")
    pytest.importorskip("xarray")
    with fastae.open(path) as archive:
        before = {
            name: ask(archive) for name, ask in ANSWERS_WHEN_CLOSED.items() if name not in ("close", "bytes_read")
        }
        for name, ask in REFUSED_WHEN_CLOSED.items() if was_asked else ():
            if name not in ("region", "query"):
                ask(archive)
        blocks = iter(archive)
        next(blocks)
        assert "closed" not in repr(archive)
    archive.close()
    assert repr(archive).endswith("ploidy 2, closed>")
    for name, answer in before.items():
        assert ANSWERS_WHEN_CLOSED[name](archive) == answer
    for ask in REFUSED_WHEN_CLOSED.values():
        with pytest.raises(ValueError, match="is closed: open the archive again"):
            ask(archive)
    with pytest.raises(ValueError, match="is closed: open the archive again"):
        list(blocks)


def test_threads_share_an_archive(path, cohort):
    starts = list(range(0, 180, 9)) * 3
    with fastae.open(path, n_threads=2) as archive, ThreadPoolExecutor(8) as pool:
        compare(cohort, starts, pool.map(lambda start: part(archive, start), starts))
    opened_by_all = pickle.loads(pickle.dumps(fastae.open(path)))
    with opened_by_all as archive, ThreadPoolExecutor(8) as pool:
        compare(cohort, starts, pool.map(lambda start: part(archive, start), starts))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_share_an_archive(path, cohort, method):
    if method == "fork" and not HAS_FORK:
        pytest.skip("needs fork")
    starts = list(range(0, 180, 36))
    context = multiprocessing.get_context(method)
    with fastae.open(path) as archive:
        assert archive.samples == cohort.samples  # so that the file and some of its parts are in use
        with context.Pool(2) as pool:
            results = pool.starmap(part, [(archive, start) for start in starts], chunksize=1)
    compare(cohort, starts, results)
    assert os.getpid() not in {result[0] for result in results}


@pytest.mark.skipif(not HAS_FORK, reason="needs fork")
def test_forked_processes_read_one_open_file_at_a_time_without_disturbing_each_other(path, cohort):
    context = multiprocessing.get_context("fork")
    starts = list(range(0, 180, 9))
    with fastae.open(path) as archive:
        _OF_PARENT["archive"] = archive
        with ProcessPoolExecutor(3, mp_context=context) as pool:
            future = pool.map(_part_of_parents, starts)
            mine = [part(archive, start) for start in starts]
            compare(cohort, starts, future)
        compare(cohort, starts, mine)


_OF_PARENT = {}


def _part_of_parents(start):
    return part(_OF_PARENT["archive"], start)


@pytest.mark.skipif(not HAS_FORK, reason="needs fork")
def test_a_fork_while_another_thread_holds_the_locks_does_not_hang(path, cohort):
    with fastae.open(path) as archive:
        held, done = threading.Event(), threading.Event()

        def hold():
            with archive._lock, archive._reader._lock:
                held.set()
                done.wait()

        thread = threading.Thread(target=hold)
        thread.start()
        held.wait()
        child = os.fork()
        if child == 0:
            os._exit(0 if np.array_equal(archive[3:9], cohort.call_genotype[3:9]) else 1)
        deadline = time.monotonic() + 10
        while (ended := os.waitpid(child, os.WNOHANG))[0] == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        if ended[0] == 0:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        done.set()
        thread.join()
        assert ended[0] == child, "the child hangs"
        assert os.waitstatus_to_exitcode(ended[1]) == 0
        np.testing.assert_array_equal(archive[3:9], cohort.call_genotype[3:9])  # the parent's locks are as they were


def test_a_lock_keeps_others_out():
    lock, order = ForkLock(), []

    def other():
        with lock:
            order.append("other")

    with lock:
        thread = threading.Thread(target=other)
        thread.start()
        time.sleep(0.02)
        order.append("first")
    thread.join()
    assert order == ["first", "other"]
