"""A public tree with all slots that look alike merged: what a program over the tree will be, before it is built.

The rows of a program at a slot depend on the reports and the action just before it, not on older history. Merging the
slots that agree in these keeps one of each, with its `multiplicity`; rows are then built for these few and counted as
often as they occur.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt

from mechopt.core.errors import LimitError
from mechopt.core.numbers import Array, IntArray
from mechopt.histories.public import PublicTree

MAX_NONZEROS = 60_000_000
"""Programs whose smallest parts alone have about as many non-zeros are refused before they are counted exactly."""


class PatternTree:
    """Representatives of the slots of a `PublicTree`, with the parts of its interface that rows are built from.

    Parameters
    ----------
    tree : PublicTree
    """

    def __init__(self, tree: PublicTree) -> None:
        self.tree, self.process, self.branches, self.horizon = tree, tree.process, tree.branches, tree.horizon

    @cached_property
    def _levels(self) -> list[dict[str, Array]]:
        """By period: ``past`` (profile before), ``branch``, ``likely`` and ``times`` by slot; ``slot``, ``profile``."""
        first = self.tree.reported(0, np.zeros(1, np.int64), np.zeros(1, np.int64))
        slot, profile = np.nonzero(first)
        start = np.zeros(1, np.int64)
        level: dict[str, Array] = {"past": start, "branch": start, "likely": np.ones(1, bool), "slot": slot}
        level |= {"profile": profile, "times": np.array([1], dtype=object)}
        level["alive"] = self.process.initial[profile] > 0
        levels = [level]
        for t in range(1, self.horizon):
            count = self.branches[t - 1]
            keys = (level["profile"][:, None] * count + np.arange(count)) * 2 + level["alive"][:, None]
            unique, earliest, place = np.unique(keys, return_index=True, return_inverse=True)
            place = place.reshape(keys.shape)
            times = np.zeros(len(unique), dtype=object)
            np.add.at(times, place, level["times"][level["slot"]][:, None])
            level["following"] = place
            node = earliest // count
            past, branch, likely = unique // 2 // count, unique // 2 % count, unique % 2 == 1
            slot, profile = np.nonzero(self.tree.reported(t, past, branch))
            moved = self.process.kernel[t - 1][branch[slot], past[slot], profile] > 0
            level = {"past": past, "branch": branch, "likely": likely, "slot": slot, "profile": profile, "times": times}
            level["node"] = node
            level["alive"] = likely[slot] & moved
            levels.append(level)
            self._require(t, len(slot))
        return levels

    def _require(self, t: int, nodes: int) -> None:
        """Refuse where the rows of one period at representatives alone are too many to build."""
        types = max(self.process.shape[t])
        following = max(self.process.shape[t + 1]) * self.branches[t] if t + 1 < self.horizon else 0
        nonzeros = nodes * types * (2 + self.process.actions[t] + following)
        if nonzeros > MAX_NONZEROS:
            raise LimitError(
                f"the program would have far more than {nonzeros:,} non-zeros ({sum(self.tree.count):,} histories); "
                f"programs above {MAX_NONZEROS:,} are not even counted; use fewer periods, types or agents"
            )

    @property
    def slots(self) -> tuple[int, ...]:
        """Number of representatives by period."""
        return tuple(len(level["past"]) for level in self._levels)

    @property
    def count(self) -> tuple[int, ...]:
        """Number of nodes by period."""
        return tuple(len(level["slot"]) for level in self._levels)

    def multiplicity(self, t: int) -> Array:
        """How many slots each stands for; Python integers."""
        return self._levels[t]["times"]

    @property
    def slot(self) -> tuple[IntArray, ...]:
        """As in `PublicTree`."""
        return tuple(level["slot"] for level in self._levels)

    @property
    def profile(self) -> tuple[IntArray, ...]:
        """As in `PublicTree`."""
        return tuple(level["profile"] for level in self._levels)

    def alive(self, t: int) -> npt.NDArray[np.bool_]:
        """As in `PublicTree`."""
        return self._levels[t]["alive"]

    def before(self, t: int) -> tuple[IntArray, IntArray]:
        """As in `PublicTree`."""
        return self._levels[t]["past"], self._levels[t]["branch"]

    def came(self, t: int) -> tuple[IntArray, IntArray]:
        """As in `PublicTree`, of one of the nodes that a slot stands for."""
        return self._levels[t]["node"], self._levels[t]["branch"]

    def own(self, t: int, i: int) -> IntArray:
        """As in `PublicTree`."""
        own: IntArray = self.process.types(t)[i][self.profile[t]]
        return own

    def following(self, t: int) -> IntArray:
        """As in `PublicTree`, but nodes share slots."""
        return self._levels[t]["following"]

    def find(self, t: int, slot: IntArray, profile: IntArray) -> IntArray:
        """As in `PublicTree`."""
        level, width = self._levels[t], self.process.profiles[t]
        keys = level["slot"] * width + level["profile"]
        wanted = np.asarray(slot) * width + profile
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return np.where(keys[place] == wanted, place, -1)
