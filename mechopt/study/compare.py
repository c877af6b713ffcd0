"""Mechanisms side by side on one environment: revenue, welfare, share of the optimum, notions kept and broken.

The yardsticks are the clairvoyant optimum (the best mechanism of a seller who knows all distributions in advance, by
linear program) and the sum of static optima (Myerson's auction in each period by itself). Beside each measured ratio
stands the share of the optimum that the literature guarantees.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mechopt.closedform.asymptotic import asymptotic
from mechopt.closedform.balance import non_clairvoyant_balance, two_period
from mechopt.closedform.bank import BankAccountMechanism
from mechopt.closedform.frontload import bank_account, quasi_non_clairvoyant
from mechopt.closedform.repeated import give_for_free, repeated_myerson, repeated_second_price
from mechopt.core.errors import InputError, LimitError
from mechopt.environment.independent import IndependentTypes
from mechopt.lp.plan import plan
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.files import write_atomically
from mechopt.mechanism.notions import DIC, EPIR, FRESH_NOTIONS, Notion
from mechopt.solve.found import Optimum
from mechopt.solve.optimum import optimum, promise_notion
from mechopt.solve.promise_policy import PromisePolicy
from mechopt.tree import HistoryTree
from mechopt.verify.check import Report, verify

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

AnyMechanism = Mechanism | BankAccountMechanism | PromisePolicy

MAX_CHECKED_HISTORIES = 200_000
"""Notions are checked exhaustively on trees up to this size, and left open beyond."""

BUILDERS: dict[str, Callable[[IndependentTypes], AnyMechanism]] = {
    "repeated-myerson": repeated_myerson,
    "repeated-second-price": repeated_second_price,
    "give-for-free": give_for_free,
    "non-clairvoyant-balance": non_clairvoyant_balance,
    "two-period": two_period,
    "asymptotic": asymptotic,
}
"""Closed forms by name; those that do not fit an environment raise `InputError`."""

CONVERSIONS: dict[str, Callable[[Mechanism], AnyMechanism]] = {
    "bank-account": bank_account,
    "quasi-non-clairvoyant": quasi_non_clairvoyant,
}
"""What is made of the optimal mechanism."""

OPTIMUM = "clairvoyant-optimum"
NAMES = (OPTIMUM, *BUILDERS, *CONVERSIONS)


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
        Revenue over the sum of static optima; NaN where that is 0.
    computed : str
        How revenue was computed: ``"enumeration"``, ``"balance distribution"`` or ``"simulation"``.
    revenue_error : float or None
        Standard error, for a simulation.
    report : Report or None
        Notions kept and broken; None where the tree is too large to check.
    claims : tuple of Notion
        What the literature proves of it.
    guarantee : Fraction or None
        The share of the optimum that the literature proves.
    source : str
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
    claims: tuple[Notion, ...]
    guarantee: Fraction | None
    source: str


@dataclass(frozen=True)
class Comparison:
    """Mechanisms side by side; see `compare`.

    Attributes
    ----------
    environment : IndependentTypes
    entries : tuple of Entry
    optimum : Optimum or None
        By promised utilities where the program would be too large; None where those do not apply either.
    static_revenue : float
        Sum of static optima.
    skipped : dict
        Name to reason, for the mechanisms that do not fit the environment.
    """

    environment: IndependentTypes
    entries: tuple[Entry, ...]
    optimum: Optimum | None
    static_revenue: float
    skipped: dict[str, str]

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
            Index: names. Columns: ``revenue``, ``welfare``, ``ratio``, ``static_ratio``, ``guarantee``, one a notion
            (True where it is kept, None where the tree is too large to check).
        """
        import pandas as pd

        rows = []
        for entry in self.entries:
            row: dict[str, Any] = {key: getattr(entry, key) for key in ("revenue", "welfare", "ratio", "static_ratio")}
            row["guarantee"] = math.nan if entry.guarantee is None else float(entry.guarantee)
            for notion in FRESH_NOTIONS:
                row[notion.name] = None if entry.report is None else entry.report[notion].holds
            rows.append(row)
        return pd.DataFrame(rows, index=pd.Index([entry.name for entry in self.entries], name="mechanism"))

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draw the ratios with the guarantees; see `mechopt.study.figures.ratio_bars`."""
        from mechopt.study.figures import ratio_bars

        return ratio_bars(self, axes)

    def cells(self) -> tuple[list[str], list[list[str]]]:
        """Header and rows of the table for print."""
        header = ["mechanism", "revenue", "welfare", "ratio", "guarantee", "static ratio", "keeps", "breaks"]
        rows = []
        for entry in self.entries:
            kept, broken = "not checked", ""
            if entry.report is not None:
                kept = " ".join(notion.name for notion, check in entry.report.items() if check.holds)
                broken = " ".join(notion.name for notion, check in entry.report.items() if not check.holds)
            guarantee = "" if entry.guarantee is None else str(entry.guarantee)
            numbers = [f"{entry.revenue:.6g}", f"{entry.welfare:.6g}", _share(entry.ratio), guarantee]
            rows.append([entry.name, *numbers, _share(entry.static_ratio), kept, broken])
        return header, rows

    def save_plot(self, path: str | Path) -> None:
        """Write the plot as PNG, SVG or PDF, by the file's ending, whole or not at all.

        Raises
        ------
        InputError
            If the ending is another, or the file cannot be written.
        """
        ending = Path(path).suffix.lower().removeprefix(".")
        if ending not in ("png", "svg", "pdf"):
            raise InputError(f"{path}: pictures end in .png, .svg or .pdf")
        figure = self.plot().get_figure(root=True)
        assert figure is not None
        write_atomically(path, lambda file: figure.savefig(file, format=ending, dpi=150))

    def to_markdown(self) -> str:
        """The table in Markdown."""
        header, rows = self.cells()
        lines = [header, ["---"] * len(header), *rows]
        return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)

    def to_latex(self) -> str:
        """The table in LaTeX, for the ``booktabs`` package."""
        header, rows = self.cells()
        body = [" & ".join(cells[:6]) + r" \\" for cells in rows]
        top = [r"\begin{tabular}{lrrrrr}", r"\toprule", " & ".join(header[:6]) + r" \\", r"\midrule"]
        return "\n".join([*top, *body, r"\bottomrule", r"\end{tabular}"])

    def to_html(self, path: str | Path | None = None) -> str:
        """The table as an HTML fragment, written to ``path`` if one is given."""
        text = self.to_frame().to_html(float_format=lambda number: f"{number:.6g}", border=0)
        if path is not None:
            write_atomically(path, lambda file: _write(file, text.encode()))
        return text

    def __repr__(self) -> str:
        lines = [f"{entry.name}: revenue {entry.revenue:.6g}, ratio {_share(entry.ratio)}" for entry in self.entries]
        return "Comparison(" + "; ".join(lines) + ")"


def _write(file: Any, content: bytes) -> None:
    file.write(content)


def _share(ratio: float) -> str:
    return "" if math.isnan(ratio) else f"{ratio:.4f}"


def compare(
    environment: IndependentTypes,
    mechanisms: Iterable[str] | Mapping[str, AnyMechanism] | None = None,
    ic: Notion | Iterable[Notion] | None = DIC(),  # noqa: B008 - frozen values
    ir: Notion | Iterable[Notion] | None = EPIR(),  # noqa: B008
    time_limit: float | None = None,
) -> Comparison:
    """Put mechanisms side by side.

    Parameters
    ----------
    environment : IndependentTypes
    mechanisms : names, or a mapping from names to mechanisms, optional
        Default: all of `NAMES` that apply. A mapping compares mechanisms of one's own.
    ic, ir : Notion, several or None
        What the optimum is optimal under; guarantees are about DIC and EPIR.
    time_limit : float, optional
        Seconds for the optimum.

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        If a name is unknown, or a mechanism that was asked for by name does not fit the environment.

    Examples
    --------
    >>> env = IndependentTypes.iid([1, 2], ["1/2", "1/2"], periods=2)
    >>> table = compare(env)
    >>> round(table["clairvoyant-optimum"].revenue, 9), round(table["repeated-myerson"].ratio, 9)
    (2.25, 0.888888889)
    >>> table["non-clairvoyant-balance"].ratio >= 1 / 3
    True
    """
    asked = tuple(mechanisms) if mechanisms is not None else NAMES
    own = mechanisms if isinstance(mechanisms, Mapping) else {}
    _require_known([name for name in asked if name not in own])
    best = _optimum(environment, ic, ir, time_limit)
    static = repeated_myerson(environment).revenue
    entries, skipped = [], {}
    for name in asked:
        try:
            mechanism = own[name] if name in own else _build(name, environment, best)
        except InputError as error:
            if mechanisms is not None:
                raise
            skipped[name] = str(error)
            continue
        entries.append(_entry(name, mechanism, best, static))
    return Comparison(environment, tuple(entries), best, static, skipped)


def _optimum(
    environment: IndependentTypes,
    ic: Notion | Iterable[Notion] | None,
    ir: Notion | Iterable[Notion] | None,
    time_limit: float | None,
) -> Optimum | None:
    """The optimum by whatever reaches it, or None."""
    try:
        return optimum(environment, ic, ir, time_limit=time_limit)
    except LimitError:
        if promise_notion(plan(environment, ic, ir)) is None:
            return None
        return optimum(environment, ic, ir, method="promised", time_limit=time_limit)


def _require_known(names: list[str]) -> None:
    from difflib import get_close_matches

    for name in names:
        if name not in NAMES:
            near = get_close_matches(name, NAMES, n=1)
            mend = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(NAMES)}"
            raise InputError(f"{name!r} is not a mechanism; {mend}")


def _build(name: str, environment: IndependentTypes, best: Optimum | None) -> AnyMechanism:
    """Make a mechanism by name; raises `InputError` where it does not apply."""
    if name in BUILDERS:
        return BUILDERS[name](environment)
    if best is None or best.mechanism is None:
        raise InputError(f"{name}: the optimum is out of reach here; use fewer periods or types")
    if name == OPTIMUM:
        return best.mechanism
    if isinstance(best.mechanism, PromisePolicy):
        raise InputError(f"{name}: there are too many histories to convert the optimum; use fewer periods")
    return CONVERSIONS[name](best.mechanism)


def _entry(name: str, mechanism: AnyMechanism, best: Optimum | None, static: float) -> Entry:
    if isinstance(mechanism, BankAccountMechanism):
        expectation = mechanism.expectation
        computed, error = expectation.method, expectation.revenue_error
        claims, guarantee = mechanism.claims, mechanism.guarantee
    else:
        computed, error, claims, guarantee = "enumeration", None, mechanism.notions, None
    revenue, histories = mechanism.revenue, sum(HistoryTree(mechanism.environment).count[1:])
    report = None
    if histories <= MAX_CHECKED_HISTORIES:
        report = verify(mechanism, FRESH_NOTIONS)
    return Entry(
        name,
        revenue,
        mechanism.welfare,
        mechanism.utilities,
        revenue / best.value if best is not None and best.value > 0 else math.nan,
        revenue / static if static > 0 else math.nan,
        computed,
        error,
        report,
        claims,
        guarantee,
        mechanism.source,
    )
