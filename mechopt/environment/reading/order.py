"""Lists with their first two axes the other way round: found by reading them the right way round."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any

import numpy as np

from mechopt.core.errors import Fault
from mechopt.environment.reading.nested import is_list

FEW = 3
"""Of so many arguments all subsets are tried; of more each one, and all of them."""


def in_order(
    given: Mapping[str, Any], layouts: Mapping[str, str], find: Callable[[Mapping[str, Any]], list[Fault]]
) -> list[Fault]:
    """List what is wrong with arguments; where the order of axes is, say that and the right one.

    Turning the first two axes of all arguments, or of some, has to take some of the faults away and bring no new ones:
    then the order explains them. They are listed all the same where both axes are equally long, as something else may
    be wrong there.

    Parameters
    ----------
    given : mapping from name to argument
    layouts : mapping from name to text
        The right layout of the arguments that have an agent's axis and another one, such as ``"values[i][t]"``.
    find : callable
        Every fault of such arguments.

    Returns
    -------
    list of Fault
    """
    faults = find(given)
    if not faults:
        return []
    turned = {name: part for name in layouts if (part := _turned(given.get(name))) is not None}
    sizes = range(1, len(turned) + 1) if len(turned) <= FEW else {1, len(turned)}
    better: list[tuple[int, int, tuple[str, ...], list[Fault]]] = []
    for names in (names for size in sizes for names in combinations(turned, size)):
        left = find({**given, **{name: turned[name] for name in names}})
        if len(left) < len(faults) and set(left) <= set(faults):
            better.append((len(left), len(names), names, left))
    best = min((found[:2] for found in better), default=None)
    found = [(names, left) for *rank, names, left in better if tuple(rank) == best]
    if len(found) != 1:  # either would do: shapes cannot tell
        return faults
    names, left = found[0]
    square = any(len(given[name]) == len(given[name][0]) for name in names)
    other = [fault for fault in faults if square or (fault.where.isidentifier() and fault.where not in layouts)]
    what = "fits the rest with its first two axes exchanged"
    order = [Fault(name, what, f"give {layouts[name]}, the agent first") for name in names]
    return list(dict.fromkeys([*order, *other, *left]))


def _turned(part: Any) -> Any:
    """The first two axes exchanged; None where there are not two, or lists differ in length."""
    if isinstance(part, np.ndarray):
        return part.swapaxes(0, 1) if part.ndim > 1 else None
    if not is_list(part) or not len(part) or not all(map(is_list, part)) or len(set(map(len, part))) > 1:
        return None
    return [list(row) for row in zip(*part, strict=True)] or None
