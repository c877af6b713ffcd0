r"""Interface of a problem to dual dynamic programming: one small program a period and state, and first points.

The price function of a state is

.. math:: V(\mu) = \min_{z} \; c z + \sum_m q_m V_m(g_m), \qquad A z \ge b + B \mu,

where the prices :math:`g_m` of the children are some of the columns z. It is convex; its slopes are promises with the
sign turned, and its value at the root's price is the optimum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from mechopt.core.numbers import FloatArray, IntArray
from mechopt.solve.dual.warm_program import Answer, SmallProgram


@dataclass(frozen=True, eq=False)
class Stage:
    """The program of one state in one period; money in units of the problem.

    Attributes
    ----------
    program : SmallProgram
        Its columns are multipliers, prices of children, and for each child a value from the next period on.
    state_rows : int array ``(s,)``
        Rows whose two sides are ``base + slope @ price``.
    base, slope : float arrays ``(s,)``, ``(s, d)``
    child : int array ``(m,)``
        State of the next period; empty in the last one.
    value_columns : int array ``(m,)``
        The child's value from the next period on, free.
    price_columns : int array ``(m, d of the next period)``
        The child's price.
    weight : float array ``(m,)``, or None
        Cost of each value column where no row has it, else None.
    allocation_rows : int array ``(reports, options)``
        Rows whose multipliers, over the probability of the report, are the allocation; their lower sides the gains.
    report : int array ``(m,)``
        Report that leads to the child.
    excess_columns : int array ``(reports, e)``
        Columns whose reduced costs, over ``excess_scale``, are utility given after the report beyond the children's.
    excess_scale : float array ``(reports, e)``
    column_report : int array ``(columns,)``
        Report that a column belongs to, where there are siblings.
    """

    program: SmallProgram
    state_rows: IntArray
    base: FloatArray
    slope: FloatArray
    child: IntArray
    value_columns: IntArray
    price_columns: IntArray
    weight: FloatArray | None
    allocation_rows: IntArray
    report: IntArray
    excess_columns: IntArray
    excess_scale: FloatArray
    column_report: IntArray


@dataclass(frozen=True, eq=False)
class State:
    """A state of a period and what is known of its price function beforehand.

    Attributes
    ----------
    stage : Stage
    distribution : float array ``(reports,)``
        Probability of each report (profile) that the stage has; positive.
    floor : float array ``(d,)``
        Smallest price of each coordinate; 0 or -inf.
    rays, ray_cost : float arrays ``(r, d)``, ``(r,)``
        Directions in which the function grows by at most this much.
    welfare : float
        Its value at price 0: nobody's utility counts.
    start : tuple of Start
        Mechanisms to begin with.
    reports, places : int arrays ``(reports,)``, ``(m,)``
        Numbers of the stage's reports and children among all of the period.
    promised : float array ``(types or buyers, s)``
        Takes the multipliers of the state's rows, with the sign turned, to what each type or buyer is promised.
    siblings : tuple of (int, float array ``(reports,)``)
        States of the same period where this one's mechanisms may be used as well, and their probabilities of reports.
    """

    stage: Stage
    distribution: FloatArray
    floor: FloatArray
    rays: FloatArray
    ray_cost: FloatArray
    welfare: float
    start: tuple[Start, ...]
    reports: IntArray
    places: IntArray
    promised: FloatArray
    siblings: tuple[tuple[int, FloatArray], ...] = ()


class Record(NamedTuple):
    """One period of a mechanism that promises ``promise`` and whose welfare is ``welfare``.

    Attributes
    ----------
    state : int
        Where it was found.
    promise : float array ``(d,)``
    welfare : float
    answer : Answer
        Multipliers of the program's own rows are the allocation, reduced costs are what is promised in excess.
    child, point, weight : arrays
        Mixture of the points of the children's pools, summing to the weight of the child in the objective.
    """

    state: int
    promise: FloatArray
    welfare: float
    answer: Answer
    child: IntArray
    point: IntArray
    weight: FloatArray


class Start(NamedTuple):
    """A mechanism to begin with, whose continuation is the one of the same number in the next period.

    Attributes
    ----------
    promise : float array ``(d,)``
    welfare : float
    allocation, excess : float arrays ``(reports, options)``, ``(reports, e)``
        Of the reports that the stage has.
    types : float array
        Utility promised to each type, or each buyer.
    """

    promise: FloatArray
    welfare: float
    allocation: FloatArray
    excess: FloatArray
    types: FloatArray


@dataclass(frozen=True, eq=False)
class Problem:
    """A problem in price form.

    Attributes
    ----------
    states : tuple over periods of tuples of State
        The first period has one.
    price : float array
        The root's price, at which the price function is the optimum.
    unit : float
        Money of the environment in the unit of the stages.
    copies : int array ``(p, d)``
        Permutations of the coordinates that leave every price function as it is; the first is the identity. Same in
        every period.
    reports, children : tuples over periods of int
        How many there are in all.
    shape : tuple over periods of tuples of int
        Of the profiles that reports number, where there are copies.
    levelled : bool
        Whether a promise means its differences alone; the smallest is then put at 0.
    """

    states: tuple[tuple[State, ...], ...]
    price: FloatArray
    unit: float
    copies: IntArray
    reports: tuple[int, ...]
    children: tuple[int, ...]
    shape: tuple[tuple[int, ...], ...]
    levelled: bool

    @property
    def welfare(self) -> float:
        """Largest expected welfare, in the problem's unit."""
        return self.states[0][0].welfare
