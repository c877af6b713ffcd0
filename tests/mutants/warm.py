"""Runs mutants in forks of a pytest session that has imported and collected everything.

A mutant that lies in a function takes a fork, one function's code put in place of another's in it, and the tests that
enter the changed lines, quickest and most successful first, up to the first failure: a tenth of a second. One at module
level (a constant, a default) takes a fresh interpreter that imports the changed module. Nothing is written to the tree.
"""

from __future__ import annotations

import functools
import gc
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any, NamedTuple, NoReturn

import hypothesis
import pytest
from _pytest.runner import runtestprotocol

from tests.mutants.changes import Function, Mutant

SLOWER, GRACE = 10.0, 3.0
"""A test that takes longer than so many times its time unchanged and so many seconds of processor more never ends."""
WALL = 20.0
"""A mutant whose clock runs so many times longer than that sleeps for ever."""
MEMORY = 8 << 30
SUCCESSFUL = 5
"""So many tests that noticed other mutants of a module come first."""
OPTIONS = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--capture=sys", "--no-header", "--no-summary"]


class Verdict(NamedTuple):
    """What became of a mutant: ``killed``, ``timed out``, ``survived``, or ``not entered`` by any test."""

    word: str
    by: str | None
    seconds: float


class Entered(NamedTuple):
    """Of a test: lines that it enters, by module, and its seconds of processor time."""

    lines: dict[str, frozenset[int]]
    seconds: float


def quiet_hypothesis() -> None:
    """The same examples each time, and no search for the smallest of them."""
    keep = [phase for phase in hypothesis.Phase if phase.name in ("explicit", "generate", "target")]
    hypothesis.settings.register_profile(
        "mutants",
        derandomize=True,
        database=None,
        deadline=None,
        phases=keep,
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )
    hypothesis.settings.load_profile("mutants")


@dataclass(eq=False)
class Warm:
    """A plugin whose test loop hands the collected tests to a caller."""

    root: Path
    jobs: int
    budget: float
    caller: Callable[[Warm], None]
    tests: dict[str, pytest.Item] = field(default_factory=dict)
    entered: dict[str, Entered] = field(default_factory=dict)
    kills: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    caches: list[functools._lru_cache_wrapper[Any]] = field(default_factory=list)
    functions: dict[tuple[str, Function], list[FunctionType]] = field(default_factory=lambda: defaultdict(list))

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            raise session.Interrupted(f"{session.testsfailed} files of tests cannot be read")
        self.tests = {item.nodeid: item for item in session.items}
        for found in gc.get_objects():
            if isinstance(found, FunctionType) and "<locals>" not in found.__qualname__:
                code = found.__code__
                if code.co_filename.startswith(str(self.root)):
                    module = Path(code.co_filename).relative_to(self.root).as_posix()
                    self.functions[module, Function(code.co_name, code.co_firstlineno)].append(found)
            elif isinstance(found, functools._lru_cache_wrapper):
                self.caches.append(found)
        gc.collect()
        gc.freeze()
        self.caller(self)
        return True

    def enter(self, modules: Iterable[str], known: dict[str, Entered]) -> list[str]:
        """Run each test unchanged, see which lines of the modules it enters, and return those that fail."""
        files = {str(self.root / module): module for module in modules}
        self.entered = {nodeid: known[nodeid] for nodeid in self.tests if nodeid in known}
        new = {nodeid: item for nodeid, item in self.tests.items() if nodeid not in known}
        jobs = [(nodeid, functools.partial(self._traced, item, files)) for nodeid, item in new.items()]
        failed = []
        for nodeid, said, _, _ in forked(jobs, self.jobs, lambda _: 600.0):
            if said is None or said["failed"]:
                failed.append(nodeid)
            else:
                lines = {module: frozenset(numbers) for module, numbers in said["lines"].items()}
                self.entered[nodeid] = Entered(lines, said["seconds"])
        return failed

    def judge(self, mutants: Iterable[Mutant]) -> Iterator[tuple[Mutant, Verdict]]:
        """Verdicts, in the order in which they come."""
        kept: dict[str, tuple[Mutant, list[str]]] = {}

        def jobs() -> Iterator[tuple[str, Callable[[Path], Any]]]:
            for mutant in mutants:
                tests = self._tests_of(mutant)
                kept[mutant.name] = mutant, tests
                yield mutant.name, functools.partial(self._tried, mutant, tests)

        for name, said, killed, seconds in forked(jobs(), self.jobs, lambda name: self._limit(kept[name][1])):
            mutant, tests = kept.pop(name)
            if not tests:
                yield mutant, Verdict("not entered", None, seconds)
            elif said is not None and said["by"] is None:
                yield mutant, Verdict("survived", None, seconds)
            elif said is not None:
                self.kills[mutant.module][said["by"]] += 1
                yield mutant, Verdict("killed", said["by"], seconds)
            else:
                late = killed in (signal.SIGPROF, signal.SIGXCPU, signal.SIGKILL)
                yield mutant, Verdict("timed out" if late else "killed", None, seconds)

    def _tests_of(self, mutant: Mutant) -> list[str]:
        """Tests that enter the changed line or else its statement; for a change at module level, the module."""
        chosen = []
        if mutant.place.function is not None:
            chosen = self._entering(mutant.module, {mutant.line})
            if not chosen:
                chosen = self._entering(mutant.module, set(range(mutant.place.first, mutant.place.last + 1)))
        else:
            chosen = [nodeid for nodeid, entered in self.entered.items() if mutant.module in entered.lines]
        spent, some = 0.0, list[str]()
        for nodeid in self._ordered(mutant.module, frozenset(chosen)):
            if spent <= self.budget:
                some.append(nodeid)
            spent += self.entered[nodeid].seconds
        return some

    def _ordered(self, module: str, chosen: frozenset[str]) -> list[str]:
        """Those that noticed most mutants a second, then such as enter different parts of the module, then the rest."""
        kills = self.kills[module]
        noticed = sorted((nodeid for nodeid in chosen if kills[nodeid]), key=lambda n: self.seconds(n) / kills[n])
        return list(dict.fromkeys([*noticed[:SUCCESSFUL], *self._various(module, chosen)]))

    @functools.cache  # noqa: B019
    def _various(self, module: str, chosen: frozenset[str]) -> list[str]:
        """A cover of the lines that they enter, most new lines a second first; then the rest, the quickest first."""
        left, cover, covered = sorted(chosen, key=self.seconds), list[str](), set[int]()
        while left:
            new = {nodeid: len(self.entered[nodeid].lines[module] - covered) for nodeid in left}
            best = max(left, key=lambda nodeid: new[nodeid] / self.seconds(nodeid))
            if not new[best]:
                break
            cover.append(best)
            left.remove(best)
            covered |= self.entered[best].lines[module]
        return [*cover, *left]

    def seconds(self, nodeid: str) -> float:
        """Processor time of a test, with what it takes to begin."""
        return self.entered[nodeid].seconds + 0.01

    def _entering(self, module: str, lines: set[int]) -> list[str]:
        none = frozenset[int]()
        return [nodeid for nodeid, entered in self.entered.items() if entered.lines.get(module, none) & lines]

    def _limit(self, tests: list[str]) -> float:
        return WALL * (GRACE + sum(self.entered[nodeid].seconds for nodeid in tests))

    def _traced(self, item: pytest.Item, files: dict[str, str], _: Path) -> dict[str, Any]:
        """In a fork: one test, unchanged."""
        lines = defaultdict[str, set[int]](set)

        def line(frame: FrameType, *_: object) -> Any:
            lines[files[frame.f_code.co_filename]].add(frame.f_lineno)
            return line

        def call(frame: FrameType, *_: object) -> Any:
            return line(frame) if frame.f_code.co_filename in files else None

        sys.settrace(call)
        begun = time.process_time()
        failed = not _passes(item)
        sys.settrace(None)
        seconds = time.process_time() - begun
        return {"failed": failed, "seconds": seconds, "lines": {name: sorted(those) for name, those in lines.items()}}

    def _tried(self, mutant: Mutant, tests: list[str], answer: Path) -> dict[str, Any]:
        """In a fork: a mutant."""
        function = mutant.place.function
        live = self.functions[mutant.module, function] if function else []
        code = _function(mutant.compiled(), function) if function else None
        if tests and (code is None or not live):
            seconds = SLOWER * (GRACE + sum(self.entered[nodeid].seconds for nodeid in tests))
            become_fresh(self.root, mutant, tests, seconds, answer)
        for one in live:
            one.__code__ = code  # type: ignore[assignment]
        for cached in self.caches:
            cached.cache_clear()
        for nodeid in tests:
            signal.setitimer(signal.ITIMER_PROF, SLOWER * self.entered[nodeid].seconds + GRACE)
            if not _passes(self.tests[nodeid]):
                return {"by": nodeid}
        return {"by": None}


def _passes(item: pytest.Item) -> bool:
    return not any(report.failed for report in runtestprotocol(item, log=False, nextitem=None))


def _function(code: CodeType, wanted: Function) -> CodeType | None:
    """The code of a function in that of its module."""
    for part in code.co_consts:
        if isinstance(part, CodeType):
            if (part.co_name, part.co_firstlineno) == wanted:
                return part
            found = None if part.co_flags & 2 else _function(part, wanted)  # 2: a function's own, not a class's
            if found is not None:
                return found
    return None


def become_fresh(root: Path, mutant: Mutant, tests: list[str], seconds: float, answer: Path) -> NoReturn:
    """This process becomes an interpreter that has not imported anything yet, and tries a mutant there."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    command = [sys.executable, "-m", "tests.mutants.fresh", str(root), mutant.name, str(answer), *tests]
    os.execve(sys.executable, command, {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), *sys.path])})


@dataclass
class Running:
    """A fork at work."""

    name: str
    folder: Path
    begun: float

    @property
    def answer(self) -> Path:
        """Where it says what it found."""
        return self.folder / "answer.json"


class Ended(NamedTuple):
    """A fork that ended: what it said (None where it died), the signal that ended it, seconds."""

    name: str
    said: Any
    signal: int
    seconds: float


def forked(
    work: Iterable[tuple[str, Callable[[Path], Any]]], jobs: int, limit: Callable[[str], float]
) -> Iterator[Ended]:
    """Each piece of work in a fork of its own, so many at a time."""
    running: dict[int, Running] = {}
    waiting, more = iter(work), True
    try:
        while more or running:
            while more and len(running) < jobs:
                name, piece = next(waiting, ("", None))
                if piece is None:
                    more = False
                else:
                    one = Running(name, Path(tempfile.mkdtemp(prefix="mutant-")), time.monotonic())
                    running[os.fork() or _child(piece, one)] = one
            ended = [
                (pid, one, status) for pid, one in running.items() if (status := _status(pid, one, limit)) is not None
            ]
            for pid, one, status in ended:
                del running[pid]
                said = json.loads(one.answer.read_text()) if one.answer.exists() else None
                shutil.rmtree(one.folder, ignore_errors=True)
                yield Ended(
                    one.name, said, os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0, time.monotonic() - one.begun
                )
            if not ended:
                time.sleep(0.002)
    finally:
        for pid, one in running.items():
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            shutil.rmtree(one.folder, ignore_errors=True)


def _status(pid: int, one: Running, limit: Callable[[str], float]) -> int | None:
    """How a fork ended, if it did; one past its limit is ended."""
    done, status = os.waitpid(pid, os.WNOHANG)
    if not done and time.monotonic() - one.begun > limit(one.name):
        os.kill(pid, signal.SIGKILL)
        done, status = os.waitpid(pid, 0)
    return status if done else None


def _child(work: Callable[[Path], Any], one: Running) -> NoReturn:
    """The rest of a fork's life."""
    try:
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.environ["PYTEST_DEBUG_TEMPROOT"] = str(one.folder)
        said = json.dumps(work(one.answer))
        signal.setitimer(signal.ITIMER_PROF, 0)
        one.answer.write_text(said)
    except BaseException as error:
        os.write(2, f"{one.name}: {error!r}\n".encode())
        os._exit(3)
    os._exit(0)
