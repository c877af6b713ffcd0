"""Dominance after contracting: whether truth is best even for agents who know all signals, past, present and future.

Where no action moves types an agent may be thought to know her whole path of types and everybody's reports, whatever
these are. Truth is dominant from a period on if no sequence of her reports does better than the truth against any of
the others', at any path of types that is possible. For the virtual pivot this holds from period 1 on (Corollary 5.2),
as every period by itself maximises a weighted sum; not at contracting, where it is periodic ex post IC at most. As a
constraint it is `mechopt.DominantIC`.

Source: Kakade, Lobel and Nazerzadeh (2013), Corollary 5.2.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mechopt.core.errors import Fault, InputError
from mechopt.core.numbers import FloatArray
from mechopt.mechanism.protocol import Unrollable
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.verification.persistent.dominance import informed_of_all
from mechopt.verification.persistent.response import PersistentPayoffs


def dominance_gains(mechanism: Any, start: int = 1) -> FloatArray:
    """Find what agents gain over the truth who know all types and reports, by agent and period.

    Parameters
    ----------
    mechanism : SequenceMechanism, or something with ``to_mechanism``
        No action moves types from ``start`` on.
    start : int
        First period that is looked at; 1 is the first one after contracting.

    Returns
    -------
    float array ``(agent, period - start)``
        Present value as of period 0, times the mechanism's own probability of the history; 0 where truth is dominant
        from that period on.

    Raises
    ------
    InputError
        If it is not a mechanism over histories, or actions move types from ``start`` on.
    LimitError
        If there are too many paths.

    References
    ----------
    Kakade, Lobel and Nazerzadeh (2013), Corollary 5.2.

    Examples
    --------
    One buyer of type 1, 2 or 3: the published payments let her gain at contracting, but truth is dominant afterwards.

    >>> from mechopt.closedform.virtual.pivot import virtual_pivot
    >>> from mechopt.environment.separable import SeparableTypes
    >>> third, half = [["1/3"] * 3], [["1/2", "1/2"]]
    >>> env = SeparableTypes([[1, 2, 3]], third, [[[0, 0], ["1/2", 2]]], half, cost=[0, "3/5"], horizon=1)
    >>> dominance_gains(virtual_pivot(env)).tolist()
    [[0.0]]
    """
    written: Any = mechanism.to_mechanism() if isinstance(mechanism, Unrollable) else mechanism
    if not isinstance(written, SequenceMechanism):
        raise InputError([Fault("mechanism", "is not one over public histories", "give to_sequence() of it")])
    horizon = written.tree.horizon
    if type(start) is not int or not 0 <= start < horizon:
        raise InputError([Fault("start", f"is {start!r}", f"give a period from 0 to {horizon - 1}")])
    moved = [t for t in range(start, horizon - 1) if written.tree.branches[t] > 1]
    if moved or not written.process.independent:
        what = f"has actions that move types in period {moved[0]}" if moved else "has types that depend on each other"
        raise InputError([Fault("mechanism", what, "dominance is about signals that actions do not move")])
    return np.array([_gains(written, i, start) for i in range(written.process.agents)])


def _gains(mechanism: SequenceMechanism, i: int, start: int) -> list[float]:
    """Largest gain from each period on, the first one first."""
    found = list[float]()
    for stage in informed_of_all(PersistentPayoffs(mechanism, i), start):
        asked = (stage.truth > -np.inf) & stage.possible[None, :, :, None]
        found.append(max(0.0, float((stage.told[asked] - stage.truth[asked]).max(initial=0.0))))
    return found
