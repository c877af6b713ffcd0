"""Largest gains that count as none, by agent and period: a share of what she alone values from then on.

A place is an agent in a period. Her tolerance there is `VERIFY_TOLERANCE` times the largest present value of her own
values, in absolute value, from that period on, as of period 0 like the gains that it is compared with:

    1e-8 * sum_{s >= t} discount^s max_{a, profile} |u_i,s(a, profile)|,

the last period of an infinite horizon counting for ever. What others value, what is paid, and what she valued before do
not move it: an agent of small values beside one of large values is checked as sharply as alone, and so is a late
period of small ones. It is not taken profile by profile: where one is worth nothing to her, indifference is what honest
transfers leave her with, up to the rounding of payments that are sums over other profiles.

Where her values are all 0 from the period on there is nothing to take a share of: those of all her periods count, and
for an agent who never values anything, whose transfers consist of what others do, the largest of anybody's.
"""

from __future__ import annotations

import numpy as np

from mechopt.core.numbers import FloatArray
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.verification.rounding import tolerance_of


def tolerances(environment: InterdependentTypes) -> FloatArray:
    """Largest gains that count as none.

    Parameters
    ----------
    environment : InterdependentTypes

    Returns
    -------
    float array ``(agent, period)``
        Present value as of period 0; of periods whose data are given.

    Examples
    --------
    >>> worth = [[[1, 2], [2, 4]], [[0, 0], [0, 0]]]
    >>> small = [[[0, 0], [0, 0]], [[0, "1/1000"], [0, 0]]]
    >>> quarter = [["1/4", "1/4"]] * 2
    >>> env = InterdependentTypes([worth, small], [[quarter] * 2] * 2, quarter, horizon=2, discount="1/2")
    >>> (1e8 * tolerances(env)).round(6).tolist()
    [[6.0, 2.0], [0.0015, 0.0005]]
    """
    d, last = environment.discount, environment.stages - 1
    sizes = np.array([[float(np.abs(part).max()) for part in row] for row in environment.values])
    weighted = sizes * d ** np.arange(environment.stages)
    if environment.infinite:
        weighted[:, last] /= 1 - d
    scales = weighted[:, ::-1].cumsum(axis=1)[:, ::-1]
    own = np.where(scales > 0, scales, scales[:, :1])
    found: FloatArray = np.where(own > 0, own, scales[:, 0].max())
    return tolerance_of(1.0) * found
