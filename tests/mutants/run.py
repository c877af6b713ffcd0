"""Mutation test of the checkers: does some test fail when one comparison, sign or constant of a checker is wrong?

How to run, from the root of the repository::

    python -m tests.mutants.run --all                            # all of verification/ and proof/
    python -m tests.mutants.run mechopt/proof/rows.py            # one file, or a folder
    python -m tests.mutants.run --all --sample 100 --seed 1      # so many, drawn at random
    python -m tests.mutants.run --all --again report.jsonl       # what an earlier run with --out found alive
    python -m tests.mutants.run --only mechopt/proof/rows.py:41:17:0
    python -m tests.mutants.run --all --list                     # how many mutants there are, by module

`changes.py` says what is changed, `warm.py` how it is tried. Each test is run once unchanged to see which lines it
enters; a mutant is tried on the tests that enter its line. What no test notices is a survivor and is printed with its
line. Who reads it writes the test, or says in `equivalent.toml` why the change changes nothing that matters.

Exit status 0 where none survived, 1 where some did, 2 where tests fail unchanged.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import os
import random
import sys
import time
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

import pytest

from tests.mutants.changes import Key, Mutant, read
from tests.mutants.warm import OPTIONS, Entered, Verdict, Warm, quiet_hypothesis

ROOT = Path(__file__).resolve().parents[2]
CHECKERS = ["mechopt/core/rounding.py", "mechopt/verification", "mechopt/proof"]
TESTS = [
    "tests/verification",
    "tests/proof",
    "tests/solve/exact",
    "tests/solve/exact_promised",
    "tests/solve/test_orbits.py",
]
EQUIVALENT = "tests/mutants/equivalent.toml"
WORDS = ("killed", "timed out", "equivalent", "survived", "not entered")


def main(argv: list[str] | None = None) -> int:
    """Run."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants.run", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("paths", nargs="*", help="files or folders to change")
    parser.add_argument("--all", action="store_true", help=f"change {', '.join(CHECKERS)}")
    parser.add_argument("--tests", action="append", help=f"files or folders of tests, again for more; default {TESTS}")
    parser.add_argument("--sample", type=int, help="so many mutants, drawn at random")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", action="append", help="MODULE:LINE:COLUMN:WHICH, as a survivor is named")
    parser.add_argument("--again", type=Path, help="those alone that a report has as survived or not entered")
    parser.add_argument("--budget", type=float, default=float("inf"), help="processor seconds of tests for a mutant")
    parser.add_argument("--entered", type=Path, help="file that remembers which lines tests enter, for the next run")
    parser.add_argument("--list", action="store_true", help="count the mutants only")
    parser.add_argument("--out", type=Path, help="write a report: a line of JSON a mutant")
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    root = options.root.resolve()
    paths = options.paths or ([name.split(":")[0] for name in options.only] if options.only else [])
    modules = modules_of(root, [*paths, *(CHECKERS if options.all else [])])
    if not modules:
        parser.error("name files or folders, or --all")
    if options.list:
        counts = {module: sum(1 for _ in read(root, module)) for module in modules}
        for module, number in counts.items():
            print(f"{number:6} {module}")
        print(f"{sum(counts.values()):6} in all")
        return 0
    equivalent = reasons(root)
    drawn = chosen(root, modules, options)
    status = [2]

    def caller(warm: Warm) -> None:
        failed = warm.enter(modules, known(root, options.entered))
        if options.entered:
            remember(root, options.entered, warm.entered)
        for nodeid in failed:
            print(f"{nodeid} fails unchanged", file=sys.__stderr__)
        if not failed:
            with open(options.out or os.devnull, "w") as report:
                status[0] = reported(warm, drawn, equivalent, report)

    quiet_hypothesis()
    os.chdir(root)
    os.environ["OMP_NUM_THREADS"] = "1"
    pytest.main([*OPTIONS, *(options.tests or TESTS)], plugins=[Warm(root, options.jobs, options.budget, caller)])
    return status[0]


def known(root: Path, path: Path | None) -> dict[str, Entered]:
    """What an earlier run saw of tests that have not changed since, nor what they share, nor the package."""
    if path is None or not path.exists():
        return {}
    found = json.loads(path.read_text())
    same = {file for file, digest in found["files"].items() if digest == _digest(root, file)}
    lines = {nodeid: Entered({m: frozenset(n) for m, n in e[0].items()}, e[1]) for nodeid, e in found["tests"].items()}
    return {nodeid: entered for nodeid, entered in lines.items() if nodeid.split("::")[0] in same}


def remember(root: Path, path: Path, entered: dict[str, Entered]) -> None:
    """Write what `known` reads."""
    files = {nodeid.split("::")[0] for nodeid in entered}
    tests = {nodeid: ({m: sorted(n) for m, n in e.lines.items()}, e.seconds) for nodeid, e in entered.items()}
    path.write_text(json.dumps({"files": {file: _digest(root, file) for file in files}, "tests": tests}))


def _digest(root: Path, file: str) -> str:
    """Of a file of tests, with the checkers and the files that tests share."""
    return hashlib.sha256((_shared(root) + (root / file).read_text()).encode()).hexdigest()


@functools.cache
def _shared(root: Path) -> str:
    files = [root / module for module in modules_of(root, CHECKERS)]
    files += [path for path in (root / "tests").rglob("*.py") if path.name[:5] != "test_"]
    text = "".join(path.read_text() for path in sorted(files) if path.parent != Path(__file__).parent)
    return hashlib.sha256(text.encode()).hexdigest()


def modules_of(root: Path, paths: Iterable[str]) -> list[str]:
    """The files that are changed."""
    files = [
        file
        for path in paths
        for file in ([root / path] if (root / path).is_file() else sorted((root / path).rglob("*.py")))
    ]
    return list(dict.fromkeys(file.relative_to(root).as_posix() for file in files))


def reasons(root: Path) -> dict[Key, str]:
    """Mutants that change nothing that matters, and why."""
    path = root / EQUIVALENT
    entries = tomllib.loads(path.read_text())["mutant"] if path.exists() else []
    found = {}
    for entry in entries:
        places = entry.get("nth", [0])
        for change in entry["change"]:
            for nth in places:
                found[Key(entry["module"], entry["function"], entry["source"], change, nth)] = entry["why"]
    return found


def chosen(root: Path, modules: list[str], options: argparse.Namespace) -> Iterator[Mutant]:
    """The mutants that are tried, module by module."""
    wanted: set[str] | None = set(options.only) if options.only else None
    keys: set[Key] | None = None
    if options.again:
        lines = [json.loads(line) for line in options.again.read_text().splitlines()]
        keys = {Key(*line["key"]) for line in lines if line["verdict"] in ("survived", "not entered")}
    if options.sample is not None:
        names = [mutant.name for module in modules for mutant in read(root, module)]
        wanted = set(random.Random(options.seed).sample(names, min(options.sample, len(names))))
    for module in modules:
        for mutant in read(root, module):
            if (wanted is None or mutant.name in wanted) and (keys is None or mutant.key in keys):
                yield mutant


def reported(warm: Warm, mutants: Iterable[Mutant], equivalent: dict[Key, str], report: TextIO) -> int:
    """Try the mutants, print survivors and a table."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    begun = time.monotonic()
    for mutant, verdict in warm.judge(mutants):
        word = verdict.word
        if word in ("survived", "not entered") and mutant.key in equivalent:
            word = "equivalent"
        counts[mutant.module][word] += 1
        report.write(json.dumps(_line(mutant, verdict, word)) + "\n")
        report.flush()
        if word in ("survived", "not entered"):
            key = mutant.key
            print(
                f"{word}: {mutant.name}  {key.change}\n    {key.function}: {key.source}",
                file=sys.__stdout__,
                flush=True,
            )
    total = sum(counts.values(), Counter[str]())
    print("".join(f"{word:>12}" for word in WORDS), file=sys.__stdout__)
    for name, row in [*counts.items(), ("in all", total)]:
        print("".join(f"{row[word]:12}" for word in WORDS) + f"  {name}", file=sys.__stdout__)
    print(f"{total.total()} mutants in {time.monotonic() - begun:.0f} s", file=sys.__stdout__)
    return 1 if total["survived"] + total["not entered"] else 0


def _line(mutant: Mutant, verdict: Verdict, word: str) -> dict[str, object]:
    return {
        "name": mutant.name,
        "key": list(mutant.key),
        "verdict": word,
        "by": verdict.by,
        "seconds": round(verdict.seconds, 3),
    }


if __name__ == "__main__":
    sys.exit(main())
