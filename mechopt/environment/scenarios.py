"""Scenarios of a seller who does not know the future: several sequences of distributions.

In period t the seller learns the distribution of each buyer's type of that period, and no more: a non-clairvoyant
mechanism allocates and charges by the distributions and reports so far. Scenarios whose first distributions agree are
therefore treated alike until they part, or one of them ends. Distributions are told apart by name, even where their
numbers are the same. Source: Mirrokni, Paes Leme, Tang and Zuo (2020), section 5.
"""

from __future__ import annotations

import hashlib
import json
import operator
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from types import MappingProxyType
from typing import Any

from mechopt.core.errors import Fault, InputError
from mechopt.core.shown import Shown
from mechopt.environment.independent import IndependentTypes
from mechopt.environment.reading import check
from mechopt.environment.reading.scenarios import Distribution as Distribution
from mechopt.environment.reading.scenarios import (
    faults_between,
    nearest,
    read_absorbing,
    read_costs,
    read_distributions,
    read_others,
    read_sequences,
    read_weights,
)


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Scenarios(Shown):
    """Sequences of named distributions, of any lengths; one item a period.

    Parameters
    ----------
    distributions : sequence of tables ``{name, values, probabilities}``, or mapping from name to such a pair of lists
        Of the first buyer. Values at least 0 and increasing, probabilities sum to 1. One that no scenario uses is not a
        fault.
    scenarios : sequence of tables ``{sequence, name}``, or of bare sequences, or mapping from name to sequence
        ``sequence`` holds names of distributions, one a period. A scenario without a name is called by its sequence:
        ``"F1, F2"``.
    discount : number
        In (0, 1]; default 1.
    others : sequence of what ``distributions`` may be
        Distributions of further buyers, who bid for the same items; each has those of the same names, with numbers of
        their own. Default: one buyer.
    cost : number, or mapping from name of a distribution to number
        The seller's cost of a sale, of any sign, money of its own period; default 0, for names that the mapping lacks
        too.
    weights : sequence of numbers, optional
        Of the scenarios, for weighted objectives: at least 0, one above; default 1 each.
    absorbing : sequence of str
        Names of distributions of a sure value 0 that stand for an equal-revenue last period whose range has no end, in
        the limit in which it earns nothing by itself: it takes out the whole utility that the buyer was promised. A
        scenario that ends so is worth the surplus of its earlier periods, and its optimum is their first best (the
        device of Theorem 5.1). One buyer alone.

    Attributes
    ----------
    distributions : mapping from name to Distribution
        Of the first buyer; of all in ``buyers``.
    scenarios : mapping from name to tuple of str
        In the order given.
    discount : Fraction
    others : tuple of mappings from name to Distribution
    cost : mapping from name to Fraction
    weights : tuple of Fraction
        They sum to 1.
    absorbing : tuple of str
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
    others: tuple[Mapping[str, Distribution], ...]
    cost: Mapping[str, Fraction]
    weights: tuple[Fraction, ...]
    absorbing: tuple[str, ...]
    environments: tuple[IndependentTypes, ...] = field(init=False)

    kind = "scenarios"

    def __init__(
        self,
        distributions: Any,
        scenarios: Any,
        discount: Any = 1,
        others: Any = (),
        cost: Any = 0,
        weights: Any = None,
        absorbing: Any = (),
    ) -> None:
        faults: list[Fault] = []
        names, known = read_distributions(distributions, faults)
        called, sequences = read_sequences(scenarios, faults)
        faults += faults_between(names, called, sequences)
        rivals = read_others(others, set(names.values()), faults)
        exact_discount = check.exact_scalar(discount, "discount", faults)
        if exact_discount is not None:
            faults += check.discount_faults(exact_discount)
        costs = read_costs(cost, list(names.values()), faults)
        shares = read_weights(weights, len(sequences), faults)
        taking = read_absorbing(absorbing, [known, *rivals], sequences, faults)
        if faults:
            raise InputError(faults)
        buyers = (known, *rivals)
        environments = []
        for sequence in sequences.values():
            values, probabilities = (
                [[buyer[name].given[part] for name in sequence] for buyer in buyers] for part in (0, 1)
            )
            fees = [costs[name] for name in sequence]
            environments.append(IndependentTypes(values, probabilities, fees, exact_discount))
        set_field = object.__setattr__
        set_field(self, "distributions", MappingProxyType(known))
        set_field(self, "scenarios", MappingProxyType({called[s]: tuple(sequences[s]) for s in sequences}))
        set_field(self, "discount", exact_discount)
        set_field(self, "others", tuple(map(MappingProxyType, rivals)))
        set_field(self, "cost", MappingProxyType(costs))
        set_field(self, "weights", shares)
        set_field(self, "absorbing", taking)
        set_field(self, "environments", tuple(environments))

    def __len__(self) -> int:
        return len(self.scenarios)

    @property
    def buyers(self) -> tuple[Mapping[str, Distribution], ...]:
        """Distributions by name, of each buyer."""
        return (self.distributions, *self.others)

    @property
    def agents(self) -> int:
        """Number of buyers."""
        return 1 + len(self.others)

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
            raise InputError([Fault("scenario", f"{scenario!r} is not a scenario", nearest(scenario, self.names))])
        number = operator.index(scenario)
        if not 0 <= number < len(self):
            raise InputError([Fault("scenario", f"{number} is out of range", f"there are {len(self)}, from 0 on")])
        return number

    def environment(self, scenario: int | str) -> IndependentTypes:
        """One scenario, by number or name, as a clairvoyant seller sees it."""
        return self.environments[self.index(scenario)]

    def absorbs(self, s: int) -> bool:
        """Whether scenario number s ends with an absorbing period."""
        return self.sequences[s][-1] in self.absorbing

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
        parts: list[Any] = [self.kind, self.names, self.sequences, [env.fingerprint for env in self.environments]]
        if len(set(self.weights)) > 1:
            parts.append([str(weight) for weight in self.weights])
        if self.absorbing:
            parts.append({"absorbing": sorted(self.absorbing)})
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return self.fingerprint == other.fingerprint if isinstance(other, Scenarios) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __reduce__(self) -> tuple[Any, ...]:
        others = tuple(map(dict, self.others))
        given = dict(self.distributions), dict(self.scenarios), self.discount, others, dict(self.cost), self.weights
        return type(self), (*given, self.absorbing)

    def __repr__(self) -> str:
        periods = sorted({len(sequence) for sequence in self.sequences})
        spread = f"{periods[0]}-{periods[-1]}" if len(periods) > 1 else f"{periods[0]}"
        rivals = f"{self.agents} buyers, " if self.others else ""
        return (
            f"Scenarios({rivals}{len(self)} scenario{'s' * (len(self) > 1)}, {spread} period{'s' * (periods[-1] > 1)}, "
            f"{len(self.distributions)} distribution{'s' * (len(self.distributions) > 1)})"
        )
