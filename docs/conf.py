# SPDX-License-Identifier: Apache-2.0
"""How Sphinx makes a site of these pages (`make docs`): warnings are errors, and the notebook is run."""

from importlib.metadata import version as version_of

project = "fastae"
author = "the fastae authors"
version = release = version_of("fastae")

extensions = ["myst_nb", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.autosummary"]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
myst_heading_anchors = 4
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
autodoc_typehints = "none"  # numpydoc's sections say the types
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
html_theme = "furo"
html_title = f"fastae {version}"

# Files beside docs/ are pages of the site. Their links, and those to them, are made for readers of the files.
OUTSIDE = {"../FORMAT.md": "format.md", "../CONTRIBUTING.md": "contributing.md", "../bench/README.md": "benchmarks.md"}


def _links_of_the_site(text: str, prefix: str = "") -> str:
    for file, page in OUTSIDE.items():
        text = text.replace(f"]({prefix}{file}", f"]({prefix}{page}")
    return text


def _read(app, name, source):
    source[0] = _links_of_the_site(source[0], "../" * name.count("/"))


def _include(app, path, name, source):
    source[0] = source[0].replace("](docs/", "](").replace("](FORMAT.md", "](format.md")


def setup(app):
    app.connect("source-read", _read)
    app.connect("include-read", _include)
