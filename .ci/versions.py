"""Versions of the dependencies: the lowest that are declared, and what differs from the list last seen green.

    python .ci/versions.py lowest EXTRA...    pins for the core and these extras, for `pip install -c`
    python .ci/versions.py moved FILE         what this environment has otherwise than FILE, a line each
    python .ci/versions.py list               this environment, for `pip install -c`

The standard library alone, so that it runs in any environment and before there is one.
"""

import re
import sys
import tomllib
from importlib.metadata import distributions
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "pyproject.toml"
REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)(\[(?P<extras>[\w,.-]+)\])?\s*((?P<sign>>=|==)\s*(?P<version>[\w.]+))?")
NOT_OURS = {"mechopt", "pip", "setuptools", "uv", "wheel"}
"""What makes environments, and the package itself: never pinned."""
HEADER = """\
# The versions with which the whole suite last passed; README's second command installs these.
# Written by `.ci/refresh`, which installs the newest, runs the suite, and replaces this file where it passes.
"""


def normal(name: str) -> str:
    """Return a package's name as registries compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(extras: list[str]) -> dict[str, tuple[str, str]]:
    """Return sign and version of each dependency of the core and of these extras, extras that they name included."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    waiting, found = [*project["dependencies"]], {}
    for extra in extras:
        waiting += project["optional-dependencies"][extra]
    while waiting:
        text = waiting.pop(0)
        match = REQUIREMENT.match(text)
        if match is None or (match["sign"] is None and match["name"] != project["name"]):
            raise SystemExit(f"pyproject.toml: {text!r} has no lower bound; write NAME>=VERSION")
        if match["name"] == project["name"]:
            for extra in match["extras"].split(","):
                waiting += project["optional-dependencies"][extra]
            continue
        name, bound = normal(match["name"]), (match["sign"], match["version"])
        if found.setdefault(name, bound) != bound:
            raise SystemExit(f"pyproject.toml: {name} has two bounds, {found[name][1]} and {bound[1]}; write one")
    return found


def pinned(path: Path) -> dict[str, str]:
    """Return the version of each package that a constraints file names."""
    rows = (row.partition("#")[0].strip() for row in path.read_text(encoding="utf-8").splitlines())
    return {normal(name): version for name, _, version in (row.partition("==") for row in rows if row)}


def installed() -> dict[str, str]:
    """Return the version of each package in this environment."""
    found: dict[str, str] = {}
    for one in distributions():
        found.setdefault(normal(one.metadata["Name"]), one.version)  # the first on the path is the one imported
    return {name: version for name, version in sorted(found.items()) if name not in NOT_OURS}


def moved(now: dict[str, str], then: dict[str, str]) -> list[str]:
    """Return a line for each package of `now` that `then` has not, or has in another version."""
    return [
        f"{name} {then.get(name, '(none)')} -> {version}" for name, version in now.items() if then.get(name) != version
    ]


def main(arguments: list[str]) -> None:
    """Print what is asked for."""
    match arguments:
        case ["lowest", *extras]:
            print("\n".join(f"{name}=={version}" for name, (_, version) in sorted(declared(extras).items())))
        case ["moved", path]:
            print("\n".join(moved(installed(), pinned(Path(path)))))
        case ["list"]:
            print(HEADER + "\n".join(f"{name}=={version}" for name, version in installed().items()))
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
