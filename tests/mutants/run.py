"""Mutation test of the checkers: does some test fail when one comparison, sign or constant of a checker is wrong?

How to run, from the root of the repository::

    python tests/mutants/run.py                     # all of MODULES: a mutant takes as long as its quick tests
    python tests/mutants/run.py --list              # how many mutants there are, by module
    python tests/mutants/run.py --module mechopt/verify/check.py --tests tests/test_verify.py
    python tests/mutants/run.py --sample 100 --seed 1 --jobs 2 --out survivors.txt
    python tests/mutants/run.py --only mechopt/verify/check.py:41:17:0          # one of them again, showing the change

A mutant changes one place of one module: a comparison becomes its neighbour (``<`` to ``<=`` and to ``>=``), a sign or
an operation its opposite, a constant is moved by one (a tolerance: times a million), ``and`` becomes ``or``, ``min``
becomes ``max``, ``any`` becomes ``all``, a condition its negation, a default its other truth value. Text, annotations
and what only raises or words an error are left alone. The module is changed in a copy of the repository, never in
place. A mutant that no test notices is a survivor and is printed with its line; who reads it writes the test, or says
in ``EQUIVALENT`` why the change changes nothing.

How long: tests of a module are run once unchanged (they must pass), and each mutant has three times that time and ten
seconds more (a mutant that never ends is noticed). With tests of 5 s, 100 mutants take about 8 minutes on one core; all
of verify/ and of the proof modules, some 2,000 mutants, an hour or two on two cores: take ``--sample`` for a look.

Exit status 0 where none survived, 1 where some did, 2 where the tests fail unchanged.
"""

from __future__ import annotations

import argparse
import ast
import copy
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
MODULES: dict[str, list[str]] = {
    "mechopt/solve/proof_moving*.py": ["tests/test_certificate_moving.py"],
    "mechopt/solve/proof_*.py": ["tests/test_certificate.py", "tests/test_guarantee_certificate.py"],
    "mechopt/verify/moving*.py": ["tests/test_verify_moving.py"],
    "mechopt/verify/stationary*.py": ["tests/test_markov_mechanism.py"],
    "mechopt/verify/exit.py": ["tests/test_markov_mechanism.py"],
    "mechopt/verify/contingent*.py": ["tests/test_contingent_check.py"],
    "mechopt/verify/bank_table.py": ["tests/test_bank_table.py"],
    "mechopt/verify/**/*.py": ["tests/test_verify.py"],
}
"""What is mutated, by pattern of file names, and its quick tests: the first pattern that fits. The one place to change
where files move; patterns that fit nothing are said."""
EQUIVALENT: dict[str, str] = {}
"""Lines of survivors that change nothing, ``module: line of source``, and why."""
SLOWER, GRACE = 3.0, 10.0
COMPARISONS: dict[type[ast.cmpop], list[type[ast.cmpop]]] = {
    ast.Lt: [ast.LtE, ast.GtE],
    ast.LtE: [ast.Lt, ast.Gt],
    ast.Gt: [ast.GtE, ast.LtE],
    ast.GtE: [ast.Gt, ast.Lt],
    ast.Eq: [ast.NotEq],
    ast.NotEq: [ast.Eq],
    ast.In: [ast.NotIn],
    ast.NotIn: [ast.In],
    ast.Is: [ast.IsNot],
    ast.IsNot: [ast.Is],
}
OPERATIONS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any", "maximum": "minimum", "minimum": "maximum"}
NAMES |= {"argmax": "argmin", "argmin": "argmax", "floor": "ceil", "ceil": "floor"}


class Mutant(NamedTuple):
    """One change: where, which of the changes there, and in words."""

    module: str
    line: int
    column: int
    which: int
    words: str
    source: str

    @property
    def name(self) -> str:
        """How ``--only`` names it."""
        return f"{self.module}:{self.line}:{self.column}:{self.which}"


def changes(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """The mutants of one node: words, and what stands in its place."""

    def changed(words: str, **fields: object) -> tuple[str, ast.AST]:
        other = copy.copy(node)
        for name, value in fields.items():
            setattr(other, name, value)
        return words, other

    match node:
        case ast.Compare(ops=ops):
            for k, op in enumerate(ops):
                for new in COMPARISONS[type(op)]:
                    words = f"{type(op).__name__} to {new.__name__}"
                    yield changed(words, ops=[*ops[:k], new(), *ops[k + 1 :]])
        case ast.BinOp(op=op) if type(op) in OPERATIONS:
            yield changed(f"{type(op).__name__} to {OPERATIONS[type(op)].__name__}", op=OPERATIONS[type(op)]())
        case ast.AugAssign(op=op) if type(op) in OPERATIONS:
            yield changed(f"{type(op).__name__} to {OPERATIONS[type(op)].__name__}", op=OPERATIONS[type(op)]())
        case ast.UnaryOp(op=ast.USub(), operand=operand) | ast.UnaryOp(op=ast.Not(), operand=operand):
            yield "sign or negation dropped", operand
        case ast.BoolOp(op=ast.And()):
            yield changed("and to or", op=ast.Or())
        case ast.BoolOp(op=ast.Or()):
            yield changed("or to and", op=ast.And())
        case ast.IfExp(test=test) | ast.If(test=test) | ast.While(test=test):
            yield changed("condition negated", test=ast.UnaryOp(ast.Not(), test))
        case ast.Constant(value=bool(value)):
            yield changed(f"{value} to {not value}", value=not value)
        case ast.Constant(value=int(value)):
            yield changed(f"{value} to {value + 1}", value=value + 1)
            if value > 0:
                yield changed(f"{value} to {value - 1}", value=value - 1)
        case ast.Constant(value=float(value)):
            yield changed(f"{value} times a million", value=value * 1e6 if value else 1e-6)
        case ast.Name(id=name) if name in NAMES and isinstance(node.ctx, ast.Load):
            yield changed(f"{name} to {NAMES[name]}", id=NAMES[name])
        case ast.Attribute(attr=name) if name in NAMES:
            yield changed(f"{name} to {NAMES[name]}", attr=NAMES[name])


def places(node: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, ast.AST]]:
    """Nodes that may be mutated: parent, its field, position in a list, node."""
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list"):
            continue
        for k, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(child, ast.AST) or isinstance(child, (ast.Raise, ast.JoinedStr, ast.Assert)):
                continue
            if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):  # a docstring
                continue
            if isinstance(child, (ast.Import, ast.ImportFrom)):
                continue
            if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
                continue
            yield node, field, k, child
            yield from places(child)


def mutants_of(module: str) -> Iterator[tuple[Mutant, str]]:
    """Every mutant of a module, with its source."""
    text = (ROOT / module).read_text()
    lines, tree = text.splitlines(), ast.parse(text)
    seen: dict[tuple[int, int], int] = {}
    for parent, field, position, node in places(tree):
        line, column = getattr(node, "lineno", 0), getattr(node, "col_offset", 0)
        for words, other in changes(node):
            which = seen[line, column] = seen.get((line, column), -1) + 1
            _put(parent, field, position, other)
            source = ast.unparse(ast.fix_missing_locations(tree))
            _put(parent, field, position, node)
            yield Mutant(module, line, column, which, words, lines[line - 1].strip()), source


def _put(parent: ast.AST, field: str, position: int | None, node: ast.AST) -> None:
    if position is None:
        setattr(parent, field, node)
    else:
        getattr(parent, field)[position] = node


def chosen(asked: list[str], tests: list[str]) -> dict[str, list[str]]:
    """Modules and their tests."""
    found: dict[str, list[str]] = {}
    for pattern, quick in MODULES.items():
        files = [path.relative_to(ROOT).as_posix() for path in sorted(ROOT.glob(pattern))]
        if not files:
            print(f"no file is like {pattern}: change MODULES", file=sys.stderr)
        for module in files:
            if Path(module).name != "__init__.py":
                found.setdefault(module, tests or quick)
    return {module: tests or found.get(module, []) for module in asked} if asked else found


def copied(folder: Path) -> Path:
    """A copy of what the tests need."""
    kept = [path for path in ROOT.iterdir() if not path.name.startswith(".") and path.name not in ("notebooks",)]
    for path in kept:
        if path.is_dir():
            shutil.copytree(path, folder / path.name, ignore=shutil.ignore_patterns("__pycache__", "*.sweep"))
        else:
            shutil.copy2(path, folder / path.name)
    return folder


def passes(folder: Path, tests: list[str], limit: float | None) -> bool:
    """Whether the quick tests pass in a copy."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-o", "addopts=", *tests]
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**environment, "CI": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return process.wait(limit) == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        if process.poll() is None:
            os.killpg(process.pid, 9)
            process.wait()


def survives(folder: Path, mutant: Mutant, source: str, tests: list[str], limit: float) -> bool:
    """Whether no test notices a mutant."""
    target = folder / mutant.module
    before = target.read_text()
    target.write_text(source)
    try:
        return passes(folder, tests, limit)
    finally:
        target.write_text(before)


def main() -> int:
    """Run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--module", action="append", default=[], help="a file; default: those of MODULES")
    parser.add_argument("--tests", action="append", default=[], help="its quick tests; default: those of MODULES")
    parser.add_argument("--sample", type=int, help="so many mutants, drawn at random")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", help="MODULE:LINE:COLUMN:WHICH, as a survivor is named")
    parser.add_argument("--list", action="store_true", help="count the mutants only")
    parser.add_argument("--out", help="write the survivors to a file as well")
    options = parser.parse_args()
    modules = chosen([options.only.rsplit(":", 3)[0]] if options.only else options.module, options.tests)
    work = [(mutant, source) for module in modules for mutant, source in mutants_of(module)]
    if options.list:
        for module, tests in modules.items():
            print(f"{sum(m.module == module for m, _ in work):6} {module}  by {' '.join(tests) or 'no tests'}")
        print(f"{len(work):6} in all")
        return 0
    if options.only:
        work = [(mutant, source) for mutant, source in work if mutant.name == options.only]
    if options.sample is not None:
        work = random.Random(options.seed).sample(work, min(options.sample, len(work)))
    with tempfile.TemporaryDirectory() as top:
        copies = [copied(Path(top) / str(k)) for k in range(options.jobs) if not (Path(top) / str(k)).mkdir()]
        limits: dict[tuple[str, ...], float] = {}
        for tests in {tuple(modules[mutant.module]) for mutant, _ in work}:
            begun = time.monotonic()
            if not tests or not passes(copies[0], list(tests), None):
                print(f"unchanged, {' '.join(tests) or 'no test'} does not pass", file=sys.stderr)
                return 2
            limits[tests] = SLOWER * (time.monotonic() - begun) + GRACE
        free = list(copies)

        def judged(pair: tuple[Mutant, str]) -> bool:
            mutant, source = pair
            folder, tests = free.pop(), modules[mutant.module]
            try:
                return survives(folder, mutant, source, tests, limits[tuple(tests)])
            finally:
                free.append(folder)

        with ThreadPoolExecutor(options.jobs) as pool:
            alive, begun = list[Mutant](), time.monotonic()
            for done, ((mutant, _), lives) in enumerate(zip(work, pool.map(judged, work), strict=True), 1):
                if lives and f"{mutant.module}: {mutant.source}" not in EQUIVALENT:
                    alive.append(mutant)
                    print(f"survivor {mutant.name}  {mutant.words}\n    {mutant.source}", flush=True)
                if sys.stderr.isatty() or done % 50 == 0:
                    print(f"{done}/{len(work)}, {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    print(f"{len(work)} mutants, {len(work) - len(alive)} noticed, {len(alive)} survived")
    if options.out:
        Path(options.out).write_text("".join(f"{m.name}\t{m.words}\t{m.source}\n" for m in alive))
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
