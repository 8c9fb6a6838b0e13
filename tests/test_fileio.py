# SPDX-License-Identifier: Apache-2.0
"""An output file appears complete or not at all."""

import errno
import os
import stat
import subprocess
import sys

import pytest

from fastae.errors import InputError
from fastae.fileio import atomic_output, read_kept


def test_the_file_has_its_name_only_when_it_is_complete(tmp_path):
    with atomic_output(tmp_path / "out") as file:
        file.write(b"half")
        assert not (tmp_path / "out").exists()
        file.write(b" and half")
    assert (tmp_path / "out").read_bytes() == b"half and half"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit])
def test_any_exception_leaves_the_old_file_and_no_other(tmp_path, kind):
    (tmp_path / "out").write_bytes(b"old")
    with pytest.raises(kind), atomic_output(tmp_path / "out") as file:
        file.write(b"new")
        raise kind
    assert (tmp_path / "out").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_writers_of_one_file_do_not_take_away_what_the_other_writes(tmp_path):
    with atomic_output(tmp_path / "out") as first:
        first.write(b"first")
        with pytest.raises(KeyboardInterrupt), atomic_output(tmp_path / "out") as second:
            second.write(b"second")
            raise KeyboardInterrupt
    assert (tmp_path / "out").read_bytes() == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_output_that_is_an_input_is_refused_by_any_name(tmp_path):
    (tmp_path / "in").write_bytes(b"data")
    (tmp_path / "hard").hardlink_to(tmp_path / "in")
    (tmp_path / "soft").symlink_to(tmp_path / "in")
    for name in ("in", "hard", "soft"):
        with pytest.raises(InputError, match="is the input"), atomic_output(tmp_path / name, [tmp_path / "in"]):
            pass
    assert (tmp_path / "in").read_bytes() == b"data"


def test_a_directory_or_a_path_in_none_is_refused(tmp_path):
    with pytest.raises(InputError, match="is a directory"), atomic_output(tmp_path):
        pass
    with pytest.raises(InputError, match="no directory"), atomic_output(tmp_path / "sub" / "out"):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_without_write_permission_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="cannot be written"), atomic_output(tmp_path / "out"):
        pass
    tmp_path.chmod(0o700)


def test_a_failing_write_names_the_output(tmp_path):
    with pytest.raises(OSError, match="No space left") as caught, atomic_output(tmp_path / "out"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert caught.value.filename == str(tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_replaced_file_keeps_its_permissions_and_a_new_one_follows_the_umask(tmp_path):
    (tmp_path / "old").write_bytes(b"")
    (tmp_path / "old").chmod(0o604)
    mask = os.umask(0o027)
    try:
        for name in ("old", "new"):
            with atomic_output(tmp_path / name) as file:
                file.write(b"x")
    finally:
        os.umask(mask)
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("old", "new")] == [0o604, 0o640]


def test_a_link_stays_a_link_and_its_target_is_replaced(tmp_path):
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    with atomic_output(tmp_path / "link") as file:
        file.write(b"new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real").read_bytes() == b"new"


def test_what_is_no_regular_file_is_written_and_never_replaced(tmp_path):
    """A pipe of the test's own stands for every device: were the claim false, root would lose the real ones."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with atomic_output(pipe) as file:
            file.write(b"x")
        assert os.read(reader, 10) == b"x"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_what_a_killed_writer_left_is_removed_and_nothing_else(tmp_path):
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    dead, alive = process.pid, os.getpid()
    left = f"kept.0123abcd.{dead}.tmp"
    others = [
        f"kept.0123abcd.{alive}.tmp",
        f"other.0123abcd.{dead}.tmp",
        f"kept2.0123abcd.{dead}.tmp",
        f"kept.0123abc.{dead}.tmp",
        f"kept.0123abcd.{dead}.tmp2",
        "kept.tmp",
        "kept",
    ]
    for name in [left, *others]:
        (tmp_path / name).write_bytes(b"x")
    assert read_kept(tmp_path / "kept") == b"x"
    assert {file.name for file in tmp_path.iterdir()} == set(others)
