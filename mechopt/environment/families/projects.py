"""Families about who is worked on and who is there: bandits, and arrival and departure.

Source: Bergemann and Valimaki (2010), sections 2 and 5.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from mechopt.core.errors import Fault, InputError, require_type
from mechopt.environment.families.checks import discount_faults
from mechopt.environment.families.tasks import STAY
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.reading import check
from mechopt.environment.reading.nested import is_list, numbers

ABSENT = "absent"
"""Name of the type of an agent who is not there."""


def bandits(
    rewards: Any, kernels: Any, initial: Any, discount: Any, horizon: Any = "infinite", idle: bool = False
) -> MarkovTypes:
    """Build the environment in which one agent's project a period is worked on; all others stand still.

    Parameters
    ----------
    rewards : nested sequences, ``rewards[i][state]``
        What a period of work on the project of agent i is worth to her; any sign.
    kernels : nested sequences, ``kernels[i][state][next]``
        Distribution of its next state when it is worked on.
    initial : nested sequences, ``initial[i][state]``
        Distribution of its first state.
    discount : number
        In (0, 1), or up to 1 with a finite horizon.
    horizon : int or "infinite"
        Number of periods.
    idle : bool
        Whether nobody may be worked on: the first action is then "none".

    Returns
    -------
    MarkovTypes
        The action "work on i" moves agent i alone. Working on a project of highest Gittins index is efficient, with an
        infinite horizon and where no index is negative or `idle` is not asked for.

    Raises
    ------
    InputError
        With every fault of the arguments.

    Examples
    --------
    >>> learn = [[0, 0.5, 0.5], [0, 1, 0], [0, 0, 1]]
    >>> bandits([[0.5, 1, 0], [0.6]], [learn, [[1]]], [[1, 0, 0], [1]], "9/10")
    MarkovTypes(2 agents, 2 actions, 3 profiles, infinite horizon)
    """
    faults = discount_faults(discount, horizon)
    exact = numbers(rewards, 2, "rewards", faults)
    lists = {"kernels": kernels, "initial": initial}
    for name, part in lists.items():
        if not is_list(part) or (exact is not None and len(part) != len(exact)):
            what = f"is not a list of {len(exact)} entries" if exact is not None else "is not a list"
            faults.append(Fault(name, what, "give one a project"))
    if faults:
        raise InputError(faults)
    projects, first = range(len(exact)), int(idle)
    zero = [[Fraction(0)] * len(row) for row in exact]
    still = [_still(len(row)) for row in exact]
    return MarkovTypes(
        values=[[zero[i]] * idle + [row if a == i else zero[i] for a in projects] for i, row in enumerate(exact)],
        kernel=[[still[i]] * first + [kernels[i] if a == i else still[i] for a in projects] for i in projects],
        initial=initial,
        actions=["none"] * first + [f"work on {i}" for i in projects],
        horizon=horizon,
        discount=discount,
    )


def _still(size: int) -> tuple[tuple[int, ...], ...]:
    return STAY if size == 2 else tuple(tuple(int(k == to) for to in range(size)) for k in range(size))


def with_arrivals(environment: MarkovTypes, arrival: Any, departure: Any = 0, present: Any = None) -> MarkovTypes:
    """Let agents arrive and depart, through one more type that is worth nothing.

    Who is absent arrives in each period with a probability, and then draws her type from her first distribution; who is
    there leaves with a probability instead of moving on, and may come back as a new agent. Nobody sees who is there but
    the agent herself: that is part of her type.

    Parameters
    ----------
    environment : MarkovTypes
        Agents have as many types in every period.
    arrival : number or sequence over agents
        Probability that who is absent is there in the next period.
    departure : number or sequence over agents
        Probability that who is there is absent in the next period; 1 to be there for one period only.
    present : number or sequence over agents, optional
        Probability to be there in the first period; default: that of arrival.

    Returns
    -------
    MarkovTypes
        The last type of every agent is "absent".

    Raises
    ------
    InputError
        With every fault of the arguments.

    References
    ----------
    Bergemann and Valimaki (2010), section 2.

    Examples
    --------
    >>> stay = [["3/4", "1/4"], ["1/4", "3/4"]]
    >>> env = MarkovTypes([[[0, 0], [1, 2]]], [stay], [["1/2", "1/2"]], discount="9/10")
    >>> there = with_arrivals(env, "1/2", "1/5")
    >>> there.types[0][0], there.kernel[0][0][0]
    (('0', '1', 'absent'), array([[0.6 , 0.2 , 0.2 ],
           [0.2 , 0.6 , 0.2 ],
           [0.25, 0.25, 0.5 ]]))
    """
    require_type(environment, "MarkovTypes", "with_arrivals", "give one, such as mo.families.bandits(...)")
    agents, faults = range(environment.agents), list[Fault]()
    given = {"arrival": arrival, "departure": departure, "present": arrival if present is None else present}
    chances = {name: _chances(part, name, len(agents), faults) for name, part in given.items()}
    for i in agents:
        if len({stage[i] for stage in environment.shape}) > 1:
            faults.append(Fault(f"values[{i}]", "has not as many types in every period", "give all periods the same"))
        if ABSENT in {name for names in environment.types[i] for name in names}:
            faults.append(Fault(f"types[{i}]", f"has {ABSENT!r} already", "give the type another name"))
    if faults:
        raise InputError(list(dict.fromkeys(faults)))
    source: Any = environment.exact or environment
    exact = environment.exact is not None
    values, kernel, initial, types = [], [], [], []
    for i in agents:
        come, go, there = (chances[name][i] for name in ("arrival", "departure", "present"))
        distribution = [number if exact else Fraction(float(number)) for number in source.initial[i]]
        values.append([[[*row, 0] for row in table] for table in source.values[i]])
        entering = [come * number for number in distribution] + [1 - come]
        kernel.append(
            [
                [[*[[(1 - go) * _fraction(p) for p in row] + [go] for row in matrix], entering] for matrix in by_action]
                for by_action in source.kernel[i]
            ]
        )
        initial.append([there * number for number in distribution] + [1 - there])
        types.append([[*names, ABSENT] for names in environment.types[i]])
    if not exact:
        kernel, initial = _rounded(kernel), _rounded(initial)
    return MarkovTypes(
        values=values,
        kernel=kernel,
        initial=initial,
        actions=environment.actions,
        types=types,
        names=environment.names,
        cost=source.cost,
        horizon=environment.horizon,
        discount=source.discount,
    )


def _fraction(number: Any) -> Fraction:
    return number if isinstance(number, Fraction) else Fraction(float(number))


def _rounded(nested: Any) -> Any:
    return [_rounded(entry) for entry in nested] if isinstance(nested, list) else float(nested)


def _chances(given: Any, where: str, agents: int, faults: list[Fault]) -> tuple[Fraction, ...]:
    """Probabilities by agent; one for all stands once for each. Empty after a fault."""
    by_agent, before = is_list(given), len(faults)
    exact = numbers(given, int(by_agent), where, faults)
    if exact is None:
        return ()
    listed: tuple[Fraction, ...] = exact if by_agent else (exact,) * agents
    if len(listed) != agents:
        faults.append(
            Fault(where, f"has {len(listed)} entries for {agents} agents", "give one number, or one an agent")
        )
    for i, chance in enumerate(listed):
        if not 0 <= chance <= 1:
            at = f"{where}[{i}]" if by_agent else where
            faults.append(Fault(at, f"is {check.shown(chance)}", "a probability lies between 0 and 1"))
    return listed if len(faults) == before else ()
