"""How the pages are built; see `.ci/docs`."""

import re
import shutil
import sys
from pathlib import Path
from typing import Any

import mechopt

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]  # pictures of benchmarks are drawn from their tables

project = "mechopt"
author = "mechopt contributors"
copyright = "2026, mechopt contributors; MIT licence"
release = version = mechopt.__version__
language = "en"
smartquotes = False

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.napoleon",
    "myst_nb",
    "api_lists",
    "badges",
    "bundled_models",
    "commands",
    "docstrings",
    "file_keys",
    "mathml",
    "constraint_diagram",
    "pictures",
]
exclude_patterns = ["_build", "_ext", "notebooks/.ipynb_checkpoints"]

from inventories import reachable  # noqa: E402 - lies in docs/_ext

intersphinx_mapping = reachable()
intersphinx_timeout = 10

# Markdown; notebooks are shown with the outputs that they store.
myst_enable_extensions = ["dollarmath", "deflist", "colon_fence", "attrs_inline", "tasklist"]
myst_heading_anchors = 4
nb_execution_mode = "off"
nb_render_markdown_format = "myst"

# Docstrings are numpydoc; single backticks in them name things.
default_role = "py:obj"
autosummary_generate = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_default_options = {"members": True}
napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
napoleon_preprocess_types = False

html_theme = "furo"
html_title = f"mechopt {release}"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["mechopt.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}

shutil.rmtree(HERE / "notebooks", ignore_errors=True)
(HERE / "notebooks").mkdir()
for notebook in sorted((HERE.parent / "notebooks").glob("*.ipynb")):
    shutil.copy(notebook, HERE / "notebooks" / notebook.name)


def trim(app: Any, name: str, source: list[str]) -> None:
    """Drop the blank line that ends a doctest."""
    source[0] = re.sub(r"\n\n```$", "\n```", source[0], flags=re.MULTILINE)


def setup(app: Any) -> None:
    """Register what is done to pages before they are read."""
    app.connect("source-read", trim)
