r"""Bank account mechanisms: one static auction a period, chosen by the buyers' balances.

All money in this module is present value: period t's values are :math:`\delta^t \theta`, so that a discount needs no
interest on balances and every statement of the paper, who has none, holds as printed. Balances are public, start at
:math:`b_0 = 0`, and the mechanism of period t may depend on the past only through the vector b of balances before it:
allocation :math:`x(\theta, b)`, payment :math:`p(\theta, b)` and next balance :math:`b'(\theta, b)`, such that

- (IC) :math:`\mathbb{E}_{-i}[\theta^i x^i(j, \cdot, b) - p^i(j, \cdot, b)]` is largest at :math:`j = \theta^i`;
- (BI) :math:`\mathbb{E}[u^i(\theta, b)] = c^i_t \ge 0` for every b, where :math:`u^i = \theta^i x^i - p^i`;
- (BU) :math:`0 \le b'^i(\theta, b) \le b^i + u^i(\theta, b)` whatever the types.

The *spend* s^i(b) is charged to buyer i whatever her type and whoever gets the item, and leaves her balance; the
*deposit* is what enters it: :math:`b' = b - s + d`. By (BI) nothing that is reported now moves what can be expected
later, so (IC) gives PPIC, INDU and hence DIC; (BU) sums to PFIR and hence EPIR; (BI) is PEIR.

Source: Mirrokni, Paes Leme, Tang and Zuo (2020), section 3, Lemma 3.2, supplement A.1, A.2 and (several buyers) D.2,
who count periods from 1. Balances that can be reached are what the conditions are asked of here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import log10

import numpy as np

from mechopt.closedform.bank.conditions import Conditions, check_conditions
from mechopt.closedform.bank.outcome import BankOutcome, bank_outcome, drawn_samples
from mechopt.closedform.bank.reachable import MAX_ENTRIES, MAX_STATES
from mechopt.closedform.bank.stage import Stage
from mechopt.core.errors import InputError, LimitError
from mechopt.core.numbers import FloatArray
from mechopt.environment.independent import IndependentTypes
from mechopt.histories.reports import HistoryTree
from mechopt.mechanism.constraints import ALL_CONSTRAINTS, INDU, PEIR, PFIR, PPIC, Constraint, ExPostIC, closure
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.methods import MechanismMethods
from mechopt.mechanism.outcome import own_values
from mechopt.mechanism.simulation import Runs, played

SMALLEST_WEIGHT = 1e-200
"""Smallest discount factor of a period by which present values are still divided."""


def library_order(constraints: frozenset[Constraint]) -> tuple[Constraint, ...]:
    """Constraints in the library's order."""
    return tuple(sorted(constraints, key=ALL_CONSTRAINTS.index))


BANK_ACCOUNT_CONSTRAINTS = library_order(closure([PPIC(), INDU(), PFIR(), PEIR()]))
"""What every bank account mechanism keeps: Lemma 3.2 and supplement A.1."""
DOMINANT_BANK_ACCOUNT_CONSTRAINTS = library_order(closure([*BANK_ACCOUNT_CONSTRAINTS, ExPostIC()]))
"""The same where each period's auction is incentive compatible whatever the others report (Lemma 6.2)."""


@dataclass(frozen=True, eq=False, repr=False)
class BankAccountMechanism(MechanismMethods):
    """A mechanism whose only memory is one balance a buyer.

    It stands where a `mechopt.Mechanism` stands, without a tree of histories: ``to_mechanism`` unrolls it where the
    tree is small, ``outcome`` follows the distribution of balances where it is not.

    Parameters
    ----------
    environment : IndependentTypes
    stage : function of (t, balance)
        What happens in period t at each column of ``balance``, an array ``(n, S)``; a pure function that returns a
        `Stage`.
    name : str
    source : str
        The theorem that it comes from.
    claims : tuple of Constraint
        What its theorem proves; the default is what (IC), (BI) and (BU) give.
    guarantee : Fraction or None
        Proved share of the largest revenue that DIC and EPIR allow to a seller who knows all distributions.
    separable : bool
        Whether what concerns a buyer depends on no other balance than her own. Then the balances of several buyers are
        followed one by one, and ``stage`` is asked about columns that put unrelated balances together.
    effort : int
        Time that ``stage`` takes for a column beyond arithmetic on arrays, in entries of an array: for programmes that
        it solves. Method "auto" of ``outcome`` allows for it.

    Examples
    --------
    Two items, types 1 and 2 equally likely. The first item is free and half its value is put into the bank; the second
    has price 1 for type 1 and 2, after the balance is taken:

    >>> from mechopt.closedform.bank.stage import over_profiles
    >>> env = IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=2)
    >>> def stage(t, balance):
    ...     spend, shape = t * balance, (1, balance.shape[1], 2)
    ...     give, put = np.ones(shape), (1 - t) * np.broadcast_to([0.5, 1.0], shape)
    ...     return Stage(balance, give, over_profiles(spend + t, 1) * give, spend, put)
    >>> bank = BankAccountMechanism(env, stage, name="by hand")
    >>> bank
    BankAccountMechanism(by hand: 1 buyer, 2 periods)

    What is expected in the second period is 1/2 less the balance, so that it pays to report 1 in the first:

    >>> bank.conditions()
    Conditions(IC holds; BI fails (agent 0, period 1, balance 0.5: expected utility is 0.5 more than at balance 1); ...)

    `mechopt.non_clairvoyant_balance` keeps all three.
    """

    environment: IndependentTypes
    stage: Callable[[int, FloatArray], Stage]
    name: str = "bank account"
    source: str = ""
    claims: tuple[Constraint, ...] = BANK_ACCOUNT_CONSTRAINTS
    guarantee: Fraction | None = None
    separable: bool = False
    effort: int = 0

    @cached_property
    def tree(self) -> HistoryTree:
        """The histories, of which nothing is computed before it is asked for."""
        return HistoryTree(self.environment)

    def values(self, t: int) -> FloatArray:
        """Present value of the item of period t to each buyer, broadcastable to ``(n, S, *types[t])``."""
        values: FloatArray = self.environment.present_value[t] * own_values(self.tree, t)
        return values

    def utility(self, t: int, stage: Stage) -> FloatArray:
        """Utility of each buyer in period t by profile, present value; ``(n, S, *types[t])``."""
        return self.values(t) * stage.allocation - stage.payment

    def conditions(self, max_states: int = MAX_STATES, exact: bool = False) -> Conditions:
        """Check (IC), (BI) and (BU) at every balance that can be reached.

        Parameters
        ----------
        max_states : int
            Largest number of distinct balances before a period.
        exact : bool
            Compute the gains in fractions: what a stage says is taken for the numbers that its floats are.

        Returns
        -------
        Conditions
            A mapping from ``"IC"``, ``"BI"``, ``"BU"`` to a check with ``holds``, ``gain`` and ``counterexample``; its
            ``holds`` is about all three.

        Raises
        ------
        LimitError
            If more than ``max_states`` balances can be reached before a period, or too many for fractions.
        """
        return check_conditions(self, max_states, exact)

    def outcome(
        self,
        method: str = "auto",
        runs: int | None = None,
        rng: np.random.Generator | int = 0,
        max_states: int = MAX_STATES,
    ) -> BankOutcome:
        """Expected present values at truthful reports.

        Parameters
        ----------
        method : str
            ``"balance distribution"``: exact, following the probability of each distinct vector of balances;
            ``"enumeration"``: exact, over all histories; ``"simulation"``: averages with standard errors; ``"auto"``:
            the first of these that is feasible. The result's ``method`` says which.
        runs : int, optional
            Of a simulation, at least 2; default 10,000, or what a few seconds allow but at least 200.
        rng : numpy Generator or seed
            For a simulation.
        max_states : int
            Largest number of distinct balances before a period whose distribution is followed.

        Raises
        ------
        LimitError
            If an exact method was asked for and is too large.
        InputError
            On an unknown method or fewer than two runs.

        Examples
        --------
        >>> from mechopt.closedform.bank.non_clairvoyant import non_clairvoyant_balance
        >>> env = IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=20)
        >>> found = non_clairvoyant_balance(env).outcome()
        >>> found.method, found.exact, found.states
        ('balance distribution', True, 21)
        """
        return bank_outcome(self, method, runs, rng, max_states)

    @cached_property
    def expectation(self) -> BankOutcome:
        """The outcome by method "auto", computed once."""
        return self.outcome()

    @property
    def revenue(self) -> float:
        """Expected present value of payments net of the seller's costs; ``expectation`` says how it was found."""
        return self.expectation.revenue

    @property
    def welfare(self) -> float:
        """Expected present value of what is sold, net of costs."""
        return self.expectation.welfare

    @property
    def utilities(self) -> tuple[float, ...]:
        """Expected present value of each buyer's utility."""
        return self.expectation.utilities

    def to_mechanism(self) -> Mechanism:
        """Unroll on the tree of histories.

        Returns
        -------
        Mechanism
            Payments in the money of their own period; with the same ``claims``.

        Raises
        ------
        LimitError
            If there are too many histories.
        InputError
            If the discount makes a period's money too small to be told from 0.
        """
        stages = list(unrolled(self))
        payment = undiscounted(self.environment, [stage.payment for stage in stages])
        allocation = tuple(stage.allocation for stage in stages)
        return Mechanism(self.environment, allocation, payment, self.claims, self._label, self.guarantee)

    @property
    def _label(self) -> str:
        return f"{self.name} ({self.source})" if self.source else self.name

    def __repr__(self) -> str:
        env = self.environment
        return (
            f"BankAccountMechanism({self.name}: {env.agents} buyer{'s' * (env.agents > 1)}, "
            f"{env.horizon} period{'s' * (env.horizon > 1)})"
        )


@played.register(BankAccountMechanism)
def _(mechanism: BankAccountMechanism, rng: np.random.Generator, runs: int) -> Runs:
    """Types; what is followed are balances."""
    samples = np.concatenate(list(drawn_samples(mechanism, runs, rng)), axis=1)
    return Runs(samples[0], samples[2:], samples[1])


def unrolled(mechanism: BankAccountMechanism) -> Iterator[Stage]:
    """Stage of each period at the balances after every history of its length, numbered as in `HistoryTree`.

    Raises
    ------
    LimitError
        If there are more than `MAX_ENTRIES` histories times buyers.
    """
    env, count = mechanism.environment, mechanism.tree.count
    if env.agents * count[-1] > MAX_ENTRIES:
        raise LimitError(
            f"{mechanism.name}: about 10^{log10(count[-1]):.1f} histories of {env.agents} "
            f"buyer{'s' * (env.agents > 1)}, above {MAX_ENTRIES:,} entries; use outcome(), which follows balances, and "
            "conditions() for its constraints"
        )
    balance = np.zeros((env.agents, 1))
    for t in range(env.horizon):
        stage = mechanism.stage(t, balance)
        yield stage
        balance = stage.next_balance.reshape(env.agents, -1)


def undiscounted(environment: IndependentTypes, payment: Sequence[FloatArray]) -> tuple[FloatArray, ...]:
    """Turn present values into the money of each period.

    Raises
    ------
    InputError
        If a period's money is too small for that.
    """
    if environment.present_value[-1] < SMALLEST_WEIGHT:
        raise InputError(
            f"discount {environment.discount:g} over {environment.horizon} periods: money of the last one is worth "
            f"{environment.present_value[-1]:.3g}, too little to divide by; use fewer periods"
        )
    return tuple(paid / weight for paid, weight in zip(payment, environment.present_value, strict=True))
