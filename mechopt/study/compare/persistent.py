"""Rows of a comparison for persistent types.

With a finite horizon the yardstick is the optimum under the constraints asked for, by linear program over public
histories; beside it stand bounds on every mechanism (``relaxed-bound``, ``efficient-welfare``) and the optimum under
periodic ex post IC, so that the price of the stronger constraint can be read off. With an infinite horizon the table
holds what exists there: mechanisms that depend on current reports, their revenue and welfare from the distribution of
the first types, and the constraints that can be checked state by state.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import starmap
from typing import Any

from mechopt.closedform.contingent.last_period import last_period
from mechopt.closedform.contingent.result import ContingentTransfers
from mechopt.closedform.contingent.setting import ConditionError, LastRule
from mechopt.closedform.contingent.transfers import contingent_transfers
from mechopt.closedform.pivot.alternatives import bond, team, team_upfront
from mechopt.closedform.pivot.balance.team import balanced_team
from mechopt.closedform.pivot.dynamic_pivot import dynamic_pivot
from mechopt.closedform.pivot.efficient import efficient
from mechopt.closedform.pivot.efficient_joint import efficient_joint
from mechopt.closedform.virtual.contract import OptimalContract, optimal_contract
from mechopt.closedform.virtual.index import virtual_index
from mechopt.closedform.virtual.pivot import virtual_bound, virtual_pivot
from mechopt.core.errors import InputError, LimitError
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.process import PersistentEnvironment
from mechopt.environment.separable import SeparableTypes
from mechopt.environment.states.environment import PublicStates
from mechopt.environment.states.separable import SeparableStates
from mechopt.environment.to_markov import allocation_phase
from mechopt.mechanism.balanced import BalancedMechanism
from mechopt.mechanism.constraints import PeriodicExPostIC
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.solve.optimum import optimum, relaxed_optimum
from mechopt.study.compare.row import Row, Setting

Builder = Callable[[Any], Any]

OPTIMUM = "clairvoyant-optimum"
EX_POST_OPTIMUM = "periodic-ex-post-optimum"


def _contingent(method: Any, smallest: bool = False) -> Builder:
    """Efficient until the last period, and there too if that can be implemented; else one action (Corollary 3.3)."""

    def build(environment: InterdependentTypes) -> ContingentTransfers:
        last: LastRule = "efficient"
        if not environment.infinite and not last_period(environment).implementable:
            last = "constant"
        try:
            found = contingent_transfers(environment, method, last, smallest=smallest)
        except ConditionError as error:
            raise InputError(str(error)) from None
        return replace(found, theorem=f"{found.theorem}, smallest entries") if smallest else found

    return build


def _single(environment: Any) -> SequenceMechanism | OptimalContract:
    if environment.agents > 1:
        raise InputError("optimal-contract: the menu of contracts is for one agent")
    written: SequenceMechanism | OptimalContract = _written(optimal_contract(environment))
    return written


def _written(found: Any) -> Any:
    """A mechanism over public histories where the horizon is finite and they are not too many, else what it is."""
    try:
        return found if found.environment.horizon == "infinite" else found.to_mechanism()
    except LimitError:
        return found


def _balanced(environment: MarkovTypes) -> BalancedMechanism:
    """Balanced team mechanism with lump sums with which all take part: always, or else at first."""
    team_without = balanced_team(environment)
    for every_period in (True, False):
        try:
            return team_without.with_lump_sums(every_period)
        except InputError:
            continue
    return team_without


MARKOV: dict[str, Builder] = {
    "dynamic-pivot": lambda env: dynamic_pivot(env).to_mechanism(),
    "team": team,
    "team-upfront": team_upfront,
    "bond": bond,
    "balanced-team": _balanced,
}
SEPARABLE: dict[str, Builder] = {
    "virtual-pivot": lambda env: _written(virtual_pivot(env, ironed=True)),
    "optimal-contract": _single,
    "virtual-index": lambda env: virtual_index(env).pivot,
}
INTERDEPENDENT: dict[str, Builder] = {
    "contingent-convex": _contingent("convex"),
    "contingent-spanning": _contingent("spanning"),
    "contingent-smallest": _contingent("convex", smallest=True),
    "contingent-any": _contingent("any"),
}
PUBLIC: dict[str, Builder] = {
    "virtual-pivot": lambda env: virtual_pivot(env, ironed=True).to_mechanism(),
    "optimal-contract": _single,
    "dynamic-pivot": lambda env: dynamic_pivot(env).to_mechanism(),
}


def _welfare(environment: PersistentEnvironment) -> float:
    if environment.outside is not None:
        raise InputError("efficient-welfare: utilities are at least what agents have outside, not 0")
    if isinstance(environment, PublicStates):
        return environment.first_best
    if isinstance(environment, InterdependentTypes):
        return efficient_joint(environment).expected_welfare
    if isinstance(environment, SeparableTypes):
        if environment.horizon == "infinite":  # contracting brings nothing, so that all welfare comes one period later
            return environment.discount * efficient(allocation_phase(environment)).expected_welfare
        environment = environment.to_markov()
    return efficient(environment).expected_welfare


def _optimal(setting: Setting) -> Any:
    if setting.best is None or setting.best.mechanism is None:
        what = "there is none, or it is out of reach here; use a finite horizon, fewer periods or types"
        raise InputError(f"{OPTIMUM}: {what}")
    return setting.best.mechanism


def _ex_post_optimal(setting: Setting) -> Any:
    limit, subject_to = setting.time_limit, setting.subject_to
    found = optimum(setting.environment, PeriodicExPostIC(), setting.ir, time_limit=limit, subject_to=subject_to)
    return found.require_optimal().mechanism


def _finite(environment: PersistentEnvironment) -> bool:
    return environment.horizon != "infinite"


def _endless(environment: PersistentEnvironment) -> bool:
    return environment.horizon == "infinite"


def _never(environment: PersistentEnvironment) -> bool:
    return False


def _pivot(environment: SeparableTypes) -> Any:
    return dynamic_pivot(environment if _endless(environment) else environment.to_markov()).to_mechanism()


def _row(name: str, builder: Builder, listed: Callable[[Any], bool] = lambda environment: True) -> Row:
    return Row(name, lambda setting: builder(setting.environment), listed)


def _as_markov(name: str) -> Row:
    """A row of Markov types that separable ones have where they are asked for it."""
    return _row(name, lambda environment: MARKOV[name](environment.to_markov()), _never)


OPTIMA = (Row(OPTIMUM, _optimal, _finite), Row(EX_POST_OPTIMUM, _ex_post_optimal, _finite))
RELAXED = Row(
    "relaxed-bound",
    lambda setting: relaxed_optimum(setting.environment).require_optimal().bound.upper,
    _finite,
    "first types alone are private",
)
VIRTUAL = Row(
    "virtual-bound",
    lambda setting: virtual_bound(setting.environment),
    bound="Kakade, Lobel and Nazerzadeh (2013), (8)",
)
WELFARE = Row(
    "efficient-welfare",
    lambda setting: _welfare(setting.environment),
    bound="no mechanism earns more where utilities are at least 0",
)
ROWS: dict[type, tuple[Row, ...]] = {
    MarkovTypes: (*OPTIMA, *starmap(_row, MARKOV.items()), RELAXED, WELFARE),
    SeparableTypes: (
        *OPTIMA,
        _row("virtual-pivot", SEPARABLE["virtual-pivot"]),
        _row("optimal-contract", SEPARABLE["optimal-contract"]),
        _row("virtual-index", SEPARABLE["virtual-index"], _endless),
        RELAXED,
        VIRTUAL,
        _row("dynamic-pivot", _pivot),
        WELFARE,
        *(_as_markov(name) for name in MARKOV if name != "dynamic-pivot"),
    ),
    InterdependentTypes: (*OPTIMA, *starmap(_row, INTERDEPENDENT.items()), RELAXED, WELFARE),
    PublicStates: (*OPTIMA, RELAXED, WELFARE),
    SeparableStates: (
        *OPTIMA,
        _row("virtual-pivot", PUBLIC["virtual-pivot"]),
        _row("optimal-contract", PUBLIC["optimal-contract"]),
        RELAXED,
        VIRTUAL,
        _row("dynamic-pivot", PUBLIC["dynamic-pivot"]),
        WELFARE,
    ),
}
"""What is compared by kind of environment, in the order of the table."""
