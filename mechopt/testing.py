"""The conformance suite that every mechanism of this library passes, for mechanisms of one's own.

`check_mechanism` looks at what a mechanism says of itself (`mechopt.results.MechanismProtocol`) and at what it does,
each by something that did not produce it: simulation against expectations, a file and back, the verifier on its claims,
and the optimum under its claims, which no mechanism that satisfies them can exceed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, singledispatch
from inspect import getattr_static
from math import isfinite
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from mechopt.core.errors import InputError, MechoptError
from mechopt.environment.independent import IndependentTypes
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.separable import SeparableTypes
from mechopt.mechanism.archive import load_mechanism
from mechopt.mechanism.bank_table import BankTable
from mechopt.mechanism.constraints import DIC, EPIR, Constraint
from mechopt.mechanism.protocol import AnyTypes, MechanismProtocol
from mechopt.solve.optimum import optimum
from mechopt.verification.bank_table import verify_bank_table
from mechopt.verification.rounding import largest_value
from mechopt.verification.verify import verify

MEMBERS = ("environment", "claims", "guarantee", "revenue", "welfare", "utilities", "save", "simulate", "to_frame")
ERRORS = 5
"""Standard errors that an average may be off; for one number that happens by chance once in 1.7 million."""


class ConformanceError(AssertionError):
    """A mechanism is not what it says; the message holds every fault that was found."""


@dataclass(frozen=True)
class Conformance:
    """Checks of a mechanism that passed.

    Attributes
    ----------
    passed : tuple of str
        Names of checks.
    skipped : dict from str to str
        Name to reason, of the checks that do not apply, or that the caller left out.
    """

    passed: tuple[str, ...]
    skipped: dict[str, str]


class DoesNotApplyError(Exception):
    """A check does not apply to a mechanism; the message says why."""


@dataclass(frozen=True)
class _Subject:
    """A mechanism on the bench."""

    mechanism: Any
    rng: np.random.Generator | int
    runs: int
    tolerance: float
    time_limit: float | None

    @cached_property
    def environment(self) -> AnyTypes:
        """That of the mechanism, or where it is separable that on which it is written out."""
        given: AnyTypes = self.mechanism.environment
        if isinstance(given, SeparableTypes) and given.horizon != "infinite":
            written: AnyTypes = self.mechanism.to_mechanism().environment
            return written
        return given

    @cached_property
    def slack(self) -> float:
        """Money that counts as rounding."""
        largest = 0.0 if isinstance(self.environment, SeparableTypes) else largest_value(self.environment)
        return self.tolerance * max(largest, *map(abs, self.numbers.values()))

    @cached_property
    def numbers(self) -> dict[str, float]:
        """Expected present values, by name."""
        return _numbers(self.mechanism)


def _numbers(mechanism: MechanismProtocol) -> dict[str, float]:
    named = {"revenue": mechanism.revenue, "welfare": mechanism.welfare}
    return named | {f"utilities[{i}]": utility for i, utility in enumerate(mechanism.utilities)}


def check_mechanism(
    mechanism: MechanismProtocol,
    skip: Iterable[str] = (),
    rng: np.random.Generator | int = 0,
    runs: int = 4000,
    tolerance: float = 1e-7,
    time_limit: float | None = None,
) -> Conformance:
    """Put a mechanism through the conformance suite.

    Parameters
    ----------
    mechanism : a mechanism of any form
        See `mechopt.results.MechanismProtocol`; `mechopt.results.MechanismMethods` is a base that saves, simulates and
        tabulates whatever has a ``to_mechanism``.
    skip : names of checks, optional
        What does not apply to it, of: ``"accounting"`` (welfare is revenue plus utilities, where all discount alike),
        ``"file"`` (saved and read back it says the same), ``"simulation"`` (averages are the expectations, within five
        standard errors), ``"table"``, ``"claims"`` (verified), ``"optimum"`` (revenue is at most the optimum under its
        claims), ``"guarantee"`` (revenue is at least this share of the optimum under DIC and EPIR).
    rng : numpy Generator or seed
        For the simulation.
    runs : int
        Of the simulation.
    tolerance : float
        Rounding, as a share of the largest of its values and numbers. Mechanisms that draw lotteries and are saved by
        their means need more.
    time_limit : float, optional
        Seconds for each optimum.

    Returns
    -------
    Conformance
        What was checked, and what does not apply.

    Raises
    ------
    ConformanceError
        With every fault; an `AssertionError`, so that a test needs no more than the call.
    InputError
        If ``skip`` names no check.

    Examples
    --------
    >>> from mechopt.closedform.static.repeated import repeated_myerson
    >>> env = IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=2)
    >>> check_mechanism(repeated_myerson(env)).passed
    ('protocol', 'accounting', 'file', 'simulation', 'table', 'claims', 'optimum')
    """
    left_out = dict.fromkeys(skip, "left out by the caller")
    if unknown := sorted(set(left_out) - set(CHECKS)):
        raise InputError(f"{unknown[0]!r} is not a check that can be left out; those are: {', '.join(CHECKS)}")
    faults = [f"protocol: {fault}" for fault in _protocol(mechanism)]
    subject, passed = _Subject(mechanism, rng, runs, tolerance, time_limit), ["protocol"]
    for name, check in CHECKS.items() if not faults else ():
        if name in left_out:
            continue
        try:
            found = [f"{name}: {fault}" for fault in check(subject)]
        except DoesNotApplyError as reason:
            left_out[name] = str(reason)
            continue
        except MechoptError as error:
            found = [f"{name}: {error}"]
        faults += found
        passed += [name] if not found else []
    if faults:
        raise ConformanceError(f"{type(mechanism).__name__} does not conform:\n" + "\n".join(faults))
    return Conformance(tuple(passed), left_out)


def _protocol(mechanism: Any) -> Iterator[str]:
    """Members and their types."""
    absent = object()
    missing = [name for name in MEMBERS if _lacks(mechanism, name, absent)]
    if missing:
        yield f"has no {', '.join(missing)}; see mo.results.MechanismProtocol"
        return
    environment = mechanism.environment
    if not isinstance(environment, (IndependentTypes, MarkovTypes, SeparableTypes, InterdependentTypes)):
        yield f"environment is a {type(environment).__name__}, which is none of this library's kinds"
        return
    claims, guarantee, utilities = mechanism.claims, mechanism.guarantee, mechanism.utilities
    if not isinstance(claims, tuple) or not all(isinstance(claim, Constraint) for claim in claims):
        yield f"claims is {claims!r}; write a tuple of constraints such as (mo.DIC(), mo.EPIR())"
    if guarantee is not None and not (isinstance(guarantee, Fraction) and 0 <= guarantee <= 1):
        yield f"guarantee is {guarantee!r}; write None or a Fraction from 0 to 1"
    if not isinstance(utilities, tuple) or len(utilities) != environment.agents:
        yield f"utilities is {utilities!r}; write a tuple of {environment.agents} numbers, one an agent"
        return
    for name, number in _numbers(mechanism).items():
        if not isinstance(number, Real) or not isfinite(number):
            yield f"{name} is {number!r}; it must be a finite number"


def _lacks(mechanism: Any, name: str, absent: object) -> bool:
    """Whether neither the class nor the value has a member, which is not computed for that."""
    return getattr_static(mechanism, name, absent) is absent


def _accounting(subject: _Subject) -> Iterator[str]:
    if getattr(subject.environment, "discounts", None) is not None:
        raise DoesNotApplyError("agents and seller discount the same money differently")
    numbers = subject.numbers
    earned = numbers["revenue"] + sum(subject.mechanism.utilities)
    if abs(earned - numbers["welfare"]) > subject.slack:
        yield f"welfare is {numbers['welfare']:.9g}, but revenue and utilities add up to {earned:.9g}"


def _file(subject: _Subject) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mechanism.npz"
        subject.mechanism.save(path)
        read: Any = load_mechanism(path, subject.environment)
    if tuple(read.claims) != subject.mechanism.claims:
        yield f"read back it claims {read.claims}, before {subject.mechanism.claims}"
    for name, number in _numbers(read).items():
        if abs(number - subject.numbers[name]) > subject.slack:
            yield f"read back its {name} is {number:.9g}, before {subject.numbers[name]:.9g}"


def _simulation(subject: _Subject) -> Iterator[str]:
    found = subject.mechanism.simulate(subject.rng, subject.runs)
    if found.runs != subject.runs:
        yield f"did {found.runs} runs, asked for {subject.runs}"
    errors = (found.revenue_error, found.welfare_error, *found.utility_errors)
    for (name, average), error in zip(_numbers(found).items(), errors, strict=True):
        expected = subject.numbers[name]
        if not abs(average - expected) <= ERRORS * error + subject.slack:
            yield f"{name} is {average:.6g} on average (standard error {error:.2g}), but it says {expected:.6g}"


def _table(subject: _Subject) -> Iterator[str]:
    frame = subject.mechanism.to_frame()
    lacks = [name for name in ("period", "payment") if name not in frame.columns]
    if lacks:
        yield f"the table has no column {' and '.join(map(repr, lacks))}"
    elif not len(frame) or not np.isfinite(frame["payment"].to_numpy(dtype=float)).all():
        yield "the table is empty, or has payments that are not finite"


def _claims(subject: _Subject) -> Iterator[str]:
    if not subject.mechanism.claims:
        raise DoesNotApplyError("it claims nothing")
    yield from broken_claims(subject.mechanism)


@singledispatch
def broken_claims(mechanism: Any) -> list[str]:
    """Claims of a mechanism that it does not satisfy, in words."""
    report = verify(mechanism, mechanism.claims)
    return [
        f"{claim.name} is {check.status}: {check.counterexample}" for claim, check in report.items() if not check.holds
    ]


@broken_claims.register(BankTable)
def _(mechanism: BankTable) -> list[str]:
    """By the conditions that give them."""
    report = verify_bank_table(mechanism)
    return [] if report.holds else [repr(report)]


def _optimum(subject: _Subject) -> Iterator[str]:
    claims: tuple[Constraint, ...] = subject.mechanism.claims
    ic, ir = ([claim for claim in claims if claim.role == role] for role in ("ic", "ir"))
    if not ir:
        raise DoesNotApplyError("it claims no participation constraint, without which revenue is unbounded")
    upper = _best(subject, ic, ir)
    if subject.numbers["revenue"] > upper + subject.slack:
        names = ", ".join(claim.name for claim in claims)
        yield f"revenue is {subject.numbers['revenue']:.9g}, but what satisfies {names} earns at most {upper:.9g}"


def _guarantee(subject: _Subject) -> Iterator[str]:
    share = subject.mechanism.guarantee
    if share is None:
        raise DoesNotApplyError("it guarantees nothing")
    upper = _best(subject, [DIC()], [EPIR()])
    if subject.numbers["revenue"] < float(share) * upper - subject.slack:
        yield f"revenue is {subject.numbers['revenue']:.9g}, less than {share} of the optimum {upper:.9g}"


def _best(subject: _Subject, ic: list[Constraint], ir: list[Constraint]) -> float:
    """Upper bound on the revenue of whatever satisfies these constraints."""
    environment = subject.environment
    if environment.horizon == "infinite":
        raise DoesNotApplyError("the horizon is infinite, where there is no program")
    return float(optimum(environment, ic, ir, time_limit=subject.time_limit).bound.upper)


CHECKS: dict[str, Callable[[_Subject], Iterator[str]]] = {
    "accounting": _accounting,
    "file": _file,
    "simulation": _simulation,
    "table": _table,
    "claims": _claims,
    "optimum": _optimum,
    "guarantee": _guarantee,
}
"""What can be left out, in the order in which it is done."""
