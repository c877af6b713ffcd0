"""One self-contained HTML page of a comparison: instance, optimum, mechanisms, figures, how to compute it again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mechopt.environment.families.forever import IndependentForever
from mechopt.environment.independent import IndependentTypes
from mechopt.environment.words import model_words
from mechopt.show.explain.page import share_rows, state_rows
from mechopt.show.explain.policies import page as policies
from mechopt.show.explain.policies.explanation import PolicyExplanation
from mechopt.show.explain.table import quickly_explained
from mechopt.show.page.mechanisms import bound_table, detail, mechanism_table
from mechopt.show.page.page import Origin, render, require_report, write_report
from mechopt.show.page.pictures import pictures
from mechopt.show.page.wording import (
    Facts,
    looks_like,
    meaning,
    names,
    number,
    short_fraction,
)
from mechopt.solve.solution import Status
from mechopt.study.compare.comparison import Comparison

MOST_HISTORIES = 2_000
"""Histories up to which a page has the optimum by states."""
MOST_STATES = 60
"""States up to which it has."""

if TYPE_CHECKING:
    from mechopt.lp.build import AnyTypes
    from mechopt.proof.certificate import Certificate
    from mechopt.solve.result import Optimum


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
    >>> table = compare(IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=1), ["clairvoyant-optimum"])
    >>> page = compare_report(table, title="Two values <once>")
    >>> "Two values &lt;once&gt;" in page
    True
    """
    environment = comparison.environment
    words = model_words(environment)
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
        bounds=bound_table(comparison),
        constraints=[(constraint.name, meaning(constraint)) for constraint in comparison.constraints],
        explained=_explained(comparison.optimum),
        details=[detail(entry, k, words) for k, entry in enumerate(comparison.entries)],
        skipped=comparison.skipped,
        pictures=pictures(comparison),
        origin=origin,
    )


def _explained(best: Optimum | None) -> dict[str, Any] | None:
    """The optimum by states, where they are few enough to be read."""
    found = quickly_explained(best, MOST_HISTORIES, MOST_STATES)
    if found is None:
        return None
    if isinstance(found, PolicyExplanation):
        return {
            "said": [f"{found.summary}.", *policies.said(found)],
            "order": " / ".join(found.agents) if len(found.agents) > 1 else "",
            "states": policies.state_rows(found),
            "shares": [],
        }
    return {
        "said": [f"{found.summary}{f'; remembers {found.memory}' if found.memory else ''}.", *found.structures],
        "order": " / ".join(found.agents) if len(found.agents) > 1 else "",
        "states": state_rows(found),
        "shares": share_rows(found),
    }


def comparison_page(comparison: Comparison, path: str | Path | None = None) -> str:
    """Make the page of `compare_report`, and write it where a path is given."""
    if path is not None:
        require_report(path)
    page = compare_report(comparison)
    if path is not None:
        write_report(page, path)
    return page


def _heading(environment: AnyTypes) -> str:
    """The environment in a line: what its ``repr`` says."""
    return repr(environment).partition("(")[2].removesuffix(")")


def instance_facts(environment: AnyTypes, source: str) -> Facts:
    """Facts about the environment, as (label, text)."""
    facts: Facts = [("kind", f"{environment.kind} types")]
    if source:
        facts.append(("source", source))
    if isinstance(environment, (IndependentTypes, IndependentForever)):
        facts += [("buyers", str(environment.agents)), ("periods", str(environment.horizon))]
        counts = sorted({k for types in environment.shape for k in types})
        facts.append(("types a buyer and period", " to ".join(map(str, dict.fromkeys((counts[0], counts[-1]))))))
        facts.append(("welfare if every sale is made", number(environment.first_best)))
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
    distributions = {
        pair
        for values, probabilities in zip(environment.exact.values, environment.exact.probabilities, strict=True)
        for pair in zip(values, probabilities, strict=True)
    }
    if len(distributions) != 1:
        return []
    values, probabilities = distributions.pop()
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
    """Facts about the optimum, as (label, text)."""
    if best is None:
        return []
    facts = [
        ("objective", f"{best.objective} under {names(best.ic)} and {names(best.ir)}"),
        *([("payments", names(best.subject_to))] if best.subject_to else []),
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
        return "The optimum for ever was not found in time, or no method is for it; the bounds hold for all mechanisms."
    return "The program of the optimum is too large here, so no share of it is known."


def _seed(comparison: Comparison) -> str:
    if any(entry.computed == "simulation" for entry in comparison.entries):
        return "revenues marked as simulated are draws with the library's default seed, 0; all else has no randomness"
    return "no randomness"
