"""`mechopt fit`: a model file from observed values, sale prices or a panel."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mechopt.cli.options import Json, LocalWorkers, Scheduler, require_targets
from mechopt.core.errors import Fault, InputError, shortened
from mechopt.show.terminal.console import say, show_rows, tell

if TYPE_CHECKING:
    from mechopt.study.fit.result import Fit

ONLY = {
    "price": ("bidders", "less", "reserve"),
    "panel": ("bidder", "period", "smoothing"),
}
"""Options that make sense for one kind of data alone."""


def fit(
    data: Annotated[str, typer.Argument(metavar="DATA.csv", help="a CSV file whose first line names the columns")],
    value: Annotated[str | None, typer.Option(metavar="COLUMN", help="observed values, or truthful bids")] = None,
    price: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="sale prices of second-price or English auctions")
    ] = None,
    bidders: Annotated[
        str | None, typer.Option(metavar="N|COLUMN", help="with --price: number of bidders (not of bids)")
    ] = None,
    less: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="with --price: to subtract, such as shipping")
    ] = None,
    reserve: Annotated[
        str | None, typer.Option(metavar="MONEY|COLUMN", help="with --price: start prices, treated as reserves")
    ] = None,
    bidder: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="with --value: who; makes a Markov chain, needs --period")
    ] = None,
    period: Annotated[str | None, typer.Option(metavar="COLUMN", help="with --bidder: when, in whole numbers")] = None,
    types: Annotated[int | None, typer.Option(help="number of types at most; default 6, with --bidder 3")] = None,
    method: Annotated[str, typer.Option(help="of the cut into types: quantiles or clusters")] = "quantiles",
    smoothing: Annotated[
        str | None, typer.Option(help="with --bidder: added to each count of the kernel; default 1/2")
    ] = None,
    periods: Annotated[str | None, typer.Option(help="horizon of the model; default 1, with --bidder infinite")] = None,
    buyers: Annotated[int, typer.Option(help="buyers of the model, all alike")] = 1,
    cost: Annotated[str, typer.Option(help="of a sale")] = "0",
    discount: Annotated[str | None, typer.Option(help="default 1, with --bidder 9/10")] = None,
    drop_missing: Annotated[bool, typer.Option("--drop-missing", help="leave out rows with missing cells")] = False,
    drop_below: Annotated[float | None, typer.Option(help="leave out rows with a smaller value or price")] = None,
    drop_above: Annotated[float | None, typer.Option(help="leave out rows with a larger value or price")] = None,
    level: Annotated[float, typer.Option(help="of the bootstrap intervals")] = 0.95,
    resamples: Annotated[int, typer.Option(help="number of bootstrap samples")] = 500,
    seed: Annotated[int, typer.Option(help="of the bootstrap")] = 0,
    encoding: Annotated[str, typer.Option(help="of the file, such as latin-1")] = "utf-8-sig",
    delimiter: Annotated[str, typer.Option(help="between cells")] = ",",
    currency: Annotated[
        str,
        typer.Option(metavar="SIGN", help="at numbers, such as $ or EUR; commas then part thousands"),
    ] = "",
    title: Annotated[str, typer.Option(help="of the model file")] = "",
    source: Annotated[str, typer.Option(help="of the data, with their licence; default: the file's name")] = "",
    save: Annotated[
        str | None, typer.Option(metavar="FILE.toml", help="write the model file; default: to standard output")
    ] = None,
    workers: LocalWorkers = 1,
    scheduler: Scheduler = None,
    plot: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="draw the fit to a .png, .svg or .pdf file"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Estimate a model from data: values, sale prices (with the number of bidders), or a panel of bidders."""
    from mechopt.show.figures.axes import picture_ending, save_picture
    from mechopt.show.terminal import output

    require_targets(save, plot)
    if plot is not None:
        picture_ending(plot)
    single = {"bidders": bidders, "less": less, "reserve": reserve}
    single |= {"bidder": bidder, "period": period, "smoothing": smoothing}
    kind = "price" if price is not None else "panel" if bidder is not None or period is not None else "value"
    if value is None and price is None:
        from mechopt.study.fit.read import columns_of

        columns = ", ".join(map(repr, columns_of(data, encoding, delimiter)))
        what = f"name no column of {shortened(columns, 300)}"
    else:
        what = "name both"
    _require_fitting(value, price, what, kind, single)
    given: dict[str, Any] = {
        "types": types,
        "periods": _number(periods),
        "discount": discount,
        "smoothing": smoothing,
    }
    given = {name: option for name, option in given.items() if option is not None}
    given |= {"method": method, "buyers": buyers, "cost": cost, "level": level, "resamples": resamples, "seed": seed}
    given |= {"drop_missing": drop_missing, "drop_below": drop_below, "drop_above": drop_above}
    given |= {"encoding": encoding, "delimiter": delimiter, "currency": currency}
    given |= {"workers": workers, "scheduler": scheduler}
    if kind == "price":
        from mechopt.study.fit.prices import fit_second_price

        found = fit_second_price(data, price, bidders=_number(bidders), less=less, reserve=_number(reserve), **given)
    elif kind == "panel":
        from mechopt.study.fit.panel import fit_panel

        found = fit_panel(data, value, bidder=bidder, period=period, **given)
    else:
        from mechopt.study.fit.values import fit_values

        found = fit_values(data, value, **given)
    command = shlex.join(["mechopt", *sys.argv[1:]])
    text = found.to_toml(title, source, command)
    if save is not None:
        found.save(save, title, source, command)
    if plot is not None:
        save_picture(found.plot, plot)
        tell(f"drawn: {plot}")
    if as_json:
        say(output.to_json(_document(found, text)))
    elif save is None:
        say(text.rstrip("\n"))
    else:
        show_rows(found.summary())
        tell(f"written: {save}")


def _require_fitting(value: str | None, price: str | None, what: str, kind: str, single: dict[str, str | None]) -> None:
    """Refuse options that say nothing, or contradict each other."""
    faults = []
    if (value is None) == (price is None):
        fix = "give --value COLUMN for values, or --price COLUMN --bidders N for sale prices of auctions"
        faults.append(Fault("--value, --price", what, fix))
    for other, names in ONLY.items():
        if other == kind:
            continue
        need = "--price" if other == "price" else "--bidder and --period"
        faults += [
            Fault(f"--{name}", f"is for data with {need}", "leave it out") for name in names if single[name] is not None
        ]
    if faults:
        raise InputError(faults)


def _number(text: str | None) -> Any:
    """A number where the text is one, else the text: a column's name, or infinite."""
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text


def _document(fit: Fit, text: str) -> dict[str, Any]:
    """Document of an estimate, as printed with ``--json``."""
    interval = fit.interval
    return {
        "kind": fit.environment.kind,
        "estimator": fit.estimator,
        "source": fit.source,
        "sha256": fit.digest,
        "rows": fit.rows,
        "dropped": [{"reason": part.reason, "rows": part.rows, "first": part.first} for part in fit.dropped],
        "values": fit.values.tolist(),
        "probabilities": fit.probabilities.tolist(),
        "mean": fit.mean,
        "transitions": None if fit.transitions is None else fit.transitions.tolist(),
        "distance": fit.distance._asdict(),
        "interval": {
            "level": interval.level,
            "resamples": interval.resamples,
            "seed": interval.seed,
            "probabilities": interval.probabilities.tolist(),
            "cumulative": interval.cumulative.tolist(),
            "mean": interval.mean.tolist(),
            "kernel": None if interval.kernel is None else interval.kernel.tolist(),
        },
        "notes": list(fit.notes),
        "model": text,
    }
