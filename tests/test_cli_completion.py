# SPDX-License-Identifier: Apache-2.0
"""Completion as the shells themselves do it with the scripts that `fastae completion` prints."""

import shutil
import subprocess

import pytest

from fastae.cli import COMMANDS, main

needs = {
    shell: pytest.mark.skipif(shutil.which(shell) is None, reason=f"{shell} is not installed")
    for shell in ("bash", "zsh", "fish")
}


@pytest.fixture
def script(capsys):
    def of(shell):
        assert main(["completion", shell]) == 0
        return capsys.readouterr().out

    return of


def in_bash(script, *words):
    """What bash makes of the last of some words."""
    ask = 'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _fastae; printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(
        ["bash", "--norc", "-uc", f"{script}\n{ask}", "bash", *words], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout.split()


@needs["bash"]
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["fastae", "comp"], ["compress", "completion"]),
        (["fastae", "--v"], ["--version"]),
        (["fastae", "view", "--reg"], ["--regions", "--regions-file", "--regions-overlap"]),
        (["fastae", "view", "x.fae", "--no"], ["--no-header"]),
        (["fastae", "compress", "--preset", ""], ["fast", "default", "max"]),
        (["fastae", "compress", "--preset", "=", "d"], ["default"]),
        (["fastae", "compress", "--preset", "="], ["fast", "default", "max"]),
        (["fastae", "view", "x.fae", "-O", "z"], ["z"]),
        (["fastae", "completion", ""], ["bash", "zsh", "fish"]),
        (["fastae", "help", "deco"], ["decompress"]),
        (["fastae", "view", "--output", "--"], []),
        (["fastae", "view", "x"], []),
        (["fastae", "nosuch", "--x"], []),
    ],
    ids=lambda value: " ".join(value),
)
def test_bash_completes(script, words, expected):
    assert in_bash(script("bash"), *words) == expected


@needs["bash"]
def test_bash_knows_every_command_and_leaves_files_to_itself(script):
    assert [word for word in in_bash(script("bash"), "fastae", "") if word[0] != "-"] == list(COMMANDS)
    asked = subprocess.run(
        ["bash", "--norc", "-c", f"{script('bash')}\ncomplete -p fastae"], capture_output=True, text=True, check=True
    )
    assert asked.stdout == "complete -o default -F _fastae fastae\n"


@needs["fish"]
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("fastae comp", ["compress", "completion"]),
        ("fastae view --reg", ["--regions", "--regions-file", "--regions-overlap"]),
        ("fastae compress --preset ", ["fast", "default", "max"]),
        ("fastae completion ", ["bash", "fish", "zsh"]),
    ],
)
def test_fish_completes(script, tmp_path, line, expected):
    (tmp_path / "fastae.fish").write_text(script("fish"))
    ask = f"source fastae.fish; complete -C {line!r}"
    done = subprocess.run(["fish", "--no-config", "-c", ask], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert sorted(answer.split("\t")[0] for answer in done.stdout.splitlines()) == sorted(expected)


@needs["zsh"]
def test_zsh_reads_its_script(script, tmp_path):
    (tmp_path / "_fastae").write_text(script("zsh"))
    subprocess.run(["zsh", "-fn", tmp_path / "_fastae"], check=True)
