"""Several agents for ever: the search over promises, and programs of some periods with tails where it is left open.

Both brackets hold, so that the larger lower end and the smaller upper one are a bracket too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod

from mechopt.environment.families.forever import IndependentForever
from mechopt.environment.markov import MarkovTypes
from mechopt.mechanism.constraints import Constraint
from mechopt.solve.infinite.fresh import by_blocks
from mechopt.solve.infinite.promises.chain import Chain, chain_of
from mechopt.solve.infinite.promises.search import Progress
from mechopt.solve.infinite.promises.searched import EX_POST, EX_POST_TOLERANCE, TOLERANCE, searched
from mechopt.solve.infinite.truncated import has_level_action, truncated
from mechopt.solve.program import Effort
from mechopt.solve.result import Optimum
from mechopt.solve.solution import Bound, Status

PATIENCE = 30.0
"""Seconds of the search where no limit is given."""
SHARE = 0.7
"""Of a limit that is given, the search's."""
MOST_PROFILES, MOST_CHILDREN = 100, 6_000
"""Sizes up to which there is a search: profiles of types, and next states of all states' reports."""
CLOSED = 1e-3
"""Width of a bracket, a share of its upper end, that is called closed."""


def several(
    environment: MarkovTypes | IndependentForever, claims: tuple[Constraint, Constraint], effort: Effort, told: Progress
) -> Optimum:
    """Bracket of the optimum, and the mechanism that earns its lower end."""
    chain = small_chain(environment)
    other = _other(environment, claims, effort)
    if chain is None:
        assert other is not None  # `why_not_several` has said so
        return other()
    ex_post = claims[1] in EX_POST
    markov = environment.to_markov() if isinstance(environment, IndependentForever) else environment
    given = effort.time_limit
    limit = PATIENCE if given is None else given * (1.0 if other is None else SHARE)
    found = searched(markov, ex_post, EX_POST_TOLERANCE if ex_post else TOLERANCE, limit, claims, told, chain)[0]
    if found.status in (Status.OPTIMAL, Status.INTERRUPTED) or other is None or _narrow(found.bound):
        return _named(found, given)
    return _named(_both(found, other()), given)


def why_not_several(environment: MarkovTypes, ir: Constraint) -> str | None:
    """Why neither way applies, in words that follow the method's name; None where one does."""
    if ir not in EX_POST or has_level_action(environment) or small_chain(environment) is not None:
        return None
    what = "an action that is worth the same to all types"
    return f"needs, with several agents, so many profiles of types and participation on paths, {what}"


def small_chain(environment: MarkovTypes | IndependentForever) -> Chain | None:
    """The chain that is searched; None where there are too many profiles, or fresh types of probability 0."""
    if prod(environment.shape[0]) > MOST_PROFILES:
        return None
    if isinstance(environment, IndependentForever):  # their incentives and participation are asked of every type
        return None if has_impossible(environment) else chain_of(environment.to_markov())
    chain = chain_of(environment)
    return chain if chain.place.size * len(chain.distributions) <= MOST_CHILDREN else None


def has_impossible(environment: IndependentForever) -> bool:
    """Whether some type has probability 0, which is nevertheless asked to be truthful and to take part."""
    return any(bool((distribution == 0).any()) for distribution in environment.initial)


def _other(
    environment: MarkovTypes | IndependentForever, claims: tuple[Constraint, Constraint], effort: Effort
) -> Callable[[], Optimum] | None:
    """Programs of some periods, where they give a bracket."""
    left = None if effort.time_limit is None else effort.time_limit * (1 - SHARE)
    rest = replace(effort, time_limit=left)
    if isinstance(environment, IndependentForever):
        return lambda: by_blocks(environment, claims, rest)
    if claims[1] in EX_POST and not has_level_action(environment):
        return None
    return lambda: truncated(environment, claims, rest)


def _narrow(bound: Bound) -> bool:
    return bound.upper - bound.lower <= CLOSED * abs(bound.upper)


def _both(one: Optimum, other: Optimum) -> Optimum:
    """The better end of either side."""
    best = one if one.bound.lower >= other.bound.lower else other
    lower, upper = best.bound.lower, min(one.bound.upper, other.bound.upper)
    bound = Bound(min(lower, upper), max(lower, upper), f"{one.bound.method}; {other.bound.method}")
    seconds = {key: one.seconds[key] + other.seconds[key] for key in one.seconds}
    status = Status.INACCURATE if upper < lower else one.status
    return replace(best, bound=bound, status=status, seconds=seconds, conflict=())


def _named(found: Optimum, limit: float | None) -> Optimum:
    """With what its width means: closed, the limit's fault, or not proved."""
    if found.status not in (Status.OPTIMAL, Status.TIME_LIMIT):
        return found
    if _narrow(found.bound):
        return replace(found, status=Status.OPTIMAL, conflict=())
    if limit is not None:
        return found
    left = (f"{PATIENCE:g} seconds of search leave this bracket; a time limit of your own takes longer",)
    return replace(found, status=Status.UNPROVED, conflict=left)
