r"""Approximate contingent transfers: the smallest epsilon that a class of transfers reaches, as a linear program.

Fix an agent, an action and the others' signals, and let :math:`m_k` be the distribution of the others' next signals
where her own signal is k. Transfers :math:`p_r`, paid one period later, depend on her report r and the others' next
signals. The smallest epsilon of a class of transfers is that of

.. math:: \min \epsilon: \quad |c_k - \delta\, m_k \cdot p_k| \le \epsilon, \qquad m_k \cdot p_k \le m_k \cdot p_r
          \qquad \text{for all } k, r,

with the target :math:`c_k = -\sum_{j \ne i} u^j`. The expected transfer is the lower envelope
:math:`\min_r m_k \cdot p_r`, a concave function of :math:`m_k`: where m is affine in a signal x, a target
:math:`-x^2` is reached whatever the size of the set of signals, and of a target :math:`x^2` on [0, 1] no transfers come
nearer than 1/8. Classes: bounded by B; spanned by functions of the others' next signals; polynomial of a degree in the
own report (degree 0: free of it).

If every period's transfers are within epsilon, a report in one period gains at most :math:`2 \epsilon / (1 - \delta)`:
truthful play is worth the efficient welfare within :math:`\epsilon / (1 - \delta)`, and so is the best that a misreport
leads to.

Source: Liu (2025), Lemma 5.1 (its second displayed condition is missing in the text of the slides, and its bound on
gains is stated for epsilon-incentive compatible mechanisms; the one here is for the transfers of the lemma).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.core.errors import Fault, InputError, MechoptError
from mechopt.core.numbers import FloatArray, readonly
from mechopt.environment.reading.tables import number, number_table, require_distribution

if TYPE_CHECKING:
    from scipy.sparse import csr_array


@dataclass(frozen=True, eq=False, repr=False)
class EpsilonTransfers:
    """Transfers that come as near to a target as their class allows.

    Attributes
    ----------
    epsilon : float
        Largest distance of an expected discounted transfer from the target, recomputed from the transfers.
    transfers : float array ``(report, outcome)``
        Paid by the agent in the next period, money of that period.
    violation : float
        By how much a misreport lowers the expected transfer; 0 up to the solver's rounding.
    discount : float
    """

    epsilon: float
    transfers: FloatArray
    violation: float
    discount: float

    @property
    def max_abs(self) -> float:
        """Size of the largest transfer."""
        return float(np.abs(self.transfers).max())

    @property
    def gain_bound(self) -> float:
        """Most that a misreport in one period can gain where all periods are within epsilon; infinite at discount 1."""
        if self.discount == 1:
            return float("inf") if self.epsilon > 0 else self.violation
        return 2 * self.epsilon / (1 - self.discount) + self.discount * self.violation

    def __repr__(self) -> str:
        return f"EpsilonTransfers(epsilon {self.epsilon:.6g}, largest transfer {self.max_abs:.6g})"


def smallest_epsilon(
    kernel: Any,
    target: Any,
    discount: Any = 1,
    bound: Any = None,
    basis: Any = None,
    degree: int | None = None,
    signals: Any = None,
) -> EpsilonTransfers:
    """Find the transfers of a class that come nearest to a target.

    Parameters
    ----------
    kernel : float array ``(outcome, signal)``
        Distribution of the others' next signals by the agent's own signal; columns sum to 1.
    target : float array ``(signal,)``
        What the expected transfer is to be, in money of the present period: minus the others' utilities.
    discount : number
        In (0, 1].
    bound : number, optional
        No transfer is larger in size; default none.
    basis : float array ``(outcome, function)``, optional
        As functions of the outcome transfers are combinations of its columns; default all functions.
    degree : int, optional
        As functions of the report transfers are polynomials of this degree, 0 for transfers free of the report; default
        all functions.
    signals : float array ``(signal,)``, optional
        What the polynomials are of; default equal steps from 0 to 1.

    Returns
    -------
    EpsilonTransfers

    Raises
    ------
    InputError
        With every fault.
    MechoptError
        If the linear program was not solved.

    Examples
    --------
    The distribution of a coin that is affine in the signal cannot tell 1/2 from a fair mixture of 0 and 1:

    >>> x = np.linspace(0, 1, 5)
    >>> round(smallest_epsilon([1 - x, x], x**2).epsilon, 9)
    0.125
    >>> smallest_epsilon([1 - x, x], -(x**2)).epsilon < 1e-12
    True
    """
    from scipy.optimize import linprog
    from scipy.sparse import csr_array, vstack

    distribution, aim, delta, limit, functions, powers = _read(kernel, target, discount, bound, basis, degree, signals)
    reports, span = len(aim), functions.shape[1]
    # expected[k, r, :]: m_k . p_r as a row over the coefficients (power, function)
    expected = np.einsum("kf,rd->krdf", distribution.T @ functions, powers).reshape(reports, reports, -1)
    own = csr_array(delta * expected[np.arange(reports), np.arange(reports)])
    truthful = expected[np.arange(reports), np.arange(reports)][:, None]
    others = csr_array((truthful - expected)[~np.eye(reports, dtype=bool)])
    rows, sides = [_joined(own, -1), _joined(-own, -1)], [aim, -aim]
    if powers.shape[1] > 1:
        rows, sides = [*rows, _joined(others, 0)], [*sides, np.zeros(others.shape[0])]
    free = powers.shape[1] * span
    box: tuple[float | None, float | None] = (None, None)
    if limit is not None and degree is None and basis is None:  # the coefficients are the transfers
        box = (-limit, limit)
    elif limit is not None:
        table = csr_array(np.einsum("rd,of->rodf", powers, functions).reshape(reports * len(distribution), free))
        rows, sides = [*rows, _joined(table, 0), _joined(-table, 0)], [*sides, np.full(2 * table.shape[0], limit)]
    cost = np.append(np.zeros(free), 1.0)
    matrix: Any = vstack(rows)  # linprog takes sparse matrices, its annotation does not
    best = linprog(cost, matrix, np.concatenate(sides), bounds=[*[box] * free, (0, None)], method="highs")
    if best.x is None:
        raise MechoptError(f"no transfers were found ({best.message}); use a bound, or a smaller basis")
    transfers = np.einsum("rd,df,of->ro", powers, best.x[:-1].reshape(-1, span), functions)
    met = distribution.T @ transfers.T
    errors, gains = np.abs(aim - delta * np.diag(met)), np.diag(met)[:, None] - met
    return EpsilonTransfers(float(errors.max()), readonly(transfers), max(0.0, float(gains.max())), delta)


def _joined(rows: csr_array, epsilon: float) -> csr_array:
    """Rows over the coefficients with the same entry for epsilon in each."""
    from scipy.sparse import csr_array, hstack

    joined: csr_array = hstack([rows, csr_array(np.full((rows.shape[0], 1), float(epsilon)))], format="csr")
    return joined


def _read(
    kernel: Any, target: Any, discount: Any, bound: Any, basis: Any, degree: Any, signals: Any
) -> tuple[FloatArray, FloatArray, float, float | None, FloatArray, FloatArray]:
    """The arrays of the program, with powers ``(report, power)``; raises with every fault."""
    faults: list[Fault] = []
    distribution, aim = number_table(kernel, 2, "kernel", faults), number_table(target, 1, "target", faults)
    delta = number(discount, "discount", faults)
    limit = None if bound is None else number(bound, "bound", faults)
    if delta is not None and not 0 < delta <= 1:
        faults.append(Fault("discount", f"is {delta:g}", "it must be above 0 and at most 1"))
    if limit is not None and limit < 0:
        faults.append(Fault("bound", f"is {limit:g}", "it must be at least 0"))
    if degree is not None and (not isinstance(degree, int) or degree < 0):
        faults.append(Fault("degree", f"is {degree!r}", "write a whole number, at least 0"))
    if distribution is not None:
        require_distribution(np.ascontiguousarray(distribution.T), 1, "kernel.T", faults)
    if distribution is not None and aim is not None and len(aim) != distribution.shape[1]:
        faults.append(
            Fault(
                "target", f"has {len(aim)} entries for {distribution.shape[1]} signals", "give one a column of kernel"
            )
        )
    functions = None if basis is None else number_table(basis, 2, "basis", faults)
    if distribution is not None and functions is not None and len(functions) != len(distribution):
        faults.append(
            Fault("basis", f"has {len(functions)} rows for {len(distribution)} outcomes", "give one a row of kernel")
        )
    points = None if signals is None else number_table(signals, 1, "signals", faults)
    if aim is not None and points is not None and len(points) != len(aim):
        faults.append(Fault("signals", f"has {len(points)} entries for {len(aim)} targets", "give one each"))
    if faults or distribution is None or aim is None or delta is None:
        raise InputError(faults)
    points = np.linspace(0, 1, len(aim)) if points is None else points
    low, high = points.min(), points.max()
    centred = (2 * points - low - high) / (high - low or 1.0)  # in [-1, 1], where Chebyshev polynomials are well scaled
    powers = np.eye(len(aim)) if degree is None else np.polynomial.chebyshev.chebvander(centred, degree)
    return distribution, aim, delta, limit, np.eye(len(distribution)) if functions is None else functions, powers
