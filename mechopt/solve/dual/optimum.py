r"""Optimal revenue where promises are vectors, by dual dynamic programming on their prices, certified from both sides.

The linear program over histories grows like (types)^periods. Its optimum needs promises alone: what buyers have been
promised (several buyers with independent types), or what each type of one agent has been promised (persistent types).
This module runs the dual of that dynamic program. :math:`V_t(\mu)`, the largest welfare from period t on less the price
:math:`\mu` of all utility, is convex; a period's program over next period's models of it gives new points of its own:

- from below, mechanisms: their welfare less the price of what they promise;
- from above, mixtures of prices at which a bound is known, and directions in which V grows by a known amount.

The optimum is V at one price of the first period. Prices have as many next ones as there are reports, where promises
have one for each profile of reports; and a program is feasible at every price. `mechopt.solve.dual.buyers` and
`mechopt.solve.dual.markov` state the two problems, `mechopt.solve.dual.search` the search. The lower bound is an
explicit mechanism. Rounding: the bracket is widened by `ROUNDING` times first best a period; programs are solved to
the tolerance of `mechopt.solve.dual.warm_program`.

Source: Thomas and Worrall (1990), Fernandes and Phelan (2000) for promises as states; Pereira and Pinto (1991), Baucke,
Downward and Zakeri (2017) for such programs with bounds from both sides.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from mechopt.core.errors import Fault, InputError
from mechopt.environment.independent import IndependentTypes
from mechopt.environment.process import PersistentEnvironment, joint_process
from mechopt.lp.build import require_environment
from mechopt.mechanism.constraints import DIC, EPIR, BayesianIC, Constraint, Interim, PeriodicExPostIC
from mechopt.solve.dual.buyers import buyers_problem
from mechopt.solve.dual.buyers_policy import BuyersPolicy
from mechopt.solve.dual.markov import markov_problem
from mechopt.solve.dual.markov_policy import PersistentPolicy
from mechopt.solve.dual.search import Progress, Search
from mechopt.solve.dual.tables import unfold
from mechopt.solve.solution import Bound, Status

ROUNDING = 1e-12


@dataclass(frozen=True, eq=False, repr=False)
class DualOptimum:
    """The clairvoyant optimum of several buyers, or of one agent whose types persist, and what is proved about it.

    Attributes
    ----------
    value : float
        Revenue of ``mechanism``.
    bound : Bound
        ``lower <= optimum <= upper``, money of the environment.
    status : Status
        ``"optimal"`` where the bracket is within the target; ``"inaccurate"`` where floating point does not let it get
        there; ``"time limit"`` or ``"interrupted"`` where that came first.
    mechanism : BuyersPolicy or PersistentPolicy
        Tables over points; ``to_mechanism`` writes them out where there are few histories.
    seconds : float
    visits : int
        Number of stage problems solved from both sides.
    """

    value: float
    bound: Bound
    status: Status
    mechanism: BuyersPolicy | PersistentPolicy
    seconds: float
    visits: int

    def __repr__(self) -> str:
        width = self.bound.upper - self.bound.lower
        return f"DualOptimum(value {self.value:.9g}, bracket width {width:.1g}, {self.status})"


def dual_optimum(
    environment: IndependentTypes | PersistentEnvironment,
    ic: Constraint | None = None,
    ir: Constraint = EPIR(),
    target: float = 1e-4,
    time_limit: float | None = None,
    progress: Progress | None = None,
) -> DualOptimum:
    """Largest revenue with a bracket, for buyers with independent types or one agent whose types persist.

    Parameters
    ----------
    environment : IndependentTypes, or MarkovTypes or SeparableTypes with one agent and a finite horizon
    ic : Constraint, optional
        ``DIC()`` for independent types, ``BayesianIC()`` or ``PeriodicExPostIC()`` for persistent types: the default.
    ir : Constraint
        ``EPIR()``; for persistent types also ``Interim()``.
    target : float
        Width of the bracket that is aimed at, a share of its upper end.
    time_limit : float, optional
        Seconds. It, or an interrupt (Ctrl-C), leaves the bracket and mechanism so far.
    progress : callable, optional
        Called with the lower and upper bound so far and seconds.

    Returns
    -------
    DualOptimum

    Raises
    ------
    InputError
        If the environment or a constraint is another.
    LimitError
        If a period has too many profiles of reports.

    Examples
    --------
    >>> env = IndependentTypes.iid(values=[1, 3], probabilities=["3/5", "2/5"], horizon=3, agents=2)
    >>> best = dual_optimum(env, target=1e-6)
    >>> best.bound.lower <= 6.0688896 <= best.bound.upper, round(best.value, 4), str(best.status)
    (True, 6.0689, 'optimal')
    """
    require_environment(environment)
    if not target > 0:
        raise InputError([Fault("target", f"is {target}", "it must be positive")])
    begun = time.perf_counter()
    fresh = isinstance(environment, IndependentTypes)
    _check_constraints(fresh, ic, ir)
    if isinstance(environment, IndependentTypes):
        if environment.slots is not None:
            raise InputError("dual dynamic programming is for one item a period; use the linear program")
        search = Search(buyers_problem(environment))
    else:
        process = joint_process(environment)
        if process.public is not None:
            raise InputError("dual dynamic programming knows no public states; use the linear program")
        if process.agents > 1:
            raise InputError(
                f"{process.agents} agents whose types persist: dual dynamic programming is for one; use the linear "
                "program (method='simplex')"
            )
        search = Search(markov_problem(process, ir == EPIR()))
    status = search.run(target, time_limit, progress)
    unit, tables = search.problem.unit, unfold(search)
    mechanism: BuyersPolicy | PersistentPolicy
    if isinstance(environment, IndependentTypes):
        mechanism = BuyersPolicy(environment, tables, unit)
    else:
        mechanism = PersistentPolicy(process, tables, unit, (ic or BayesianIC(), ir))
    value, slack = mechanism.revenue, ROUNDING * len(tables) * max(search.problem.welfare, 1.0) * unit
    lower, upper = min(value, search.lower * unit) - slack, search.upper * unit + slack
    if upper < lower:  # the two sides contradict each other by more than rounding
        status, lower, upper = Status.INACCURATE, upper, lower
    bound = Bound(lower, upper, "dual dynamic program from both sides")
    return DualOptimum(value, bound, status, mechanism, time.perf_counter() - begun, len(search.records))


def _check_constraints(fresh: bool, ic: Constraint | None, ir: Constraint) -> None:
    """Refuse constraints that the two problems do not have."""
    incentives: tuple[Constraint, ...] = (DIC(),) if fresh else (BayesianIC(), PeriodicExPostIC())
    participations: tuple[Constraint, ...] = (EPIR(),) if fresh else (EPIR(), Interim())
    kind = "types independent across periods" if fresh else "persistent types"
    faults = []
    for name, given, known in (("ic", ic, incentives), ("ir", ir, participations)):
        if given is not None and given not in known:
            allowed = " or ".join(constraint.name for constraint in known)
            what = f"is {given.name}: dual dynamic programming takes {allowed} with {kind}"
            faults.append(Fault(name, what, "use the linear program (method='simplex')"))
    if faults:
        raise InputError(faults)
