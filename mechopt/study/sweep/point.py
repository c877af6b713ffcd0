"""One point of a sweep: from the text of a model, and what to record, to a row. A pure function but for the seconds.

A point that cannot be computed is a row too: its ``status`` says how it ended, its ``reason`` why.
"""

from __future__ import annotations

import hashlib
import json
import math
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mechopt.core.errors import InputError, LimitError, NoOptimumError
from mechopt.mechanism.constraints import Asked
from mechopt.mechanism.payments import Payments
from mechopt.modelfile.loading import parse
from mechopt.modelfile.tables import parse_ic, parse_ir
from mechopt.solve.optimum import Optimum, optimum
from mechopt.solve.solution import Status
from mechopt.study.compare.compare import compare, earned

if TYPE_CHECKING:
    from mechopt.study.compare.comparison import Comparison

Row = dict[str, Any]

DONE, TIME, SIZE, INVALID, FAILED = "done", "time", "size", "invalid", "failed"
"""How a point ended: computed, out of time, too large, no model, or with an error."""
STATUSES = (DONE, TIME, SIZE, INVALID, FAILED)

QUANTITIES = ("value", "bound", "welfare", "utilities", "seconds", "size")
FAILURES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""Errors that end a point and not the sweep: one bad instance must not cost the others."""

OTHER_KIND = "is not for environments of this kind"
REASON_LENGTH = 500
GRACE_SECONDS = 1.0
"""So much longer than the solver, which stops by itself with its bracket, may the whole point take."""


@dataclass(frozen=True)
class Recording:
    """Quantities recorded of every point.

    Attributes
    ----------
    quantities : tuple of str
        Of `QUANTITIES`.
    mechanisms : tuple of str
        Names of `mechopt.compare`.
    ic, ir : str or None
        Constraints of the optimum as on the command line; None: those of the model.
    seconds : float or None
        Limit a point.
    version : str
        Of the library.
    """

    quantities: tuple[str, ...]
    mechanisms: tuple[str, ...] = ()
    ic: str | None = None
    ir: str | None = None
    seconds: float | None = None
    version: str = ""


@dataclass(frozen=True)
class Point:
    """One model of a sweep.

    Attributes
    ----------
    number : int
        In the order of the study.
    text : str
        Of the model file.
    varied : dict
        What sets it apart, by column of the table.
    """

    number: int
    text: str
    varied: Row


def point_key(text: str, recording: Recording) -> str:
    """SHA-256 of the model's text, what is recorded and the library's version."""
    return hashlib.sha256(json.dumps([text, asdict(recording)], sort_keys=True).encode()).hexdigest()


class OutOfTime(KeyboardInterrupt):
    """The alarm of a point; stops the solver and everything else like Ctrl-C."""


@contextmanager
def _alarm(seconds: float | None) -> Iterator[list[bool]]:
    """Raise `OutOfTime` after so many seconds, and again each second after; the list it gives says whether it did.

    Signals reach the main thread only: in other threads (Dask workers) the solver's own limit remains.
    """
    rung = [False]
    able = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
    if seconds is None or not able:
        yield rung
        return

    def ring(number: int, frame: Any) -> None:
        rung[0] = True
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds + GRACE_SECONDS, 1.0)
    try:
        yield rung
    finally:
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
        except OutOfTime:  # at the last moment
            signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


def record_point(text: str, recording: Recording) -> Row:
    """Compute one row.

    Parameters
    ----------
    text : str
        Of a model file.
    recording : Recording

    Returns
    -------
    dict
        ``status`` and ``reason`` first; numbers that are unknown or infinite are absent.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C.
    InputError
        If this process has another version of the library than the one that asks.

    Examples
    --------
    >>> model = '''
    ... kind = "independent"
    ... horizon = 2
    ... buyers = [{ values = [1, 2], probabilities = ["1/2", "1/2"] }]
    ... '''
    >>> record_point(model, Recording(("value",), ("repeated-myerson",)))["repeated-myerson.revenue"]
    2.0
    """
    from mechopt import __version__

    if recording.version not in ("", __version__):
        raise InputError(f"this worker has mechopt {__version__}, the sweep {recording.version}; install the same")
    begun = time.perf_counter()
    row: Row = {"status": FAILED, "reason": ""}
    try:
        with _alarm(recording.seconds) as rung:
            row |= _computed(text, recording, rung)
    except OutOfTime:
        row |= {"status": TIME, "reason": f"stopped after {recording.seconds:g} s; raise limits.seconds"}
    except FAILURES as error:
        row |= {"status": FAILED, "reason": f"{type(error).__name__}: {error}"}
    row["reason"] = " ".join(row["reason"].split())[:REASON_LENGTH]
    if "seconds" in recording.quantities:
        row["seconds"] = time.perf_counter() - begun
    return {key: value for key, value in row.items() if not isinstance(value, float) or math.isfinite(value)}


def record_batch(
    record: Callable[[str, Recording], Row], texts: list[str], recording: Recording
) -> tuple[list[Row], float]:
    """Several points, and the seconds that they took; what is sent to a worker."""
    begun = time.perf_counter()
    return [record(text, recording) for text in texts], time.perf_counter() - begun


def _computed(text: str, recording: Recording, rung: list[bool]) -> Row:
    try:
        model = parse(text, "model")
    except InputError as error:
        return {"status": INVALID, "reason": "; ".join(map(str, error.faults))}
    ic = model.ic if recording.ic is None else parse_ic(recording.ic)
    ir = model.ir if recording.ir is None else parse_ir(recording.ir)
    environment: Any = model.environment  # of any kind: what does not fit refuses it
    table: Comparison | None = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the range of the numbers; the bracket tells what came of it
        try:
            if recording.mechanisms:
                table, reasons = _compared(environment, recording, ic, ir, model.subject_to)
                best = table.optimum
            else:
                best, reasons = (
                    optimum(environment, ic, ir, time_limit=recording.seconds, subject_to=model.subject_to),
                    [],
                )
        except LimitError as error:
            return {"status": SIZE, "reason": str(error), **_bracket(recording, error.lower, error.upper)}
        except (InputError, NoOptimumError) as error:
            return {"status": FAILED, "reason": str(error)}
    row = _ended(best, recording, rung, reasons)
    if best is not None:
        row |= _quantities(best, recording)
    for entry in table.entries if table is not None else ():
        row |= {f"{entry.name}.{key}": getattr(entry, key) for key in ("revenue", "welfare", "ratio")}
    return row


def _compared(
    environment: Any, recording: Recording, ic: Asked, ir: Asked, limits: Payments
) -> tuple[Comparison, list[str]]:
    """The mechanisms that apply, and why the others do not."""
    try:
        return earned(environment, recording.mechanisms, ic, ir, recording.seconds, limits), []
    except InputError:
        every = compare(environment, None, ic, ir, recording.seconds, limits)  # leaves out what does not fit
    fitting = [entry.name for entry in every.entries if entry.name in recording.mechanisms]
    missing = [name for name in recording.mechanisms if name not in fitting]
    left_out = [f"left out: {name}: {every.skipped.get(name, OTHER_KIND)}" for name in missing]
    return earned(environment, fitting, ic, ir, recording.seconds, limits), left_out


def _ended(best: Optimum | None, recording: Recording, rung: list[bool], reasons: list[str]) -> Row:
    """``status`` and ``reason``."""
    if best is None:
        return {"status": SIZE, "reason": "; ".join(["the optimum is out of reach", *reasons])}
    if best.status is Status.INTERRUPTED and not rung[0]:
        raise KeyboardInterrupt
    try:
        best.require_optimal()
    except LimitError:
        bracket = f"{best.bound.lower:.9g} <= optimum <= {best.bound.upper:.9g}"
        return {"status": TIME, "reason": f"stopped after {recording.seconds:g} s with {bracket}; raise limits.seconds"}
    except NoOptimumError as error:
        return {"status": FAILED, "reason": str(error)}
    return {"status": DONE, "reason": "; ".join(reasons)}


def _bracket(recording: Recording, lower: float, upper: float) -> Row:
    return {"bound.lower": lower, "bound.upper": upper} if "bound" in recording.quantities else {}


def _quantities(best: Optimum, recording: Recording) -> Row:
    """Quantities asked for and known of the optimum."""
    row: Row = {}
    if "value" in recording.quantities:
        row["value"] = best.value
    row |= _bracket(recording, best.bound.lower, best.bound.upper)
    if best.mechanism is not None:
        if "welfare" in recording.quantities:
            row["welfare"] = best.mechanism.welfare
        if "utilities" in recording.quantities:
            row |= {f"utilities.{i}": utility for i, utility in enumerate(best.mechanism.utilities)}
    if "size" in recording.quantities:
        row |= {f"size.{key}": getattr(best.size, key) for key in ("rows", "columns", "nonzeros")}
    return row
