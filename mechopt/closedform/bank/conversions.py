r"""From any mechanism that satisfies DIC and EPIR to a bank account, and from there to per-period rationality.

Write :math:`\bar U^i_t(h)` for the *partially realised utility* of buyer i after the history h of length t: what she
has got on h plus what she can expect after it; present values, everybody truthful.

1. *Frontloading* (Lemma A.3). Charge the whole value of what is given, :math:`\tilde p^i_t = \theta^i x^i_t`, in every
   period but the last, and in the last whatever makes the payments of each path sum to what they were. Allocation,
   total payments, DIC and EPIR are as before; utility comes at the end and is :math:`\bar U_T \ge 0`.
2. *Symmetrisation* (Lemma A.4). For t = 1, ..., T-1 in turn: histories of length t with the same vector
   :math:`\bar U_t` are given the same future, that of the one among them with the largest expected welfare after it.
   Utilities stay as they are, welfare and hence revenue do not fall (and stay where revenue was largest possible).
3. *Balances* (Lemma 3.3). With :math:`\mu^i_t` the smallest :math:`\bar U^i_t` over **all** histories of length t,
   those of probability zero included, and :math:`\mu_T = 0`: the balance is :math:`b_t = \bar U_t - \mu_t` for t < T
   and :math:`b_T = 0`, the payment :math:`\tilde p_t - b_t + b_{t-1}`, so that the utility of period t is
   :math:`\bar U_t - \mu_t - b_{t-1}` at the truth.

Then (IC) is DIC, the expected utility of a period is :math:`\mu_{t-1} - \mu_t \ge 0` at every balance, and (BU) holds
with equality before the last period, where it is EPIR.

**Several buyers** (supplement D.2: "essentially the same proofs by adapting the notation"). The steps go through with
vectors. Classes are of equal *vectors* of partially realised utilities, not buyer by buyer: a class shares one future,
for everybody. Giving a history the future of another one of its class changes no buyer's :math:`\bar U` there, hence
none before, so each buyer's interim inequalities before and at t stay; those after t are the other history's. Each
:math:`\mu^i` is a minimum of its own; the vector of balances determines the vector of utilities and so the class.
DIC and (IC) are interim over the others' current types, EPIR and (BU) are ex post.

Departures from the print (Mirrokni, Paes Leme, Tang and Zuo 2020, supplement A.3): the balance before the first period
is :math:`\bar U_0 - \mu_0 = 0`; the utilities summed in :math:`\bar U_t` are those of periods up to t; utilities within
`CLASS_TOLERANCE` count as the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from mechopt.closedform.bank.mechanism import BankAccountMechanism, library_order, undiscounted, unrolled
from mechopt.closedform.bank.period import interim
from mechopt.closedform.bank.reachable import largest_values, merge
from mechopt.closedform.bank.stage import Stage, over_profiles
from mechopt.core.errors import InputError, require_type
from mechopt.core.numbers import VERIFY_TOLERANCE, FloatArray, IntArray
from mechopt.environment.require_kind import require_plain_terms
from mechopt.mechanism.constraints import DIC, PPIR, ExPostIC, SuperDIC, closure
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.outcome import own_surplus, own_values

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

CLASS_TOLERANCE = 1e-9
"""Gap below which partially realised utilities are the same, relative to how far apart they lie in their period."""
CLASS_ROUNDING = 1e-13
"""Rounding of one, relative to what it is summed of: values so far, and what is expected of later periods."""


def bank_account(mechanism: Mechanism | BankAccountMechanism) -> BankAccountMechanism:
    """Write a mechanism that satisfies DIC and EPIR as a bank account mechanism.

    Parameters
    ----------
    mechanism : Mechanism or BankAccountMechanism
        One buyer or several (then DIC is Bayesian over the others' current types). A bank account is returned as it is.

    Returns
    -------
    BankAccountMechanism
        With at least the same revenue and welfare, and the same utilities. Its stages are defined at the balances
        that it reaches.

    Raises
    ------
    InputError
        If the mechanism does not satisfy DIC or EPIR; the message gives the misreport or the path.

    Examples
    --------
    >>> import mechopt as mo
    >>> best = mo.optimum(mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=3)).mechanism
    >>> bank = bank_account(best)
    >>> round(bank.revenue, 9), bank.conditions()
    (3.5, Conditions(IC holds; BI holds; BU holds))
    """
    if isinstance(mechanism, BankAccountMechanism):
        return mechanism
    _require_dic_and_epir(mechanism)
    env, welfare = mechanism.environment, _continuation_welfare(mechanism)
    utility = partially_realised(mechanism)
    largest, reach = largest_values(env), 0.0
    states, node, balance = [], np.zeros(1, dtype=np.int64), np.zeros((env.agents, 1))
    for t, types in enumerate(env.shape):
        children = (node[:, None] * prod(types) + np.arange(prod(types))).ravel()
        after = utility[t + 1][:, children]
        spread = float((after.max(axis=1) - after.min(axis=1)).max())
        size = float(np.abs(after).max() + np.abs(welfare[t + 1]).max() + (t + 1) * largest[t])
        tolerance = CLASS_TOLERANCE * spread + CLASS_ROUNDING * size
        if t + 1 < env.horizon:
            state, best = _classes(after, welfare[t + 1][children], tolerance)
            floor = after[:, best].min(axis=1, keepdims=True)
            reached = after[:, best] - floor
        else:
            state, best = np.zeros(children.size, dtype=np.int64), np.zeros(1, dtype=np.int64)
            floor = reached = np.zeros((env.agents, 1))
        shape = (env.agents, node.size, *types)
        sold = mechanism.allocation[t].reshape(env.agents, -1)[:, children]
        parts = (sold, after - floor, reached[:, state])
        states.append(_States(reach, balance, *(part.reshape(shape) for part in parts)))
        reach = 10 * tolerance
        node, balance = children[best], reached

    def stage(t: int, balance: FloatArray) -> Stage:
        return states[t].stage(mechanism, t, balance)

    return BankAccountMechanism(env, stage, "bank account", "Lemma 3.3", guarantee=mechanism.guarantee)


@dataclass(frozen=True, eq=False)
class _States:
    """The balances before one period, and what happens at each.

    Attributes
    ----------
    reach : float
        How far from one of the balances what is asked for may lie.
    balance : array ``(n, S)``
    allocation : array ``(n, S, *types)``
    total : array ``(n, S, *types)``
        Balance plus utility of the period.
    following : array ``(n, S, *types)``
        Next balance.
    """

    reach: float
    balance: FloatArray
    allocation: FloatArray
    total: FloatArray
    following: FloatArray

    @cached_property
    def _nearest(self) -> cKDTree:
        from scipy.spatial import cKDTree

        return cKDTree(self.balance.T)

    def stage(self, mechanism: Mechanism, t: int, asked: FloatArray) -> Stage:
        """The stage at the states whose balances are asked for."""
        env = mechanism.environment
        found = self._nearest.query(asked.T, p=np.inf)
        distance, state = np.asarray(found[0]), np.asarray(found[1])
        if distance.max() > self.reach:
            unknown = asked[:, int(distance.argmax())].tolist()
            raise InputError(f"balance {unknown} before period {t}: this bank account never reaches it")
        balance, allocation = self.balance[:, state], self.allocation[:, state]
        utility = self.total[:, state] - over_profiles(balance, env.agents)
        lowest = [interim(env, utility[i], i, t).min(axis=1) for i in range(env.agents)]
        spend = np.maximum(-np.stack(lowest), 0.0)
        deposit = self.following[:, state] - over_profiles(balance - spend, env.agents)
        values = env.present_value[t] * own_values(mechanism.tree, t)
        return Stage(balance, allocation, values * allocation - utility, spend, deposit)


def _classes(utility: FloatArray, welfare: FloatArray, tolerance: float) -> tuple[IntArray, IntArray]:
    """Class of each history by its vector of utilities, and the history of largest welfare in each class."""
    index = merge(utility, tolerance)[1]
    order = np.lexsort((-welfare, index))
    return index, order[np.searchsorted(index[order], np.arange(index.max() + 1))]


def quasi_non_clairvoyant(mechanism: Mechanism | BankAccountMechanism) -> Mechanism:
    r"""Make every period individually rational, at the price of knowing which period is the last.

    A bank account mechanism collects balances as they arise: :math:`\hat p_t = p_t + b_t - b_{t-1}` before the last
    period and :math:`\hat p_T = p_T - b_{T-1}` in it (supplement B.1). A mechanism on histories is frontloaded
    (Lemma A.3), which is the same thing for it: by Lemma 3.3 its balance plus its utility of a period are its next
    balance. Payments on every path are in total what they were, so revenue, DIC and EPIR are; PPIR comes from (BU).

    Parameters
    ----------
    mechanism : Mechanism or BankAccountMechanism
        That satisfies DIC and EPIR, or (IC), (BI) and (BU).

    Returns
    -------
    Mechanism
        That satisfies DIC and PPIR, and ex-post or super-DIC where the given one claims it. Its guarantee is that of
        the given one. It is quasi-non-clairvoyant (`QuasiNonClairvoyant`) if the given one is non-clairvoyant, and not
        otherwise: made of a clairvoyant optimum it knows as much as that does.

    Raises
    ------
    InputError
        If the given one does not keep what it must; the message gives the counterexample.
    LimitError
        If a bank account mechanism has too many histories.

    Examples
    --------
    >>> import mechopt as mo
    >>> best = mo.optimum(mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=2)).mechanism
    >>> made = quasi_non_clairvoyant(best)
    >>> round(made.revenue, 9), mo.verify(made, [mo.DIC(), mo.PPIR()]).holds
    (2.25, True)
    """
    require_type(
        mechanism,
        ("Mechanism", "BankAccountMechanism"),
        "quasi_non_clairvoyant",
        "give a mechanism, such as mo.optimum(env).mechanism",
    )
    env, tree = mechanism.environment, mechanism.tree
    last = env.horizon - 1
    allocation, payment = [], []
    if isinstance(mechanism, BankAccountMechanism):
        stages = list(unrolled(mechanism))
        conditions, claimed = mechanism.conditions(), mechanism.claims
        if not conditions.holds:
            raise InputError(f"{mechanism.name} is not a bank account mechanism: {conditions}")
        for t, stage in enumerate(stages):
            after = stage.next_balance if t < last else 0.0
            allocation.append(stage.allocation)
            payment.append(stage.payment + after - over_profiles(stage.balance, env.agents))
    else:
        _require_dic_and_epir(mechanism)
        claimed, allocation = mechanism.claims, list(mechanism.allocation)
        payment = [env.present_value[t] * own_values(tree, t) * x for t, x in enumerate(allocation)]
        payment[last] = payment[last] - partially_realised(mechanism)[-1].reshape(payment[last].shape)
    kept = {DIC(), PPIR(), *({ExPostIC(), SuperDIC()} & set(claimed))}
    return Mechanism(
        env,
        tuple(allocation),
        undiscounted(env, payment),
        library_order(closure(kept)),
        f"individually rational in every period (supplement B.1): {getattr(mechanism, 'name', mechanism.source)}",
        mechanism.guarantee,
    )


def partially_realised(mechanism: Mechanism) -> list[FloatArray]:
    """Utility got on each history of length t = 0, ..., T plus that expected after it; ``[t][i, h]``, present value."""
    env, tree = mechanism.environment, mechanism.tree
    totals = [mechanism.realised[-1]]
    for t in reversed(range(env.horizon)):
        after = totals[-1].reshape(env.agents, tree.count[t], -1)
        totals.append(np.asarray(after @ env.distribution(t).ravel(), dtype=np.float64))
    return totals[::-1]


def _continuation_welfare(mechanism: Mechanism) -> list[FloatArray]:
    """Expected welfare after each history of length t = 0, ..., T, the seller's included, present value; ``[t][h]``."""
    env, tree = mechanism.environment, mechanism.tree
    welfare = [np.zeros(tree.count[-1])]
    for t in reversed(range(env.horizon)):
        surplus = env.present_value[t] * (own_surplus(tree, t) * mechanism.allocation[t]).sum(axis=0)
        after = surplus.reshape(tree.count[t], -1) + welfare[-1].reshape(tree.count[t], -1)
        welfare.append(np.asarray(after @ env.distribution(t).ravel(), dtype=np.float64))
    return welfare[::-1]


def _require_dic_and_epir(mechanism: Mechanism) -> None:
    """Refuse a mechanism that violates DIC or EPIR, with the largest violation of the first that it breaks.

    In partially realised utilities DIC reads: type k of buyer i, reporting j, gains the average over the others of
    (theta_k - theta_j) x(h, j, .) + U(h, j, .) - U(h, k, .).
    """
    if not isinstance(mechanism, Mechanism):
        raise InputError(f"{type(mechanism).__name__}: bank accounts are for types independent across periods")
    env, tree = mechanism.environment, mechanism.tree
    require_plain_terms(env, "a bank account")
    utility = partially_realised(mechanism)
    tolerance = VERIFY_TOLERANCE * env.money_scale
    gain, message = tolerance, ""
    for t, i in product(range(env.horizon), range(env.agents)):
        values = env.present_value[t] * env.values[i][t]
        after = interim(env, utility[t + 1][i].reshape(tree.children(t)), i, t)
        sold = interim(env, mechanism.allocation[t][i], i, t)
        for k, value in enumerate(values):
            gains = (value - values) * sold + after - after[:, k, None]
            node, report = (int(w) for w in np.unravel_index(gains.argmax(), gains.shape))
            if gains[node, report] > gain:
                gain = float(gains[node, report])
                message = (
                    f"the mechanism breaks dic: agent {i}, period {t}, after history {tree.written(t, node)}: type {k} "
                    f"reports {report} and gains {gain:.6g}"
                )
    if message:
        raise InputError(message)
    agent, leaf = (int(w) for w in np.unravel_index(utility[-1].argmin(), utility[-1].shape))
    lowest = float(utility[-1][agent, leaf])
    if lowest < -tolerance:
        path = tree.written(env.horizon, leaf)
        raise InputError(f"the mechanism breaks epir: agent {agent}, on path {path}: the utility is {lowest:.6g}")
