# SPDX-License-Identifier: Apache-2.0
"""Completion as the shells themselves do it with the scripts that `fastae completion` prints."""

import contextlib
import os
import shutil
import subprocess
import threading

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
        (["fastae", "view", "-r", "x"], []),
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
        ("fastae completion zsh ", []),
        ("fastae plot ", ["bits", "front", "history", "latents", "sizes"]),
        ("fastae plot bits co", ["cohort.fae"]),
        ("fastae view co", ["cohort.fae"]),
        ("fastae view x.fae -R co", ["cohort.fae"]),
        ("fastae view x.fae -r co", []),
    ],
)
def test_fish_completes(script, tmp_path, line, expected):
    (tmp_path / "cohort.fae").touch()
    (tmp_path / "fastae.fish").write_text(script("fish"))
    ask = f"source fastae.fish; complete -C {line!r}"
    done = subprocess.run(["fish", "--no-config", "-c", ask], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert sorted(answer.split("\t")[0] for answer in done.stdout.splitlines()) == sorted(expected)


ZSH = r"""
PROMPT=
fpath=($PWD $fpath)
autoload -Uz compinit && compinit -u -D
bindkey '^I' complete-word
compadd () {  # notes what is offered
    if [[ ${@[1,(i)(-|--)]} != *-(O|A|D)\ * ]]; then
        typeset -a offered
        builtin compadd -A offered "$@"
        print -rl -- $offered >>offered
    fi
    builtin compadd "$@"
}
comppostfuncs=(exit)
"""


def typed(shell, folder, text):
    """Type into a shell at a terminal, and wait until it ends."""
    ours, theirs = os.openpty()
    environment = {**os.environ, "TERM": "xterm", "PS1": "", "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    streams = {name: theirs for name in ("stdin", "stdout", "stderr")}
    with subprocess.Popen(shell, cwd=folder, env=environment, start_new_session=True, **streams) as process:
        os.close(theirs)
        os.write(ours, text.encode())
        reader = threading.Thread(target=_drained, args=[ours], daemon=True)  # lest a full terminal stops it
        reader.start()
        try:
            process.wait(30)
        finally:
            process.kill()
    reader.join()
    os.close(ours)


def _drained(terminal):
    with contextlib.suppress(OSError):  # which tells that its other end is closed
        while os.read(terminal, 4096):
            pass


@needs["zsh"]
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("fastae comp", ["completion", "compress"]),
        ("fastae --v", ["--version"]),
        ("fastae view --reg", ["--regions", "--regions-file", "--regions-overlap"]),
        ("fastae compress --preset ", ["default", "fast", "max"]),
        ("fastae compress --preset=d", ["default"]),
        ("fastae view x.fae -O", ["b", "u", "v", "z"]),
        ("fastae view co", ["cohort.fae"]),
        ("fastae view x.fae -R co", ["cohort.fae"]),
        ("fastae view x.fae -r co", []),
        ("fastae plot ", ["bits", "front", "history", "latents", "sizes"]),
        ("fastae plot bits co", ["cohort.fae"]),
        ("fastae completion ", ["bash", "fish", "zsh"]),
        ("fastae completion zsh ", []),
    ],
)
def test_zsh_offers_at_a_terminal(script, tmp_path, line, expected):
    (tmp_path / "_fastae").write_text(script("zsh"))
    (tmp_path / "init").write_text(ZSH)
    (tmp_path / "cohort.fae").touch()
    typed(["zsh", "-f", "-i"], tmp_path, f". ./init\n{line}\t")
    offered = tmp_path / "offered"
    assert sorted(set(offered.read_text().split())) == expected if offered.exists() else expected == []


@pytest.mark.parametrize("shell", [pytest.param(name, marks=needs[name]) for name in ("bash", "zsh")])
@pytest.mark.parametrize(
    ("line", "run"),
    [
        ("fastae compl\tb\t", "completion bash"),
        ("fastae view coh\t", "view cohort.fae"),
        ("fastae compress --pres\tf\t", "compress --preset fast"),
        ("fastae view -o coh\t", "view -o cohort.fae"),
        ("fastae view -r coh\t", "view -r coh"),
    ],
)
def test_a_tab_completes_what_is_run(script, tmp_path, shell, line, run):
    (tmp_path / "cohort.fae").touch()
    (tmp_path / "script").write_text(script(shell))
    (tmp_path / "fastae").write_text('#!/bin/sh\necho "$@" >ran\n')
    (tmp_path / "fastae").chmod(0o755)
    begin = {"bash": ["bash", "--norc", "--noprofile", "-i"], "zsh": ["zsh", "-f", "-i"]}[shell]
    first = "autoload -Uz compinit && compinit -u -D; . ./script\n" if shell == "zsh" else ". ./script\n"
    typed(begin, tmp_path, f"{first}{line}\nexit\n")
    assert (tmp_path / "ran").read_text().strip().replace("=", " ") == run
