"""Families of Markov environments from the literature.

Source: Bergemann and Valimaki (2010): scheduling, many tasks against one, licensing.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from mechopt.core.errors import Fault, InputError
from mechopt.core.numbers import to_exact
from mechopt.environment import check
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.nested import numbers

STAY = ((1, 0), (0, 1))
"""Law of a type that does not move."""
DONE = ((0, 1), (0, 1))
"""Law of the type of an agent whose task is done: she waits no more."""
MAX_OBSERVATIONS = 20
"""Largest number of observations of `licensing`: 231 types a bidder."""
MAX_TASKS = 24
"""Largest number of one-shot tasks: there are 2 to this power type profiles."""


def scheduling(values: Any, discount: Any) -> MarkovTypes:
    """Build the environment in which agents have one task each and one task a period can be done, for ever.

    Parameters
    ----------
    values : sequence over agents
        What an agent's task is worth when it is done, at least 0; in any order.
    discount : number
        In (0, 1).

    Returns
    -------
    MarkovTypes
        Action i does the task of agent i. Types: 0 "waiting", 1 "done"; everybody waits at first.

    Raises
    ------
    InputError
        With every fault of the values and the discount.

    Examples
    --------
    >>> scheduling([5, 3, 1], "1/2")
    MarkovTypes(3 agents, 3 actions, 8 profiles, infinite horizon)
    """
    faults: list[Fault] = []
    exact = numbers(values, 1, "values", faults)
    for i, value in enumerate(exact or ()):
        faults += _worth_faults(value, f"values[{i}]")
    if exact is not None and len(exact) > MAX_TASKS:
        faults.append(Fault("values", f"are {len(exact)} tasks", f"at most {MAX_TASKS}"))
    faults += _discount_faults(discount)
    if faults:
        raise InputError(faults)
    tasks = range(len(exact))
    return MarkovTypes(
        values=[[[value if a == i else 0, 0] for a in tasks] for i, value in enumerate(exact)],
        kernel=[[DONE if a == i else STAY for a in tasks] for i in tasks],
        initial=[[1, 0] for _ in tasks],
        actions=[f"serve {i}" for i in tasks],
        types=[["waiting", "done"] for _ in tasks],
        discount=discount,
    )


def many_tasks_against_one(many: Any, one: Any, discount: Any) -> MarkovTypes:
    """Build the environment in which agent 0 has a task in every period and agent 1 has one task in all.

    Parameters
    ----------
    many, one : numbers
        What each task of agent 0, and the task of agent 1, is worth when it is done; at least 0.
    discount : number
        In (0, 1).

    Returns
    -------
    MarkovTypes
        Action i serves agent i. Types: agent 0 has one, "busy"; agent 1 is "waiting" at first, or "done".

    Raises
    ------
    InputError
        With every fault of the arguments.

    Examples
    --------
    >>> many_tasks_against_one(5, 3, "4/5")
    MarkovTypes(2 agents, 2 actions, 2 profiles, infinite horizon)
    """
    faults = _discount_faults(discount)
    exact = {}
    for name, given in (("many", many), ("one", one)):
        exact[name] = check.exact_scalar(given, name, faults)
        faults += _worth_faults(exact[name], name)
    if faults:
        raise InputError(faults)
    return MarkovTypes(
        values=[[[exact["many"]], [0]], [[0, 0], [exact["one"], 0]]],
        kernel=[[[1]], [STAY, DONE]],
        initial=[[1], [1, 0]],
        actions=["serve 0", "serve 1"],
        types=[["busy"], ["waiting", "done"]],
        discount=discount,
    )


def licensing(priors: Any, observations: int, discount: Any) -> MarkovTypes:
    """Build the environment in which one bidder a period gets a licence and learns what it is worth to her.

    A licence pays its holder 1 with a probability that she does not know: Beta distributed at first, and by Bayes' rule
    later. Whoever holds none learns nothing. After a number of observations learning ends, and the licence is worth
    its posterior mean for ever: expectations stay a martingale, so nothing that rests on this is approximate.

    Parameters
    ----------
    priors : sequence over bidders of pairs of numbers
        Parameters of the Beta distributions, above 0: those of successes and of failures.
    observations : int
        After how many a bidder learns no more; from 0 to 20.
    discount : number
        In (0, 1).

    Returns
    -------
    MarkovTypes
        Action i gives the licence to bidder i. Types are named "s-f" for s successes and f failures, ordered by their
        sum and then by s; everybody starts at "0-0". Values are posterior means.

    Raises
    ------
    InputError
        With every fault of the arguments.

    Examples
    --------
    >>> env = licensing([(1, 1), (2, 1)], 2, "9/10")
    >>> env, env.types[0][0]
    (MarkovTypes(2 agents, 2 actions, 36 profiles, infinite horizon), ('0-0', '0-1', '1-0', '0-2', '1-1', '2-0'))
    """
    faults: list[Fault] = []
    exact = numbers(priors, 2, "priors", faults)
    for i, prior in enumerate(exact or ()):
        if len(prior) != 2:
            faults.append(Fault(f"priors[{i}]", f"has {len(prior)} entries", "give two, such as (1, 1)"))
        faults += [
            Fault(f"priors[{i}][{k}]", f"is {check.shown(number)}", "it must be above 0")
            for k, number in enumerate(prior)
            if number <= 0
        ]
    if type(observations) is not int or not 0 <= observations <= MAX_OBSERVATIONS:
        mend = f"write a whole number from 0 to {MAX_OBSERVATIONS}"
        faults.append(Fault("observations", f"is {observations!r}", mend))
    faults += _discount_faults(discount)
    if faults:
        raise InputError(faults)
    counts = [(s, seen - s) for seen in range(observations + 1) for s in range(seen + 1)]
    bidders, size = range(len(exact)), len(counts)
    place = {count: k for k, count in enumerate(counts)}
    still = [[int(k == to) for to in range(size)] for k in range(size)]
    values, kernel = [], []
    for i, (successes, failures) in enumerate(exact):
        means = [(successes + s) / (successes + failures + s + f) for s, f in counts]
        learning: list[list[Any]] = [list(row) for row in still]
        for (s, f), k in place.items():
            if s + f < observations:
                learning[k][k] = 0
                learning[k][place[s + 1, f]], learning[k][place[s, f + 1]] = means[k], 1 - means[k]
        values.append([means if a == i else [0] * size for a in bidders])
        kernel.append([learning if a == i else still for a in bidders])
    return MarkovTypes(
        values=values,
        kernel=kernel,
        initial=[still[0]] * len(exact),
        actions=[f"licence {i}" for i in bidders],
        types=[[f"{s}-{f}" for s, f in counts]] * len(exact),
        discount=discount,
    )


def _worth_faults(value: Fraction | None, where: str) -> list[Fault]:
    if value is None or value >= 0:
        return []
    return [Fault(where, f"is {check.shown(value)}", "a task must be worth at least 0")]


def _discount_faults(discount: Any) -> list[Fault]:
    try:
        number = to_exact(discount)
    except ValueError as error:
        return [Fault("discount", str(error), "write a number such as 0.9")]
    if 0 < number < 1:
        return []
    return [Fault("discount", f"is {check.shown(number)}", "it must be above 0 and below 1")]
