r"""Incentive and participation constraints as frozen values.

Notation, for buyer i in period t after the public history h (all reports before t): :math:`u_t(k; h, j)` is the
buyer's utility of period t, in present value, when her true type is k and she reports j; :math:`U_t(h, j)` is her
expected utility from period t+1 on, in present value, when everybody is truthful from then on; :math:`u_t(h, k)` is
:math:`u_t(k; h, k)`. With several buyers both are expectations over the others' current types, except where a
constraint says "ex post". Every constraint is meant for all t, h, types k and reports j, types of probability zero
included; where types are persistent, participation is asked for at histories and types of positive probability.
Where an agent has an outside option (``outside`` of environments), participation asks for it in place of 0: at
contracting for what she has then, later for what she has from that period on.

Source: Mirrokni, Paes Leme, Tang and Zuo (2020), section 2 and supplement A.1, B.1; PEIR is printed there with the
current type under its own expectation, which is read as "for every history".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, Final

from mechopt.core.errors import Fault, InputError


@dataclass(frozen=True)
class Constraint:
    """A property that a mechanism may have; compare with ``==``, use as a key.

    Attributes
    ----------
    name : str
        As on the command line and in files.
    role : str
        ``"ic"`` for incentive constraints, ``"ir"`` for participation constraints.
    types : str
        ``"independent"`` for constraints of types independent across periods, ``"persistent"`` for those of persistent
        types, ``"unmoved"`` for those of persistent types that no action moves, ``"all"`` for both kinds.
    """

    name: ClassVar[str]
    role: ClassVar[str]
    types: ClassVar[str] = "independent"


class _Incentive(Constraint):
    role = "ic"


class _Participation(Constraint):
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


class _Persistent(_Incentive):
    types = "persistent"


@dataclass(frozen=True)
class BayesianIC(_Persistent):
    r"""Truth-telling is a best reporting strategy from contracting on, in expectation over the others' types.

    Against every strategy of present and later misreports: with :math:`V(h,k)` the value of the best continuation of
    an agent of true type k at the public history h, truth attains V from period 0 on, and hence at every history that
    truth leads to. At every other history she may go on misreporting. Types persist; all others are truthful.

    Parameters
    ----------
    sees : str
        What she sees of the past: ``"all"`` reports and actions, all ``"actions"`` but no reports of others, or only
        her ``"own"`` types and reports, not even actions. The less she sees, the more the mechanism can do.
    """

    sees: str = "all"

    def __post_init__(self) -> None:
        if self.sees not in SEEN:
            raise InputError([Fault("sees", f"is {self.sees!r}", f"write one of {', '.join(map(repr, SEEN))}")])

    @property
    def name(self) -> str:  # type: ignore[override]
        """``"bayesian"``, or with what she sees, such as ``"bayesian-own"``."""
        return "bayesian" if self.sees == "all" else f"bayesian-{self.sees}"


SEEN = ("all", "actions", "own")


@dataclass(frozen=True)
class PeriodicExPostIC(_Persistent):
    r"""Truth-telling is best at every public history, whatever the others' current types (future ones in expectation).

    For every agent, public history h, own type k, report r and types m of the others in that period,
    :math:`V(h,k,m) \ge v(k; h,r,m) + E[V(h', k', m')]`, where V is the value of truth from there on (Bergemann and
    Valimaki 2010, section 2). At histories where her true type is none that her past reports allow, V is that of
    her best report.

    Parameters
    ----------
    rereport : bool
        Whether any type may be reported in any period, whatever the reported past allows: agents may take back a part
        of their type that never moves, such as the initial signal of Kakade, Lobel and Nazerzadeh (2013).
    """

    rereport: bool = False

    @property
    def name(self) -> str:  # type: ignore[override]
        """``"periodic-ex-post"``, with re-reports ``"periodic-ex-post-rereport"``."""
        return "periodic-ex-post-rereport" if self.rereport else "periodic-ex-post"


@dataclass(frozen=True)
class AdjacentIC(_Persistent):
    r"""One misreport to a neighbouring type (in the order of types), at every history, and truth after it: a diagnosis.

    In expectation over the others' current types. Implied by `BayesianIC`; not enough for it where types persist.
    """

    name = "adjacent"


@dataclass(frozen=True)
class DownwardIC(_Persistent):
    r"""The same against the next lower type alone: the first-order approach in finite types, a diagnosis."""

    name = "downward"


@dataclass(frozen=True)
class MyopicIC(_Persistent):
    r"""Truth is best for the utility of the current period alone, :math:`v - p`: agents who do not look ahead.

    At every history and for every own type and report of positive probability there, in expectation over the others'
    types. Neither implies nor is implied by `BayesianIC`: what a report does to later periods counts for nothing.
    """

    name = "myopic"


@dataclass(frozen=True)
class DominantIC(_Incentive):
    r"""Truth is dominant for agents who know all types, also those to come, whatever the others report.

    For every agent, public history, path of her types that is possible and path of the others' reports: no sequence of
    her reports has a larger :math:`\sum_{s \ge t} u_s` than the truth. Where types persist that no action moves;
    `SuperDIC` is the same where they are independent across periods. Kakade et al. (2013), Corollary 5.2.

    Parameters
    ----------
    later : bool
        From the second period on alone, after contracting.
    """

    later: bool = False
    types = "unmoved"

    @property
    def name(self) -> str:  # type: ignore[override]
        """``"dominant"``, or ``"dominant-later"``."""
        return "dominant-later" if self.later else "dominant"


@dataclass(frozen=True)
class EPIR(_Participation):
    r"""Ex post individual rationality: :math:`\sum_{t \le T} u_t \ge 0` on every full path of reports.

    Where types persist: on every path of types of positive probability, and actions where these matter to later types.
    """

    name = "epir"
    types = "all"


@dataclass(frozen=True)
class PFIR(_Participation):
    r"""Individual rationality on every prefix: :math:`\sum_{s \le t} u_s \ge 0` on every path and for every t.

    Where types persist: on paths of positive probability.
    """

    name = "prefix"
    types = "all"


@dataclass(frozen=True)
class PPIR(_Participation):
    r"""Per-period individual rationality: :math:`u_t \ge 0` at every history and report profile.

    Where types persist: at those whose types have positive probability.
    """

    name = "per-period"
    types = "all"


@dataclass(frozen=True)
class PEIR(_Participation):
    r"""Per-period expected rationality: :math:`\mathbb{E}_k\, u_t(h,k) \ge 0`."""

    name = "per-period-expected"


@dataclass(frozen=True)
class Interim(_Participation):
    r"""Interim rationality at contracting: :math:`u_0(k) + U_0(k) \ge 0` for each type k of the first period."""

    name = "interim"
    types = "all"


@dataclass(frozen=True)
class ExAnteIR(_Participation):
    r"""Rationality before the first type is known: :math:`\mathbb{E}_k[u_0(k) + U_0(k)] \ge 0`."""

    name = "ex-ante"
    types = "all"


@dataclass(frozen=True)
class PeriodicIR(_Participation):
    r"""Expected continuation utility from every current type on: :math:`u_t(h,k) + U_t(h,k) \ge 0`.

    Where types persist: at histories and types of positive probability.
    """

    name = "periodic"
    types = "all"


@dataclass(frozen=True)
class ExpectedContinuationIR(_Participation):
    r"""The same before the current type is known: :math:`\mathbb{E}_k[u_t(h,k) + U_t(h,k)] \ge 0`."""

    name = "expected-continuation"


@dataclass(frozen=True)
class PeriodicExPostIR(_Participation):
    r"""Continuation utility from every history on, whatever all agents' current types: :math:`V(h,k,m) \ge 0`.

    Persistent types; at histories and current types of positive probability. Bergemann and Valimaki (2010), section
    2, who ask it of all types: one that never comes may stay away without loss.
    """

    name = "periodic-ex-post-ir"
    types = "persistent"


ALL_CONSTRAINTS: tuple[Constraint, ...] = (
    DIC(),
    ExPostIC(),
    PPIC(),
    INDU(),
    SuperDIC(),
    BayesianIC(),
    BayesianIC("actions"),
    BayesianIC("own"),
    PeriodicExPostIC(),
    PeriodicExPostIC(rereport=True),
    AdjacentIC(),
    DownwardIC(),
    MyopicIC(),
    DominantIC(),
    DominantIC(later=True),
    EPIR(),
    PFIR(),
    PPIR(),
    PEIR(),
    Interim(),
    PeriodicIR(),
    ExpectedContinuationIR(),
    PeriodicExPostIR(),
    ExAnteIR(),
)

INDEPENDENT_CONSTRAINTS = tuple(c for c in ALL_CONSTRAINTS if c.types in ("independent", "all"))
"""Those that are defined where types are independent across periods."""
PERSISTENT_CONSTRAINTS = tuple(c for c in ALL_CONSTRAINTS if c.types in ("persistent", "all"))
"""Those that are defined wherever types persist."""
UNMOVED_CONSTRAINTS = tuple(c for c in ALL_CONSTRAINTS if c.types == "unmoved")
"""Those that are defined where types persist and no action moves them."""


class Standard(Enum):
    """Stands for the constraints that are usual for a kind of environment, where none are asked for."""

    CONSTRAINTS = "standard"

    def __repr__(self) -> str:
        return "STANDARD"


STANDARD: Final = Standard.CONSTRAINTS
"""DIC and EPIR for types independent across periods; Bayesian IC and interim IR for persistent types."""

Asked = Constraint | str | Iterable[Constraint | str] | Standard | None
"""One constraint, several, none, or the standard ones; names of the command line mean the same as values."""

IMPLIES: tuple[tuple[frozenset[Constraint], Constraint], ...] = (
    (frozenset({SuperDIC()}), ExPostIC()),
    (frozenset({ExPostIC()}), DIC()),
    (frozenset({PPIC(), INDU()}), DIC()),
    (frozenset({DominantIC()}), DominantIC(later=True)),
    (frozenset({DominantIC()}), PeriodicExPostIC()),
    (frozenset({PeriodicExPostIC(rereport=True)}), PeriodicExPostIC()),
    (frozenset({PeriodicExPostIC()}), BayesianIC()),
    (frozenset({BayesianIC()}), BayesianIC("actions")),
    (frozenset({BayesianIC("actions")}), BayesianIC("own")),
    (frozenset({BayesianIC()}), AdjacentIC()),
    (frozenset({AdjacentIC()}), DownwardIC()),
    (frozenset({PPIR()}), PFIR()),
    (frozenset({PPIR()}), PEIR()),
    (frozenset({PPIR()}), PeriodicIR()),
    (frozenset({PFIR()}), EPIR()),
    (frozenset({EPIR()}), Interim()),
    (frozenset({PEIR()}), ExpectedContinuationIR()),
    (frozenset({PeriodicExPostIR()}), PeriodicIR()),
    (frozenset({PeriodicIR()}), Interim()),
    (frozenset({PeriodicIR()}), ExpectedContinuationIR()),
    (frozenset({Interim()}), ExAnteIR()),
    (frozenset({ExpectedContinuationIR()}), ExAnteIR()),
)
"""Which constraints together imply which: (premises, conclusion)."""


def closure(constraints: Iterable[Constraint]) -> frozenset[Constraint]:
    """All constraints that the given ones imply, themselves included.

    Examples
    --------
    >>> sorted(n.name for n in closure([PPIC(), INDU()]))
    ['dic', 'indu', 'ppic']
    """
    known = set(constraints)
    while new := {conclusion for premises, conclusion in IMPLIES if premises <= known} - known:
        known |= new
    return frozenset(known)


def unimplied(constraints: Iterable[Constraint]) -> list[Constraint]:
    """The given constraints without those that the rest implies, tried in order.

    Examples
    --------
    >>> unimplied([DIC(), SuperDIC()])
    [SuperDIC()]
    """
    kept = list(constraints)
    for constraint in tuple(kept):
        if constraint in closure(other for other in kept if other != constraint):
            kept.remove(constraint)
    return kept
