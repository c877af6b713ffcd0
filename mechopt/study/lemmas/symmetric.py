r"""Lemma C.2 as an operation: histories of equal utility so far are given one future, the mean of theirs.

For t = 1, 2, ... in turn, histories of length t at one node of the tree of scenarios whose buyers have got the same
utilities so far share what happens afterwards: the expectation of allocation and payments after each further report,
given the class. Classes are of what the seller has seen, so the rule stays non-clairvoyant; revenue in every scenario
and EPIR stay. DIC after t stays too, since what follows is a lottery over continuations that satisfy it. DIC up to t
stays where continuation utility is the same throughout a class. With one buyer that is INDU, which Lemma C.1 derives
from densities and finite types do not give. With several buyers INDU is about expectations over the others' reports,
and a class may tell these apart: "essentially the same proof" (supplement D.2) does not carry over.

Source: Mirrokni, Paes Leme, Tang and Zuo (2020), supplement C.1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mechopt.closedform.bank.reachable import merge
from mechopt.core.errors import require_type
from mechopt.core.numbers import FloatArray, readonly
from mechopt.mechanism.constraints import DIC, EPIR
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.scenarios.mechanism import ScenariosMechanism
from mechopt.mechanism.scenarios.non_clairvoyant import NonClairvoyant
from mechopt.verification.scenarios.check import ScenariosReport, verify_scenarios

CLASS_TOLERANCE = 1e-9
"""Gap below which utilities so far are the same, relative to the largest present value of an agent."""


@dataclass(frozen=True, eq=False, repr=False)
class Symmetrised:
    """A rule in which equal utility so far means an equal future.

    Attributes
    ----------
    rule : ScenariosMechanism
    deviation : float
        Largest difference between a scenario's revenue and that of the given rule; money.
    report : ScenariosReport
        Of `NonClairvoyant`, DIC and EPIR.
    classes : tuple over scenarios of tuples over lengths of int
        How many different utilities so far there are at each length of history.
    """

    rule: ScenariosMechanism
    deviation: float
    report: ScenariosReport
    classes: tuple[tuple[int, ...], ...]

    def __repr__(self) -> str:
        kept = "satisfies" if self.report.holds else "violates"
        return f"Symmetrised(revenue moves by {self.deviation:.3g}, {kept} DIC, EPIR and non-clairvoyance)"


def symmetrised(rule: ScenariosMechanism) -> Symmetrised:
    """Give histories of equal utility so far one future (Lemma C.2).

    Parameters
    ----------
    rule : ScenariosMechanism
        Non-clairvoyant, DIC and EPIR; one buyer or several, whose vectors of utilities are compared.

    Examples
    --------
    Where continuation utility depends on the report and utility so far does not tell reports apart, DIC is lost. Types
    1, 2, 3 get the first item with probability 0, 1/2, 1 and utility 0, 0, 1 from it; after 2 and 3 the second is free:

    >>> import numpy as np
    >>> import mechopt as mo
    >>> first = {"name": "a", "values": [1, 2, 3], "probabilities": ["1/3"] * 3}
    >>> second = {"name": "b", "values": [0, 1], "probabilities": ["1/2"] * 2}
    >>> tree = mo.Scenarios([first, second], [["a"], ["a", "b"]])
    >>> sold, paid = np.array([[[0, 0.5, 1]]]), np.array([[[0, 1.0, 2]]])
    >>> sold_then, paid_then = np.array([[[0, 1.0], [1, 1], [1, 1]]]), np.array([[[0, 1.0], [0, 0], [0, 0]]])
    >>> rule = mo.mechanisms.ScenariosMechanism(tree, (
    ...     mo.Mechanism(tree.environment(0), (sold,), (paid,)),
    ...     mo.Mechanism(tree.environment(1), (sold, sold_then), (paid, paid_then)),
    ... ), (mo.NonClairvoyant(), mo.DIC(), mo.EPIR()))
    >>> mo.verify(rule).holds
    True
    >>> found = symmetrised(rule)
    >>> found.report["dic"].gain, found.report["epir"].holds, found.deviation
    (0.25, True, 0.0)
    """
    require_type(rule, "ScenariosMechanism", "symmetrised", "give mo.mechanisms.ScenariosMechanism(...)")
    made, classes = [], []
    for mechanism in rule.mechanisms:
        after, counts = _merged_futures(mechanism)
        made.append(after)
        classes.append(counts)
    changed = ScenariosMechanism(rule.scenarios, tuple(made))
    deviation = max(abs(a - b) for a, b in zip(rule.revenues, changed.revenues, strict=True))
    report = verify_scenarios(changed, (NonClairvoyant(), DIC(), EPIR()))
    return Symmetrised(changed, deviation, report, tuple(classes))


def utilities_so_far(mechanism: Mechanism, length: int) -> tuple[FloatArray, float]:
    """Realised utilities ``(n, histories)`` of a length, and the gap below which they are the same."""
    largest = mechanism.environment.money_scale
    return np.asarray(mechanism.realised[length]), CLASS_TOLERANCE * largest


def _merged_futures(mechanism: Mechanism) -> tuple[Mechanism, tuple[int, ...]]:
    """The same mechanism with one future a class, and the number of classes by length of history."""
    env, tree = mechanism.environment, mechanism.tree
    parts = {name: [np.array(array) for array in getattr(mechanism, name)] for name in ("allocation", "payment")}
    current, classes = mechanism, list[int]()
    for t in range(1, env.horizon):
        points, gap = utilities_so_far(current, t)
        kinds, kind = merge(points, gap)
        classes.append(kinds.shape[1])
        reach = np.asarray(tree.reach[t]).ravel()
        total = np.bincount(kind, reach, kinds.shape[1])
        alike = np.bincount(kind, minlength=kinds.shape[1])
        weight = np.where(total[kind] > 0, reach / np.where(total > 0, total, 1.0)[kind], 1.0 / alike[kind])
        for arrays in parts.values():
            for later in range(t, env.horizon):
                shape = arrays[later].shape
                table = arrays[later].reshape(env.agents, tree.count[t], -1)
                mean = np.zeros((env.agents, kinds.shape[1], table.shape[2]))
                for i in range(env.agents):
                    np.add.at(mean[i], kind, weight[:, None] * table[i])
                arrays[later] = mean[:, kind].reshape(shape)
        allocation, payment = (tuple(map(readonly, parts[name])) for name in ("allocation", "payment"))
        current = Mechanism(env, allocation, payment, (), f"symmetrised (Lemma C.2): {mechanism.source}")
    return current, tuple(classes)
