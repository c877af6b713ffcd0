"""The file of what is done in every scenario: the mechanisms one after another, bound to their scenarios."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np

from mechopt.core.archive import Archive
from mechopt.core.errors import InputError
from mechopt.core.numbers import Array
from mechopt.environment.scenarios import Scenarios
from mechopt.histories.reports import HistoryTree
from mechopt.mechanism.archive import require_fingerprint
from mechopt.mechanism.constraint_names import constraint_named
from mechopt.mechanism.constraints import Constraint
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.scenarios.mechanism import ScenariosMechanism
from mechopt.mechanism.scenarios.non_clairvoyant import SCENARIO_CONSTRAINTS

FORMAT = "mechopt scenarios mechanism 1"


def contents(rule: ScenariosMechanism) -> tuple[dict[str, Any], Mapping[str, Array]]:
    """Contents of the file: the header, and ``allocation`` and ``payment``, scenario by scenario."""
    columns = {
        name: np.concatenate([part.ravel() for one in rule.mechanisms for part in getattr(one, name)])
        for name in ("allocation", "payment")
    }
    header = {
        "format": FORMAT,
        "fingerprint": rule.scenarios.fingerprint,
        "notions": [claim.name for claim in rule.claims],
        "each": [[claim.name for claim in one.claims] for one in rule.mechanisms],
        "sources": [one.source for one in rule.mechanisms],
    }
    return header, columns


def read_rule(archive: Archive, header: dict[str, Any], scenarios: Any) -> ScenariosMechanism:
    """Read what `contents` wrote.

    Raises
    ------
    InputError
        If it is for other scenarios, or damaged.
    """
    if not isinstance(scenarios, Scenarios):
        raise InputError(f"{archive.path}: what is done in several scenarios; give the model file of the scenarios")
    require_fingerprint(archive, header, scenarios)
    each, sources = list(header["each"]), list(header["sources"])
    if len(each) != len(scenarios) or len(sources) != len(scenarios):
        raise InputError(f"{archive.path}: is not of {len(scenarios)} scenarios; the file is damaged")
    shapes = []
    for environment in scenarios.environments:
        tree = HistoryTree(environment)
        shapes.append([(environment.agents, *tree.children(t)) for t in range(tree.horizon)])
    sizes = [prod(shape) for one in shapes for shape in one]
    cuts = np.cumsum(sizes)[:-1]
    parts = [
        np.split(archive.column(name, (sum(sizes),)).astype(np.float64), cuts) for name in ("allocation", "payment")
    ]
    mechanisms, first = [], 0
    for s, environment in enumerate(scenarios.environments):
        last = first + len(shapes[s])
        allocation, payment = (
            tuple(part.reshape(shape) for part, shape in zip(column[first:last], shapes[s], strict=True))
            for column in parts
        )
        mechanisms.append(Mechanism(environment, allocation, payment, _claims(each[s]), str(sources[s])))
        first = last
    return ScenariosMechanism(scenarios, tuple(mechanisms), _claims(header["notions"]))


def _claims(names: Any) -> tuple[Constraint, ...]:
    known = {constraint.name: constraint for constraint in SCENARIO_CONSTRAINTS}
    return tuple(known.get(str(name)) or constraint_named(str(name)) for name in names)
