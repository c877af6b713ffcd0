"""One self-contained HTML page of a comparison: instance, optimum, mechanisms, figures, how to compute it again."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING

from mechopt.core.errors import MechoptError
from mechopt.environment.independent import IndependentTypes
from mechopt.lp.choose import AnyTypes
from mechopt.mechanism.notions import Notion
from mechopt.solve.solution import Status
from mechopt.study.comparison import Comparison, Entry
from mechopt.study.report_page import Cell, Column, Origin, Picture, Table, render
from mechopt.study.report_words import (
    MEANINGS,
    Facts,
    TypeNames,
    looks_like,
    names,
    number,
    share,
    short_fraction,
    told,
    type_names,
)

if TYPE_CHECKING:
    from mechopt.solve.found import Optimum
    from mechopt.solve.proof_file import Certificate
    from mechopt.study.frontier import Frontier

CHEAP_NONZEROS = 20_000
CHEAP_SECONDS = 3.0
CHEAP_CORNERS = 12
"""The frontier is drawn where the program has at most so many non-zeros; so long and so far is it looked for."""


@dataclass(frozen=True)
class Broken:
    """A notion that a mechanism breaks, with where."""

    id: str
    notion: str
    meaning: str
    sentence: str
    facts: Facts


@dataclass(frozen=True)
class Detail:
    """What a page says of a mechanism below the table."""

    id: str
    name: str
    facts: Facts
    broken: tuple[Broken, ...]


def compare_report(
    comparison: Comparison,
    title: str = "",
    command: str = "",
    source: str = "",
    model: str = "",
    certificate: Certificate | None = None,
) -> str:
    """Write a comparison as one HTML page that needs nothing else.

    Parameters
    ----------
    comparison : Comparison
    title, source : str
        Of the model.
    command : str
        That computes it again.
    model : str
        Text of the model file.
    certificate : Certificate, optional
        Proof of the optimum, whose exact value the page then gives.

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
    >>> from mechopt import IndependentTypes, compare
    >>> table = compare(IndependentTypes.iid([1, 2], ["1/2", "1/2"], periods=1), ["clairvoyant-optimum"])
    >>> page = compare_report(table, title="Two values <once>")
    >>> "Two values &lt;once&gt;" in page
    True
    """
    environment = comparison.environment
    words = type_names(environment)
    origin = Origin(
        command or "mo.compare(environment).to_html(path)",
        _seed(comparison),
        (("instance", environment.fingerprint),),
        model,
    )
    return render(
        "comparison.html.j2",
        title=title or f"Comparison of mechanisms: {environment.kind} types",
        heading=_heading(environment),
        instance=instance_facts(environment, source),
        distribution=_distribution(environment),
        optimum=optimum_facts(comparison.optimum, certificate),
        value=_value(comparison.optimum, certificate),
        no_optimum=_why_none(comparison),
        table=mechanism_table(comparison),
        notions=[(notion.name, MEANINGS[notion.name]) for notion in comparison.notions],
        details=[detail(entry, k, words) for k, entry in enumerate(comparison.entries)],
        skipped=comparison.skipped,
        pictures=pictures(comparison),
        origin=origin,
    )


def _heading(environment: AnyTypes) -> str:
    """The environment in a line: what its ``repr`` says."""
    return repr(environment).partition("(")[2].removesuffix(")")


def instance_facts(environment: AnyTypes, source: str) -> Facts:
    """What the environment is, as (label, text)."""
    facts: Facts = [("kind", f"{environment.kind} types")]
    if source:
        facts.append(("source", source))
    if isinstance(environment, IndependentTypes):
        facts += [("buyers", str(environment.buyers)), ("periods", str(environment.periods))]
        counts = sorted({k for types in environment.types for k in types})
        facts.append(("types a buyer and period", " to ".join(map(str, dict.fromkeys((counts[0], counts[-1]))))))
        facts.append(("welfare if every sale is made", number(environment.full_welfare)))
        facts.append(("cost of a sale", ", ".join(dict.fromkeys(number(float(c)) for c in environment.cost))))
    else:
        facts += [("agents", _listed(environment.names)), ("periods", str(environment.horizon))]
        actions = environment.actions
        by_period = [a if isinstance(a, tuple) else None for a in actions]
        facts.append(("actions", "by period" if any(by_period) else _listed([str(a) for a in actions])))
    facts += [("discount", number(environment.discount)), ("numbers", "exact" if environment.exact else "floats")]
    return facts


def _listed(names: tuple[str, ...] | list[str], most: int = 12) -> str:
    """How many, and their names where they have some."""
    if all(name == str(k) for k, name in enumerate(names)):
        return str(len(names))
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{len(names)}: {', '.join(names[:most])}{more}"


def _distribution(environment: AnyTypes, most: int = 16) -> Facts:
    """Values with their probabilities where all buyers and periods have one short distribution, else nothing."""
    if not isinstance(environment, IndependentTypes) or environment.exact is None:
        return []
    laws = {
        pair
        for values, probabilities in zip(environment.exact.values, environment.exact.probabilities, strict=True)
        for pair in zip(values, probabilities, strict=True)
    }
    if len(laws) != 1:
        return []
    values, probabilities = laws.pop()
    if len(values) > most:
        return []
    return [(str(v), str(p)) for v, p in zip(values, probabilities, strict=True)]


def _value(best: Optimum | None, certificate: Certificate | None) -> tuple[str, str]:
    """The optimum in large print: number, and fraction with what is known of it."""
    exact = certificate.value if certificate is not None else best.exact if best is not None else None
    if exact is not None:
        return number(float(exact), 12), f"= {short_fraction(exact)}, proved in exact rationals"
    if best is None:
        return "", ""
    if best.status is not Status.OPTIMAL:
        return number(best.value, 9), f"the best that was found ({best.status})"
    guess = looks_like(best.value)
    return number(best.value, 12), f"looks like {guess} (a guess, not a proof)" if guess else ""


def optimum_facts(best: Optimum | None, certificate: Certificate | None) -> Facts:
    """What is known of the optimum, as (label, text)."""
    if best is None:
        return []
    facts = [
        ("objective", f"{best.objective} under {names(best.ic)} and {names(best.ir)}"),
        ("status", str(best.status)),
        ("bracket", f"{number(best.bound.lower, 12)} ≤ optimum ≤ {number(best.bound.upper, 12)}"),
        ("known by", best.bound.method),
    ]
    if certificate is not None:
        sizes = f"{len(certificate.primal.index):,} primal and {len(certificate.dual.index):,} dual entries"
        facts.append(("certificate", f"{certificate.status}: {sizes}, {certificate.form} form"))
    if best.mechanism is not None:
        utilities = ", ".join(number(float(u)) for u in best.mechanism.utilities)
        facts += [("its welfare", number(float(best.mechanism.welfare))), ("utilities by agent", utilities)]
    size = best.size
    counts = f"{size.rows:,} rows, {size.columns:,} columns, {size.nonzeros:,} non-zeros"
    facts += [
        ("program", f"{counts}; {best.form} form, {best.method}"),
        ("seconds", ", ".join(f"{key} {seconds:.2f}" for key, seconds in best.seconds.items())),
        *(("conflict", line) for line in best.conflict),
    ]
    return facts


def _why_none(comparison: Comparison) -> str:
    """Why there is no optimum; empty where there is."""
    if comparison.optimum is not None:
        return ""
    if getattr(comparison.environment, "horizon", 0) == "infinite":
        return (
            "With an infinite horizon no linear program gives the optimum; bounds in the table hold for all mechanisms."
        )
    return "The program of the optimum is too large here, so no share of it is known."


def _seed(comparison: Comparison) -> str:
    if any(entry.computed == "simulation" for entry in comparison.entries):
        return "revenues marked as simulated are draws with the library's default seed, 0; all else has no randomness"
    return "no randomness"


def mechanism_table(comparison: Comparison) -> Table:
    """One row a mechanism: numbers, then each notion as a mark."""
    with_static = any(not math.isnan(entry.static_ratio) for entry in comparison.entries)
    with_share = any(not math.isnan(entry.ratio) for entry in comparison.entries)
    with_guarantee = any(entry.guarantee is not None for entry in comparison.entries)
    columns = [Column("mechanism"), Column("revenue", True, explained="expected present value, net of costs")]
    columns.append(Column("welfare", True, explained="expected present value, net of costs"))
    if with_share:
        columns.append(Column("share of optimum", True, explained="revenue over the optimum"))
    if with_guarantee:
        columns.append(Column("guaranteed", True, explained="share of the optimum that the literature proves"))
    if with_static:
        columns.append(Column("share of static", True, explained="revenue over the sum of the periods' static optima"))
    groups = {"ic": "incentives", "ir": "participation"}
    notions = sorted(comparison.notions, key=lambda notion: notion.role)
    columns += [Column(n.name, narrow=True, group=groups[n.role], explained=MEANINGS[n.name]) for n in notions]
    rows = []
    for k, entry in enumerate(comparison.entries):
        row = [Cell(entry.name, entry.name, target=f"mechanism-{k}"), _amount(entry.revenue, entry.revenue_error)]
        row.append(_amount(entry.welfare))
        row += [Cell(share(entry.ratio), _known(entry.ratio))] if with_share else []
        if with_guarantee:
            guarantee = entry.guarantee
            row.append(Cell("–") if guarantee is None else Cell(str(guarantee), float(guarantee)))
        row += [Cell(share(entry.static_ratio), _known(entry.static_ratio))] if with_static else []
        rows.append((*row, *(_mark(entry, notion, k) for notion in notions)))
    return Table("mechanisms", "Mechanisms with the notions they keep and break", tuple(columns), tuple(rows))


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _amount(value: float, error: float | None = None) -> Cell:
    return Cell(number(value) + (f" ± {number(error, 2)}" if error else ""), _known(value))


def _mark(entry: Entry, notion: Notion, k: int) -> Cell:
    """Whether a notion is kept."""
    if entry.report is None or notion not in entry.report:
        return Cell("no mechanism" if entry.computed == "bound" else "not checked", None, "open")
    if entry.report[notion].holds:
        return Cell("kept", 1.0, "kept")
    return Cell("broken", 0.0, "broken", _broken_id(k, notion))


def _broken_id(k: int, notion: Notion) -> str:
    return f"broken-{k}-{notion.name}"


HOW = {
    "enumeration": "over all histories",
    "balance distribution": "over the distribution of balances",
    "simulation": "by simulation",
    "backward induction": "by backward induction over types",
    "bound": "a bound on every mechanism, not a mechanism",
}


def detail(entry: Entry, k: int, words: TypeNames) -> Detail:
    """What stands below the table of one mechanism, with its counterexamples in full."""
    facts: Facts = [("source", entry.source)] if entry.source else []
    facts.append(("computed", HOW.get(entry.computed, entry.computed)))
    if entry.utilities:
        facts.append(("utilities by agent", ", ".join(number(float(u)) for u in entry.utilities)))
    if entry.guarantee is not None:
        facts.append(("guaranteed share of the optimum", str(entry.guarantee)))
    if entry.claims:
        facts.append(("made to keep", ", ".join(notion.name for notion in entry.claims)))
    broken = []
    if entry.report is not None:
        kept = [notion.name for notion, check in entry.report.items() if check.holds]
        facts.append(("keeps", ", ".join(kept) or "none that was checked"))
        for notion, check in entry.report.items():
            if not check.holds:
                found = check.counterexample
                lines = told(found, words) if found is not None else [("gain", number(check.gain))]
                broken.append(
                    Broken(_broken_id(k, notion), notion.name, MEANINGS[notion.name], str(found or ""), lines)
                )
    elif entry.computed != "bound":
        facts.append(("notions", "not checked: there are too many histories"))
    return Detail(f"mechanism-{k}", entry.name, facts, tuple(broken))


def pictures(comparison: Comparison) -> list[Picture]:
    """Figures; none where matplotlib is not installed."""
    if find_spec("matplotlib") is None:
        return []
    from mechopt.study.figures import ratio_bars
    from mechopt.study.figures_frontier import frontier_curve
    from mechopt.study.figures_revenue import revenue_bars
    from mechopt.study.report_svg import inline_svg

    own = replace(comparison, entries=tuple(e for e in comparison.entries if e.computed != "bound"))
    drawn = []
    if any(not math.isnan(entry.ratio) for entry in own.entries):
        spoken = ", ".join(f"{e.name} {share(e.ratio)}" for e in own.entries if not math.isnan(e.ratio))
        drawn.append(
            Picture(
                inline_svg(lambda: ratio_bars(own), f"Bars: share of the optimal revenue. {spoken}.", "ratios"),
                "Share of the optimal revenue; upright strokes: the share that the literature guarantees.",
            )
        )
    elif own.entries:
        spoken = ", ".join(f"{entry.name} {number(entry.revenue)}" for entry in comparison.entries)
        drawn.append(
            Picture(
                inline_svg(lambda: revenue_bars(comparison), f"Bars: revenue. {spoken}.", "revenues"),
                "Revenue; broken lines: bounds on every mechanism.",
            )
        )
    curve = cheap_frontier(comparison)
    if curve is not None:
        ends = [(number(float(curve.amounts[k])), number(float(curve.revenues[k]))) for k in (0, -1)]
        spoken = f"from welfare {ends[0][0]} and revenue {ends[0][1]} to welfare {ends[1][0]} and revenue {ends[1][1]}"
        label = f"Curve: the most revenue by welfare, {spoken}, {len(curve.points)} corners."
        caption = f"The most revenue for each welfare under {names(curve.ic)} and {names(curve.ir)}."
        drawn.append(Picture(inline_svg(lambda: frontier_curve(curve), label, "frontier"), caption))
    return drawn


def cheap_frontier(comparison: Comparison) -> Frontier | None:
    """Revenue against welfare where that is a matter of seconds and a curve, else None."""
    from mechopt.study.frontier import frontier

    best = comparison.optimum
    if best is None or best.status is not Status.OPTIMAL or best.method == "promised":
        return None
    if best.size.nonzeros > CHEAP_NONZEROS:
        return None
    try:
        found = frontier(comparison.environment, best.ic, best.ir, points=CHEAP_CORNERS, time_limit=CHEAP_SECONDS)
    except MechoptError:
        return None
    return found if len(found.points) > 1 else None
