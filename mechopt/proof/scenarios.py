"""The program over scenarios once more, by loops, for the checker of certificates.

Columns: what the objective is about (guarantee or regret); then, in the payment form, R at the start; then, scenario by
scenario, lifetime utility S by length of history (in the payment form without the full length, where it is R), surplus
to come W by length, and by period what no earlier scenario has at the node of the tree of scenarios: the allocation,
and in the payment form R after it. Rows, scenario by scenario: the scenario's own, W(h) = E [sum_i (v_i - c) x_i(h,.) +
W(h,.)], and the objective's: (W - S at the start) / optimum >= guarantee; or (W - S at the start + regret) / |optimum|
>= 1, or -1 where the optimum is below 0, or undivided and >= 0 where it is 0. A weighted guarantee has one row, the
last: the sum of weight (W - S at the start) / optimum over the scenarios where something can be earned, their weights
scaled to sum to 1, >= guarantee.

R is common to the scenarios through a node because payments are. Where no constraint but bounds S >= 0 at the end, or
at every prefix, is about R, R may follow the S of any of them, so that only S is in the program: the utility form.

A scenario that ends with an absorbing period, one of equal revenue whose range has no end and whose revenue vanishes,
is worth W at the start: with a promise of w that period is worth w. Its optimum is the first best, computed here.

With INDU in the utility form, before the objective's row and for every node that another scenario speaks for (the one
that ends there, else the first through it, whose S is the realised utility R, the same in all): S(h,k) - S(h,0) is that
of the other one, since S - R, what can be expected, is to be the same for all k in both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from mechopt.environment.scenarios import Scenarios
from mechopt.mechanism.constraints import DIC, EPIR, INDU, PFIR, Constraint, ExPostIC, Interim, SuperDIC
from mechopt.mechanism.payments import EpsilonIC, PaymentConstraint
from mechopt.proof.constraints import INDEPENDENT, CertificateError
from mechopt.proof.independent import Model, rebuild
from mechopt.proof.rows import Entries, Number, Row, Side


@dataclass(frozen=True)
class GuaranteeTerms:
    """Terms of a guarantee, as its certificate says.

    Attributes
    ----------
    ic, ir : tuples of Constraint
    subject_to : tuple of PaymentConstraint
    objective : str
        ``"ratio"``, ``"weighted"`` or ``"regret"``.
    """

    ic: tuple[Constraint, ...] = (DIC(),)
    ir: tuple[Constraint, ...] = (EPIR(),)
    subject_to: tuple[PaymentConstraint, ...] = ()
    objective: str = "ratio"

    def constant(self, buyers: int) -> bool:
        """Whether INDU is said by rows of its own, in the utility form."""
        return buyers == 1 and self.ic == (DIC(), INDU()) and self._bounds_alone

    @property
    def _bounds_alone(self) -> bool:
        return not self.subject_to and set(self.ir) <= {EPIR(), PFIR(), Interim()} and set(self.ir) != {Interim()}

    def form(self, buyers: int) -> str:
        """``"utility"`` or ``"payment"``."""
        lifetime = bool(self.ic) and set(self.ic) <= {DIC(), ExPostIC(), SuperDIC()}
        plain = self._bounds_alone and bool(self.ir)
        return "utility" if plain and (lifetime or self.constant(buyers)) else "payment"


STANDARD_TERMS = GuaranteeTerms()
"""The guarantee under DIC and EPIR."""
Measured = tuple[tuple[Constraint, ...], tuple[Constraint, ...], tuple[PaymentConstraint, ...]]


def measured_by(terms: GuaranteeTerms, benchmark: str, buyers: int) -> Measured:
    """The constraints that the clairvoyant optima must be under.

    Raises
    ------
    CertificateError
        If the checker does not define what is asked for.
    """
    if terms.objective not in ("ratio", "weighted", "regret"):
        raise CertificateError(f"objective: {terms.objective!r} is not ratio, weighted or regret")
    INDEPENDENT.require(terms.ic, terms.ir)
    if any(isinstance(constraint, EpsilonIC) for constraint in terms.subject_to):
        raise CertificateError("subject_to: guarantees keep incentive constraints as they are, without epsilon")
    if benchmark == "same":
        constant = terms.constant(buyers) and terms.ir == (EPIR(),)
        return (DIC(),) if constant else terms.ic, terms.ir, terms.subject_to
    if benchmark != "standard":
        raise CertificateError(f"benchmark: {benchmark!r} is not same or standard")
    if DIC() not in INDEPENDENT.closure(terms.ic) or EPIR() not in INDEPENDENT.closure(terms.ir):
        raise CertificateError("benchmark: revenue under DIC and EPIR bounds that of mechanisms under both alone")
    return (DIC(),), (EPIR(),), ()


class GuaranteeModel:
    """A program over scenarios rebuilt; ``optima``: what revenue is measured by, by scenario."""

    def __init__(
        self,
        scenarios: Scenarios,
        optima: Sequence[Fraction],
        terms: GuaranteeTerms = STANDARD_TERMS,
    ) -> None:
        self.names, self.terms, self.paths = scenarios.names, terms, scenarios.paths
        buyers = scenarios.environments[0].agents
        self.constant, form = terms.constant(buyers), terms.form(buyers)
        ic = (DIC(),) if self.constant else terms.ic
        self.shares = list(scenarios.weights) if terms.objective == "weighted" else []
        nothing = Fraction(1), Fraction(0), Fraction(0)
        self.parts: list[Model] = []
        for environment in scenarios.environments:
            if environment.exact is None:
                raise CertificateError("fingerprint: a scenario has no exact numbers, so nothing can be proved")
            self.parts.append(rebuild(environment, form, ic, terms.ir, nothing, terms.subject_to))
        regret = terms.objective == "regret"
        self.absorbed = [sequence[-1] in scenarios.absorbing for sequence in scenarios.sequences]
        self.optima = [
            _first_best(part) if taken else optimum
            for part, taken, optimum in zip(self.parts, self.absorbed, optima, strict=True)
        ]
        self.columns = 1
        self.labels = [(0, "the regret" if regret else "the guarantee")]
        self.lower: list[Side] = [0]
        self.upper: list[Side] = [None if regret else 1]
        self.places: list[list[int]] = []  # by scenario: column of each of its own program's columns
        self.worth: list[list[int]] = []  # by scenario and period: first column of W
        shared: dict[tuple[str, int], int] = {}
        if form == "payment":
            shared["realised utility", 0] = self._block("realised utility at the start", buyers).start
        for s in range(len(self.parts)):
            self._columns(s, form, shared)
        self.cost: list[Number] = [0] * self.columns
        self.cost[0] = -1 if regret else 1
        self.offset = Fraction(0)
        self.row_count = sum(1 for _ in self.rows())

    def _columns(self, s: int, form: str, shared: dict[tuple[str, int], int]) -> None:
        """Number the columns of one scenario, and take over bounds from its own program."""
        part, path, words = self.parts[s], self.paths[s], f"scenario {self.names[s]!r}"
        buyers, count, periods = part.buyers, part.count, range(part.periods)
        first: dict[tuple[str, int], int] = {}
        for t in periods if form == "payment" else range(part.periods + 1):
            first["lifetime utility", t] = self._block(f"{words}, lifetime utility {t}", buyers * count[t]).start
        self.worth.append([])
        for t in periods:
            block = self._block(f"{words}, surplus to come {t}", count[t])
            self.worth[s].append(block.start)
            for column in block:
                self.lower[column] = 0 if all(fee == 0 for fee in part.fees) else None
        for t in periods:
            node = path[t + 1]
            for kind in ("allocation", "realised utility") if form == "payment" else ("allocation",):
                if (kind, node) not in shared:
                    shared[kind, node] = self._block(f"{words}, {kind} {t}", buyers * count[t + 1]).start
            first["allocation", t] = shared["allocation", node]
        if form == "payment":
            for t in periods:
                first["realised utility", t] = shared["realised utility", path[t]]
            first["lifetime utility", part.periods] = shared["realised utility", path[part.periods]]
        place: list[int] = []
        for kind, length, _, width in part.blocks:
            place += range(first[kind, length], first[kind, length] + buyers * width)
        self.places.append(place)
        for own, column in enumerate(place):
            low, high = part.lower[own], part.upper[own]
            self.lower[column] = self.lower[column] if low is None else low  # scenarios that bound it bound it alike
            self.upper[column] = self.upper[column] if high is None else high

    def _block(self, label: str, size: int) -> range:
        first = self.columns
        self.labels.append((first, label))
        self.columns += size
        self.lower += [None] * size
        self.upper += [None] * size
        return range(first, first + size)

    def words(self, column: int) -> str:
        """Say which column it is."""
        first, label = next(entry for entry in reversed(self.labels) if column >= entry[0])
        return f"column {column}: {label}, number {column - first}"

    def rows(self) -> Iterator[Row]:
        """All rows in order."""
        for s, (name, part, place) in enumerate(zip(self.names, self.parts, self.places, strict=True)):
            for row in part.rows():
                entries: Entries = [(place[j], coefficient) for j, coefficient in row.entries]
                yield Row(f"{row.name} of scenario {name!r}", row.place, entries, row.lower, row.upper)
            for t in range(part.periods):
                yield from self._worth(s, t)
            if self.constant:
                yield from self._increments(s)
            if self.terms.objective == "regret" or (self.terms.objective == "ratio" and self._earns(s)):
                yield self._goal(s)
        counted = [s for s, share in enumerate(self.shares) if share and self._earns(s)]
        if counted:
            yield self._weighted(counted)

    def _earns(self, s: int) -> bool:
        """Whether some type that can occur values an item above its cost."""
        part = self.parts[s]
        return any(
            any(p * (part.present[i][t][k] - part.fees[t]) > 0 for i, k in enumerate(profile))
            for t in range(part.periods)
            for p, profile in zip(part.distribution[t], part.profiles[t], strict=True)
        )

    def _worth(self, s: int, t: int) -> Iterator[Row]:
        part, place = self.parts[s], self.places[s]
        width = len(part.distribution[t])
        for h in range(part.count[t]):
            entries: Entries = [(self.worth[s][t] + h, -1)]
            for m, (p, profile) in enumerate(zip(part.distribution[t], part.profiles[t], strict=True)):
                for i, k in enumerate(profile):
                    sold = place[part.allocation(t, i) + h * width + m]
                    entries.append((sold, p * (part.present[i][t][k] - part.fees[t])))
                if t + 1 < part.periods:
                    entries.append((self.worth[s][t + 1] + h * width + m, p))
            yield Row(f"surplus to come of scenario {self.names[s]!r}", (t, None, h), entries, 0, 0)

    def _increments(self, s: int) -> Iterator[Row]:
        part = self.parts[s]
        for t in range(part.periods):
            node, types = self.paths[s][t + 1], len(part.distribution[t])
            through = [r for r, path in enumerate(self.paths) if node in path]
            ending = [r for r in through if self.paths[r][-1] == node]
            speaks = (ending or through)[0]
            if speaks == s:
                continue
            first = sum(part.count[: t + 1])
            own, told = self.places[s][first:], self.places[speaks][first:]
            for h in range(part.count[t]):
                for k in range(1, types):
                    a, b = h * types + k, h * types
                    entries: Entries = [(own[a], 1), (own[b], -1), (told[a], -1), (told[b], 1)]
                    name = f"constant continuation utility of scenario {self.names[s]!r}"
                    yield Row(name, (t, None, a), entries, 0, 0)

    def _revenue(self, s: int, scale: Number) -> Entries:
        """W less every buyer's S at the start, times a number."""
        part = self.parts[s]
        starts = (self.places[s][part.utility("lifetime utility", 0, i)] for i in range(part.buyers))
        return [(self.worth[s][0], scale), *((column, -scale) for column in starts)]

    def _goal(self, s: int) -> Row:
        optimum, name = self.optima[s], self.names[s]
        if self.absorbed[s]:
            entries: Entries = [(self.worth[s][0], self._over(s)), (0, -1)]
            return Row(f"guarantee of scenario {name!r}, which ends absorbing", (0, None, 0), entries, 0, None)
        if self.terms.objective == "regret":
            scale = 1 / abs(optimum) if optimum else Fraction(1)
            least = (1 if optimum > 0 else -1) if optimum else 0
            entries = [*self._revenue(s, scale), (0, scale)]
            return Row(f"regret of scenario {name!r}", (0, None, 0), entries, least, None)
        return Row(
            f"guarantee of scenario {name!r}", (0, None, 0), [*self._revenue(s, self._over(s)), (0, -1)], 0, None
        )

    def _over(self, s: int) -> Number:
        if self.optima[s] <= 0:
            raise CertificateError(f"optima: that of scenario {self.names[s]!r} is not above 0")
        return 1 / self.optima[s]

    def _weighted(self, counted: Sequence[int]) -> Row:
        total = sum((self.shares[s] for s in counted), Fraction(0))
        entries: Entries = [(0, -1)]
        for s in counted:
            entries += self._revenue(s, self.shares[s] / total * self._over(s))
        return Row("weighted guarantee of all scenarios", (0, None, 0), entries, 0, None)


def _first_best(part: Model) -> Fraction:
    """Expected surplus of the efficient rule."""
    total = Fraction(0)
    for t in range(part.periods):
        for p, profile in zip(part.distribution[t], part.profiles[t], strict=True):
            gains = [Fraction(part.present[i][t][k] - part.fees[t]) for i, k in enumerate(profile)]
            total += Fraction(p) * max(Fraction(0), *gains)
    return total
