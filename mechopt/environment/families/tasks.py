"""Families of tasks that are done one a period.

Source: Bergemann and Valimaki (2010): scheduling, many tasks against one.
"""

from __future__ import annotations

from typing import Any

from mechopt.core.errors import Fault, InputError
from mechopt.environment.families.checks import discount_faults, worth_faults
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.reading import check
from mechopt.environment.reading.nested import numbers

STAY = ((1, 0), (0, 1))
"""Distribution of a type that does not move."""
DONE = ((0, 1), (0, 1))
"""Distribution of the type of an agent whose task is done: she waits no more."""
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
        faults += worth_faults(value, f"values[{i}]")
    if exact is not None and len(exact) > MAX_TASKS:
        faults.append(Fault("values", f"are {len(exact)} tasks", f"at most {MAX_TASKS}"))
    faults += discount_faults(discount)
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
    faults = discount_faults(discount)
    exact = {}
    for name, given in (("many", many), ("one", one)):
        exact[name] = check.exact_scalar(given, name, faults)
        faults += worth_faults(exact[name], name)
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
