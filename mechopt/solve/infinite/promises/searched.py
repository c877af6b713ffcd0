"""The search as an optimum: its bracket in money of the environment, and the table of promises that earns its value."""

from __future__ import annotations

import time

from mechopt.environment.markov import MarkovTypes
from mechopt.lp.independent.plan import Size
from mechopt.mechanism.constraints import EPIR, PFIR, PPIR, Constraint
from mechopt.mechanism.endless.states import StateMechanism
from mechopt.solve.infinite.promises.automaton import promise_table
from mechopt.solve.infinite.promises.chain import Chain, chain_of
from mechopt.solve.infinite.promises.search import Progress, Search
from mechopt.solve.result import Optimum
from mechopt.solve.solution import Bound, Status

TOLERANCE, EX_POST_TOLERANCE = 1e-7, 1e-3
"""Width of the bracket that is aimed at, a share of its upper end: where participation is interim or periodic, and
where it is ex post.
"""
SLACK = 1e-9
"""Allowance for rounding and the programs' tolerance, over 1 - d: a share of the largest value of a period and of B."""
EX_POST = (EPIR(), PFIR(), PPIR())
"""These have one optimum: utility that is owed can be paid in any period, and none is taken back."""


def searched(
    environment: MarkovTypes,
    ex_post: bool,
    tolerance: float,
    time_limit: float | None = None,
    claims: tuple[Constraint, ...] = (),
    told: Progress | None = None,
    chain: Chain | None = None,
) -> tuple[Optimum, StateMechanism, Search]:
    """Search promises; see `mechopt.solve.infinite.promises.search`. The chain is the environment's, if it is known."""
    begun = time.perf_counter()
    search = Search(chain_of(environment) if chain is None else chain, ex_post)
    status = search.run(tolerance, time_limit, told)
    unit, box = search.chain.unit, max(float(part.max(initial=0.0)) for part in search.chain.boxes)
    slack = SLACK * unit * (1 + box) / (1 - environment.discount)
    mechanism = promise_table(search, environment, claims, "optimum of revenue for ever, table of promises")
    value = mechanism.revenue
    lower, upper = value - slack, search.high * unit + slack
    if upper < lower:  # the two sides contradict each other by more than rounding
        status, lower, upper = Status.INACCURATE, upper, lower
    bound = Bound(lower, upper, "stationary dual dynamic program from both sides")
    seconds = {"build": 0.0, "solve": time.perf_counter() - begun}
    size = Size(0, 0, 0, mechanism.states, 0)
    return Optimum(value, bound, status, mechanism, size, seconds, "infinite", "states"), mechanism, search
