"""An agent's information at a public history, true or not, where types persist: the states of her values.

Her expected utility from a slot on depends on what she knows there. Three bases:

- ``"interim"``, persistent types independently: her true type k, whatever the past. Others' types follow from the slot.
- ``"interim"``, correlated types: her true type before, l, and now, k: others' types follow from l and the slot. Values
  are then not divided by the probability of k, so that no conditional distribution is ever formed.
- ``"ex post"``: the whole profile (k, m) of her true type and the others' types m.

A state is *truthful* where truth so far and now leads to it: k may be reported at the slot (and l was reported).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from mechopt.core.numbers import Array, IntArray
from mechopt.histories.public import PublicTree
from mechopt.lp.persistent.merged_tree import PatternTree

Tree = PublicTree | PatternTree


@dataclass(frozen=True, eq=False)
class States:
    """The states of one agent at all slots of a period, numbered by slot and then by code.

    Attributes
    ----------
    slot : int array ``(states,)``
    own : int array ``(states,)``
        True type k.
    earlier : int array ``(states,)``
        True type of the period before, l; 0 where it does not matter.
    profile : int array ``(states,)``
        Ex post: the profile (k, m); else 0.
    truthful : bool array ``(states,)``
    likely : bool array ``(states,)``
        Whether it is truthful and has positive probability given the actions: where participation is demanded.
    index : int array ``(slots, codes)``
        Number of the state; -1 where there is none. Codes: k, or l K_t + k, or the profile.
    """

    slot: IntArray
    own: IntArray
    earlier: IntArray
    profile: IntArray
    truthful: Array
    likely: Array
    index: IntArray

    def labels(self, basis: str) -> tuple[tuple[str, IntArray], ...]:
        """Label of each state."""
        if basis == "ex post":
            return (("true profile", self.profile),)
        own = ("true type", self.own)
        return (("earlier true type", self.earlier), own) if self.earlier.any() else (own,)

    @property
    def count(self) -> int:
        """Number of states."""
        return len(self.slot)


def states(tree: Tree, t: int, i: int, basis: str, truthful_only: bool, likely_only: bool = False) -> States:
    """List the states of agent i in period t.

    Parameters
    ----------
    tree : PublicTree or PatternTree
    t, i : int
    basis : str
        ``"interim"`` or ``"ex post"``.
    truthful_only : bool
        Leave out the others.
    likely_only : bool
        Leave out those, too, that have probability 0.
    """
    process, shape, slots = tree.process, tree.process.shape[t], tree.slots[t]
    own_count = shape[i]
    reported = np.zeros((slots, own_count), dtype=bool)
    reported[tree.slot[t], tree.own(t, i)] = True
    alive = tree.alive(t)
    likely = np.zeros((slots, process.profiles[t] if basis == "ex post" else own_count), dtype=bool)
    likely[tree.slot[t][alive], (tree.profile[t] if basis == "ex post" else tree.own(t, i))[alive]] = True
    if basis == "ex post":
        codes = process.profiles[t]
        kinds = process.types(t)[i]
        true, earlier, profile = kinds, np.zeros(codes, np.int64), np.arange(codes)
        everywhere = np.zeros((slots, codes), dtype=bool)
        others = process.with_own(t, i, tree.profile[t], np.zeros(1, np.int64))
        everywhere[tree.slot[t], others] = True
        exists = everywhere[:, process.with_own(t, i, profile, np.zeros(1, np.int64))]
        truthful = exists & reported[:, kinds]
    elif process.independent or t == 0:
        true = np.arange(own_count)
        earlier, profile = np.zeros(own_count, np.int64), np.zeros(own_count, np.int64)
        exists, truthful = np.ones((slots, own_count), dtype=bool), reported
    else:
        before = process.shape[t - 1][i]
        earlier, true = np.divmod(np.arange(before * own_count), own_count)
        profile = np.zeros(before * own_count, np.int64)
        exists = np.ones((slots, before * own_count), dtype=bool)
        past, _ = tree.before(t)
        truthful = reported[:, true] & (earlier == process.types(t - 1)[i][past][:, None])
    if process.public is not None:
        exists = exists & _seen(tree, t, i, true, earlier, profile if basis == "ex post" else None)
        truthful = truthful & exists
    likely = truthful & (likely if basis == "ex post" else likely[:, true])
    if truthful_only:
        exists = exists & (likely if likely_only else truthful)
    slot, code = np.nonzero(exists)
    index = np.full(exists.shape, -1)
    index[slot, code] = np.arange(len(slot))
    return States(slot, true[code], earlier[code], profile[code], truthful[slot, code], likely[slot, code], index)


def _seen(tree: Tree, t: int, i: int, true: IntArray, earlier: IntArray, profile: IntArray | None) -> Array:
    """Which states agree with what is public: now at the slot, before it, and among the agents; ``(slots, codes)``."""
    process = tree.process
    assert process.public is not None
    tags = process.public[t][i]
    present = np.zeros((tree.slots[t], int(tags.max()) + 1), dtype=bool)
    present[tree.slot[t], tags[tree.own(t, i)]] = True
    agree = present[:, tags[true]]
    if profile is not None:
        return np.asarray(agree & process.matched(t)[profile])
    if t and not process.independent:
        before, past = process.public[t - 1][i], tree.before(t)[0]
        agree = agree & (before[earlier] == before[process.types(t - 1)[i][past]][:, None])
    return np.asarray(agree)


def others_weight(tree: Tree, t: int, i: int, known: States, state: IntArray, node: IntArray) -> Array:
    """Weight that a state gives to the others' types reported at a node of its slot; see the module's docstring.

    Parameters
    ----------
    tree : PublicTree or PatternTree
    t, i : int
    known : States
        Of basis ``"interim"``.
    state, node : int arrays that broadcast
    """
    process, profile = tree.process, tree.profile[t][node]
    if t == 0:
        if process.independent:
            total = _summed_own(process.initial.reshape(1, *process.shape[0]), 0, i, process.shape)
            return np.asarray(total[0, profile])
        return process.initial[process.with_own(0, i, profile, known.own[state])]
    past, branch = (part[known.slot[state]] for part in tree.before(t))
    if process.independent:
        kernel = process.kernel[t - 1]
        total = _summed_own(kernel.reshape(*kernel.shape[:2], *process.shape[t]), t, i, process.shape)
        return np.asarray(total[branch, past, profile])
    true_past = process.with_own(t - 1, i, past, known.earlier[state])
    return process.kernel[t - 1][branch, true_past, process.with_own(t, i, profile, known.own[state])]


def _summed_own(distribution: Array, t: int, i: int, shape: tuple[tuple[int, ...], ...]) -> Array:
    """Distribution of the others' types on whole profiles: summed over agent i's type, and repeated
    for each of them.
    """
    axis = distribution.ndim - len(shape[t]) + i
    summed: Array = np.broadcast_to(distribution.sum(axis=axis, keepdims=True), distribution.shape)
    return summed.reshape(*distribution.shape[: distribution.ndim - len(shape[t])], prod(shape[t]))
