"""A public name means what `mechopt/__init__.pyi` says, in whatever order modules are imported.

Python sets a package's attribute to a submodule when that is imported: a function `mo.f` beside a package `mechopt/f/`
would become the package. Each order has a process of its own.
"""

import ast
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import mechopt as mo

STUB = ast.parse(Path(mo.__file__).with_name("__init__.pyi").read_text(encoding="utf-8"))
LINES = [(node.module, name.name) for node in STUB.body if isinstance(node, ast.ImportFrom) for name in node.names]
MODULES = sorted(module.name for module in pkgutil.walk_packages(mo.__path__, "mechopt."))

AGREE = f"""
import sys
for module, name in {LINES!r}:
    want = sys.modules[f"mechopt.{{name}}"] if module is None else getattr(sys.modules[f"mechopt.{{module}}"], name)
    assert getattr(mo, name) is want, name
"""
IMPORT_ALL = f"""
import importlib
for module in {[module for module in MODULES if not module.endswith("__main__")]!r}:
    importlib.import_module(module)
"""
TOUCH_ALL = "import mechopt as mo\nfor name in mo.__all__: getattr(mo, name)\n"
USE = "assert mo.verify(mo.optimum(mo.IndependentTypes.iid([1, 2], ['1/2', '1/2'], 2)).mechanism).holds\n"


def passes(program):
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "program",
    [
        f"from mechopt.verification.verify import Report\nfrom mechopt import verify\nimport mechopt as mo\n{USE}",
        f"import mechopt as mo, importlib\nimportlib.import_module('mechopt.verification.verify')\n{USE}",
        f"import mechopt as mo\nmo.verify\nimport mechopt.verification.verify\n{USE}",
    ],
    ids=["module-first", "package-first", "name-first"],
)
def test_verify_stays_a_function(program):
    passes(program)


@pytest.mark.parametrize(
    "program",
    [
        IMPORT_ALL + TOUCH_ALL + AGREE,
        TOUCH_ALL + IMPORT_ALL + AGREE,
        TOUCH_ALL + IMPORT_ALL + TOUCH_ALL + AGREE,
    ],
    ids=["modules-first", "names-first", "names-twice"],
)
def test_every_name_is_what_the_list_says(program):
    passes(program)


def test_a_name_of_ours_that_is_not_in_the_list_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nothing_of_that_name"):
        mo.nothing_of_that_name  # noqa: B018


@pytest.mark.parametrize("names_first", [False, True], ids=["modules-first", "names-first"])
@pytest.mark.parametrize("registered", [False, True], ids=["by-the-user", "by-the-package-itself"])
def test_namespaces_and_functions_beside_modules_of_their_names(tmp_path, names_first, registered):
    """The rule on a package made for it: `f` a function of f/g.py, `h` a function from elsewhere, `n` a namespace."""
    package = tmp_path / "mechopt"
    init = Path(mo.__file__).read_text(encoding="utf-8")
    files = {
        "__init__.py": init,
        "registrations.py": "import mechopt.f.g, mechopt.h.deep" if registered else "",
        "__init__.pyi": "from . import n as n\nfrom .f.g import f as f\nfrom .rest import h as h\n",
        "f/__init__.py": "",
        "f/g.py": "def f(): return 'f'",
        "h/__init__.py": "",
        "h/deep.py": "",
        "rest.py": "def h(): return 'h'",
        "n/__init__.py": "",
        "n/m.py": "x = 1",
    }
    for name, text in files.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text, encoding="utf-8")
    use = "assert mo.f() == 'f' and mo.h() == 'h' and mo.n is sys.modules['mechopt.n']\n"
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import mechopt as mo\n"
        + (use if names_first else "")
        + f"import mechopt.f.g, mechopt.h.deep, mechopt.n.m, mechopt.rest\n{use}assert mo.n.m.x == 1\n"
    )
    passes(program)
