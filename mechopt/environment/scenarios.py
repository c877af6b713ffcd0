"""What a seller may face who does not know the future: several sequences of distributions, one buyer.

In period t the seller learns the distribution of the buyer's type of that period, and no more: a non-clairvoyant
mechanism allocates and charges by the distributions and reports so far. Scenarios whose first distributions agree are
therefore treated alike until they part, and until one of them ends. Distributions are told apart by name, even where
their numbers are the same. Source: Mirrokni, Paes Leme, Tang and Zuo (2020), section 5.
"""

from __future__ import annotations

import hashlib
import json
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from mechopt.core.errors import Fault, InputError
from mechopt.core.numbers import FloatArray, readonly
from mechopt.environment import check
from mechopt.environment.independent import IndependentTypes


class Distribution(NamedTuple):
    """A finite distribution of types.

    Attributes
    ----------
    values, probabilities : read-only float arrays ``(K,)``
    exact : (values, probabilities) as tuples of Fraction, or None
        None where float probabilities sum to 1 only within rounding.
    """

    values: FloatArray
    probabilities: FloatArray
    exact: tuple[tuple[Any, ...], tuple[Any, ...]] | None


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Scenarios:
    """Sequences of named distributions, of any lengths; one buyer, one item a period, no cost.

    Parameters
    ----------
    distributions : sequence of mappings with the keys ``name``, ``values``, ``probabilities``
        As in a model file; values at least 0 and increasing, probabilities sum to 1. One that no scenario uses is no
        fault.
    scenarios : sequence of mappings with the key ``sequence`` and perhaps ``name``, or of bare sequences
        ``sequence`` holds names of distributions, one a period. A scenario without a name is called by its sequence:
        ``"F1, F2"``.
    discount : number
        In (0, 1]; default 1.

    Attributes
    ----------
    distributions : mapping from name to Distribution
    sequences : tuple of tuples of str
        Names of distributions by scenario and period.
    names : tuple of str
        Of the scenarios.
    environments : tuple of IndependentTypes
        Each scenario by itself, as a clairvoyant seller sees it.

    Raises
    ------
    InputError
        With every fault of the input.

    Examples
    --------
    >>> low_or_high = {"name": "F1", "values": [1, 4], "probabilities": ["1/2", "1/2"]}
    >>> sure = {"name": "F2", "values": [3], "probabilities": [1]}
    >>> scenarios = Scenarios([low_or_high, sure], [["F1"], ["F1", "F2"]])
    >>> scenarios
    Scenarios(2 scenarios, 1-2 periods, 2 distributions)
    >>> scenarios.names
    ('F1', 'F1, F2')
    >>> scenarios.environment("F1, F2")
    IndependentTypes(1 buyer, 2 periods, types 1-2, full welfare 5.5)
    """

    distributions: Mapping[str, Distribution]
    sequences: tuple[tuple[str, ...], ...]
    names: tuple[str, ...]
    environments: tuple[IndependentTypes, ...]

    kind = "scenarios"

    def __init__(self, distributions: Any, scenarios: Any, discount: Any = 1) -> None:
        faults: list[Fault] = []
        known = _distributions(distributions, faults)
        sequences, names = _sequences(scenarios, list(known), faults)
        exact_discount = check.exact_scalar(discount, "discount", faults)
        if exact_discount is not None:
            faults += check.discount_faults(exact_discount)
        if faults:
            raise InputError(faults)
        found = {name: one for name, one in known.items() if one is not None}
        given = {name: one.exact or one[:2] for name, one in found.items()}
        environments = (
            IndependentTypes([[given[d][0] for d in names]], [[given[d][1] for d in names]], 0, exact_discount)
            for names in sequences
        )
        set_field = object.__setattr__
        set_field(self, "distributions", MappingProxyType(found))
        set_field(self, "sequences", tuple(sequences))
        set_field(self, "names", tuple(names))
        set_field(self, "environments", tuple(environments))

    def __len__(self) -> int:
        return len(self.sequences)

    @property
    def discount(self) -> float:
        """By a period."""
        return self.environments[0].discount

    def index(self, scenario: int | str) -> int:
        """Number of a scenario that is given by number or name.

        Raises
        ------
        InputError
            If there is none such.
        """
        if isinstance(scenario, str):
            if scenario in self.names:
                return self.names.index(scenario)
            mend = nearest(scenario, self.names)
            raise InputError([Fault("scenario", f"{scenario!r} is not a scenario", mend)])
        number = operator.index(scenario)
        if not 0 <= number < len(self):
            raise InputError([Fault("scenario", f"{number} is out of range", f"there are {len(self)}, from 0 on")])
        return number

    def environment(self, scenario: int | str) -> IndependentTypes:
        """One scenario, by number or name, as a clairvoyant seller sees it."""
        return self.environments[self.index(scenario)]

    @cached_property
    def paths(self) -> tuple[tuple[int, ...], ...]:
        """``paths[s][t]``: number of the node that scenario s has reached after t periods.

        The nodes are the prefixes of the sequences of names: 0 is the empty one, parents come before their children,
        and two scenarios are at one node exactly as long as the seller cannot tell them apart.
        """
        number: dict[tuple[int, str], int] = {}
        paths = []
        for sequence in self.sequences:
            path = [0]
            for name in sequence:
                path.append(number.setdefault((path[-1], name), len(number) + 1))
            paths.append(tuple(path))
        return tuple(paths)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of what the scenarios hold; equal ones have equal fingerprints."""
        parts = [self.kind, self.names, self.sequences, [env.fingerprint for env in self.environments]]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return self.fingerprint == other.fingerprint if isinstance(other, Scenarios) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        periods = sorted({len(sequence) for sequence in self.sequences})
        spread = f"{periods[0]}-{periods[-1]}" if len(periods) > 1 else f"{periods[0]}"
        return (
            f"Scenarios({len(self)} scenario{'s' * (len(self) > 1)}, {spread} period{'s' * (periods[-1] > 1)}, "
            f"{len(self.distributions)} distribution{'s' * (len(self.distributions) > 1)})"
        )


def nearest(name: str, known: Sequence[str]) -> str:
    """Mend of a name that is not known."""
    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(map(repr, known)) or 'none'}"


def _is_list(given: Any) -> bool:
    return isinstance(given, (Sequence, np.ndarray)) and not isinstance(given, str)


def _distributions(given: Any, faults: list[Fault]) -> dict[str, Distribution | None]:
    """Distributions by name, None in place of one with faults."""
    found: dict[str, Distribution | None] = {}
    places: dict[str, str] = {}
    if not _is_list(given) or not len(given):
        faults.append(Fault("distributions", "is not a list with at least one distribution", "see Scenarios"))
        return found
    for d, table in enumerate(given):
        where = f"distributions[{d}]"
        if not isinstance(table, Mapping) or set(table) != {"name", "values", "probabilities"}:
            faults.append(Fault(where, f"{table!r} is not a table", "give name, values and probabilities"))
            continue
        name = table["name"]
        if not isinstance(name, str) or not name:
            faults.append(Fault(f"{where}.name", f"{name!r} is not a name", "write a text"))
            continue
        if name in found:
            faults.append(Fault(f"{where}.name", f"{name!r} is the name of {places[name]} too", "use another name"))
        one = _distribution(table["values"], table["probabilities"], where, faults)
        found.setdefault(name, one)
        places.setdefault(name, where)
    return found


def _distribution(values: Any, probabilities: Any, where: str, faults: list[Fault]) -> Distribution | None:
    at_values, at_probabilities = f"{where}.values", f"{where}.probabilities"
    v = check.exact_list(values, at_values, faults)
    p = check.exact_list(probabilities, at_probabilities, faults)
    if v is None or p is None:
        return None
    new = check.distribution_faults(v, p, at_values, at_probabilities, check.is_float_like(probabilities))
    faults += new
    exact = (tuple(v), tuple(p)) if not new and sum(p) == 1 else None
    return Distribution(readonly([float(x) for x in v]), readonly([float(x) for x in p]), exact)


def _sequences(given: Any, known: list[str], faults: list[Fault]) -> tuple[list[tuple[str, ...]], list[str]]:
    """Sequences and names of the scenarios."""
    sequences: list[tuple[str, ...]] = []
    names: list[str] = []
    if not _is_list(given) or not len(given):
        faults.append(Fault("scenarios", "is not a list with at least one scenario", "see Scenarios"))
        return sequences, names
    for s, entry in enumerate(given):
        where = f"scenarios[{s}]"
        table = entry if isinstance(entry, Mapping) else {"sequence": entry}
        if not {"sequence"} <= set(table) <= {"sequence", "name"}:
            faults.append(Fault(where, f"{table!r} is not a table", "give sequence and, if you like, name"))
            continue
        sequence = _sequence(table["sequence"], f"{where}.sequence", known, faults)
        name = table.get("name", ", ".join(sequence))
        if not isinstance(name, str) or ("name" in table and not name):
            faults.append(Fault(f"{where}.name", f"{name!r} is not a name", "write a text"))
        elif sequence and sequence in sequences:
            what = f"is that of scenarios[{sequences.index(sequence)}] too"
            faults.append(Fault(f"{where}.sequence", what, "give each scenario once"))
        elif name and name in names:
            what = f"{name!r} is the name of scenarios[{names.index(name)}] too"
            faults.append(Fault(f"{where}.name", what, "use another name"))
        sequences.append(sequence)
        names.append(name)
    return sequences, names


def _sequence(given: Any, where: str, known: list[str], faults: list[Fault]) -> tuple[str, ...]:
    """Names of distributions, one a period; with faults nothing."""
    if not _is_list(given):
        faults.append(Fault(where, f"{given!r} is not a list of names", 'write a list such as ["F1", "F2"]'))
        return ()
    new = []
    if not len(given):
        new.append(Fault(where, "is empty", "name at least one distribution"))
    if len(given) > check.MAX_HORIZON:
        new.append(Fault(where, f"has {len(given)} periods", f"at most {check.MAX_HORIZON}"))
    for t, name in enumerate(given):
        if not isinstance(name, str) or name not in known:
            what = f"{name!r} is not the name of a distribution"
            new.append(Fault(f"{where}[{t}]", what, nearest(str(name), known)))
    faults += new
    return () if new else tuple(given)
