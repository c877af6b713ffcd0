"""The weights of the balance mechanism that earn most on an instance, or are safest on a family."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import permutations

from mechopt.closedform.bank.non_clairvoyant import (
    ONE_BUYER,
    SEVERAL_BUYERS,
    Mix,
    mix_guarantee,
    non_clairvoyant_balance,
)
from mechopt.core.errors import InputError, require_type
from mechopt.environment.independent import IndependentTypes
from mechopt.solve.optimum import optimum

GRID = 6
"""Parts of the first grid of weights."""
SMALLEST = Fraction(1, 96)
"""Last step of the search."""


@dataclass(frozen=True, eq=False, repr=False)
class BestWeights:
    """Weights of Myerson's, the second-price and the money-burning auction.

    Attributes
    ----------
    weights : tuple of three Fraction
    ratio : float
        Least share of the optimum on the instances.
    ratios : tuple of float
        By instance.
    standard_ratio : float
        The same with the weights of the literature.
    guarantee : Fraction
        What is proved of these weights on every instance; at most that of the literature's.
    evaluations : int
        Weights tried.
    """

    weights: tuple[Fraction, Fraction, Fraction]
    ratio: float
    ratios: tuple[float, ...]
    standard_ratio: float
    guarantee: Fraction
    evaluations: int

    def __repr__(self) -> str:
        words = ", ".join(map(str, self.weights))
        return (
            f"BestWeights({words}: ratio {self.ratio:.6g}, standard {self.standard_ratio:.6g}, {self.guarantee} proved)"
        )


def best_weights(environments: IndependentTypes | Iterable[IndependentTypes], ties: str = "index") -> BestWeights:
    """Find weights of the balance mechanism with the largest least share of the optimum.

    A grid of sixths first; from its best point and from the weights of the literature, steps that move weight from one
    auction to another, halved down to 1/96 where none helps.

    Parameters
    ----------
    environments : IndependentTypes or several
        Of one number of buyers, each with something to earn.
    ties : str
        As for `mechopt.non_clairvoyant_balance`.

    Raises
    ------
    InputError
        If there is none, or numbers of buyers differ, or nothing can be earned.

    Examples
    --------
    One period: all that counts is Myerson's auction, and nothing is then proved of longer horizons.

    >>> env = IndependentTypes.iid([1, 4], ["3/4", "1/4"], horizon=1)
    >>> best_weights(env)
    BestWeights(1, 0, 0: ratio 1, standard 0.666667, 0 proved)
    """
    require_type(environments, (IndependentTypes, tuple, list), "best_weights", "give one environment, or a list")
    given = [environments] if isinstance(environments, IndependentTypes) else list(environments)
    if not given or len({env.agents for env in given}) != 1:
        raise InputError("environments: give at least one, all with the same number of buyers")
    optima = [optimum(env).require_optimal().value for env in given]
    if min(optima) <= 0:
        raise InputError(
            f"environments[{optima.index(min(optima))}]: nothing can be earned, so there is no share of it"
        )
    known: dict[Mix, tuple[float, ...]] = {}

    def ratios(mix: Mix) -> tuple[float, ...]:
        if mix not in known:
            known[mix] = tuple(
                non_clairvoyant_balance(env, mix, ties).revenue / best for env, best in zip(given, optima, strict=True)
            )
        return known[mix]

    standard = ONE_BUYER if given[0].agents == 1 else SEVERAL_BUYERS
    cells = [(a, b, GRID - a - b) for a in range(GRID + 1) for b in range(GRID + 1 - a)]
    grid = [Mix(*(Fraction(part, GRID) for part in cell)) for cell in cells]

    def rank(mix: Mix) -> tuple[float, Fraction, Fraction]:
        """Least share up to rounding; among equals what is proved, and what knows no balances."""
        return round(min(ratios(mix)), 11), mix_guarantee(mix, given[0].agents), mix.myerson

    found = [_climbed(start, rank) for start in (max(grid, key=rank), standard)]
    best = max(found, key=rank)
    return BestWeights(
        (best.myerson, best.second_price, best.burning),
        min(ratios(best)),
        ratios(best),
        min(ratios(standard)),
        mix_guarantee(best, given[0].agents),
        len(known),
    )


def _climbed(start: Mix, rank: Callable[[Mix], tuple[float, Fraction, Fraction]]) -> Mix:
    best, step = start, Fraction(1, 2 * GRID)
    while step >= SMALLEST:
        moved = []
        for take, give in permutations(range(3), 2):
            parts = list(best)
            amount = min(step, parts[take])
            parts[take], parts[give] = parts[take] - amount, parts[give] + amount
            moved.append(Mix(*parts))
        better = max(moved, key=rank)
        if rank(better) > rank(best):
            best = better
        else:
            step /= 2
    return best
