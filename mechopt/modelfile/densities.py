r"""The table ``[densities]`` of an interdependent model: signals on [0, 1] by densities, written as expressions.

``density`` is the joint density of the next signals y_1, ..., y_N given the present ones x_1, ..., x_N, one for all
actions or one for each; ``initial`` that of the first signals in x_1, ..., x_N, 1 unless it is given. An agent's
``values`` have a text in x_1, ..., x_N for each action. Each interval is cut into cells around the agent's points, as
`mechopt.families.signal_grid` does it: the probability of a profile is the density at the points times the cells,
divided by the sum of these; a grid on which that sum misses 1 by more than ``max_defect`` is refused. All is exact, and
the file is read as if the tables had been written out.

Source: Liu (2025), section 5.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise, product
from math import prod
from typing import Any

from pydantic import Field

from mechopt.core.errors import Fault
from mechopt.core.expressions import evaluate
from mechopt.core.numbers import to_exact
from mechopt.modelfile.tables import Table, written

MAX_ENTRIES = 200_000
"""Probabilities of a kernel that are computed from an expression."""
DEFECT = Fraction(1, 20)
"""How far the mass of a density may miss 1 unless the file says it."""


class DensitiesTable(Table):
    """Signals on [0, 1]; `kernel`, `initial` and `types` are then made from it, and `values` are texts by action."""

    points: Any = Field(
        description="number of midpoints of equal cells, or increasing points in [0, 1]; one for all agents, or a list "
        "of either by agent"
    )
    density: Any = Field(
        description='joint density of the next signals y_1, y_2, ... given x_1, x_2, ..., such as "1 + (2*y_1 - '
        '1)*(2*x_2 - 1)/2"; one, or one an action'
    )
    initial: Any = Field(None, description="joint density of the first signals x_1, x_2, ...; default 1")
    max_defect: Any = Field(None, description="how far the mass of a density on the grid may miss 1; default 1/20")


def expanded(tables: dict[str, Any], faults: list[Fault]) -> dict[str, Any]:
    """The tables of a file with `kernel`, `initial`, `types` and `values` made from its densities; appends faults.

    Parameters
    ----------
    tables : dict
        Of an interdependent model with a table ``densities``.
    faults : list of Fault
        Appended to.
    """
    given, agents = tables["densities"], tables.get("agents")
    if not isinstance(given, dict) or not isinstance(agents, list) or not all(isinstance(a, dict) for a in agents):
        faults.append(Fault("densities", "is not a table beside a list of agents", "write [densities] and [[agents]]"))
        return tables
    for key in ("kernel", "initial", "periods"):
        if key in tables:
            faults.append(Fault(key, "is given beside [densities]", "leave one of them out"))
    known = set(DensitiesTable.model_fields)
    faults += [
        Fault(f"densities.{key}", "is not a key of [densities]", f"known: {', '.join(sorted(known))}")
        for key in sorted({*given} - known)
    ]
    faults += [
        Fault(f"densities.{key}", "is missing", "see the documentation")
        for key in ("points", "density")
        if key not in given
    ]
    if faults:
        return tables
    points = _points(given["points"], len(agents), faults)
    try:
        limit = to_exact(given.get("max_defect", DEFECT))
    except (ValueError, TypeError) as error:
        faults.append(Fault("densities.max_defect", str(error), 'write a number such as "1/20"'))
        return tables
    if points is None:
        return tables
    density = given["density"] if isinstance(given["density"], list) else [given["density"]]
    if len(density) * prod(map(len, points)) ** 2 > MAX_ENTRIES:
        faults.append(
            Fault("densities.points", f"the kernel has more than {MAX_ENTRIES:,} probabilities", "use fewer points")
        )
        return tables
    cells, profiles = [_cells(own) for own in points], list(product(*points))
    sizes = [prod(part, start=Fraction(1)) for part in product(*cells)]
    kernels = [
        [_distribution(text, before, profiles, sizes, f"densities.density[{a}]", limit, faults) for before in profiles]
        for a, text in enumerate(density)
    ]
    initial = _distribution(given.get("initial", 1), None, profiles, sizes, "densities.initial", limit, faults)
    read = [_agent(agent, i, points, profiles, faults) for i, agent in enumerate(agents)]
    if faults:
        return tables
    shape = list(map(len, points))
    distributions = [_nested([_nested(distribution, shape) for distribution in kernel], shape) for kernel in kernels]
    kept = {key: value for key, value in tables.items() if key != "densities"}
    return kept | {
        "kernel": distributions if len(distributions) > 1 else distributions[0],
        "initial": _nested(initial, shape),
        "agents": read,
    }


def _points(given: Any, agents: int, faults: list[Fault]) -> list[list[Fraction]] | None:
    """Points of each agent."""
    several = isinstance(given, list) and (any(isinstance(part, list) for part in given) or _counts(given))
    each = given if several else [given] * agents
    if len(each) != agents:
        faults.append(
            Fault("densities.points", f"has {len(each)} entries for {agents} agents", "give one for all, or one each")
        )
        return None
    found = []
    for i, part in enumerate(each):
        where = f"densities.points[{i}]" if several else "densities.points"
        if type(part) is int and part >= 1:
            found.append([Fraction(2 * k + 1, 2 * part) for k in range(part)])
            continue
        try:
            own = [to_exact(entry) for entry in part] if isinstance(part, list) else []
        except (ValueError, TypeError) as error:
            faults.append(Fault(where, str(error), "write numbers in [0, 1]"))
            continue
        if not own or own != sorted(set(own)) or own[0] < 0 or own[-1] > 1:
            faults.append(Fault(where, f"{written(part)} are not increasing points in [0, 1]", "or write how many"))
            continue
        found.append(own)
    return found if len(found) == agents else None


def _counts(given: list[Any]) -> bool:
    """Whether a list is of numbers of points: whole numbers above 1."""
    return bool(given) and all(type(part) is int and part > 1 for part in given)


def _cells(points: list[Fraction]) -> list[Fraction]:
    ends = [Fraction(0), *((a + b) / 2 for a, b in pairwise(points)), Fraction(1)]
    return [b - a for a, b in pairwise(ends)]


def _distribution(
    text: Any,
    before: tuple[Fraction, ...] | None,
    profiles: list[tuple[Fraction, ...]],
    sizes: list[Fraction],
    where: str,
    limit: Fraction,
    faults: list[Fault],
) -> list[Fraction]:
    """Probabilities of the profiles; of the next ones, given those before."""
    letter = "x" if before is None else "y"
    known = {} if before is None else {f"x_{j + 1}": point for j, point in enumerate(before)}
    mass = []
    for profile, size in zip(profiles, sizes, strict=True):
        names = known | {f"{letter}_{j + 1}": point for j, point in enumerate(profile)}
        worth = _value(text, names, where, faults)
        if worth is None:
            return []
        if worth < 0:
            at = ", ".join(f"{name} = {point}" for name, point in names.items())
            _once(faults, Fault(where, f"is {worth} at {at}", "a density is at least 0"))
            return []
        mass.append(worth * size)
    total = sum(mass, Fraction(0))
    if abs(total - 1) > limit:
        fix = "use more points, a density whose mass is 1, or a larger max_defect"
        _once(faults, Fault(where, f"has the mass {float(total):.6g} on the grid, further from 1 than {limit}", fix))
        return []
    return [part / total for part in mass]


def _value(text: Any, names: dict[str, Fraction], where: str, faults: list[Fault]) -> Fraction | None:
    try:
        found = evaluate(text, names) if isinstance(text, str) else to_exact(text)
    except (ValueError, TypeError, ZeroDivisionError) as error:
        _once(faults, Fault(where, str(error), f"write an expression in {', '.join(names)}"))
        return None
    return Fraction(found)  # type: ignore[arg-type]  # names are fractions, so that the value is


def _once(faults: list[Fault], fault: Fault) -> None:
    """Keep one fault of a place."""
    if all(other.where != fault.where for other in faults):
        faults.append(fault)


def _agent(
    agent: dict[str, Any],
    i: int,
    points: list[list[Fraction]],
    profiles: list[tuple[Fraction, ...]],
    faults: list[Fault],
) -> dict[str, Any]:
    """An agent with her types named by their numbers, and values by action and profile."""
    texts, shape = agent.get("values"), list(map(len, points))
    if not isinstance(texts, list):
        faults.append(Fault(f"agents[{i}].values", "is not a list", 'give a text for each action, such as "x_1 + x_2"'))
        return agent
    tables = []
    for a, text in enumerate(texts):
        where = f"agents[{i}].values[{a}]"
        row = [_value(text, {f"x_{j + 1}": x for j, x in enumerate(profile)}, where, faults) for profile in profiles]
        tables.append(_nested(row, shape))
    return {"types": [str(point) for point in points[i]]} | agent | {"values": tables}


def _nested(flat: Sequence[Any], shape: list[int]) -> Any:
    """Lists in lists, in C order."""
    if len(shape) == 1:
        return list(flat)
    step = len(flat) // shape[0]
    return [_nested(flat[k * step : (k + 1) * step], shape[1:]) for k in range(shape[0])]
