r"""Lemma 5.2 on an instance: one bank account for the whole tree of scenarios.

The balance of a rule that does not know the future is utility so far, :math:`b_t = \sum_{s \le t} u_s`, which needs
nothing that is not known. If equal balances have one future (`mechopt.study.lemmas.symmetric`), what happens at a node
of the tree is a table over balances, common to all scenarios through the node, and

- (IC) each table is incentive compatible by itself: PPIC;
- (BI) what a buyer expects from the period is the same at every balance: INDU at the node, for whatever scenario;
- (BU) the next balance is balance plus utility, at least 0: rationality on every prefix.

With densities Lemma C.1 gives the second for every mechanism. With finite types it is a property to be asked for
(``mo.maximin(scenarios, ic="dic+indu")``), without which no such account may exist: the largest violation of each is
measured here. Converting each scenario's mechanism by itself (`mechopt.bank_account`, Lemma 3.3) gives accounts that
may differ before scenarios part. Source: Mirrokni, Paes Leme, Tang and Zuo (2020), Lemma 5.2 and supplement C.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from mechopt.closedform.bank.conversions import bank_account
from mechopt.closedform.bank.reachable import merge
from mechopt.core.errors import InputError, require_type
from mechopt.core.numbers import VERIFY_TOLERANCE, FloatArray, IntArray, readonly
from mechopt.mechanism.constraints import PPIC
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.scenarios.mechanism import ScenariosMechanism
from mechopt.mechanism.scenarios.non_clairvoyant import NonClairvoyant
from mechopt.study.lemmas.symmetric import symmetrised, utilities_so_far
from mechopt.verification.independent.check import verify_direct
from mechopt.verification.scenarios.check import verify_scenarios


@dataclass(frozen=True, eq=False)
class AccountPeriod:
    """The account at one node of the tree, the last distribution known.

    Attributes
    ----------
    balances : array ``(n, M)``
        Before the period; present value.
    allocation : array ``(n, M, *types)``
    payment : array ``(n, M, *types)``
        Money of the period.
    after : int array ``(M, *types)``
        Number of the next balance among those of any node that follows; -1 where none does.
    """

    balances: FloatArray
    allocation: FloatArray
    payment: FloatArray
    after: IntArray


@dataclass(frozen=True, eq=False, repr=False)
class OneBankAccount:
    """Lemma 5.2 on an instance.

    Attributes
    ----------
    nodes : mapping from tuple of names of distributions to AccountPeriod
    rule : ScenariosMechanism
        What the account does, written out in every scenario.
    gains : mapping from ``"IC"``, ``"BI"``, ``"BU"`` to float
        Largest violation of each condition at the balances of the tables; present value.
    lowest : float
        Least that a buyer expects from a period, at any balance: below 0 where a fee is taken for what came before.
    deviation : float
        Largest difference between a scenario's revenue and that of the given rule; money.
    by_scenario : float
        How far the accounts that each scenario's mechanism converts to by itself differ before scenarios part: the gain
        of `NonClairvoyant`, NaN where one of them cannot be converted.
    scale : float
        Largest present value of an agent, of any scenario: what gains are to be compared with.
    """

    nodes: Mapping[tuple[str, ...], AccountPeriod]
    rule: ScenariosMechanism
    gains: Mapping[str, float]
    lowest: float
    deviation: float
    by_scenario: float
    scale: float

    @property
    def holds(self) -> bool:
        """Whether all three conditions hold up to rounding."""
        return max(self.gains.values()) <= VERIFY_TOLERANCE * self.scale

    def __repr__(self) -> str:
        gains = ", ".join(f"{name} {gain:.3g}" for name, gain in self.gains.items())
        return f"OneBankAccount({len(self.nodes)} nodes, violations: {gains}; revenue moves by {self.deviation:.3g})"


def one_bank_account(rule: ScenariosMechanism) -> OneBankAccount:
    """Write a rule as one bank account for the whole tree of scenarios (Lemma 5.2), and measure its conditions.

    Parameters
    ----------
    rule : ScenariosMechanism
        Non-clairvoyant; that it satisfies DIC, INDU and prefix rationality is what the conditions measure.

    Raises
    ------
    InputError
        If the rule knows the future.

    Examples
    --------
    >>> import mechopt as mo
    >>> best = mo.maximin(mo.load("mirrokni-2020/maximin-equal-revenue-5"), ic="dic+indu")
    >>> account = one_bank_account(best.rule)
    >>> account.holds, account.nodes["F1", "F2"].balances.round(9).tolist()
    (True, [[0.0, 0.545454545]])
    """
    require_type(rule, "ScenariosMechanism", "one_bank_account", "give mo.mechanisms.ScenariosMechanism(...)")
    knows = verify_scenarios(rule, NonClairvoyant())["non-clairvoyant"]
    if knows.counterexample is not None:
        raise InputError(f"the rule knows the future, so that no one account is its: {knows.counterexample}")
    merged = symmetrised(rule)
    nodes: dict[tuple[str, ...], AccountPeriod] = {}
    gains, lowest = {"IC": 0.0, "BI": 0.0, "BU": 0.0}, np.inf
    for mechanism, names in zip(merged.rule.mechanisms, rule.scenarios.sequences, strict=True):
        env = mechanism.environment
        gains["IC"] = max(gains["IC"], verify_direct(mechanism, [PPIC()])["ppic"].gain)
        for t in range(env.horizon):
            balances, kind = merge(*utilities_so_far(mechanism, t))
            first = np.unique(kind, return_index=True)[1]
            period = _period(mechanism, t, balances, first)
            expected = _expected(mechanism, t)
            gains["BI"] = max(gains["BI"], float(np.ptp(expected, axis=1).max()))
            gains["BU"] = max(gains["BU"], float(-balances.min()))
            lowest = min(lowest, float(expected.min()))
            if len(names) > t + 1 or tuple(names[: t + 1]) not in nodes:
                nodes[tuple(names[: t + 1])] = period
        gains["BU"] = max(gains["BU"], float(-mechanism.realised[-1].min()))
    scale = max(env.money_scale for env in rule.scenarios.environments)
    return OneBankAccount(
        MappingProxyType(nodes), merged.rule, MappingProxyType(gains), lowest, merged.deviation, _apart(rule), scale
    )


def _period(mechanism: Mechanism, t: int, balances: FloatArray, first: IntArray) -> AccountPeriod:
    """The table of a period: one history stands for each balance."""
    tree = mechanism.tree
    after = np.full((balances.shape[1], *tree.shape[t]), -1)
    if t + 1 < tree.horizon:
        following = merge(*utilities_so_far(mechanism, t + 1))[1]
        after = following.reshape(tree.children(t))[first]
    sold, paid = (readonly(getattr(mechanism, name)[t][:, first]) for name in ("allocation", "payment"))
    return AccountPeriod(readonly(balances), sold, paid, readonly(after, np.int64))


def _expected(mechanism: Mechanism, t: int) -> FloatArray:
    """Expectation of each buyer of a period after each history of its past, present value; ``(n, histories)``."""
    env, tree = mechanism.environment, mechanism.tree
    before, after = mechanism.realised[t], mechanism.realised[t + 1]
    table = after.reshape(env.agents, tree.count[t], -1) - before[..., None]
    return np.asarray(table @ env.distribution(t).ravel())


def _apart(rule: ScenariosMechanism) -> float:
    """How far the scenarios' own conversions differ where they should not."""
    try:
        each = ScenariosMechanism(rule.scenarios, tuple(bank_account(one).to_mechanism() for one in rule.mechanisms))
    except InputError:
        return float("nan")
    return verify_scenarios(each, NonClairvoyant())["non-clairvoyant"].gain
