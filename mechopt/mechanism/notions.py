r"""Incentive and participation notions, and objectives, as frozen values.

Notation, for buyer i in period t after the public history h (all reports before t): :math:`u_t(k; h, j)` is the
buyer's utility of period t, in present value, when her true type is k and she reports j; :math:`U_t(h, j)` is her
expected utility from period t+1 on, in present value, when everybody is truthful from then on; :math:`u_t(h, k)` is
:math:`u_t(k; h, k)`. With several buyers both are expectations over the others' current types, except where a notion
says "ex post". Every notion is meant for all t, h, types k and reports j, types of probability zero included.

Source: Mirrokni, Paes Leme, Tang and Zuo (2020), section 2 and supplement A.1, B.1; PEIR is printed there with the
current type under its own expectation, which is read as "for every history".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from mechopt.core.errors import Fault, InputError


@dataclass(frozen=True)
class Notion:
    """A property that a mechanism may have; compare with ``==``, use as a key.

    Attributes
    ----------
    name : str
        As on the command line and in files.
    role : str
        ``"ic"`` for incentive notions, ``"ir"`` for participation notions.
    """

    name: ClassVar[str]
    role: ClassVar[str]


class _Incentive(Notion):
    role = "ic"


class _Participation(Notion):
    role = "ir"


@dataclass(frozen=True)
class DIC(_Incentive):
    r"""Dynamic incentive compatibility: :math:`u_t(h,k) + U_t(h,k) \ge u_t(k;h,j) + U_t(h,j)`.

    With several buyers Bayesian over the others' current types (DBIC).
    """

    name = "dic"


@dataclass(frozen=True)
class ExPostIC(_Incentive):
    r"""DIC whatever the others' current reports: the inequality of `DIC` for each profile of the others' types.

    Future types are still in expectation. With one buyer the same as `DIC`.
    """

    name = "ex-post"


@dataclass(frozen=True)
class PPIC(_Incentive):
    r"""Per-period incentive compatibility: :math:`u_t(h,k) \ge u_t(k;h,j)`.

    Not stronger than `DIC` by itself, since the report also moves the continuation; with `INDU` it implies `DIC`.
    """

    name = "ppic"


@dataclass(frozen=True)
class INDU(_Incentive):
    r"""Continuation utility independent of the current report: :math:`U_t(h,k) = U_t(h,j)`."""

    name = "indu"


@dataclass(frozen=True)
class SuperDIC(_Incentive):
    r"""DIC for every realisation of the future.

    :math:`\sum_{s \ge t} u_s(h,k,f) \ge u_t(k;h,j) + \sum_{s > t} u_s(h,j,f)` for every future path f of reports.
    With several buyers the path contains the others' current and future reports. Implies `ExPostIC`.
    """

    name = "super-dic"


@dataclass(frozen=True)
class EPIR(_Participation):
    r"""Ex post individual rationality: :math:`\sum_{t \le T} u_t \ge 0` on every full path of reports."""

    name = "epir"


@dataclass(frozen=True)
class PFIR(_Participation):
    r"""Individual rationality on every prefix: :math:`\sum_{s \le t} u_s \ge 0` on every path and for every t."""

    name = "prefix"


@dataclass(frozen=True)
class PPIR(_Participation):
    r"""Per-period individual rationality: :math:`u_t \ge 0` at every history and report profile."""

    name = "per-period"


@dataclass(frozen=True)
class PEIR(_Participation):
    r"""Per-period expected rationality: :math:`\mathbb{E}_k\, u_t(h,k) \ge 0`."""

    name = "per-period-expected"


@dataclass(frozen=True)
class Interim(_Participation):
    r"""Interim rationality at contracting: :math:`u_0(k) + U_0(k) \ge 0` for each type k of the first period."""

    name = "interim"


@dataclass(frozen=True)
class PeriodicIR(_Participation):
    r"""Expected continuation utility from every current type on: :math:`u_t(h,k) + U_t(h,k) \ge 0`."""

    name = "periodic"


@dataclass(frozen=True)
class ExpectedContinuationIR(_Participation):
    r"""The same before the current type is known: :math:`\mathbb{E}_k[u_t(h,k) + U_t(h,k)] \ge 0`."""

    name = "expected-continuation"


ALL_NOTIONS: tuple[Notion, ...] = (
    DIC(),
    ExPostIC(),
    PPIC(),
    INDU(),
    SuperDIC(),
    EPIR(),
    PFIR(),
    PPIR(),
    PEIR(),
    Interim(),
    PeriodicIR(),
    ExpectedContinuationIR(),
)

IMPLIES: tuple[tuple[frozenset[Notion], Notion], ...] = (
    (frozenset({SuperDIC()}), ExPostIC()),
    (frozenset({ExPostIC()}), DIC()),
    (frozenset({PPIC(), INDU()}), DIC()),
    (frozenset({PPIR()}), PFIR()),
    (frozenset({PPIR()}), PEIR()),
    (frozenset({PPIR()}), PeriodicIR()),
    (frozenset({PFIR()}), EPIR()),
    (frozenset({EPIR()}), Interim()),
    (frozenset({PEIR()}), ExpectedContinuationIR()),
    (frozenset({PeriodicIR()}), Interim()),
    (frozenset({PeriodicIR()}), ExpectedContinuationIR()),
)
"""Which notions together imply which: (premises, conclusion)."""


def closure(notions: Iterable[Notion]) -> frozenset[Notion]:
    """All notions that the given ones imply, themselves included.

    Examples
    --------
    >>> sorted(n.name for n in closure([PPIC(), INDU()]))
    ['dic', 'indu', 'ppic']
    """
    known = set(notions)
    while new := {conclusion for premises, conclusion in IMPLIES if premises <= known} - known:
        known |= new
    return frozenset(known)


def as_notions(given: Notion | Iterable[Notion] | None, role: str) -> tuple[Notion, ...]:
    """One notion or several as a tuple in the library's order, each once.

    Raises
    ------
    InputError
        If something is no notion, or has the other role.
    """
    listed = () if given is None else (given,) if isinstance(given, Notion) else tuple(given)
    for notion in listed:
        if not isinstance(notion, Notion):
            raise InputError(f"{role}={notion!r} is not a notion; write for example mo.DIC() or mo.EPIR()")
        if notion.role != role:
            raise InputError(f"{role}={notion.name}: this is an {notion.role} notion; give it as {notion.role}=")
    return tuple(sorted(set(listed), key=ALL_NOTIONS.index))


def notion_named(name: str) -> Notion:
    """Look up a notion by its name on the command line.

    Raises
    ------
    InputError
        With the nearest name.
    """
    from difflib import get_close_matches

    names = {notion.name: notion for notion in ALL_NOTIONS}
    if name in names:
        return names[name]
    near = get_close_matches(name.lower(), names, n=1)
    mend = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names)}"
    raise InputError([Fault("", f"{name!r} is not a notion", mend)])


def parse_notions(text: str, role: str) -> tuple[Notion, ...]:
    """Read ``"ppic+indu"``; ``"none"`` for none.

    Examples
    --------
    >>> parse_notions("ppic+indu", "ic")
    (PPIC(), INDU())
    """
    if text.strip() == "none":
        return ()
    return as_notions([notion_named(part.strip()) for part in text.split("+")], role)


@dataclass(frozen=True)
class Objective:
    """A weighted sum to maximise: ``revenue`` + ``welfare`` + the agents' ``utility``, with these weights.

    Revenue is net of the seller's costs, so that welfare = revenue + sum of utilities. Objectives add and scale:
    ``Revenue() + 0.5 * Welfare()``.

    Parameters
    ----------
    revenue, welfare : float
        Weights.
    utility : float
        Weight of every agent's utility.
    """

    revenue: float = 0.0
    welfare: float = 0.0
    utility: float = 0.0

    def __add__(self, other: Objective) -> Objective:
        return Objective(self.revenue + other.revenue, self.welfare + other.welfare, self.utility + other.utility)

    def __rmul__(self, weight: float) -> Objective:
        return Objective(weight * self.revenue, weight * self.welfare, weight * self.utility)

    def __str__(self) -> str:
        parts = (("revenue", self.revenue), ("welfare", self.welfare), ("utility", self.utility))
        return "+".join(name if w == 1 else f"{w:g}*{name}" for name, w in parts if w) or "0*revenue"


def Revenue() -> Objective:
    """Expected present value of payments net of the seller's costs."""
    return Objective(revenue=1.0)


def Welfare() -> Objective:
    """Expected present value of the values of what is sold net of costs."""
    return Objective(welfare=1.0)


def Utility() -> Objective:
    """Sum of the agents' expected utilities."""
    return Objective(utility=1.0)


def parse_objective(text: str) -> Objective:
    """Read ``"revenue"``, ``"welfare"``, ``"utility"`` or a sum such as ``"revenue+0.5*welfare"``.

    Examples
    --------
    >>> parse_objective("revenue+0.5*welfare")
    Objective(revenue=1.0, welfare=0.5, utility=0.0)

    Raises
    ------
    InputError
        If the text is no such sum.
    """
    from mechopt.core.numbers import parse_exact

    names = {"revenue": Revenue(), "welfare": Welfare(), "utility": Utility()}
    total = Objective()
    for term in text.split("+"):
        weight, _, name = term.rpartition("*")
        try:
            total += float(parse_exact(weight or "1")) * names[name.strip()]
        except (KeyError, ValueError):
            raise InputError(
                f"objective {text!r}: cannot read {term!r}; write revenue, welfare, utility or revenue+0.5*welfare"
            ) from None
    return total
