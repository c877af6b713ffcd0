"""What a seller may face who does not know the future: several sequences of distributions, one buyer.

In period t the seller learns the distribution of the buyer's type of that period, and no more: a non-clairvoyant
mechanism allocates and charges by the distributions and reports so far. Scenarios whose first distributions agree are
therefore treated alike until they part, or one of them ends. Distributions are told apart by name, even where their
numbers are the same. Source: Mirrokni, Paes Leme, Tang and Zuo (2020), section 5.
"""

from __future__ import annotations

import hashlib
import json
import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from fractions import Fraction
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple

from mechopt.core.errors import Fault, InputError, shortened
from mechopt.core.numbers import FloatArray, readonly
from mechopt.core.shown import Shown
from mechopt.environment.independent import IndependentTypes
from mechopt.environment.reading import check


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
    exact: tuple[tuple[Fraction, ...], tuple[Fraction, ...]] | None

    @property
    def given(self) -> tuple[Any, Any]:
        """Values and probabilities, exact where they are."""
        return self.exact or (self.values, self.probabilities)


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Scenarios(Shown):
    """Sequences of named distributions, of any lengths; one buyer, one item a period, no cost.

    Parameters
    ----------
    distributions : sequence of tables ``{name, values, probabilities}``, or mapping from name to such a pair of lists
        Values at least 0 and increasing, probabilities sum to 1. One that no scenario uses is not a fault.
    scenarios : sequence of tables ``{sequence, name}``, or of bare sequences, or mapping from name to sequence
        ``sequence`` holds names of distributions, one a period. A scenario without a name is called by its sequence:
        ``"F1, F2"``.
    discount : number
        In (0, 1]; default 1.

    Attributes
    ----------
    distributions : mapping from name to Distribution
    scenarios : mapping from name to tuple of str
        In the order given.
    discount : Fraction
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
    IndependentTypes(1 buyer, 2 periods, types 1-2, first best 5.5)
    """

    distributions: Mapping[str, Distribution]
    scenarios: Mapping[str, tuple[str, ...]]
    discount: Fraction
    environments: tuple[IndependentTypes, ...] = field(init=False)

    kind = "scenarios"

    def __init__(self, distributions: Any, scenarios: Any, discount: Any = 1) -> None:
        faults: list[Fault] = []
        names, known = _distributions(distributions, faults)
        called, sequences = _sequences(scenarios, faults)
        faults += faults_between(names, called, sequences)
        exact_discount = check.exact_scalar(discount, "discount", faults)
        if exact_discount is not None:
            faults += check.discount_faults(exact_discount)
        if faults:
            raise InputError(faults)
        environments = []
        for sequence in sequences.values():
            pairs = [known[name].given for name in sequence]
            given = [[values for values, _ in pairs]], [[probabilities for _, probabilities in pairs]]
            environments.append(IndependentTypes(*given, discount=exact_discount))
        set_field = object.__setattr__
        set_field(self, "distributions", MappingProxyType(known))
        set_field(self, "scenarios", MappingProxyType({called[s]: tuple(sequences[s]) for s in sequences}))
        set_field(self, "discount", exact_discount)
        set_field(self, "environments", tuple(environments))

    def __len__(self) -> int:
        return len(self.scenarios)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the scenarios."""
        return tuple(self.scenarios)

    @property
    def sequences(self) -> tuple[tuple[str, ...], ...]:
        """Names of distributions by scenario and period."""
        return tuple(self.scenarios.values())

    def index(self, scenario: int | str) -> int:
        """Number of a scenario that is given by number or name.

        Raises
        ------
        InputError
            If there is none such.
        """
        if isinstance(scenario, str):
            if scenario in self.scenarios:
                return self.names.index(scenario)
            raise InputError([Fault("scenario", f"{scenario!r} is not a scenario", _nearest(scenario, self.names))])
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
        """SHA-256 of the scenarios; equal ones have equal fingerprints, whatever distributions go unused."""
        parts = [self.kind, self.names, self.sequences, [env.fingerprint for env in self.environments]]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return self.fingerprint == other.fingerprint if isinstance(other, Scenarios) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self.distributions), dict(self.scenarios), self.discount)

    def __repr__(self) -> str:
        periods = sorted({len(sequence) for sequence in self.sequences})
        spread = f"{periods[0]}-{periods[-1]}" if len(periods) > 1 else f"{periods[0]}"
        return (
            f"Scenarios({len(self)} scenario{'s' * (len(self) > 1)}, {spread} period{'s' * (periods[-1] > 1)}, "
            f"{len(self.distributions)} distribution{'s' * (len(self.distributions) > 1)})"
        )


def faults_between(
    names: Mapping[int, str], called: Mapping[int, str], sequences: Mapping[int, Sequence[str]]
) -> list[Fault]:
    """Check that names are used once and exist, and that no scenario is empty, too long or there twice.

    Parameters
    ----------
    names : mapping from position to name
        Of the distributions that have one.
    called : mapping from position to name
        Of the scenarios; one that is called by its sequence may be left out.
    sequences : mapping from position to sequence of str
        Of the scenarios that have one.
    """
    faults: list[Fault] = []
    places: dict[str, int] = {}
    for d, name in names.items():
        if places.setdefault(name, d) != d:
            what = f"{name!r} is the name of distributions[{places[name]}] too"
            faults.append(Fault(f"distributions[{d}].name", what, "use another name"))
    known, first, titles = list(places), dict[tuple[str, ...], int](), dict[str, int]()
    for s, sequence in sequences.items():
        where, key = f"scenarios[{s}]", tuple(sequence)
        new = [
            Fault(f"{where}.sequence[{t}]", f"{name!r} is not the name of a distribution", _nearest(name, known))
            for t, name in enumerate(sequence)
            if name not in places
        ]
        if not sequence:
            new.append(Fault(f"{where}.sequence", "is empty", "name at least one distribution"))
        elif len(sequence) > check.MAX_HORIZON:
            what = f"has {len(sequence)} periods"
            new.append(Fault(f"{where}.sequence", what, f"at most {check.MAX_HORIZON} periods"))
        elif first.setdefault(key, s) != s:
            what = f"is that of scenarios[{first[key]}] too"
            new.append(Fault(f"{where}.sequence", what, "give each scenario once"))
        else:
            name = called.get(s, ", ".join(sequence))
            if titles.setdefault(name, s) != s:
                what = f"{name!r} is the name of scenarios[{titles[name]}] too"
                new.append(Fault(f"{where}.name", what, "use another name"))
        faults += new
    return faults


def _nearest(name: str, known: Sequence[str]) -> str:
    """Fix of a name that is not known."""
    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {shortened(', '.join(map(repr, known)), 200) or 'none'}"


def _tables(given: Any, key: str, keys: Iterable[str], faults: list[Fault]) -> dict[int, Mapping[str, Any]]:
    """Tables by position; what is not a table, or has not the keys, is a fault."""
    if not check.is_list(given) or not len(given):
        faults.append(Fault(key, "is not a list with at least one entry", f"see Scenarios for {key}"))
        return {}
    found = {}
    for position, table in enumerate(given):
        if not isinstance(table, Mapping) or not set(keys) <= set(table) <= {*keys, "name"}:
            what = f"{shortened(repr(table))} is not a table with {' and '.join(keys)}"
            faults.append(Fault(f"{key}[{position}]", what, f"see Scenarios for {key}"))
        elif "name" in table and not (isinstance(table["name"], str) and table["name"]):
            faults.append(Fault(f"{key}[{position}].name", f"{table['name']!r} is not a name", "write a text"))
        else:
            found[position] = table
    return found


def _distributions(given: Any, faults: list[Fault]) -> tuple[dict[int, str], dict[str, Distribution]]:
    """Names by position, and distributions by name."""
    if isinstance(given, Mapping):
        pairs = {name: one.given if isinstance(one, Distribution) else one for name, one in given.items()}
        bad = [name for name, pair in pairs.items() if not check.is_list(pair) or len(pair) != 2]
        faults += [Fault(f"distributions.{name}", "is not a pair", "give values and probabilities") for name in bad]
        kept = [name for name in pairs if name not in bad]
        given = [{"name": n, "values": pairs[n][0], "probabilities": pairs[n][1]} for n in kept] if kept else bad
    names: dict[int, str] = {}
    known: dict[str, Distribution] = {}
    for d, table in _tables(given, "distributions", ("name", "values", "probabilities"), faults).items():
        where, probabilities = f"distributions[{d}]", table["probabilities"]
        names[d] = table["name"]
        before = len(faults)
        v = check.exact_list(table["values"], f"{where}.values", faults)
        p = check.exact_list(probabilities, f"{where}.probabilities", faults)
        if v is not None and p is not None:
            at, floats = (f"{where}.values", f"{where}.probabilities"), check.is_float_like(probabilities)
            faults += check.distribution_faults(v, p, *at, floats)
        if v is not None and p is not None and len(faults) == before:
            exact = (tuple(v), tuple(p)) if sum(p) == 1 else None
            known[names[d]] = Distribution(readonly([float(x) for x in v]), readonly([float(x) for x in p]), exact)
    return names, known


def _sequences(given: Any, faults: list[Fault]) -> tuple[dict[int, str], dict[int, Sequence[str]]]:
    """Names and sequences of the scenarios by position."""
    if isinstance(given, Mapping):
        given = [{"name": name, "sequence": sequence} for name, sequence in given.items()]
    if check.is_list(given):
        given = [entry if isinstance(entry, Mapping) else {"sequence": entry} for entry in given]
    called: dict[int, str] = {}
    sequences: dict[int, Sequence[str]] = {}
    for s, table in _tables(given, "scenarios", ("sequence",), faults).items():
        sequence = table["sequence"]
        if not check.is_list(sequence) or not all(isinstance(name, str) for name in sequence):
            what = f"{shortened(repr(sequence))} is not a list of names"
            faults.append(Fault(f"scenarios[{s}].sequence", what, 'write a list such as ["F1", "F2"]'))
            continue
        called[s], sequences[s] = table.get("name", ", ".join(sequence)), list(map(str, sequence))
    return called, sequences
