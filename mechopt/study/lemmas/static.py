r"""Lemmas B.1 and B.2 on an instance: constraints under which static auctions are all that is left.

**B.1.** A mechanism that does not know the future and satisfies DIC and PPIR earns no more than a static auction in
each period. For finite types this needs no Lemma C.1: if every prefix of a scenario is a scenario, period t is the last
of one, where DIC says that period t by itself is incentive compatible after every history; with PPIR it is a static
auction after every history, and earns at most Myerson's revenue. Where a prefix is missing the claim is not made.

**B.2.** A mechanism that satisfies super-DIC and EPIR earns no more than static auctions, for finite types too. Let
:math:`S(k, m, f)` be a buyer's utility from type k on, with the others' types m and the future path f, x the allocation
of the first period and :math:`c(k, m) = \sum_{l < k} D_l x(l, m)`. Super-DIC from each type to the one below gives
:math:`S(k, m, f) \ge S(1, m, f) + c(k, m) \ge c(k, m)` on every path, since :math:`S \ge 0` there. So what follows a
profile, with c taken out of S, satisfies super-DIC and EPIR in the later periods and earns at most their static
auctions by induction; and x with utilities c is a static auction, incentive compatible and rational ex post, of the
first.

Source: Mirrokni, Paes Leme, Tang and Zuo (2020), supplement B, whose proofs use that payments are pinned down.
"""

from __future__ import annotations

from dataclasses import dataclass

from mechopt.closedform.static.repeated import repeated_myerson
from mechopt.environment.independent import IndependentTypes
from mechopt.environment.scenarios import Scenarios
from mechopt.mechanism.constraints import PPIR, SuperDIC
from mechopt.solve.maximin import Maximin, maximin
from mechopt.solve.optimum import optimum
from mechopt.solve.result import Optimum


@dataclass(frozen=True, eq=False, repr=False)
class RationalEveryPeriod:
    """Lemma B.1 on an instance.

    Attributes
    ----------
    best : Maximin
        Under DIC and PPIR, measured by the optima under DIC and EPIR.
    static : tuple of float
        Revenue of Myerson's auctions, by scenario.
    closed : bool
        Whether every prefix of a scenario is a scenario: what the lemma is about.
    """

    best: Maximin
    static: tuple[float, ...]
    closed: bool

    @property
    def static_guarantee(self) -> float:
        """Least share of the optima that static auctions earn."""
        pairs = zip(self.static, self.best.optima, strict=True)
        return min(1.0, *(revenue / optimum if optimum > 0 else 1.0 for revenue, optimum in pairs))

    @property
    def deviation(self) -> float:
        """Guarantee of the best mechanism above static auctions; 0 by the lemma where it is about the instance."""
        return self.best.value - self.static_guarantee

    def __repr__(self) -> str:
        about = "" if self.closed else "; a prefix is not a scenario"
        return f"RationalEveryPeriod(guarantee {self.best.value:.6g}, static {self.static_guarantee:.6g}{about})"


def rational_every_period(scenarios: Scenarios) -> RationalEveryPeriod:
    """Measure Lemma B.1: rationality in every period leaves a seller without the future static auctions.

    Examples
    --------
    >>> import mechopt as mo
    >>> rational_every_period(mo.load("mirrokni-2020/maximin-equal-revenue-5"))
    RationalEveryPeriod(guarantee 0.888889, static 0.888889)
    """
    best = maximin(scenarios, ir=PPIR(), benchmark="standard")
    static = tuple(repeated_myerson(env).revenue for env in scenarios.environments)
    known = set(scenarios.sequences)
    closed = all(one[: t + 1] in known for one in known for t in range(len(one)))
    return RationalEveryPeriod(best, static, closed)


@dataclass(frozen=True, eq=False, repr=False)
class SuperIncentives:
    """Lemma B.2 on an instance.

    Attributes
    ----------
    best : Optimum
        Under super-DIC and EPIR.
    static : float
        Revenue of Myerson's auctions.
    """

    best: Optimum
    static: float

    @property
    def deviation(self) -> float:
        """Revenue under super-DIC above static auctions; 0 by the lemma."""
        return self.best.value - self.static

    def __repr__(self) -> str:
        return f"SuperIncentives(optimum {self.best.value:.9g}, static {self.static:.9g})"


def super_incentives(environment: IndependentTypes) -> SuperIncentives:
    """Measure Lemma B.2: super-DIC leaves static auctions.

    Examples
    --------
    >>> env = IndependentTypes.iid([1, 4], ["1/2", "1/2"], horizon=3)
    >>> super_incentives(env)
    SuperIncentives(optimum 6, static 6)
    """
    return SuperIncentives(optimum(environment, ic=SuperDIC()), repeated_myerson(environment).revenue)
