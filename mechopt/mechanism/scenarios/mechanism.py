"""Mechanisms over scenarios: allocation and payment in every scenario."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mechopt.core.errors import Fault, InputError, require_type
from mechopt.core.provided import provided
from mechopt.environment.independent import IndependentTypes
from mechopt.environment.scenarios import Scenarios
from mechopt.mechanism.constraints import Constraint
from mechopt.mechanism.direct import Mechanism


@dataclass(frozen=True, eq=False, repr=False)
class ScenariosMechanism:
    """One mechanism a scenario.

    Nothing here makes it non-clairvoyant: `mechopt.verify` checks that, and incentives and participation in every
    scenario.

    Parameters
    ----------
    scenarios : Scenarios
    mechanisms : sequence of Mechanism
        By scenario.
    claims : tuple of Constraint
        `NonClairvoyant` among them where it is claimed; others are claimed of every scenario.

    Raises
    ------
    InputError
        If there are not as many mechanisms as scenarios, or one is for another environment.

    Examples
    --------
    The optimum of each scenario knows the future. A buyer of value 1 or 4 faces a price of 4 where nothing follows, and
    one of 1 where a second item follows whose price takes in what she was spared:

    >>> import mechopt as mo
    >>> coin = {"name": "F1", "values": [1, 4], "probabilities": ["1/2", "1/2"]}
    >>> tail = {"name": "F2", "values": [2, 4, 8, 16], "probabilities": ["1/2", "1/4", "1/8", "1/8"]}
    >>> scenarios = mo.Scenarios([coin, tail], [["F1"], ["F1", "F2"]])
    >>> clairvoyant = ScenariosMechanism.of_rule(scenarios, lambda env: mo.optimum(env).mechanism)
    >>> check = mo.verify(clairvoyant, mo.NonClairvoyant())["non-clairvoyant"]
    >>> print(check.counterexample)
    scenarios 'F1' and 'F1, F2' after F1, agent 0, period 0, after history [], reports [0]: allocation 0 and 1
    >>> balance = ScenariosMechanism.of_rule(scenarios, mo.non_clairvoyant_balance)
    >>> mo.verify(balance, [mo.NonClairvoyant(), mo.DIC(), mo.EPIR()]).holds
    True
    """

    scenarios: Scenarios
    mechanisms: tuple[Mechanism, ...]
    claims: tuple[Constraint, ...] = ()

    def __post_init__(self) -> None:
        require_type(self.scenarios, "Scenarios", "ScenariosMechanism", "give them, and a mechanism of each")
        object.__setattr__(self, "mechanisms", tuple(self.mechanisms))
        object.__setattr__(self, "claims", tuple(self.claims))
        given, wanted = len(self.mechanisms), len(self.scenarios)
        if given != wanted:
            raise InputError(
                [Fault("mechanisms", f"has {given} entries", f"there are {wanted} scenarios, give one each")]
            )
        faults = [
            Fault(f"mechanisms[{s}]", f"is not for scenario {name!r}", "make it for scenarios.environment(...)")
            for s, name in enumerate(self.scenarios.names)
            if not isinstance(self.mechanisms[s], Mechanism)
            or self.mechanisms[s].environment != self.scenarios.environments[s]
        ]
        if faults:
            raise InputError(faults)

    @classmethod
    def of_rule(
        cls, scenarios: Scenarios, rule: Callable[[IndependentTypes], Any], claims: tuple[Constraint, ...] = ()
    ) -> ScenariosMechanism:
        """Ask a rule what it does in each scenario.

        Parameters
        ----------
        scenarios : Scenarios
        rule : function
            From an environment to a `Mechanism`, or something with ``to_mechanism`` that gives one.
        claims : tuple of Constraint
        """
        return cls(scenarios, tuple(written_out(rule(env)) for env in scenarios.environments), claims)

    def mechanism(self, scenario: int | str) -> Mechanism:
        """The mechanism in one scenario, by number or name.

        Raises
        ------
        InputError
            If there is no such scenario.
        """
        return self.mechanisms[self.scenarios.index(scenario)]

    def save(self, path: str | Path) -> None:
        """Write it to one file, whole or not at all; read it with `mechopt.load_mechanism` and the scenarios.

        Raises
        ------
        InputError
            If the file cannot be written.
        """
        provided(self, "save")(self, path)

    @property
    def revenues(self) -> tuple[float, ...]:
        """Expected present value of payments by scenario."""
        return tuple(mechanism.revenue for mechanism in self.mechanisms)

    def __repr__(self) -> str:
        numbers = ", ".join(f"{revenue:.6g}" for revenue in self.revenues)
        return f"ScenariosMechanism({len(self.mechanisms)} scenarios, revenue {numbers})"


def written_out(mechanism: Any) -> Mechanism:
    """A mechanism over histories of reports.

    Raises
    ------
    InputError
        If it is in a form that cannot be written out so.
    """
    found = mechanism if isinstance(mechanism, Mechanism) else getattr(mechanism, "to_mechanism", lambda: None)()
    if not isinstance(found, Mechanism):
        raise InputError(f"a {type(mechanism).__name__} is not a mechanism over histories of reports")
    return found
