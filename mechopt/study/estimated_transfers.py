"""Contingent transfers from an estimated kernel: what a misreport gains under the true one.

Transfers are bets on what the others report next. With transition probabilities that were counted from draws the bets
are a little wrong, and the larger they are the more a misreport gains. `estimated_gains` repeats this: from the true
probabilities it draws so many next profiles at each action and profile (or, given draws, it resamples them: bootstrap),
takes the shares for the truth, solves for transfers of the rule, and computes with `check_contingent` what they allow
under the true probabilities. `draws_needed` finds how many draws bring a quantile of the gain below a bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from mechopt.closedform.contingent.result import ContingentTransfers
from mechopt.closedform.contingent.robust.transfers import robust_transfers
from mechopt.closedform.contingent.setting import ConditionError
from mechopt.closedform.contingent.transfers import contingent_transfers
from mechopt.core.errors import InputError, LimitError, require_type
from mechopt.core.numbers import FloatArray, readonly
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.environment.require_kind import require_kind
from mechopt.verification.contingent.check import check_contingent

MOST_DRAWS = 10**9
"""Draws of one distribution up to which `draws_needed` looks."""


@dataclass(frozen=True, eq=False)
class EstimatedGains:
    """Gains under the true kernel of transfers from estimated ones.

    Attributes
    ----------
    draws : int
        Of the next profile, at each action and profile.
    gains : read-only float array ``(replication,)``
        Largest gain of a misreport in one period, at any signals of the others; infinite where the estimate has no
        transfers.
    largest : read-only float array ``(replication,)``
        Largest transfer; infinite likewise.
    """

    draws: int
    gains: FloatArray
    largest: FloatArray

    @property
    def failures(self) -> int:
        """Estimates without transfers."""
        return int(np.isinf(self.gains).sum())

    def quantile(self, share: float) -> float:
        """Gain that this share of the replications does not exceed: the smallest such of those that came up.

        Parameters
        ----------
        share : float
            In (0, 1].
        """
        return float(np.quantile(self.gains, share, method="inverted_cdf"))

    def __repr__(self) -> str:
        return (
            f"EstimatedGains({self.draws:,} draws: median {self.quantile(0.5):.4g}, largest {self.gains.max():.4g}, "
            f"{len(self.gains)} replications)"
        )


def gain_under(transfers: ContingentTransfers, environment: InterdependentTypes) -> float:
    """Largest gain of a misreport if transfers made for one environment are used in another with the same types.

    Parameters
    ----------
    transfers : ContingentTransfers
    environment : InterdependentTypes
        With the same signals, actions and horizon.
    """
    require_type(
        transfers, ("ContingentTransfers", "ApproximateTransfers"), "gain_under", "give mo.contingent_transfers(env)"
    )
    made_for = transfers.environment
    same = (made_for.shape, made_for.action_counts, made_for.horizon)
    if same != (environment.shape, environment.action_counts, environment.horizon):
        raise InputError("environment: signals, actions or horizon differ from those that the transfers were made for")
    return check_contingent(replace(transfers, environment=environment, exact=None)).largest


def estimated(
    environment: InterdependentTypes, draws: int, rng: np.random.Generator | int, prior: float = 0.0
) -> InterdependentTypes:
    """The environment with shares of draws for its transition probabilities.

    Parameters
    ----------
    environment : InterdependentTypes
    draws : int
        Of the next profile, at each action and profile; of one distribution for all actions where these do not matter.
    rng : Generator or seed
    prior : float
        Added to the count of every next profile, as a Dirichlet prior does.
    """
    require_kind(environment, "interdependent", "estimated")
    if isinstance(draws, bool) or not isinstance(draws, int) or draws < 1:
        raise InputError(f"draws: {draws!r} is not a number of draws; write one such as 1000")
    generator, kernels = np.random.default_rng(rng), list[FloatArray]()
    for t, kernel in enumerate(environment.kernel):
        used = kernel if environment.controlled(t) else kernel[:1]
        flat = used.reshape(-1, prod(kernel.shape[1 + environment.agents :]))
        flat = np.maximum(flat, 0)
        counts = generator.multinomial(draws, flat / flat.sum(axis=1, keepdims=True)) + prior
        shares = (counts / counts.sum(axis=1, keepdims=True)).reshape(used.shape)
        kernels.append(shares if environment.controlled(t) else shares[0])
    return replace(environment, kernel=tuple(kernels), exact=None)


def estimated_gains(
    environment: InterdependentTypes,
    draws: int,
    replications: int = 200,
    method: Any = "convex",
    rng: np.random.Generator | int = 0,
    prior: float = 0.0,
    rule: Sequence[Any] | None = None,
    radius: Any = None,
    **asked: Any,
) -> EstimatedGains:
    """Gains under the true kernel of transfers that are computed from estimates of it.

    Parameters
    ----------
    environment : InterdependentTypes
        The true one.
    draws : int
        At each action and profile.
    replications : int
    method : str
        Of `contingent_transfers`, to which `asked` goes too.
    rng : Generator or seed
    prior : float
        As in `estimated`.
    rule : list over periods of int arrays, optional
        Whose transfers are computed; default: the efficient rule of each estimate.
    radius : number, optional
        Instead of a method: transfers that are right for every kernel so near to the estimate; see `robust_transfers`.

    Returns
    -------
    EstimatedGains

    Examples
    --------
    >>> from mechopt import modelfile
    >>> env = modelfile.load("liu-2025/square-columns")
    >>> few, many = (estimated_gains(env, n, 20).quantile(0.5) for n in (100, 10_000))
    >>> few > many
    True
    """
    if isinstance(replications, bool) or not isinstance(replications, int) or replications < 1:
        raise InputError(f"replications: {replications!r} is not a number of replications; write one such as 200")
    generator = np.random.default_rng(rng)
    asked = {"rule": rule, **asked}
    found = [_one(environment, draws, method, generator, prior, radius, asked) for _ in range(replications)]
    gains, largest = (readonly(np.array(column)) for column in zip(*found, strict=True))
    return EstimatedGains(draws, gains, largest)


def draws_needed(
    environment: InterdependentTypes,
    bound: float,
    share: float = 0.95,
    replications: int = 100,
    method: Any = "convex",
    rng: int = 0,
    **asked: Any,
) -> int:
    """Number of draws with which a share of the estimates allows no gain above a bound: a power of two, by doubling.

    Parameters
    ----------
    environment : InterdependentTypes
    bound : float
        Largest gain, above 0.
    share : float
        Of the replications.
    replications : int
    method : str
    rng : int
        Seed; the same for every number of draws.

    Raises
    ------
    LimitError
        If `MOST_DRAWS` are not enough.
    """
    require_type(environment, "InterdependentTypes", "draws_needed", "give the true environment")
    if not bound > 0:
        raise InputError(f"bound: is {bound}; it must be above 0, as no number of draws brings the gain to 0")
    draws = 1
    while draws <= MOST_DRAWS:
        if estimated_gains(environment, draws, replications, method, rng, **asked).quantile(share) <= bound:
            return draws
        draws *= 2
    raise LimitError(f"more than {MOST_DRAWS:,} draws are needed for gains of at most {bound:g}; allow a larger one")


def _one(
    environment: InterdependentTypes,
    draws: int,
    method: Any,
    rng: np.random.Generator,
    prior: float,
    radius: Any,
    asked: dict[str, Any],
) -> tuple[float, float]:
    guess = estimated(environment, draws, rng, prior)
    try:
        if radius is not None:
            found = robust_transfers(guess, radius, **asked)
        else:
            found = contingent_transfers(guess, method, **asked)
    except ConditionError:
        return np.inf, np.inf
    return gain_under(found, environment), found.max_abs
