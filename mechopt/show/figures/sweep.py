"""Pictures of sweeps: each takes a sweep and an Axes, draws, and returns the Axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.core.errors import InputError, require_type
from mechopt.show.figures.axes import own_axes, titled
from mechopt.show.figures.comparison import BAR, MARK

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from mechopt.study.sweep.sweep import Sweep

MAP = "cividis"
"""Grows evenly in lightness, for grey print and for every kind of colour sight."""
DARK, LIGHT = "#0b0b0b", "#fefefe"
"""Of numbers on cells, on light and dark pages."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
COLOURS = (BAR, "#e6a000", "#2a9d8f", "#8c8c8c", "#9a5ab5", "#5fa8d3", "#444444")
TITLES = {"ratio": "Share of the optimum", "revenue": "Revenue", "value": "Optimum"}
MOST_NUMBERS = 150
"""Cells beyond which a heat map shows no numbers."""


def sweep_plot(sweep: Sweep, axes: Axes | None = None, y: str = "") -> Axes:
    """Draw lines over one grid key of numbers, a heat map over two, dots otherwise; see `Sweep.plot`."""
    mechanisms, keys = sweep.study.recording.mechanisms, sweep.study.grid.axes
    y = y or ("ratio" if mechanisms else "value")
    if sweep.study.family is None and len(keys) == 1:
        key = next(iter(sweep.rows.varied), "")
        if key and all(isinstance(entry, (int, float)) for entry in sweep.to_frame()[key]):
            return sweep_lines(sweep, axes, y=y)
    column = _columns(sweep, y)[-1 if y == "revenue" else 0][1]
    if sweep.study.family is None and len(keys) == 2:
        return sweep_heatmap(sweep, axes, value=column)
    return sweep_scatter(sweep, axes, y=column)


def _columns(sweep: Sweep, y: str) -> list[tuple[str, str]]:
    """(name, column) of what a word stands for: the mechanisms, and for revenue the optimum first."""
    mechanisms = sweep.study.recording.mechanisms
    if y in ("revenue", "ratio"):
        listed = [(name, f"{name}.{y}") for name in mechanisms]
        listed = [("optimum", "value"), *listed] if y == "revenue" else listed
        if listed:
            return listed
        raise InputError("the study records no mechanisms, so that there are no ratios; draw value")
    return [(y, y)]


def sweep_lines(sweep: Sweep, axes: Axes | None = None, x: str = "", y: str = "revenue") -> Axes:
    """Lines over one key: the optimum and each mechanism, or one column.

    Parameters
    ----------
    sweep : Sweep
    axes : matplotlib Axes, optional
        Where to draw; default a figure of its own (``axes.figure``).
    x : str
        Column of numbers; default the first that varies.
    y : str
        ``"revenue"`` (the optimum and each mechanism's), ``"ratio"`` (each mechanism's), or a column of the table.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        If the table has no such column.
    """
    require_type(sweep, "Sweep", "sweep_lines", "give mo.sweep(study)")
    frame = sweep.to_frame()
    varied = list(sweep.rows.varied)
    x = x or (varied[0] if varied else "")
    listed = _columns(sweep, y)
    _require_columns(frame, [x, *(column for _, column in listed)])
    axes = own_axes(axes, 7.0, 4.2)
    from matplotlib.ticker import MaxNLocator

    for number, (name, column) in enumerate(listed):
        known = frame[frame[x].notna() & frame[column].notna()]
        mean = known.groupby(x)[column].mean()
        style: dict[str, Any] = {
            "color": COLOURS[number % len(COLOURS)],
            "marker": MARKERS[number % len(MARKERS)],
            "markersize": 5,
        }
        axes.plot(mean.index.to_numpy(dtype=np.float64), mean.to_numpy(dtype=np.float64), label=name, **style)
    if all(float(entry).is_integer() for entry in frame[x].dropna()):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if y == "ratio":
        axes.set_ylim(0.0, max(1.02, axes.get_ylim()[1]))
    if len(listed) > 1:
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    axes.set_xlabel(x)
    axes.set_ylabel(f"{listed[0][0]}'s ratio" if y == "ratio" and len(listed) == 1 else y)
    axes.spines[["top", "right"]].set_visible(False)
    return titled(axes, f"{TITLES.get(y, y)} by {x}")


def sweep_heatmap(
    sweep: Sweep,
    axes: Axes | None = None,
    x: str = "",
    y: str = "",
    value: str = "value",
    label: str = "",
    span: tuple[float, float] | None = None,
) -> Axes:
    """Mean of a column over two keys that vary; the smallest cell is framed, cells without a number are hatched.

    Parameters
    ----------
    sweep : Sweep
    axes : matplotlib Axes, optional
        Where to draw; default a figure of its own (``axes.figure``).
    x, y : str
        Columns of the table, such as ``horizon``; default: the first two that vary.
    value : str
        Column to draw, such as ``repeated-myerson.ratio``.
    label : str
        What to call it; default its name.
    span : pair of float, optional
        Ends of the colours, to share them between pictures; default the smallest and largest number.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        If the table has no such column.
    """
    require_type(sweep, "Sweep", "sweep_heatmap", "give mo.sweep(study)")
    frame = sweep.to_frame()
    varied = list(sweep.rows.varied)
    if not x or not y:
        if len(varied) < 2:
            raise InputError(f"a heat map needs two keys that vary, there are {len(varied)}; take sweep_scatter")
        x, y = x or varied[0], y or varied[1]
    _require_columns(frame, [x, y, value])
    table = frame.pivot_table(index=y, columns=x, values=value, aggfunc="mean", dropna=False)
    table = table.reindex(index=_in_order(frame[y]), columns=_in_order(frame[x]))
    cells = table.to_numpy(dtype=np.float64)
    axes = own_axes(axes, 1.6 + 0.75 * cells.shape[1], 1.4 + 0.45 * cells.shape[0])
    axes.set_facecolor("white")
    low, high = span or (None, None)
    shown = np.ma.masked_invalid(cells)
    mesh = axes.pcolormesh(shown, cmap=MAP, edgecolors="white", linewidth=1.0, vmin=low, vmax=high)
    for row, column in np.argwhere(~np.isfinite(cells)):
        axes.fill([column, column + 1, column + 1, column], [row, row, row + 1, row + 1], fill=False, hatch="///", lw=0)
    if np.isfinite(cells).any():
        row, column = np.unravel_index(np.nanargmin(cells), cells.shape)
        frame_x = [column, column + 1, column + 1, column, column]
        axes.plot(frame_x, [row, row, row + 1, row + 1, row], color=MARK, linewidth=3, clip_on=False, zorder=3)
    if cells.size <= MOST_NUMBERS:
        _write_cells(axes, cells, mesh)
    axes.set_xticks(np.arange(cells.shape[1]) + 0.5, [_short(entry) for entry in table.columns])
    axes.set_yticks(np.arange(cells.shape[0]) + 0.5, [_short(entry) for entry in table.index])
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = axes.figure.colorbar(mesh, ax=axes)
    bar.set_label(label or value)
    bar.outline.set_visible(False)
    return titled(axes, f"{label or value} by {x} and {y}")


def sweep_scatter(
    sweep: Sweep,
    axes: Axes | None = None,
    x: str = "",
    y: str = "value",
    by: str = "",
    label: str = "",
    span: tuple[float, float] | None = None,
) -> Axes:
    """One dot a point; the smallest is ringed and named.

    Parameters
    ----------
    sweep : Sweep
    axes : matplotlib Axes, optional
        Where to draw; default a figure of its own (``axes.figure``).
    x, y : str
        Columns of the table; default of ``x``: the first that varies.
    by : str
        Column whose values get a colour and a marker each.
    label : str
        What to call ``y``; default its name.
    span : pair of float, optional
        Smallest and largest number of all pictures that share their range; default those of this one.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        If the table has no such column, or ``by`` has too many values.
    """
    require_type(sweep, "Sweep", "sweep_scatter", "give mo.sweep(study)")
    from matplotlib.ticker import MaxNLocator

    frame = sweep.to_frame()
    varied = list(sweep.rows.varied)
    x = x or (varied[0] if varied else "")
    _require_columns(frame, [x, y, *([by] if by else [])])
    known = frame[frame[x].notna() & frame[y].notna()]
    groups = [("", known)] if not by else [(f"{by} {_short(key)}", group) for key, group in known.groupby(by)]
    if len(groups) > len(MARKERS):
        raise InputError(f"{by} has {len(groups)} values; colours and markers are for at most {len(MARKERS)}")
    axes = own_axes(axes, 7.0, 4.2)
    size = 30 if len(known) <= 200 else 14
    for (name, group), marker, colour in zip(groups, MARKERS, COLOURS, strict=False):
        axes.scatter(group[x], group[y], size, color=colour, marker=marker, alpha=0.65, linewidths=0, label=name)
    if len(known):
        worst: Any = known[y].astype(float).idxmin()
        at = float(known.loc[worst, x]), float(known.loc[worst, y])
        axes.scatter(*at, s=160, facecolors="none", edgecolors=MARK, linewidths=2.2, zorder=4)
        right = at[0] > 0.5 * (known[x].min() + known[x].max())
        axes.annotate(
            f"smallest: {at[1]:.4g} (point {worst})",
            at,
            (-14 if right else 14, -2),
            textcoords="offset points",
            ha="right" if right else "left",
            va="center",
            bbox={"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": "none", "alpha": 0.85},
        )
    if by and len(known):
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    axes.set_xlabel(x)
    axes.set_ylabel(label or y)
    axes.spines[["top", "right"]].set_visible(False)
    if span is None:
        axes.margins(y=0.12)
    else:
        space = 0.12 * ((span[1] - span[0]) or max(abs(span[0]), 1.0))
        axes.set_ylim(span[0] - space, span[1] + space)
    if all(isinstance(entry, (int, float)) and float(entry).is_integer() for entry in known[x]):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return titled(axes, f"{label or y} by {x}")


def _require_columns(frame: pd.DataFrame, names: list[str]) -> None:
    from difflib import get_close_matches

    known = [str(column) for column in frame.columns]
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            fix = f"did you mean {near[0]!r}?" if near else f"columns: {', '.join(known)}"
            raise InputError(f"{name!r} is not a column of the table; {fix}")


def _write_cells(axes: Axes, cells: np.ndarray[Any, Any], mesh: Any) -> None:
    """Numbers in the cells, dark on light and light on dark."""
    for (row, column), number in np.ndenumerate(cells):
        if np.isfinite(number):
            ink = DARK if float(mesh.norm(number)) > 0.55 else LIGHT
            axes.text(column + 0.5, row + 0.5, f"{number:.3g}", ha="center", va="center", color=ink, fontsize=9)


def _in_order(column: pd.Series[Any]) -> list[Any]:
    """Entries once each: numbers by size, others as they first come."""
    entries = list(column.unique())
    return entries if any(isinstance(entry, str) for entry in entries) else sorted(entries)


def _short(entry: Any) -> str:
    return f"{entry:.4g}" if isinstance(entry, float) else str(entry)
