"""Which constraints the checker of certificates defines for each kind of environment, and what they imply there.

This is the checker's own table, with the reason for every line: it shares no logic with the programs. A constraint that
is not defined for a kind is refused, never ignored and never taken for another one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mechopt.core.errors import MechoptError
from mechopt.environment.independent import IndependentTypes
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.environment.markov import MarkovTypes
from mechopt.mechanism.constraints import (
    DIC,
    EPIR,
    INDU,
    PEIR,
    PFIR,
    PPIC,
    PPIR,
    AdjacentIC,
    BayesianIC,
    Constraint,
    DominantIC,
    DownwardIC,
    ExAnteIR,
    ExpectedContinuationIR,
    ExPostIC,
    Interim,
    MyopicIC,
    PeriodicExPostIC,
    PeriodicExPostIR,
    PeriodicIR,
    SuperDIC,
)

Listed = tuple[Constraint, ...]


class CertificateError(MechoptError):
    """A certificate that proves nothing, with the entry, row or column where it fails."""


@dataclass(frozen=True)
class Defined:
    """The constraints of one kind of environment.

    Attributes
    ----------
    types : str
        The kind, in words.
    ic, ir : tuples of Constraint
        All that are defined, in the order in which certificates list them.
    implies : tuple of (premises, conclusion)
        What the premises together imply in every mechanism of this kind.
    """

    types: str
    ic: Listed
    ir: Listed
    implies: tuple[tuple[Listed, Constraint], ...]

    def closure(self, given: Iterable[Constraint]) -> frozenset[Constraint]:
        """Everything that the given constraints imply, themselves included.

        Examples
        --------
        >>> sorted(c.name for c in INDEPENDENT.closure([PPIC(), INDU()]))
        ['dic', 'indu', 'ppic']
        """
        known, grown = set[Constraint](), set(given)
        while known != grown:
            known = set(grown)
            grown |= {conclusion for premises, conclusion in self.implies if known.issuperset(premises)}
        return frozenset(known)

    def unimplied(self, given: Iterable[Constraint]) -> list[Constraint]:
        """The given constraints without those that the others imply, tried in order."""
        kept = list(given)
        for constraint in tuple(kept):
            others = [other for other in kept if other != constraint]
            if constraint in self.closure(others):
                kept = others
        return kept

    def require(self, ic: Listed, ir: Listed) -> None:
        """Refuse constraints that are not defined for this kind, or not listed as certificates list them.

        Raises
        ------
        CertificateError
            With those that are defined.
        """
        for side, listed, known in (("ic", ic, self.ic), ("ir", ir, self.ir)):
            for constraint in listed:
                if constraint not in known:
                    names = ", ".join(other.name for other in known)
                    where = "stands on the wrong side" if constraint in (*self.ic, *self.ir) else "is not defined"
                    raise CertificateError(
                        f"{side}: constraint {constraint.name!r} {where} for {self.types}; those of this side: {names}"
                    )
            if list(listed) != [constraint for constraint in known if constraint in listed]:
                names = ", ".join(constraint.name for constraint in listed)
                raise CertificateError(f"{side}: {names}: each constraint stands once, in the library's order")


INDEPENDENT = Defined(
    "types independent across periods",
    (DIC(), ExPostIC(), PPIC(), INDU(), SuperDIC()),
    (EPIR(), PFIR(), PPIR(), PEIR(), Interim(), PeriodicIR(), ExpectedContinuationIR(), ExAnteIR()),
    (
        ((SuperDIC(),), ExPostIC()),  # the mean over future paths
        ((ExPostIC(),), DIC()),  # the mean over the others' reports
        ((PPIC(), INDU()), DIC()),  # the sum of both
        ((PPIR(),), PFIR()),  # sums over the periods of a prefix
        ((PPIR(),), PEIR()),  # the mean over her type
        ((PPIR(),), PeriodicIR()),  # the mean of sums over later periods
        ((PFIR(),), EPIR()),  # the longest prefix
        ((EPIR(),), Interim()),  # the mean over paths after the first type
        ((PEIR(),), ExpectedContinuationIR()),  # sums of means over later periods
        ((PeriodicIR(),), Interim()),  # the first period
        ((PeriodicIR(),), ExpectedContinuationIR()),  # the mean over the current type
        ((Interim(),), ExAnteIR()),  # the mean over the first type
        ((ExpectedContinuationIR(),), ExAnteIR()),  # the first period
    ),
)
PERSISTENT = Defined(
    "persistent types",
    (
        *(BayesianIC(sees) for sees in ("all", "actions", "own")),
        PeriodicExPostIC(),
        PeriodicExPostIC(rereport=True),
        AdjacentIC(),
        DownwardIC(),
        MyopicIC(),
        DominantIC(),
        DominantIC(later=True),
    ),
    (EPIR(), PFIR(), PPIR(), Interim(), PeriodicIR(), PeriodicExPostIR(), ExAnteIR()),
    (
        ((DominantIC(),), DominantIC(later=True)),  # fewer periods
        ((DominantIC(),), PeriodicExPostIC()),  # the mean over paths
        ((PeriodicExPostIC(rereport=True),), PeriodicExPostIC()),  # fewer reports
        ((PeriodicExPostIC(),), BayesianIC()),  # the mean over the others' types
        ((BayesianIC(),), BayesianIC("actions")),  # a strategy may ignore what it sees
        ((BayesianIC("actions"),), BayesianIC("own")),  # the same
        ((BayesianIC(),), AdjacentIC()),  # one of the deviations
        ((AdjacentIC(),), DownwardIC()),  # one of the neighbours
        ((PPIR(),), PFIR()),  # sums over the periods of a prefix
        ((PPIR(),), PeriodicIR()),  # the mean of sums over later periods
        ((PFIR(),), EPIR()),  # the longest prefix
        ((EPIR(),), Interim()),  # the mean over paths after the first type
        ((PeriodicExPostIR(),), PeriodicIR()),  # the mean over the others' types
        ((PeriodicIR(),), Interim()),  # the first period
        ((Interim(),), ExAnteIR()),  # the mean over the first type
    ),
)


def require_outside(environment: IndependentTypes | MarkovTypes | InterdependentTypes, ir: Listed) -> None:
    """Refuse participation on paths or by period beside an outside option that is not one number at contracting.

    With one number all implications above hold: it is asked for at the first of the periods that are summed up.

    Raises
    ------
    CertificateError
        With the constraint.
    """
    exact = environment.exact
    if exact is None or exact.outside is None:
        return
    for constraint in ir:
        if constraint in (EPIR(), PFIR(), PPIR(), PEIR()):
            for row in exact.outside:
                if len(set(row[0])) > 1 or any(number for part in row[1:] for number in part):
                    raise CertificateError(f"ir: {constraint.name} beside an outside option by type or period")


def demanded(form: str, ic: Listed, ir: Listed, outside: bool = False) -> list[Constraint]:
    """The constraints that are rows of the payment or utility form, in the order of the rows.

    With outside options all participation is rows, else some of it is bounds.
    """
    if form == "utility":
        implied = INDEPENDENT.closure(ic)
        ranked: list[Constraint] = [SuperDIC(), ExPostIC(), DIC()]
        return [constraint for constraint in ranked if constraint in implied][:1]
    bounds = () if outside else (EPIR(), PFIR(), ExAnteIR())
    return [constraint for constraint in INDEPENDENT.unimplied((*ic, *ir)) if constraint not in bounds]


def expressible(form: str, buyers: int, listed_ic: Listed, listed_ir: Listed) -> bool:
    """Whether a form says all of the constraints: without payments by period, some timing must satisfy the rest.

    With realised utility equal to S, DIC gives PPIC and INDU, but PPIR and periodic IR may be violated; with every sale
    charged at the reported value and S handed out at the end, S >= 0 gives all participation, but not PPIC or INDU.
    """
    ic, ir = set(listed_ic), set(listed_ir)
    if form == "payment":
        return True
    if form not in ("utility", "promise"):
        return False
    dic = DIC() in INDEPENDENT.closure(ic)
    bank = not ir & {PPIR(), PeriodicIR()}
    rebate = not ic & {PPIC(), INDU()} and EPIR() in INDEPENDENT.closure(ir)
    if (PPIC() in ic and not dic) or not (bank or rebate):
        return False
    return form == "utility" or (form == "promise" and buyers == 1 and dic and SuperDIC() not in ic)


def require_independent(form: str, buyers: int, ic: Listed, ir: Listed) -> None:
    """Refuse what the checker does not define for types independent across periods.

    Raises
    ------
    CertificateError
        If a constraint is not defined, or the form cannot express all of them.
    """
    INDEPENDENT.require(ic, ir)
    if not expressible(form, buyers, ic, ir):
        names = [constraint.name for constraint in (*ic, *ir)]
        raise CertificateError(f"form: {form!r} cannot express {names}")


def require_persistent(form: str, ic: Listed, ir: Listed) -> None:
    """Refuse what the checker does not define for persistent types.

    Raises
    ------
    CertificateError
        If the form is another one, a constraint is not defined, or two of them differ in what a report may be.
    """
    PERSISTENT.require(ic, ir)
    if form != "sequence":
        names = [constraint.name for constraint in (*ic, *ir)]
        raise CertificateError(f"form: {form!r} cannot express {names} for persistent types; 'sequence' can")
    asked = set(PERSISTENT.unimplied(ic))
    if BayesianIC("own") in asked and asked & {AdjacentIC(), DownwardIC()}:
        raise CertificateError("ic: bayesian-own with adjacent or downward: they differ in which reports are possible")


def compared(ic: Iterable[Constraint], ir: set[Constraint], within: bool = False) -> dict[str, str]:
    """Which values there are where types are persistent, by basis, and the misreports that they are compared with.

    Where strategies may gain something (``within``), what the best one is worth stands apart from truth, last.
    """
    asked, found = set(ic), dict[str, str]()
    if any(isinstance(constraint, PeriodicExPostIC) for constraint in asked):
        found["ex post"] = "all"
    elif BayesianIC() in asked and not within:
        found["interim"] = "all"
    elif AdjacentIC() in asked:
        found["interim"] = "adjacent"
    elif DownwardIC() in asked:
        found["interim"] = "downward"
    if PeriodicExPostIR() in ir:
        found.setdefault("ex post", "none")
    elif ir & {Interim(), PeriodicIR()} and not found:
        found["interim"] = "none"
    if BayesianIC() in asked and within:
        found["strategy"] = "all"
    return found
