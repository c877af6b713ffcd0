"""The shape of the package, read from its sources: no import circle, folders and files that one finds one's way in."""

import ast
from itertools import pairwise
from pathlib import Path

import pytest

import mechopt

ROOT = Path(mechopt.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
FULLEST, LONGEST = 16, 400

JUSTIFIED = {
    # One paper, one chain of steps from a rule to its transfers; a folder within would cut the chain at no joint.
    "closedform/contingent": 17,
}
"""Folders with more files than others may have, and why."""

LAYERS = ["core", "environment", "histories", "mechanism", "lp proof", "solve closedform verification modelfile"]
LAYERS += ["study", "show", "cli"]
"""Packages from below to above; those in one row do not import each other."""
AGAINST = {("proof", "histories"), ("proof", "lp"), ("modelfile", "lp"), ("closedform", "lp"), ("verification", "lp")}
"""What layers would allow, but what writes down, checks or proves has not to do with what finds."""


def module_of(path):
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(source, module, modules):
    """Modules of ours that a module imports anywhere: at the top, in functions, and under TYPE_CHECKING."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = module.split(".")[: -node.level]
                base = ".".join([*above, *([base] if base else [])])
            found |= {f"{base}.{name.name}" if f"{base}.{name.name}" in modules else base for name in node.names}
        elif isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
    return {name for name in found if name in modules} - {module}


def circle(graph):
    """A circle of modules as a list that begins and ends with the same one; None where there is none."""
    done, path = set(), []

    def visit(node):
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return None
        path.append(node)
        for following in sorted(graph[node]):
            if (found := visit(following)) is not None:
                return found
        path.pop()
        done.add(node)
        return None

    return next((found for node in sorted(graph) if (found := visit(node)) is not None), None)


@pytest.fixture(scope="module")
def graph():
    sources = {module_of(path): path.read_text(encoding="utf-8") for path in FILES}
    return {module: imports(source, module, sources) for module, source in sources.items()}


def test_the_graph_is_that_of_the_package(graph):
    assert len(graph) > 250
    assert "mechopt.core.errors" in graph["mechopt.mechanism.direct"]
    delayed = graph["mechopt.cli.solving"]
    assert "mechopt.mechanism.archive" in delayed


def test_there_is_no_import_circle(graph):
    found = circle(graph)
    assert found is None, " imports ".join(found)


SAMPLES = {
    "at-the-top": ("from p.b import x", "import p.a", ["p.a", "p.b", "p.a"]),
    "delayed": ("from p.b import x", "def f():\n    from p import a", ["p.a", "p.b", "p.a"]),
    "for-types": ("from .b import x", "if TYPE_CHECKING:\n    from p.a import y", ["p.a", "p.b", "p.a"]),
    "none": ("from p.b import x", "import numpy", None),
}


@pytest.mark.parametrize(("a", "b", "expected"), SAMPLES.values(), ids=SAMPLES)
def test_circles_are_found(a, b, expected):
    sources = {"p.a": a, "p.b": b}
    assert circle({module: imports(source, module, sources) for module, source in sources.items()}) == expected


def test_folders_are_not_too_full():
    folders = {path.parent for path in FILES}
    counts = {str(folder.relative_to(ROOT)): len(list(folder.glob("*.py"))) for folder in folders}
    assert {name: count for name, count in counts.items() if count > JUSTIFIED.get(name, FULLEST)} == {}
    assert {name for name in JUSTIFIED if counts.get(name, 0) <= FULLEST} == set(), "need no justification any more"


def test_files_are_not_too_long():
    lengths = {module_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST} == {}


def test_packages_import_what_lies_below_alone(graph):
    height = {package: k for k, row in enumerate(LAYERS) for package in row.split()}
    packages = {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()}
    assert packages == set(height), "a package is in no layer, or a layer is gone"
    wrong = []
    for module, imported in graph.items():
        own = module.split(".")[1:2]
        if not own or own[0] not in height:
            continue  # what lies at the top: the public names, registrations and the conformance suite
        for other in imported:
            package = other.split(".")[1:2]
            if package in ([], own):  # the package itself has the version
                continue
            if height.get(package[0], len(LAYERS)) < height[own[0]] and (own[0], package[0]) not in AGAINST:
                continue
            wrong.append(f"{module} imports {other}")
    assert wrong == []


def test_layers_are_those_of_the_import_contracts():
    """The linter follows chains of imports and names the same layers."""
    import tomllib

    project = tomllib.loads((ROOT.parent / "pyproject.toml").read_text(encoding="utf-8"))
    (layers,) = (c["layers"] for c in project["tool"]["importlinter"]["contracts"] if c["type"] == "layers")
    said = [set(row.replace("mechopt.", "").split(" | ")) for row in reversed(layers)]
    ours = [set(row.split()) for row in LAYERS]
    assert [row - {"testing"} for row in said] == ours
    assert all(not one & other for one, other in pairwise(said))
