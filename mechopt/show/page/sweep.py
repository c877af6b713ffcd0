"""One self-contained HTML page of a sweep: study, shares by mechanism, worst instances, points, figures."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.modelfile.loading import parse
from mechopt.show.page.page import Cell, Column, Origin, Picture, Table, render
from mechopt.show.page.wording import Facts, number, share
from mechopt.study.sweep.grid import Range
from mechopt.study.sweep.point import DONE, point_key
from mechopt.study.sweep.sweep import Sweep

if TYPE_CHECKING:
    import pandas as pd

MOST_POINTS = 200
"""Rows of the table of points; a sweep with more shows those that failed and the smallest shares."""
MOST_FIGURES = 4
MOST_COLOURS = 4


@dataclass(frozen=True)
class Worst:
    """The instance on which a mechanism does worst."""

    id: str
    mechanism: str
    facts: Facts
    model: str


def sweep_report(sweep: Sweep, title: str = "", command: str = "", study: str = "") -> str:
    """Write a sweep as one HTML page that needs nothing else.

    Parameters
    ----------
    sweep : Sweep
    title : str
        Default: that of the study.
    command : str
        That computes it again.
    study : str
        Text of the study file.

    Returns
    -------
    str
        HTML. Figures are left out where matplotlib is not installed.

    Raises
    ------
    InputError
        If jinja2 is not installed.

    Examples
    --------
    >>> from mechopt.study.sweep.sweep import sweep
    >>> page = sweep_report(sweep("horizons"))
    >>> "<h2" in page and "http:" not in page.replace("http://www.w3.org", "")
    True
    """
    frame, recording = sweep.to_frame(), sweep.study.recording
    worst = [found for name in recording.mechanisms if (found := _worst(sweep, name)) is not None]
    return render(
        "sweep.html.j2",
        title=title or sweep.study.title or f"Sweep of {Path(sweep.study.name).stem}",
        heading=f"{len(sweep.rows):,} of {sweep.count:,} points",
        interrupted=sweep.interrupted,
        study=study_facts(sweep),
        shares=share_table(sweep, frame, {found.mechanism: found.id for found in worst}),
        worst=worst,
        points=point_table(sweep, frame),
        left_out=max(len(frame) - MOST_POINTS, 0),
        pictures=pictures(sweep, frame),
        origin=Origin(
            command or f"mo.sweep({sweep.study.name!r})",
            f"seed {sweep.study.seed}",
            (("points and what is recorded of them", _fingerprint(sweep)),),
            study,
        ),
    )


def _fingerprint(sweep: Sweep) -> str:
    """SHA-256 of the keys of the points, in order."""
    keys = (point_key(point.text, sweep.study.recording) for point in sweep.points)
    return hashlib.sha256("".join(keys).encode()).hexdigest()


def study_facts(sweep: Sweep) -> Facts:
    """Varied keys and recorded quantities, as (label, text)."""
    study, recording = sweep.study, sweep.study.recording
    facts: Facts = [("source", study.source)] if study.source else []
    facts.append(("study", study.name))
    if study.family is not None:
        facts.append(("random instances", f"{study.family.count or 0:,}"))
    for key, axis in study.grid.axes.items():
        count = axis.count if isinstance(axis, Range) else len(axis)
        first = ", ".join(str(axis[k]) for k in range(min(count, 8)))
        facts.append((key, f"{count}: {first}{', …' if count > 8 else ''}"))
    facts += [("recorded", ", ".join((*recording.quantities, *recording.mechanisms)))]
    if recording.ic is not None or recording.ir is not None:
        facts.append(("constraints", f"{recording.ic or 'the model'}, {recording.ir or 'the model'}"))
    if recording.seconds is not None:
        facts.append(("limit", f"{number(recording.seconds)} s a point"))
    ended = ", ".join(f"{count:,} {status}" for status, count in sweep.statuses.items())
    return [*facts, ("points", ended or "none"), ("computed", f"{sweep.fresh:,} in {sweep.seconds:.1f} s")]


def share_table(sweep: Sweep, frame: pd.DataFrame, shown: dict[str, str]) -> Table | None:
    """Shares of the optimum over all points, one row a mechanism; None where none is recorded."""
    heads = ("points", "smallest", "median", "mean", "largest", "worst at point")
    columns = (Column("mechanism"), *(Column(head, numeric=True) for head in heads))
    rows = []
    for name in sweep.study.recording.mechanisms:
        known = frame[f"{name}.ratio"].dropna().astype(float) if f"{name}.ratio" in frame else None
        if known is None or known.empty:
            rows.append((Cell(name, name), Cell("0", 0.0), *(Cell("–") for _ in heads[1:])))
            continue
        amounts = (known.min(), known.median(), known.mean(), known.max())
        cells = [Cell(share(float(amount)), float(amount)) for amount in amounts]
        at = int(known.index.to_numpy()[int(known.to_numpy().argmin())])
        count = Cell(f"{len(known):,}", float(len(known)))
        rows.append((Cell(name, name, target=shown.get(name, "")), count, *cells, Cell(f"{at:,}", float(at))))
    return (
        Table("shares", "Shares of the optimum, over all points that have one", columns, tuple(rows)) if rows else None
    )


def _worst(sweep: Sweep, mechanism: str) -> Worst | None:
    found = sweep.worst(mechanism)
    if found is None:
        return None
    point, row = found
    facts: Facts = [("share of the optimum", share(row[f"{mechanism}.ratio"])), ("point", f"{point.number:,}")]
    facts += [(key, _text(value)) for key, value in point.varied.items()]
    facts += [(key, _text(row[key])) for key in ("value", f"{mechanism}.revenue") if key in row]
    facts.append(("fingerprint", parse(point.text, "point").environment.fingerprint))
    return Worst(f"worst-{sweep.study.recording.mechanisms.index(mechanism)}", mechanism, facts, point.text)


def _text(value: Any) -> str:
    return number(float(value)) if isinstance(value, float) else str(value)


def point_table(sweep: Sweep, frame: pd.DataFrame) -> Table:
    """One row a point: what varied, how it ended, the optimum and the shares of it."""
    mechanisms = sweep.study.recording.mechanisms
    varied = list(sweep.rows.varied)
    wanted = [*varied, "status", "value", "welfare", *(f"{name}.ratio" for name in mechanisms)]
    names = [name for name in wanted if name in frame]
    if len(frame) > MOST_POINTS:
        frame = _most_telling(frame, [f"{name}.ratio" for name in mechanisms])
    numeric = {name: all(_is_number(value) for value in frame[name]) for name in names}
    columns = [Column("point")]
    columns += [Column(name.replace(".ratio", " share"), numeric[name]) for name in names]
    rows = []
    for place, row in zip(frame.index.to_numpy().tolist(), frame.to_dict("records"), strict=True):
        cells = [Cell(f"{place:,}", float(place))]
        for name in names:
            cells.append(_ended(row) if name == "status" else _cell(row[name], name.endswith(".ratio")))
        rows.append(tuple(cells))
    return Table("points", "Points of the study", tuple(columns), tuple(rows))


def _most_telling(frame: pd.DataFrame, ratios: list[str]) -> pd.DataFrame:
    """Points that were not computed, then those with the smallest shares, in the order of the study."""
    import numpy as np

    known = [name for name in ratios if name in frame]
    least = frame[known].astype(float).min(axis=1) if known else frame.index.to_series().astype(float)
    order = np.lexsort((least.fillna(np.inf).to_numpy(), (frame["status"] == DONE).to_numpy()))
    return frame.iloc[np.sort(order[:MOST_POINTS])]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _cell(value: Any, is_share: bool) -> Cell:
    if value is None or value != value:
        return Cell("–")
    if not _is_number(value):
        return Cell(str(value), str(value))
    return Cell(share(float(value)) if is_share else number(float(value)), float(value))


def _ended(row: Mapping[Hashable, Any]) -> Cell:
    """How a point ended, with the reason where it was not computed."""
    status = str(row["status"])
    return Cell(status if status == DONE or not row["reason"] else f"{status}: {row['reason']}", status)


def pictures(sweep: Sweep, frame: pd.DataFrame) -> list[Picture]:
    """A figure for each of the first mechanisms, or of the value; none where matplotlib is not installed."""
    if find_spec("matplotlib") is None or not sweep.rows:
        return []
    mechanisms = sweep.study.recording.mechanisms[:MOST_FIGURES]
    ys = [(f"{name}.ratio", f"share of the optimum, {name}") for name in mechanisms] or [("value", "optimum")]
    if _over_numbers(sweep, frame):
        return _lines(sweep)
    known = [(column, label) for column, label in ys if column in frame and frame[column].notna().any()]
    numbers = frame[[column for column, _ in known]].to_numpy(dtype=float)
    span = (float(np.nanmin(numbers)), float(np.nanmax(numbers))) if known else (0.0, 1.0)
    drawn = []
    for k, (column, label) in enumerate(known):
        drawn += _drawn(sweep, frame, column, label, f"figure{k}", span)
    return drawn


def _over_numbers(sweep: Sweep, frame: pd.DataFrame) -> bool:
    """Whether a grid has one key, of numbers."""
    from pandas.api.types import is_numeric_dtype

    keys = list(sweep.rows.varied)
    return sweep.study.family is None and len(keys) == 1 and is_numeric_dtype(frame[keys[0]])


def _lines(sweep: Sweep) -> list[Picture]:
    """Lines over the key: each mechanism's share of the optimum, and all revenues."""
    from mechopt.show.figures.sweep import sweep_lines
    from mechopt.show.page.svg import inline_svg

    (key,), mechanisms = sweep.rows.varied, sweep.study.recording.mechanisms
    captions = {"ratio": "Share of the optimum", "revenue": "Revenue of the optimum and of each mechanism"}
    drawn = []
    for y, caption in captions.items() if mechanisms else (("value", "The optimum"),):
        spoken = f"Lines: {caption[:1].lower()}{caption[1:]} by {key}; numbers in the table of points."
        drawn.append(Picture(inline_svg(partial(sweep_lines, sweep, y=y), spoken, y), f"{caption}, by {key}."))
    return drawn


def _drawn(
    sweep: Sweep, frame: pd.DataFrame, column: str, label: str, prefix: str, span: tuple[float, float]
) -> list[Picture]:
    """A heat map over two grid keys, else dots, else nothing; all over one range."""
    from mechopt.show.figures.sweep import sweep_heatmap, sweep_scatter
    from mechopt.show.page.svg import inline_svg

    known = frame[column].dropna().astype(float)
    where = known.index.to_numpy()[int(known.to_numpy().argmin())]
    least = f"smallest {number(float(known.min()))} at point {where}, largest {number(float(known.max()))}"
    short, named = label.partition(",")[0], f"{label[:1].upper()}{label[1:]}"
    if sweep.study.family is None and len(sweep.study.grid.axes) == 2:
        x, y = sweep.study.grid.axes
        spoken = f"Heat map of the {label} over {x} and {y}: {least}."
        svg = inline_svg(lambda: sweep_heatmap(sweep, x=x, y=y, value=column, label=short, span=span), spoken, prefix)
        return [Picture(svg, f"{named}; framed: the smallest.")]
    x, by = _axes(sweep, frame, column)
    if not x:
        return []
    spoken = f"Dots: {label} by {x}: {least}."
    svg = inline_svg(lambda: sweep_scatter(sweep, x=x, y=column, by=by, label=short, span=span), spoken, prefix)
    return [Picture(svg, f"{named}, one dot a point; ringed: the smallest.")]


def _axes(sweep: Sweep, frame: pd.DataFrame, column: str) -> tuple[str, str]:
    """Quantity that dots are drawn against, and the one that sets their colour.

    Random instances are drawn against the optimum, by the first key that has a few values; a grid against its first key
    that has several numbers.
    """
    from pandas.api.types import is_numeric_dtype

    varied = [key for key in sweep.rows.varied if frame[key].nunique() > 1]
    if sweep.study.family is not None and "value" in frame and column != "value":
        return "value", next((key for key in varied if frame[key].nunique() <= MOST_COLOURS), "")
    return next((key for key in varied if is_numeric_dtype(frame[key])), ""), ""
