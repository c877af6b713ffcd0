r"""Prices of actions that implement the virtual pivot's policy for one buyer, report by report, by linear program.

The contract of report k' has a price p(a) of every action, the same in all periods or one a period, and a fee. The
buyer then chooses freely. The profit of the virtual pivot leaves type k the rent U_k, so that reports decouple: prices
implement the policy a* after k' if with V_k what type k makes of them (mu the distribution of the first signal)

    V_k(z)  >= v_k(a, z) - p(a) + d E[V_k(z') | a, z]                    for all k, a, z
    V_k'(z)  = v_k'(a, z) - p(a) + d E[V_k'(z') | a, z]                  for a = a*(z), where a* leads to z
    d mu.(V_k - V_k') <= U_k - U_k' + epsilon                            for all k

has a solution of epsilon = 0; then the fee is d mu.V_k' - U_k'. The least epsilon is what some type gains at least, at
any such prices. Its dual: types lambda and strategies of theirs that use every action as much as obedience does, in
discounted total, so that no prices of actions tell them apart; together they gain epsilon.

Source: after Kakade, Lobel and Nazerzadeh (2013), section 5.1, where types are a continuum and prices (22) do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.closedform.virtual.mechanism import VirtualPivot
from mechopt.core.errors import LimitError, require_type
from mechopt.core.numbers import VERIFY_TOLERANCE, FloatArray, readonly

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

MAX_ROWS = 500_000
"""Largest number of inequalities of one report's program: types times signals times actions times periods."""


@dataclass(frozen=True, eq=False)
class ReportPrices:
    """Prices after one report, and whether they implement the policy.

    Attributes
    ----------
    report : int
        Initial type that the contract is for.
    price : read-only float array ``(action,)``, or ``(period, action)`` where they change
        Money of the period; 0 for the cheapest action.
    upfront : float
        At contracting.
    excess : float
        What some type gains at the least by taking this contract, at any such prices: 0 where they implement.
    tempted : read-only float array ``(type,)``
        Weights of the types that no prices keep away, in sum 1; zeros where prices implement.
    """

    report: int
    price: FloatArray
    upfront: float
    excess: float
    tempted: FloatArray

    @property
    def implements(self) -> bool:
        """Whether the policy after this report is implemented."""
        return self.excess == 0.0

    @property
    def by_period(self) -> bool:
        """Whether prices change over periods."""
        return self.price.ndim == 2


def report_prices(pivot: VirtualPivot, report: int, by_period: bool = False) -> ReportPrices:
    """Find prices that implement the policy after a report, or that come closest.

    Parameters
    ----------
    pivot : VirtualPivot
        Of one agent.
    report : int
        An included type.
    by_period : bool
        Whether prices may change over the periods of a finite horizon.

    Raises
    ------
    LimitError
        If the program would be too large, or is not solved.

    Examples
    --------
    Levels 1, 2, 3 alike; two actions worth (1, 2) and (3/2, 4) times the level at an even signal, at costs 1 and 3. The
    lowest type is left out. Type 2 buys the first action for 4 at the high signal, and nothing is charged upfront.

    >>> from mechopt.closedform.virtual.pivot import virtual_pivot
    >>> from mechopt.environment.separable import SeparableTypes
    >>> third, fair, base = ["1/3"] * 3, ["1/2", "1/2"], [[0, 0], [1, 2], ["3/2", 4]]
    >>> env = SeparableTypes([[1, 2, 3]], [third], [base], [fair], cost=[0, 1, 3], horizon=1)
    >>> found = report_prices(virtual_pivot(env), 1)
    >>> found.implements, found.upfront
    (True, 0.0)
    """
    require_type(pivot, "VirtualPivot", "report_prices", "give mo.virtual_pivot(env)")
    from scipy.optimize import linprog
    from scipy.sparse import csr_matrix, vstack

    env = pivot.environment
    values, d = env.value_tables[0], env.discount
    stages = 1 if isinstance(env.horizon, str) else env.horizon
    actions, types, signals = values.shape
    if actions * types * signals * stages > MAX_ROWS:
        raise LimitError(
            f"prices of a report take {actions * types * signals * stages:,} inequalities, above {MAX_ROWS:,}; use "
            "fewer types, signals, actions or periods"
        )
    scale = max(float(np.abs(values).max()), 1e-300)
    rows, bound = _choices(pivot, stages, by_period)
    obeyed = _obedience(pivot, report, stages)
    width, cells = rows.shape[1], stages * types * signals
    rents = pivot.utility[0] / scale
    first = np.zeros((types, width))
    for k in range(types):
        start = k * signals
        first[k, start : start + signals] += d * env.signal_initial[0]
        first[k, report * signals : (report + 1) * signals] -= d * env.signal_initial[0]
    first[:, -1] = -1.0
    rivals = [k for k in range(types) if k != report]
    cheapest = int(env.cost.argmin())
    periods_worth = float((d ** np.arange(stages)).sum()) if not env.infinite else 1 / (1 - d)
    periods = stages if by_period else 1
    limits = np.full((periods, actions, 2), (-4 * periods_worth, 4 * periods_worth))
    limits[:, cheapest] = 0.0
    bounds: Any = [*[(None, None)] * cells, *map(tuple, limits.reshape(-1, 2)), (0.0, None)]
    cost = np.zeros(width)
    cost[-1] = 1.0
    upper: Any = vstack([rows, csr_matrix(first[rivals])]).tocsr()
    obeyed_rows: Any = rows[obeyed]
    right = np.concatenate([bound / scale, rents[rivals] - rents[report]])
    options: Any = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
    found: Any = linprog(
        cost, upper, right, obeyed_rows, bound[obeyed] / scale, bounds, method="highs-ds", options=options
    )
    if found.x is None:
        raise LimitError(f"the prices of report {report} are not found ({found.message}); rescale the values")
    slack = VERIFY_TOLERANCE * max(1.0, periods_worth)
    excess = 0.0 if found.fun <= slack else float(found.fun)
    tempted = np.zeros(types)
    if excess:
        tempted[rivals] = np.maximum(-found.ineqlin.marginals[rows.shape[0] :], 0.0)
        tempted /= max(tempted.sum(), 1e-300)
    price = found.x[cells:-1].reshape(periods, actions) * scale
    own = found.x[report * signals : (report + 1) * signals]
    fee = scale * (d * float(env.signal_initial[0] @ own) - float(rents[report]))
    fee = 0.0 if abs(fee) <= 1e-12 * scale * periods_worth else fee
    return ReportPrices(report, readonly(price if by_period else price[0]), fee, excess * scale, readonly(tempted))


def closest_prices(pivot: VirtualPivot, report: int) -> ReportPrices:
    """Find constant prices where these implement the policy after a report, else prices by period where periods end.

    Parameters
    ----------
    pivot : VirtualPivot
        Of one agent.
    report : int
        An included type.
    """
    constant = report_prices(pivot, report)
    if constant.implements or pivot.environment.infinite or pivot.environment.horizon == 1:
        return constant
    changing = report_prices(pivot, report, by_period=True)
    return changing if changing.excess < constant.excess else constant


def _choices(pivot: VirtualPivot, stages: int, by_period: bool) -> tuple[csr_matrix, FloatArray]:
    """Rows -V_k(z) + d E[V_k(z')] - p(a) <= -v_k(a, z), in the order period, type, action, signal.

    Columns: V by period, type and signal; prices by period (or once) and action; epsilon.
    """
    from scipy.sparse import block_diag, csr_matrix, eye, hstack, kron, vstack

    env = pivot.environment
    values, kernel, d = env.value_tables[0], env.signal_kernel[0], env.discount
    actions, types, signals = values.shape
    periods = stages if by_period else 1
    here = kron(eye(types), kron(np.ones((actions, 1)), eye(signals)))  # type, action, signal by type, signal
    moved = d * np.concatenate(list(np.broadcast_to(kernel, (actions, signals, signals))), axis=0)
    onward = kron(eye(types), moved)
    priced = kron(np.ones((types, 1)), kron(eye(actions), np.ones((signals, 1))))
    value_part = onward - here if env.infinite else kron(eye(stages), -here) + kron(eye(stages, k=1), onward)
    price_part = block_diag([priced] * stages) if by_period else vstack([priced] * stages)
    rows = stages * types * actions * signals
    assert price_part.shape == (rows, periods * actions)
    bound = -np.tile(values.transpose(1, 0, 2).ravel(), stages)
    return csr_matrix(hstack([value_part, -price_part, csr_matrix((rows, 1))])), bound


def _obedience(pivot: VirtualPivot, report: int, stages: int) -> list[int]:
    """Numbers of the rows of the policy's actions, at the signals that the policy leads to."""
    env, policy = pivot.environment, pivot.phase((report,)).policy
    actions, types, signals = env.value_tables[0].shape
    kernel = np.broadcast_to(env.signal_kernel[0], (actions, signals, signals)) if stages > 1 or env.infinite else None
    likely, rows = env.signal_initial[0] > 0, list[int]()
    if env.infinite:
        assert kernel is not None
        while (more := likely | _next(kernel, policy[0], likely)).sum() > likely.sum():
            likely = more
    for t in range(stages):
        chosen = np.broadcast_to(policy[t], (signals,))
        for z in np.flatnonzero(likely):
            rows.append(int(((t * types + report) * actions + chosen[z]) * signals + z))
        if t + 1 < stages:
            assert kernel is not None
            likely = _next(kernel, chosen, likely)
    return rows


def _next(kernel: FloatArray, policy: Any, likely: Any) -> Any:
    """Signals that some of these lead to."""
    at = np.flatnonzero(likely)
    return (kernel[np.broadcast_to(policy, (kernel.shape[1],))[at], at] > 0).any(axis=0)
