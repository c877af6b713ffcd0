"""A mechanism as labelled arrays of xarray: one dimension a report, coordinates the model's names."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.core.errors import InputError, LimitError
from mechopt.core.numbers import FloatArray, IntArray
from mechopt.show.explain.play import WEIGHTLESS, Play, play_of
from mechopt.show.explain.search import require_payments, written_out

if TYPE_CHECKING:
    import xarray

MOST_ENTRIES = 5_000_000
"""Entries of one array up to which it is made: a dense array has one for each combination of reports."""


def to_xarray(mechanism: Any) -> xarray.Dataset:
    """Write a mechanism as an ``xarray.Dataset``, to select and average by names.

    Parameters
    ----------
    mechanism : Mechanism, SequenceMechanism, or something with ``to_mechanism``

    Returns
    -------
    xarray.Dataset
        For each period t: ``allocation_t`` (probability of each action), ``payment_t`` (by agent, from agent to seller,
        money of the period, expected over the mechanism's draw) and ``probability_t`` (of the reports, when all are
        truthful). Dimensions: ``action_t``; ``agent``; ``report_s`` for each period s up to t, with several agents
        ``report_s_NAME``; ``done_s`` for a recorded action. NaN where reports or actions cannot come about, probability
        0. ``present_value`` is by ``period``; where discounts differ it is the seller's, and
        ``own_present_value`` is by ``agent`` and ``period``.

    Raises
    ------
    LimitError
        If an array would have more than five million entries.
    InputError
        If xarray is not installed, or the mechanism has no finite histories or is only a limit of mechanisms.

    Examples
    --------
    >>> import mechopt as mo
    >>> env = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=2)
    >>> arrays = to_xarray(mo.optimum(env).mechanism)
    >>> dict(arrays["payment_1"].sizes)
    {'agent': 1, 'report_0': 2, 'report_1': 2}
    >>> float(arrays["allocation_1"].sel(report_0="2", report_1="1", action_1="sell"))
    1.0
    """
    try:
        import xarray
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != "xarray":
            raise
        raise InputError('labelled arrays need xarray; pip install "mechopt[xarray]"') from None
    written = written_out(mechanism)
    require_payments(written)
    play, done = play_of(written), [np.zeros((1, 0), dtype=np.int64)]
    agents = [name.replace(" ", "_") for name in play.agents]
    arrays: dict[str, Any] = {"present_value": ("period", play.present_value)}
    if written.environment.discounts is not None:
        arrays["own_present_value"] = (("agent", "period"), play.own_present_value)
    coordinates: dict[str, Any] = {"agent": list(play.agents), "period": list(range(play.horizon))}
    names, sizes = list[str](), list[int]()
    for t in range(play.horizon):
        if t:
            node, branch = play.before[t]
            earlier = done[-1][play.slot[t - 1][node]]
            done.append(np.concatenate([earlier, branch[:, None]], axis=1))
            if play.following[t - 1].shape[1] > 1:
                names.append(f"done_{t - 1}")
                sizes.append(play.following[t - 1].shape[1])
                coordinates[names[-1]] = list(play.actions[t - 1])
        for i, name in enumerate(agents):
            names.append(f"report_{t}" if len(agents) == 1 else f"report_{t}_{name}")
            sizes.append(play.shape[t][i])
            coordinates[names[-1]] = list(play.types[t][i])
        drawn = f"action_{t}"
        coordinates[drawn] = list(play.actions[t])
        if prod(sizes) * max(len(play.actions[t]), len(agents)) > MOST_ENTRIES:
            raise LimitError(
                f"period {t} has {prod(sizes):,} combinations of reports, too many for one array; take to_frame()"
            )
        place = _places(play, t, done[t], sizes)
        for kind, lead, table in (
            ("allocation", drawn, play.allocation[t].T),
            ("payment", "agent", play.payment[t]),
            ("probability", "", play.reach[t][None]),
        ):
            dense = np.full((len(table), prod(sizes)), 0.0 if kind == "probability" else np.nan)
            dense[:, place] = _known(play, t, kind, table)
            shape = (len(table), *sizes) if lead else tuple(sizes)
            arrays[f"{kind}_{t}"] = ([lead, *names] if lead else list(names), dense.reshape(shape))
    numbers = {"revenue": float(written.revenue), "welfare": float(written.welfare)}
    return xarray.Dataset(arrays, coordinates, {**numbers, "source": written.source})


def _known(play: Play, t: int, kind: str, table: FloatArray) -> FloatArray:
    """The table with NaN at nodes that the mechanism never comes to."""
    if kind == "probability":
        return table
    live = play.mass[t][play.slot[t]] > WEIGHTLESS
    known: FloatArray = np.where(live, table, np.nan)
    return known


def _places(play: Play, t: int, done: IntArray, sizes: list[int]) -> IntArray:
    """Number of each node among all combinations of reports and recorded actions."""
    parts = list[IntArray]()
    for s in range(t + 1):
        if s and play.following[s - 1].shape[1] > 1:
            parts.append(done[play.slot[t], s - 1])
        profile = play.profile[t] if s == t else play.past[t][play.slot[t], s]
        parts += [play.own(s, i, profile) for i in range(len(play.agents))]
    return np.asarray(np.ravel_multi_index(tuple(parts), tuple(sizes)))
