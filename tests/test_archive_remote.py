# SPDX-License-Identifier: Apache-2.0
"""Archives elsewhere: only what is asked for is read, and a server that misbehaves is an error in one sentence."""

import os
import pickle
import re
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

import fastae
from fastae import Cohort, FormatError, InputError
from fastae.archive import blocks, container
from fastae.archive.container import ContainerReader
from fastae.cli import main

fsspec = pytest.importorskip("fsspec")
N_VARIANTS, N_SAMPLES = 2000, 600


class Handler(BaseHTTPRequestHandler):
    """Serves `files`, in parts if asked to, and misbehaves as `server.fault` says."""

    def do_HEAD(self):  # noqa: N802
        self._answer(b"")

    def do_GET(self):  # noqa: N802
        self._answer(None)

    def _answer(self, body):
        server = self.server
        data = server.files.get(self.path)
        if data is None or server.fault == "gone":
            self.send_error(404)
            return
        wanted = self.headers.get("Range")
        start, stop, status = 0, len(data), 200
        if wanted and server.fault != "no ranges":
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, stop, status = int(first), min(int(last) + 1, len(data)), 206
        if body is None:
            server.asked.append((start, stop))
            body = data[start:stop]
        if server.fault == "short" and status == 206:
            body = body[: len(body) // 2]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if self.command == "GET" else stop - start))
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(data)}")
        self.end_headers()
        if server.fault == "drop":
            body = body[: len(body) // 2]
            self.close_connection = True
        try:
            self.wfile.write(body)
            server.sent += len(body)
        except OSError:
            pass  # whoever asked has hung up

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def calls():
    return np.random.default_rng(5).integers(0, 2, (N_VARIANTS, N_SAMPLES, 2), dtype=np.int8)


@pytest.fixture(scope="module")
def local(calls, tmp_path_factory):
    path = tmp_path_factory.mktemp("remote") / "a.fae"
    cohort = Cohort.from_arrays(calls)
    fastae.write_archive(path, cohort, predictor="frequency", block_variants=100, block_samples=100)
    return path


@pytest.fixture
def server(local):
    pytest.importorskip("aiohttp")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.files, server.fault, server.asked, server.sent = {"/a.fae": local.read_bytes()}, None, [], 0
        server.url = f"http://127.0.0.1:{server.server_port}/a.fae"
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield server
        server.shutdown()
        thread.join()
    fsspec.get_filesystem_class("http").clear_instance_cache()


def test_a_slice_over_http_downloads_its_blocks_and_little_else(server, local, calls):
    def asked():  # bytes, which are noted before they are sent
        return sum(stop - start for start, stop in server.asked)

    size = local.stat().st_size
    with fastae.open(server.url) as archive:
        assert archive.shape == calls.shape
        assert len(server.asked) <= 2  # the end, and the first bytes
        at_open, n_requests = asked(), len(server.asked)
        assert at_open < 66_000
        np.testing.assert_array_equal(archive[130:140], calls[130:140])
        a_window = max(s.length for s in archive._reader.index.sections if s.kind == container.BLOCK) * 6
        assert 0 < asked() - at_open < 1.1 * a_window
        assert len(server.asked) - n_requests <= 2  # its six blocks lie side by side
        assert archive.bytes_read < 0.2 * size
        assert archive.path == server.url
    assert asked() < 0.4 * size


def test_everything_over_http_is_what_was_written(server, local, calls):
    with fastae.open(server.url, n_threads=2) as archive, fastae.open(local) as original:
        np.testing.assert_array_equal(archive[:], calls)
        assert archive.samples == original.samples and archive.header == original.header
        assert fastae.first_difference(archive.stream(samples=["S3"]), original.stream(samples=["S3"])) is None
        archive.verify()


def test_of_a_long_read_some_is_decoded_before_the_rest_is_asked_for(server, calls, monkeypatch):
    monkeypatch.setattr(blocks, "_BATCH_BYTES", 20_000)
    held = []
    read_run = ContainerReader._read_run

    def watching(reader, run):
        read_run(reader, run)
        held.append(sum(map(len, reader._ahead.values())))

    monkeypatch.setattr(ContainerReader, "_read_run", watching)
    with fastae.open(server.url) as archive:
        np.testing.assert_array_equal(archive[:], calls)
        assert not archive._reader._ahead
    assert 5_000 < max(held) < 45_000
    assert len(server.asked) < 60


def test_a_server_without_ranges_is_refused_before_it_sends_everything(server):
    server.fault = "no ranges"
    server.files["/a.fae"] += bytes(50_000_000)
    with pytest.raises(InputError, match="does not give parts of a file .range requests.: download it first"):
        fastae.open(server.url)
    assert server.sent < 25_000_000


def test_a_server_that_stops_giving_ranges_is_refused(server):
    with fastae.open(server.url) as archive:
        server.fault = "no ranges"
        with pytest.raises(InputError, match="cannot be read in pieces: download it first"):
            archive[0]


@pytest.mark.parametrize("fault", ["short", "drop"])
def test_an_answer_cut_short_is_an_error_that_says_where(server, fault):
    with fastae.open(server.url) as archive:
        server.fault = fault
        with pytest.raises(OSError, match=r"http://127.*a\.fae: (\d+ of \d+ bytes at \d+ came|reading \d+ bytes at)"):
            archive[0]
        server.fault = None
        assert archive[0].shape == (N_SAMPLES, 2)  # and the next request is a new one


def test_a_file_that_is_not_there_is_named(server):
    with pytest.raises(FileNotFoundError, match=r"http://.*/none\.fae: there is no such file"):
        fastae.open(server.url.replace("a.fae", "none.fae"))
    with fastae.open(server.url) as archive:
        server.fault = "gone"
        with pytest.raises(FileNotFoundError, match="there is no such file"):
            archive[0]


def test_a_server_that_is_not_there_is_an_os_error(server):
    with pytest.raises(OSError, match=r"a\.fae: opening it failed: .*connect"):
        fastae.open("http://127.0.0.1:9/a.fae")


def test_another_file_elsewhere_is_no_archive(server):
    server.files["/page.html"] = b"<html>" * 100
    with pytest.raises(FormatError, match=r"http://.*page\.html is not a fastae archive"):
        fastae.open(server.url.replace("a.fae", "page.html"))


def test_urls_and_files_of_fsspec_name_archives(local, calls, tmp_path):
    fsspec.filesystem("memory").pipe("/a.fae", local.read_bytes())
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.write(local, "in/a.fae")
    places = [
        "memory://a.fae",
        f"file://{local}",
        f"zip://in/a.fae::{tmp_path / 'b.zip'}",
        fsspec.open("memory://a.fae"),
        fsspec.open(local),
    ]
    for place in places:
        with fastae.open(place) as archive:
            np.testing.assert_array_equal(archive[300:302, -1], calls[300:302, -1])
        with pytest.raises(ValueError, match="is closed: open the archive again"):
            archive[0]
    with fsspec.open(local) as file, fastae.open(file) as archive:
        assert archive.shape == calls.shape
    fsspec.filesystem("memory").rm("/a.fae")


def test_what_fsspec_cannot_open_is_refused_with_what_to_do(local):
    with pytest.raises(InputError, match="Protocol not known: carrier.*give a path, or a URL of a protocol"):
        fastae.open("carrier://a.fae")
    with pytest.raises(InputError, match="without compression="):
        fastae.open(fsspec.open(f"file://{local}", compression="gzip"))


def test_without_fsspec_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(InputError, match=r"need fsspec: pip install 'fastae\[remote\]'"):
        fastae.open("https://example.org/a.fae")


def test_an_archive_elsewhere_is_pickled_by_its_place(server, calls):
    with fastae.open(server.url) as archive:
        data = pickle.dumps(archive)
    n_asked = len(server.asked)
    with pickle.loads(data) as copy:
        assert copy.shape == calls.shape
        assert len(server.asked) == n_asked  # nothing is asked for before it is needed
        np.testing.assert_array_equal(copy[5, 7:9], calls[5, 7:9])
    with fsspec.open(server.url) as file, fastae.open(file) as archive:
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(archive))[5], calls[5])


def test_an_archive_in_memory_is_not_pickled(local):
    fsspec.filesystem("memory").pipe("/a.fae", local.read_bytes())
    with fastae.open("memory://a.fae") as archive, pytest.raises(TypeError, match="in the memory of this process"):
        pickle.dumps(archive)
    fsspec.filesystem("memory").rm("/a.fae")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_makes_connections_of_its_own(server, calls):
    with fastae.open(server.url) as archive:
        np.testing.assert_array_equal(archive[0], calls[0])
        child = os.fork()
        if child == 0:
            os._exit(0 if np.array_equal(archive[5], calls[5]) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        np.testing.assert_array_equal(archive[700], calls[700])


@pytest.mark.parametrize(
    "command",
    [
        *("info {}", "info {} --json", "verify {}", "view {} -r 1:5-9 -s S3", "decompress {} {out}.vcf", "latents {}"),
        *("subset {} -r 1:5-9 -o {out}", "concat {} -o {out}", "plot latents {} -o {out}.png"),
        *("train {} -r 1:5-90 --epochs 1 --latents 2 --hidden 2 -o {out}", "plot bits {} -o {out}.svg"),
        "sweep {} -r 1:5-90 --latents 2 --bits 1 --depth 1 --epochs 1",
    ],
)
def test_commands_read_archives_behind_urls(server, tmp_path, capfd, command):
    if command.startswith("plot"):
        pytest.importorskip("matplotlib")
    calls = np.random.default_rng(5).integers(0, 2, (100, 40, 2), dtype=np.int8)
    fastae.write_archive(tmp_path / "a.fae", calls, predictor="frequency", n_latents=2)
    server.files["/a.fae"] = (tmp_path / "a.fae").read_bytes()
    said = []
    for name in (server.url, str(tmp_path / "a.fae")):
        out = str(tmp_path / "out")
        assert main([*command.format(name, out=out).split(), "-q"]) == 0
        text = re.sub(r"\b[0-9.]+( *\n|$)|(seconds +)[0-9.e-]+", "", capfd.readouterr().out.replace(name, "it"))
        said.append((text, {path.suffix: path.read_bytes() for path in tmp_path.glob("out*") if path.suffix != ".tsv"}))
    assert said[0] == said[1]
