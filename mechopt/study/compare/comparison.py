"""A comparison of mechanisms as data: one entry a mechanism, tables and pictures of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mechopt.closedform.bank.conditions import Conditions
from mechopt.closedform.bank.mechanism import BANK_ACCOUNT_CONSTRAINTS
from mechopt.core.numbers import without_noise
from mechopt.core.provided import provided
from mechopt.core.shown import Shown
from mechopt.mechanism.constraints import Constraint
from mechopt.solve.result import Optimum
from mechopt.verification.verify import Report

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from mechopt.lp.build import AnyTypes

UNCHECKED = "not checked"


@dataclass(frozen=True)
class Entry:
    """One mechanism of a comparison.

    Attributes
    ----------
    name : str
    revenue, welfare : float
        Expected present values, net of costs.
    utilities : tuple of float
        By buyer.
    ratio : float
        Revenue over the optimum; NaN where the optimum is unknown or 0.
    static_ratio : float
        Revenue over the sum of static optima; NaN where that is 0, or types persist.
    computed : str
        How revenue was computed: ``"enumeration"``, ``"balance distribution"``, ``"simulation"``, ``"backward
        induction"`` over types, or ``"bound"`` where the entry is not a mechanism but a bound on all of them.
    revenue_error : float or None
        Standard error, for a simulation.
    report : Report or None
        Constraints kept and broken; None where the tree is too large to check.
    claims : tuple of Constraint
        What the literature proves of it.
    guarantee : Fraction or None
        The share of the optimum that the literature proves.
    source : str
    non_clairvoyant : str
        Whether its rule did the same in the first periods when later ones were changed: ``"yes"``, ``"but for the last
        period"`` or ``"no"``; empty where it was not checked. See `mechopt.study.compare.foresight`.
    conditions : Conditions or None
        Of a bank account whose tree is too large for a report: (IC), (BI) and (BU) at every balance that it can reach,
        from which its constraints follow (Lemma 3.2). None where these are too many as well.
    largest_transfer : float or None
        Of contingent transfers, of either sign; None for other mechanisms.
    rests_on : str
        The theorem or program of contingent transfers; else empty.
    proved_revenue : float or None
        What a theorem says on this very instance that revenue is at least: of the asymptotic mechanism first best less
        the loss by (F.2) with Azuma's inequality (`mechopt.lemmas.asymptotic_loss`); None elsewhere.
    """

    name: str
    revenue: float
    welfare: float
    utilities: tuple[float, ...]
    ratio: float
    static_ratio: float
    computed: str
    revenue_error: float | None
    report: Report | None
    claims: tuple[Constraint, ...]
    guarantee: Fraction | None
    source: str
    non_clairvoyant: str = ""
    conditions: Conditions | None = None
    largest_transfer: float | None = None
    rests_on: str = ""
    proved_revenue: float | None = None

    @property
    def deficit(self) -> float:
        """Expected present value of what the budget lacks: minus `revenue`."""
        return -self.revenue

    @property
    def implied(self) -> tuple[Constraint, ...]:
        """Constraints that follow from the conditions, where these hold."""
        return BANK_ACCOUNT_CONSTRAINTS if self.conditions is not None and self.conditions.holds else ()


@dataclass(frozen=True)
class Comparison(Shown):
    """Mechanisms side by side; see `compare`.

    Attributes
    ----------
    environment : IndependentTypes, MarkovTypes, SeparableTypes or InterdependentTypes
    entries : tuple of Entry
    optimum : Optimum or None
        By promised utilities where the program would be too large; None where those do not apply either, or the
        horizon is infinite.
    static_revenue : float
        Sum of static optima; NaN where types persist.
    skipped : dict
        Name to reason, for the mechanisms that do not fit the environment.
    constraints : tuple of Constraint
        That mechanisms are checked for.
    """

    environment: AnyTypes
    entries: tuple[Entry, ...]
    optimum: Optimum | None
    static_revenue: float
    skipped: dict[str, str]
    constraints: tuple[Constraint, ...]

    def __getitem__(self, name: str) -> Entry:
        """The entry of a mechanism.

        Raises
        ------
        KeyError
            If it is not in the comparison.
        """
        for entry in self.entries:
            if entry.name == name:
                return entry
        raise KeyError(name)

    def to_frame(self) -> pd.DataFrame:
        """One row a mechanism.

        Returns
        -------
        pandas.DataFrame
            Index: names. Columns: ``revenue``, ``welfare``, ``ratio``, ``static_ratio``, ``guarantee``,
            ``non_clairvoyant``, ``proved_revenue`` where a mechanism has one, with contingent transfers
            ``largest_transfer``, ``deficit`` and ``rests_on``, one a constraint (True where it is satisfied for
            certain, or follows from the conditions of a bank account; None where the tree is too large to check).
        """
        import pandas as pd

        rows = []
        for entry in self.entries:
            row: dict[str, Any] = {key: getattr(entry, key) for key in ("revenue", "welfare", "ratio", "static_ratio")}
            row["guarantee"] = math.nan if entry.guarantee is None else float(entry.guarantee)
            row["non_clairvoyant"] = entry.non_clairvoyant
            if entry.proved_revenue is not None:
                row["proved_revenue"] = entry.proved_revenue
            if self._with_transfers:
                row["largest_transfer"] = math.nan if entry.largest_transfer is None else entry.largest_transfer
                row |= {"deficit": entry.deficit, "rests_on": entry.rests_on}
            for constraint in self.constraints:
                known = entry.report is not None and constraint in entry.report
                row[constraint.name] = entry.report[constraint].holds if entry.report is not None and known else None
                if constraint in entry.implied:
                    row[constraint.name] = True
            rows.append(row)
        return pd.DataFrame(rows, index=pd.Index([entry.name for entry in self.entries], name="mechanism"))

    @property
    def _with_transfers(self) -> bool:
        return any(entry.largest_transfer is not None for entry in self.entries)

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draw the ratios with the guarantees; see `mechopt.show.figures.comparison.ratio_bars`."""
        drawn: Axes = provided(self, "plot")(self, axes)
        return drawn

    def cells(self) -> tuple[list[str], list[list[str]]]:
        """Header and rows of the table for print; what rounding leaves undecided has a question mark."""
        header = ["mechanism", "revenue", "welfare", "ratio", "guarantee", "static ratio", "non-clairvoyant"]
        more = ["largest transfer", "deficit", "rests on"] if self._with_transfers else []
        header, rows = [*header, *more, "satisfies", "violates"], []
        for entry in self.entries:
            kept, broken = "a bound, and no mechanism" if entry.computed == "bound" else UNCHECKED, ""
            if entry.conditions is not None:
                kept = " ".join(["by (IC), (BI), (BU):", *(constraint.name for constraint in entry.implied)])
                broken = " ".join(f"({name})" for name, check in entry.conditions.items() if not check.holds)
            if entry.report is not None:
                kept = " ".join(constraint.name for constraint, check in entry.report.items() if check.holds)
                broken = " ".join(
                    constraint.name + ("?" if check.status == "undecided" else "")
                    for constraint, check in entry.report.items()
                    if not check.holds
                )
            guarantee = "" if entry.guarantee is None else str(entry.guarantee)
            if entry.proved_revenue is not None and entry.ratio > 0:
                guarantee = f"here {max(0.0, entry.proved_revenue) * entry.ratio / entry.revenue:.4f}"
            scale = max(abs(entry.revenue), abs(entry.welfare) if math.isfinite(entry.welfare) else 0.0)
            amounts = (without_noise(amount, scale) for amount in (entry.revenue, entry.welfare))
            told = ("" if math.isnan(amount) else f"{amount:.6g}" for amount in amounts)
            numbers = [*told, share(entry.ratio), guarantee]
            size = "" if entry.largest_transfer is None else f"{entry.largest_transfer:.6g}"
            lacks = f"{without_noise(entry.deficit, scale):.6g}" if size else ""
            beside = [
                share(entry.static_ratio),
                entry.non_clairvoyant,
                *([size, lacks, entry.rests_on] if more else []),
            ]
            rows.append([entry.name, *numbers, *beside, kept, broken])
        if not any(entry.non_clairvoyant for entry in self.entries):
            header, rows = header[:6] + header[7:], [row[:6] + row[7:] for row in rows]
        return header, rows

    def save_plot(self, path: str | Path) -> None:
        """Write the plot as PNG, SVG or PDF, by the file's ending, whole or not at all.

        Raises
        ------
        InputError
            If the ending is another, or the file cannot be written.
        """
        provided(self, "save_plot")(self.plot, path)

    def _bounds_last(self, rows: list[list[str]]) -> list[list[str]]:
        """Rows of `cells`, those of bounds after those of mechanisms."""
        pairs = zip(self.entries, rows, strict=True)
        return [row for _, row in sorted(pairs, key=lambda pair: pair[0].computed == "bound")]

    def to_markdown(self) -> str:
        """The table in Markdown."""
        header, rows = self.cells()
        lines = [header, ["---"] * len(header), *self._bounds_last(rows)]
        return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)

    def to_latex(self) -> str:
        """The table in LaTeX, for the ``booktabs`` package."""
        header, rows = self.cells()
        shown = header.index("satisfies")
        body = [" & ".join(cells[:shown]) + r" \\" for cells in self._bounds_last(rows)]
        if count := sum(entry.computed == "bound" for entry in self.entries):
            body.insert(len(body) - count, r"\midrule")
        words = ("mechanism", "non-clairvoyant", "rests on")
        columns = "".join("l" if name in words else "r" for name in header[:shown])
        top = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", " & ".join(header[:shown]) + r" \\", r"\midrule"]
        return "\n".join([*top, *body, r"\bottomrule", r"\end{tabular}"])

    def to_html(self, path: str | Path | None = None) -> str:
        """One self-contained HTML page, written to ``path`` if one is given; see `mechopt.show.page.report`.

        Raises
        ------
        InputError
            If jinja2 is not installed, or the file cannot be written.
        """
        page: str = provided(self, "to_html")(self, path)
        return page

    def __repr__(self) -> str:
        lines = [f"{row[0]}: revenue {row[1]}, ratio {row[3]}" for row in self.cells()[1]]
        return "Comparison(" + "; ".join(lines) + ")"


def share(ratio: float) -> str:
    """A ratio as text; nothing where it is unknown."""
    return "" if math.isnan(ratio) else f"{ratio if abs(ratio) >= 5e-5 else 0.0:.4f}"
