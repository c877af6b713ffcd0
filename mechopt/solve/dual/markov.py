r"""One agent whose type persists, under Bayesian incentive compatibility and interim or ex post participation, price
form.

The state of a period is the distribution q of the agent's type given what is public: the previous report, and the
previous action where it moves types. A promise is a vector: what each type k is to get, also those that cannot be after
the report, since an agent who lied has them (threat-keeping). One misreport at a time is enough, because what a type
gets after a report does not depend on how she came to be that type.

With multipliers :math:`\lambda_{kr}` of "true type k does not report r", r over the support of q and k over all types,

.. math::
    V_q(\mu) = \min_{\lambda \ge 0} \sum_r q_r \max_a \Bigl[ v_a(r) - c_a
        - \sum_k \lambda_{kr} \frac{v_a(k) - v_a(r)}{q_r} + V_{P_a(r,\cdot)}(g_{ra}) \Bigr].

- Interim participation: :math:`\sum_r \lambda_{kr} - \sum_r \lambda_{rk} = \mu_k`,
  :math:`g_{ra} = \sum_k \lambda_{kr} (P_a(k,\cdot) - P_a(r,\cdot)) / q_r`. Prices sum to 0: what all types are promised
  alike can be paid in advance. Participation itself is in the first period, where :math:`\mu` is the distribution of
  the first type and one more multiplier :math:`\nu_k \ge 0` is added on the left.
- EPIR: utilities are lifetime utilities, paid at the end, and :math:`m_k \ge 0` is added on the left, ``m_k = 0``
  outside the support; :math:`g_{ra} = [m_r P_a(r,\cdot) + \sum_k \lambda_{kr} (P_a(k,\cdot) - P_a(r,\cdot))] / q_r`.
  It is imposed on paths of positive probability only.

Coordinates of a price are all entries but the last, after their sum in case of EPIR, so that the sum has its sign
whatever the rounding; those of a promise are the differences to the last type's, after the last type's.

Upper bounds extend from prices to others by :math:`U_a - U_b \le B(a, b)`, which holds by induction from the last
period: b does not report a, so that :math:`B(a,b) = \max_x v_x(a) - v_x(b) + E B'(\cdot,\cdot)` under any coupling of
the distributions after a and after b. Where EPIR holds, also by :math:`U_a \ge 0`, for possible types only.

Source: Fernandes and Phelan (2000) for vector promises; Battaglini (2005) for two types.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from mechopt.core.numbers import FloatArray
from mechopt.environment.process import JointProcess
from mechopt.solve.coupling import coupled
from mechopt.solve.dual.markov_period import PersistentPeriod, persistent_periods, persistent_stage
from mechopt.solve.dual.stage import Problem, Start, State


class _Known(NamedTuple):
    """Facts about the next period: first best by type, B, and what the first mechanisms promise each type."""

    welfare: FloatArray
    box: FloatArray
    promises: FloatArray
    worth: FloatArray


def markov_problem(process: JointProcess, ex_post: bool) -> Problem:
    """The price form of a process with one agent, under EPIR (``ex_post``) or interim participation."""
    periods, unit = persistent_periods(process)
    rows: list[tuple[State, ...]] = []
    options = max(len(period.cost) for period in periods)
    known, after = _nothing(options), None
    for t in reversed(range(len(periods))):
        period = periods[t]
        known, starts = _first_mechanisms(period, known, after)
        row = [_state(period, q, after, known, starts, ex_post, t == 0) for q in period.distributions]
        rows.insert(0, _with_siblings(row, period.distributions))
        after = period
    distribution = process.initial
    price = np.append(distribution.sum(), distribution[:-1]) if ex_post else np.zeros(0)
    reports = tuple(period.values.shape[1] for period in periods)
    children = tuple(count * len(period.kernels) for count, period in zip(reports, periods, strict=True))
    copies = np.arange(len(price))[None]
    return Problem(
        states=tuple(rows),
        price=price,
        unit=unit,
        copies=copies,
        reports=reports,
        children=children,
        shape=((),) * len(periods),
        levelled=not ex_post,
    )


def _nothing(options: int) -> _Known:
    """After the last period."""
    starts = options + 1
    return _Known(np.zeros(0), np.zeros((0, 0)), np.zeros((starts, 0)), np.zeros((starts, 0)))


def _first_mechanisms(
    period: PersistentPeriod, known: _Known, after: PersistentPeriod | None
) -> tuple[_Known, list[Start]]:
    """Two kinds of mechanism that anyone accepts, one period earlier: one action throughout, and free choice.

    A free choice costs the agent what it costs the seller, plus its smallest worth to any type.
    """
    actions, types = period.values.shape
    net = period.values - period.cost[:, None]
    moved = period.kernels[period.moves] if after is not None else np.zeros((actions, types, 0))
    total = net + moved @ known.welfare
    chosen = total.argmax(axis=0)
    every = np.arange(types)
    box = np.zeros((types, types))
    for a in range(types):
        for b in range(types):
            rest = [coupled(k[a], k[b], known.box) for k in period.kernels]
            ahead = np.array(rest)[period.moves] if after is not None else np.zeros(actions)
            box[a, b] = 0.0 if a == b else float((period.values[:, a] - period.values[:, b] + ahead).max())
    promises, worth, starts = [], [], []
    last = len(known.promises) - 1
    for number in range(last + 1):
        option = chosen if number == last else np.full(types, min(number, actions - 1))
        gained = (net if number == last else period.values)[option, every]
        excess = gained - gained.min()
        move = moved[option, every]
        promises.append(excess + move @ known.promises[number])
        worth.append(net[option, every] + move @ known.worth[number])
        allocation = np.zeros((types, actions))
        allocation[every, option] = 1.0
        starts.append(Start(promises[-1], 0.0, allocation, excess[:, None], promises[-1]))
    return _Known(total.max(axis=0), box, np.array(promises), np.array(worth)), starts


def _state(
    period: PersistentPeriod,
    q: FloatArray,
    after: PersistentPeriod | None,
    known: _Known,
    starts: list[Start],
    ex_post: bool,
    root: bool,
) -> State:
    types = period.values.shape[1]
    support = np.flatnonzero(q)
    stage = persistent_stage(period, q, after, ex_post, root)
    free = root and not ex_post
    differences = np.array([_price_of(types, a, b, ex_post) for a in range(types) for b in range(types) if a != b])
    costs = [known.box[b, a] for a in range(types) for b in range(types) if a != b]
    d = 0 if free else types - 1 + ex_post
    rays, ray_cost = differences.reshape(len(costs), types - 1 + ex_post), np.array(costs)
    if ex_post:
        rays = np.concatenate([rays, [_price_of(types, a, None, True) for a in support.tolist()]])
        ray_cost = np.concatenate([ray_cost, np.zeros(len(support))])
    floor = np.full(d, -np.inf)
    if ex_post:
        floor[0] = 0.0
    promised = tuple(
        Start(
            np.zeros(0) if free else _promise_of(start.promise, ex_post),
            float(q @ worth) - (float(q @ (start.promise - start.promise.min())) if free else 0.0),
            start.allocation[support],
            start.excess[support, : int(ex_post)],
            start.types if ex_post else start.types - start.types.min(),
        )
        for start, worth in zip(starts, known.worth, strict=True)
    )
    if free:
        rays, ray_cost = np.zeros((0, 0)), np.zeros(0)
    places = (support[:, None] * len(period.kernels) + np.arange(len(period.kernels))).ravel()
    matrix = np.eye(types) if free or ex_post else np.eye(types)[:, :-1]
    if ex_post:  # the last type's promise, and what the others have more
        matrix = np.concatenate([np.ones((types, 1)), np.eye(types)[:, :-1]], axis=1)
    welfare = float(q @ known.welfare)
    return State(
        stage=stage,
        distribution=q[support],
        floor=floor,
        rays=rays,
        ray_cost=ray_cost,
        welfare=welfare,
        start=promised,
        reports=support,
        places=places,
        promised=matrix,
    )


def _price_of(types: int, plus: int, minus: int | None, ex_post: bool) -> FloatArray:
    """Coordinates of the price that is 1 at one type and, if given, -1 at another."""
    price = np.zeros(types)
    price[plus] = 1.0
    if minus is not None:
        price[minus] -= 1.0
    return np.append(price.sum(), price[:-1]) if ex_post else price[:-1]


def _promise_of(promise: FloatArray, ex_post: bool) -> FloatArray:
    """Coordinates of a promise to each type."""
    differences = promise[:-1] - promise[-1]
    return np.append(promise[-1], differences) if ex_post else differences


def _with_siblings(row: list[State], distributions: FloatArray) -> tuple[State, ...]:
    """Add to each state those whose possible types are among its own."""
    joined = []
    for j, state in enumerate(row):
        support = distributions[j] > 0
        others = [i for i in range(len(row)) if i != j and not (distributions[i] > 0)[~support].any()]
        joined.append(replace(state, siblings=tuple((i, distributions[i][support]) for i in others)))
    return tuple(joined)
