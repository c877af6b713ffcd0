r"""Balance where types are independent across periods: the same terms, over histories of reports.

Y_i is the present value of buyer i's payments less an equal share of the cost of what is sold, from a history of
reports on, and :math:`\gamma_i(h, r) = E[Y_i | h, r_i = r] - E[Y_i | h]`; see
`mechopt.closedform.pivot.balance.balance`. With several buyers DIC is Bayesian over the others' current types, and is
kept, as are all types' utilities of period 0.

Source: Athey and Segal (2013), section 4; Arrow (1979) and d'Aspremont and Gerard-Varet (1979) for one period.
"""

from __future__ import annotations

import numpy as np

from mechopt.core.errors import Fault, InputError
from mechopt.core.numbers import VERIFY_TOLERANCE, FloatArray
from mechopt.environment.require_kind import require_plain_terms
from mechopt.mechanism.constraints import DIC
from mechopt.mechanism.direct import Mechanism


def given_back(collected: FloatArray, scale: float) -> FloatArray:
    """Fees of period 0: what each agent pays in expectation, less an equal share of it all.

    Raises
    ------
    InputError
        If all together pay less than nothing.
    """
    total = float(collected.sum())
    if total < -VERIFY_TOLERANCE * max(scale, 1e-300):
        what = f"is {total:.6g}: agents receive more than they pay, and nobody else is there to give"
        raise InputError([Fault("revenue", what, "charge more at first, or take mo.balanced_team")])
    return collected - total / len(collected)


def balanced_reports(mechanism: Mechanism) -> Mechanism:
    """Balance a mechanism for types that are independent across periods.

    Parameters
    ----------
    mechanism : Mechanism
        DIC, of at least two buyers.
    """
    env, n = mechanism.environment, mechanism.environment.agents
    require_plain_terms(env, "balance")
    if env.seller_values is not None:
        raise InputError("balance: seller_values: nobody is left who has them; leave them out, or take them off values")
    payment = list[FloatArray]()
    following = np.zeros((n, mechanism.tree.count[-1]))  # E[Y_i | h] of the period after
    scale = sum(d * max(float(row[t].max()) for row in env.values) for t, d in enumerate(env.present_value))
    for t in reversed(range(env.horizon)):
        cost = env.cost[t] * mechanism.allocation[t].sum(axis=0)
        shape = mechanism.payment[t].shape
        worth = mechanism.payment[t] - cost / n + env.discount * following.reshape(shape)
        terms, means = np.zeros(shape), np.empty((n, shape[1]))
        for i in range(n):
            others = [j for j in range(n) if j != i]
            by_own = worth[i]
            for j in reversed(others):
                by_own = np.tensordot(by_own, env.probabilities[j][t], axes=(1 + j, 0))
            means[i] = by_own @ env.probabilities[i][t]
            term = by_own - means[i][:, None]
            terms[i] += np.expand_dims(term, tuple(1 + j for j in others))
        paid = terms - (terms.sum(axis=0) - terms) / (n - 1) + cost / n
        if t == 0:
            paid = paid + given_back(means[:, 0], scale).reshape(n, *(1,) * (paid.ndim - 1))
        payment.append(paid)
        following = means
    source = f"{mechanism.source or 'mechanism'}, balanced"
    return Mechanism(env, mechanism.allocation, tuple(reversed(payment)), (DIC(),), source)
