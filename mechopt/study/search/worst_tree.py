"""Trees of scenarios on which a seller who does not know the future can guarantee least.

The tree is given: sequences of names of distributions. The distributions are moved, as `worst_case` moves the instances
of its families. Names that stand for absorbing last periods are not moved: with them it is the limit of ever heavier
tails that is searched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mechopt.core.errors import NoOptimumError, require_type
from mechopt.core.numbers import FloatArray, to_exact
from mechopt.environment.scenarios import Scenarios
from mechopt.solve.maximin import maximin
from mechopt.study.search.worst_case import SearchResult, Share, exact_probabilities, exact_values, worst_of
from mechopt.study.workers.calls import calls


@dataclass(frozen=True)
class TreeFamily:
    """All distributions on one tree of scenarios; one buyer.

    Parameters
    ----------
    scenarios : sequence of sequences of str
        Names of distributions.
    types : int
        Of every distribution that is moved.
    absorbing : sequence of str
        Names that stand for absorbing last periods; see `mechopt.Scenarios`.
    discount : number
    """

    scenarios: Sequence[Sequence[str]]
    types: int = 2
    absorbing: Sequence[str] = ()
    discount: Any = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "scenarios", tuple(tuple(sequence) for sequence in self.scenarios))
        object.__setattr__(self, "absorbing", tuple(self.absorbing))
        self.instance(_zeros(self.shape))  # faults of the tree

    @property
    def names(self) -> tuple[str, ...]:
        """Distributions that are moved, in the order of their first appearance."""
        listed = dict.fromkeys(name for sequence in self.scenarios for name in sequence)
        return tuple(name for name in listed if name not in self.absorbing)

    @property
    def plain(self) -> dict[str, Any]:
        """Plain form for a JSON file."""
        scenarios = [list(sequence) for sequence in self.scenarios]
        parts: dict[str, Any] = {"scenarios": scenarios, "types": self.types, "absorbing": list(self.absorbing)}
        return parts | {"discount": str(to_exact(self.discount))}

    @property
    def shape(self) -> tuple[int, ...]:
        """Axes of a point: distribution, (values, probabilities), type."""
        return (len(self.names), 2, self.types)

    def instance(self, point: FloatArray) -> Scenarios:
        """The scenarios at a point, in exact short decimals."""
        moved = [
            {"name": name, "values": exact_values(row[0]), "probabilities": exact_probabilities(row[1])}
            for name, row in zip(self.names, point.reshape(self.shape), strict=True)
        ]
        fixed = [{"name": name, "values": [0], "probabilities": [1]} for name in self.absorbing]
        return Scenarios([*moved, *fixed], self.scenarios, self.discount, absorbing=self.absorbing)


def _zeros(shape: tuple[int, ...]) -> FloatArray:
    import numpy as np

    return np.zeros(shape)


class _One:
    revenue = 1.0


def worst_tree(
    family: TreeFamily,
    budget: int = 1000,
    seed: int = 0,
    state: str | Path | None = None,
    progress: Callable[[int, float], None] | None = None,
    workers: int = 1,
    scheduler: str | None = None,
) -> SearchResult:
    """Search for the distributions on a tree of scenarios for which the best guarantee is least.

    Parameters
    ----------
    family : TreeFamily
    budget, seed, state, progress, workers, scheduler
        As for `worst_case`.

    Returns
    -------
    SearchResult
        Its ``environment`` is a `Scenarios`, its ``ratio`` the best guarantee there (in the limit, where there are
        absorbing periods).

    Examples
    --------
    >>> family = TreeFamily([["a"], ["a", "rest"]], types=2, absorbing=["rest"])
    >>> found = worst_tree(family, budget=200)
    >>> 0.5 < found.ratio < 0.95, found.environment.sequences
    (True, (('a',), ('a', 'rest')))
    """
    require_type(family, "TreeFamily", "worst_tree", "give mo.results.TreeFamily(...)")
    with calls(workers, scheduler) as pool:
        return worst_of(guarantee_of(family), budget, seed, state, progress, pool)


def guarantee_of(family: TreeFamily) -> Share:
    """The best guarantee as a share: that of 1 to its inverse."""
    return Share(family, _one, _inverse)


def _one(scenarios: Scenarios) -> _One:
    return _One()


def _inverse(scenarios: Scenarios) -> float:
    guarantee = maximin(scenarios).require_optimal().value
    if not guarantee > 0:
        raise NoOptimumError("the solver found no guarantee above 0")
    return 1 / guarantee
