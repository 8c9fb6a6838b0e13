# SPDX-License-Identifier: Apache-2.0
"""What `import fastae` gives: complete, documented, and light."""

import ast
import inspect
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import fastae

PUBLIC = {name: getattr(fastae, name) for name in fastae.__all__}
DOCUMENTED = {name: thing for name, thing in PUBLIC.items() if inspect.isclass(thing) or inspect.isfunction(thing)}
EXCEPTIONS = {name for name, thing in PUBLIC.items() if inspect.isclass(thing) and issubclass(thing, Exception)}


def test_all_lists_exactly_what_is_re_exported():
    tree = ast.parse(Path(fastae.__file__).read_text(encoding="utf-8"))
    nodes = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    imported = [alias.asname or alias.name for node in nodes for alias in node.names]
    assert sorted(imported) == sorted(fastae.__all__)
    assert len(set(imported)) == len(imported)


def test_the_package_runs_nothing_at_import():
    tree = ast.parse(Path(fastae.__file__).read_text(encoding="utf-8"))
    kinds = [type(node) for node in tree.body]
    assert kinds.count(ast.Assign) == 1  # __all__
    assert kinds.count(ast.Expr) == 1  # the docstring
    assert [node.name for node in tree.body if isinstance(node, ast.FunctionDef)] == ["__getattr__"]  # for __version__
    assert set(kinds) == {ast.Expr, ast.ImportFrom, ast.Assign, ast.FunctionDef}


def test_version_is_that_of_the_distribution_and_other_names_are_none():
    assert fastae.__version__ == metadata.version("fastae")
    with pytest.raises(AttributeError, match="no attribute 'open_archive'"):
        _ = fastae.open_archive


def test_import_brings_in_no_optional_package():
    code = "import sys, fastae; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "numpy" in loaded
    assert not {"cyvcf2", "matplotlib", "tqdm", "scipy", "pandas", "fsspec"} & set(loaded)


@pytest.mark.parametrize("name", sorted(set(DOCUMENTED) - EXCEPTIONS))
def test_public_object_has_a_numpydoc_docstring_with_an_example(name):
    doc = inspect.getdoc(DOCUMENTED[name])
    assert doc, f"{name} has no docstring"
    assert "\nExamples\n--------\n" in doc
    assert ">>>" in doc.partition("\nExamples\n")[2]
    if inspect.isfunction(DOCUMENTED[name]) and inspect.signature(DOCUMENTED[name]).parameters:
        assert "\nParameters\n----------\n" in doc


@pytest.mark.parametrize("name", sorted(name for name in DOCUMENTED if inspect.isclass(DOCUMENTED[name])))
def test_public_methods_have_docstrings_and_exceptions_too(name):
    thing = DOCUMENTED[name]
    assert thing.__doc__
    members = {member: value for member, value in vars(thing).items() if not member.startswith("_")}
    methods = [m for m in members if inspect.isroutine(getattr(thing, m))]
    assert [m for m in methods if not inspect.getdoc(getattr(thing, m))] == []


@pytest.mark.parametrize("name", sorted(set(DOCUMENTED) - EXCEPTIONS))
def test_every_argument_and_result_of_the_public_api_has_a_type(name):
    thing = DOCUMENTED[name]
    functions = {name: thing}
    if inspect.isclass(thing):
        members = [getattr(thing, member) for member in dir(thing) if not member.startswith("_")]
        functions |= {member.__qualname__: member for member in members if inspect.isroutine(member)}
    untyped = [
        f"{where}: {argument}"
        for where, function in functions.items()
        for argument, known in inspect.signature(function).parameters.items()
        if known.annotation is inspect.Parameter.empty and argument != "self"
    ]
    results = [where for where, function in functions.items() if not inspect.isclass(function)]
    untyped += [where for where in results if inspect.signature(functions[where]).return_annotation is inspect._empty]
    assert untyped == []


@pytest.mark.parametrize("name", sorted(EXCEPTIONS))
def test_every_exception_of_ours_is_a_fastae_error(name):
    assert issubclass(PUBLIC[name], fastae.FastaeError)
