"""Mechanisms in a report: the table of numbers and constraints, and below it each with its counterexamples."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mechopt.environment.words import ModelWords
from mechopt.mechanism.constraints import Constraint
from mechopt.show.counterexample import facts as told
from mechopt.show.counterexample import sentence
from mechopt.show.page.page import Cell, Column, Table
from mechopt.show.page.wording import Facts, meaning, number, share
from mechopt.study.compare.comparison import Comparison, Entry

HOW = {
    "enumeration": "over all histories",
    "balance distribution": "over the distribution of balances",
    "simulation": "by simulation",
    "backward induction": "by backward induction over types",
    "values of states": "by values of the mechanism's states, for ever",
    "bound": "a bound on every mechanism, not a mechanism",
}


@dataclass(frozen=True)
class Broken:
    """A constraint that a mechanism violates, or that rounding leaves undecided, with where."""

    id: str
    constraint: str
    status: str
    meaning: str
    sentence: str
    facts: Facts


@dataclass(frozen=True)
class Detail:
    """Details of a mechanism below the table."""

    id: str
    name: str
    facts: Facts
    broken: tuple[Broken, ...]


def mechanism_table(comparison: Comparison) -> Table:
    """One row a mechanism: numbers, then each constraint as a mark."""
    with_static = any(not math.isnan(entry.static_ratio) for entry in comparison.entries)
    with_share = any(not math.isnan(entry.ratio) for entry in comparison.entries)
    with_guarantee = any(
        entry.guarantee is not None or entry.proved_revenue is not None for entry in comparison.entries
    )
    columns = [Column("mechanism"), Column("revenue", True, explained="expected present value, net of costs")]
    columns.append(Column("welfare", True, explained="expected present value, net of costs"))
    if with_share:
        columns.append(Column("share of optimum", True, explained="revenue over the optimum"))
    if with_guarantee:
        columns.append(Column("guaranteed", True, explained="share of the optimum that the literature proves"))
    if with_static:
        columns.append(Column("share of static", True, explained="revenue over the sum of the periods' static optima"))
    with_transfers = any(entry.largest_transfer is not None for entry in comparison.entries)
    if with_transfers:
        columns.append(Column("largest transfer", True, explained="of either sign, of contingent transfers"))
        columns.append(Column("deficit", True, explained="expected present value of what the budget lacks"))
    groups = {"ic": "incentives", "ir": "participation", "payment": "payments", "allocation": "payments"}
    constraints = sorted(comparison.constraints, key=lambda constraint: constraint.role)
    columns += [Column(n.name, narrow=True, group=groups[n.role], explained=meaning(n)) for n in constraints]
    rows = []
    for k, entry in enumerate(comparison.entries):
        if entry.computed == "bound":
            continue
        row = [Cell(entry.name, entry.name, target=f"mechanism-{k}"), _amount(entry.revenue, entry.revenue_error)]
        row.append(_amount(entry.welfare))
        row += [Cell(share(entry.ratio), _known(entry.ratio))] if with_share else []
        if with_guarantee:
            row.append(_guaranteed(entry))
        row += [Cell(share(entry.static_ratio), _known(entry.static_ratio))] if with_static else []
        if with_transfers:
            size = entry.largest_transfer
            row += [Cell("–"), Cell("–")] if size is None else [_amount(size), _amount(entry.deficit)]
        rows.append((*row, *(_mark(entry, constraint, k) for constraint in constraints)))
    return Table(
        "mechanisms", "Mechanisms with the constraints that they satisfy and violate", tuple(columns), tuple(rows)
    )


def bound_table(comparison: Comparison) -> Table | None:
    """Bounds on every mechanism, which are none themselves; None where there are none."""
    columns = Column("bound"), Column("revenue", True, explained="no mechanism earns more")
    rows = []
    for k, entry in enumerate(comparison.entries):
        if entry.computed == "bound":
            rows.append((Cell(entry.name, entry.name, target=f"mechanism-{k}"), _amount(entry.revenue)))
    return Table("bounds", "No mechanism earns more than", columns, tuple(rows)) if rows else None


def _guaranteed(entry: Entry) -> Cell:
    """Share of the optimum that is proved: for all instances, or by a theorem on this one."""
    if entry.proved_revenue is not None and entry.ratio > 0:
        proved = max(0.0, entry.proved_revenue) * entry.ratio / entry.revenue
        return Cell(f"here {share(proved)}", proved)
    return Cell("–") if entry.guarantee is None else Cell(str(entry.guarantee), float(entry.guarantee))


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _amount(value: float, error: float | None = None) -> Cell:
    return Cell(number(value) + (f" ± {number(error, 2)}" if error else ""), _known(value))


def _mark(entry: Entry, constraint: Constraint, k: int) -> Cell:
    """Whether a constraint is satisfied."""
    if entry.report is None or constraint not in entry.report:
        return Cell("not checked", None, "open")
    if entry.report[constraint].holds:
        return Cell("satisfied", 1.0, "kept")
    if entry.report[constraint].status == "undecided":
        return Cell("undecided", 0.5, "undecided", _broken_id(k, constraint))
    return Cell("violated", 0.0, "broken", _broken_id(k, constraint))


def _broken_id(k: int, constraint: Constraint) -> str:
    return f"broken-{k}-{constraint.name}"


def detail(entry: Entry, k: int, words: ModelWords) -> Detail:
    """Text below the table of one mechanism, with its counterexamples in full."""
    facts: Facts = [("source", entry.source)] if entry.source else []
    if entry.rests_on:
        facts.append(("rests on", entry.rests_on))
    facts.append(("computed", HOW.get(entry.computed, entry.computed)))
    if entry.utilities:
        facts.append(("utilities by agent", ", ".join(number(float(u)) for u in entry.utilities)))
    if entry.guarantee is not None:
        facts.append(("guaranteed share of the optimum", str(entry.guarantee)))
    if entry.proved_revenue is not None:
        facts.append(("proved to earn here at least", number(entry.proved_revenue)))
    if entry.claims:
        facts.append(("made to satisfy", ", ".join(constraint.name for constraint in entry.claims)))
    broken = []
    if entry.report is not None:
        kept = [constraint.name for constraint, check in entry.report.items() if check.holds]
        facts.append(("satisfies", ", ".join(kept) or "none that was checked"))
        for constraint, check in entry.report.items():
            if not check.holds:
                found = check.counterexample
                lines = told(found, words) if found is not None else [("gain", number(check.gain))]
                if check.status == "undecided":
                    lines = [("undecided", f"rounding of up to {number(check.rounding)} leaves it open"), *lines]
                broken.append(
                    Broken(
                        _broken_id(k, constraint),
                        constraint.name,
                        str(check.status),
                        meaning(constraint),
                        "" if found is None else sentence(found, words),
                        lines,
                    )
                )
    elif entry.computed != "bound":
        facts.append(("constraints", "not checked: there are too many histories"))
    return Detail(f"mechanism-{k}", entry.name, facts, tuple(broken))
