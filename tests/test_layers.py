# SPDX-License-Identifier: Apache-2.0
"""The architecture's rule: a module imports its own layer or a lower one; only the edges import other packages."""

import ast
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "fastae"

# A name stands for a module or for a package with all that is in it.
LAYERS = [
    {"errors"},
    {"_core"},
    {"_validate", "alphabet", "bitpack", "rans", "layers", "losses", "autodiff", "gradient_modes", "quantize"},
    {"models", "gradients", "optim", "update", "history", "rows", "run", "trainer", "autoencoder"},
    {
        "regions",
        "cohort",
        "difference",
        "fileio",
        "latents",
        "modelfile",
        "checkpoint",
        "jobs",
        "archive",
        "io",
        "sweep",
        "trainingrows",
    },
    {"plots", "report", "progress", "frames", "integrations", "cli", "demo", "__main__"},
    {"__init__"},
]
OPENS_FILES_FROM = 4  # the first layer that may
MAY_IMPORT_OTHERS = {"io", "plots", "progress", "frames", "integrations", "cli", "demo"}
# What a method hands over to an edge when a user asks for it (a picture, a bar, a frame), imported inside a function.
HANDS_OVER = {
    ("history", "fastae.plots"),
    ("trainer", "fastae.progress"),
    ("autoencoder", "fastae.frames"),
    ("archive", "fastae.integrations"),
    ("cohort", "fastae.frames"),
}
ALLOWED = {"numpy", "scipy", *sys.stdlib_module_names} - {"ctypes"}  # only _core sees C
MODULES = sorted(SOURCE.rglob("*.py"))


LAYER_OF = {room: number for number, rooms in enumerate(LAYERS) for room in rooms}


def imports(tree, path):
    """The absolute dotted names that a module imports, and whether inside a function."""
    package = ("fastae", *path.relative_to(SOURCE).parent.parts)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    inside = {id(node) for function in functions for node in ast.walk(function)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) in inside) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            source = ".".join(part for part in (base, node.module) if part)
            # from a package, each name may be a module of its own
            yield from ((f"{source}.{alias.name}", id(node) in inside) for alias in node.names)


def violations(tree, path):
    room = path.relative_to(SOURCE).with_suffix("").parts[0]
    if room not in LAYER_OF:
        yield f"{room} has no layer yet: give it one in {Path(__file__).name}"
        return
    layer = LAYER_OF[room]
    for name, in_function in imports(tree, path):
        top, *rest = name.split(".")
        if in_function and (room, ".".join([top, *rest[:1]])) in HANDS_OVER:
            continue
        if top == "fastae":
            # what is no module is a re-export of the package, which is above all
            if LAYER_OF.get(rest[0] if rest else "__init__", len(LAYERS)) > layer:
                yield f"{path.name} imports {name}, of a higher layer"
        elif top not in ALLOWED and room not in MAY_IMPORT_OTHERS:
            yield f"{path.name} imports {top}, which only {sorted(MAY_IMPORT_OTHERS)} may"
    if layer < OPENS_FILES_FROM:
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open":
                yield f"{path.name} opens a file"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_module_keeps_to_its_layer(path):
    assert list(violations(ast.parse(path.read_text(encoding="utf-8")), path)) == []


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("errors.py", "from fastae import _core"),
        ("layers.py", "from fastae.models import Encoder"),
        ("layers.py", "import fastae.models"),
        ("layers.py", "from . import models"),
        ("layers.py", "def f():\n    from .trainer import Trainer"),
        ("models.py", "import matplotlib"),
        ("models.py", "from fastae import Encoder"),
        ("models.py", "import fastae"),
        ("layers.py", "import ctypes"),
        ("trainer.py", "open('x')"),
        ("trainer.py", "from fastae.progress import training_bar"),
        ("trainer.py", "def f():\n    from fastae.plots import new_figure"),
        ("archive/reader.py", "from ..cli import main"),
        ("archive/predictors/tree.py", "from ...plots import draw"),
        ("archive/reader.py", "import tqdm"),
        ("newcomer.py", "import numpy"),
    ],
)
def test_the_rule_sees_each_kind_of_trespass(path, line):
    assert len(list(violations(ast.parse(line), SOURCE / path))) == 1
