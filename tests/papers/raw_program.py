"""The optimum by the definitions of the constraints alone: the reference that the package's programs are tested
against.

Every inequality of every constraint is one row, for every history, type, misreport, profile of the others and future
path. The variables are the allocation and the payment of each period, continuation utilities are written out as sums
over all later reports, and coefficients are exact fractions, built by plain loops. The notation is that of
`mechopt.mechanism.constraints`, where the inequalities are. Small instances only.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import cache
from itertools import product
from math import prod
from typing import NamedTuple

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array

from mechopt import IndependentTypes, Mechanism

Profile = tuple[int, ...]  # one type a buyer
History = tuple[Profile, ...]
Column = tuple[str, int, History]  # "x" or "p", buyer, history up to and including the reports of the period
Form = dict[Column, Fraction]  # a linear form in the columns

ONE: Column = ("one", 0, ())  # fixed at 1
BOUNDS = {"x": (0, None), "p": (None, None), "one": (1, 1)}
INCENTIVE = ("dic", "ex-post", "ppic", "indu", "super-dic")
PARTICIPATION = (
    "epir",
    "prefix",
    "per-period",
    "per-period-expected",
    "interim",
    "periodic",
    "expected-continuation",
    "ex-ante",
)


def combine(terms: Iterable[tuple[Fraction | int, Form]]) -> Form:
    """Weighted sum of linear forms."""
    total: Form = {}
    for weight, form in terms:
        for column, coefficient in form.items():
            total[column] = total.get(column, Fraction(0)) + weight * coefficient
    return total


def difference(a: Form, b: Form) -> Form:
    return combine([(1, a), (-1, b)])


class Game:
    """Utilities in an environment as linear forms in allocations and payments; present values."""

    def __init__(self, env: IndependentTypes) -> None:
        assert env.exact is not None
        self.values, self.probabilities, self.cost, self.discount = env.exact[:4]
        self.gains, self.outside = env.exact.seller_values, env.exact.outside
        self.own_discount = env.exact.discounts or (self.discount,) * env.agents
        self.buyers, self.periods = env.agents, env.horizon
        self.future = cache(self.future)

    def types(self, i: int, t: int) -> range:
        return range(len(self.values[i][t]))

    def profiles(self, t: int) -> list[Profile]:
        return list(product(*(self.types(i, t) for i in range(self.buyers))))

    def histories(self, t: int) -> list[History]:
        return list(product(*(self.profiles(s) for s in range(t))))

    def probability(self, t: int, profile: Profile) -> Fraction:
        return prod((self.probabilities[i][t][k] for i, k in enumerate(profile)), start=Fraction(1))

    def others(self, i: int, t: int) -> list[tuple[Fraction, Profile]]:
        """Probability of each profile of the others' types; the own entry of the profile is to be filled in."""
        rest = [profile for profile in self.profiles(t) if profile[i] == 0]
        return [(prod(self.probabilities[j][t][k] for j, k in enumerate(m) if j != i), m) for m in rest]

    def now(self, i: int, h: History, true: int, m: Profile) -> Form:
        """u_t: value of the true type if buyer i gets the item after the reports m, less her payment."""
        t, node = len(h), (*h, m)
        weight = self.own_discount[i] ** t
        return {("x", i, node): weight * self.values[i][t][true], ("p", i, node): -weight}

    def option(self, i: int, t: int, k: int) -> Form:
        """What a type has outside, as of period 0, as a form in the column that is 1."""
        return {} if self.outside is None else {ONE: self.own_discount[i] ** t * self.outside[i][t][k]}

    def future(self, i: int, node: History) -> Form:
        """U_t: expected truthful utility after the history ``node``, summed over all later reports."""
        t = len(node)
        if t == self.periods:
            return {}
        return combine((self.probability(t, m), self.lifetime(i, node, m[i], m)) for m in self.profiles(t))

    def lifetime(self, i: int, h: History, true: int, m: Profile) -> Form:
        """u_t + U_t."""
        return combine([(1, self.now(i, h, true, m)), (1, self.future(i, (*h, m)))])

    def path(self, i: int, h: History, later: Iterable[Profile]) -> Form:
        """Truthful utility of buyer i in the periods of ``later``, which follow the history h."""
        terms = []
        for m in later:
            terms.append((1, self.now(i, h, m[i], m)))
            h = (*h, m)
        return combine(terms)


def with_own(m: Profile, i: int, k: int) -> Profile:
    return (*m[:i], k, *m[i + 1 :])


def incentive_forms(game: Game, constraint: str, i: int, h: History, k: int, j: int) -> Iterator[Form]:
    """Forms that are at least 0 where type k of buyer i does not gain by reporting j after the history h."""
    t, others = len(h), game.others(i, len(h))

    def loss(utility: str, m: Profile) -> Form:
        truth, lie = with_own(m, i, k), with_own(m, i, j)
        if utility == "future":
            return difference(game.future(i, (*h, truth)), game.future(i, (*h, lie)))
        count = getattr(game, utility)
        return difference(count(i, h, k, truth), count(i, h, k, lie))

    if constraint in (
        "dic",
        "ppic",
        "indu",
    ):  # in expectation over the others; indu: both k to j and j to k make it equal
        utility = {"dic": "lifetime", "ppic": "now", "indu": "future"}[constraint]
        yield combine((q, loss(utility, m)) for q, m in others)
    elif constraint == "ex-post":
        yield from (loss("lifetime", m) for _, m in others)
    else:
        assert constraint == "super-dic"
        for (_, m), later in product(others, product(*(game.profiles(s) for s in range(t + 1, game.periods)))):
            after = (game.path(i, (*h, with_own(m, i, report)), later) for report in (k, j))
            yield combine([(1, loss("now", m)), (1, difference(*after))])


def participation_forms(game: Game, constraint: str, i: int, h: History, k: int) -> Iterator[Form]:
    """Forms that are at least 0 where buyer i, of type k after the history h, takes part."""
    t, others = len(h), [(q, with_own(m, i, k)) for q, m in game.others(i, len(h))]
    first = game.option(i, 0, 0)  # one number, where paths are asked for
    now = {} if t else first
    own = list(enumerate(game.probabilities[i][t]))
    if constraint == "per-period":
        yield from (difference(game.now(i, h, k, m), now) for _, m in others)
    elif constraint == "prefix" or (constraint == "epir" and t == game.periods - 1):
        yield from (difference(game.path(i, (), (*h, m)), first) for _, m in others)
    elif constraint == "periodic" or (constraint == "interim" and t == 0):
        yield difference(combine((q, game.lifetime(i, h, k, m)) for q, m in others), game.option(i, t, k))
    elif constraint == "per-period-expected":
        yield difference(combine((game.probability(t, m), game.now(i, h, m[i], m)) for m in game.profiles(t)), now)
    elif constraint == "expected-continuation" or (constraint == "ex-ante" and t == 0):
        yield difference(game.future(i, h), combine((p, game.option(i, t, k)) for k, p in own))


class RawProgram(NamedTuple):
    """Maximise ``objective`` subject to ``rows`` >= 0, x >= 0 and, in each of ``supply``, the sum of x <= 1."""

    columns: list[Column]
    objective: Form
    rows: list[Form]
    supply: list[list[Column]]


def raw_program(
    env: IndependentTypes, ic: Iterable[str], ir: Iterable[str], epsilon: tuple[Fraction, ...] = ()
) -> RawProgram:
    """The program of revenue net of costs under constraints named as on the command line.

    Misreports of each buyer may gain ``epsilon``.
    """
    game = Game(env)
    nodes = [(h, m) for t in range(game.periods) for h in game.histories(t) for m in game.profiles(t)]
    columns = [(kind, i, (*h, m)) for kind in "xp" for i in range(game.buyers) for h, m in nodes]
    objective: Form = {}
    for h, m in nodes:
        reach = game.discount ** len(h) * prod(game.probability(t, profile) for t, profile in enumerate((*h, m)))
        for i in range(game.buyers):
            gain = game.gains[i][len(h)][m[i]] if game.gains else 0
            objective |= {("p", i, (*h, m)): reach, ("x", i, (*h, m)): reach * (gain - game.cost[len(h)])}
    rows = []
    for t, i in product(range(game.periods), range(game.buyers)):
        for h, k in product(game.histories(t), game.types(i, t)):
            for constraint, j in product(ic, game.types(i, t)):
                forms = incentive_forms(game, constraint, i, h, k, j) if j != k else ()
                rows += [combine([(1, form), (1, {ONE: epsilon[i]})]) if epsilon else form for form in forms]
            for constraint in ir:
                rows += participation_forms(game, constraint, i, h, k)
    fixed = game.outside is not None or bool(epsilon)
    columns += [ONE] if fixed else []
    objective |= {ONE: Fraction(0)} if fixed else {}
    supply = [[("x", i, (*h, m)) for i in range(game.buyers)] for h, m in nodes]
    return RawProgram(columns, objective, rows, supply)


def solved(program: RawProgram) -> tuple[np.ndarray, np.ndarray]:
    """An optimal point and the multipliers of the rows and of supply, in floats, by `scipy.optimize.linprog`."""
    number = {column: position for position, column in enumerate(program.columns)}
    forms = [*({c: -a for c, a in row.items()} for row in program.rows), *(dict.fromkeys(s, 1) for s in program.supply)]
    entries = [(r, number[c], float(a)) for r, form in enumerate(forms) for c, a in form.items()]
    r, c, a = map(np.array, zip(*entries, strict=True))
    cost = np.array([-float(program.objective[column]) for column in program.columns])
    sizes = np.abs(cost[cost != 0])
    scale = max(sizes.min(), sizes.max() / 1e3)  # products of probabilities would drop under the dual tolerance
    result = linprog(
        cost / scale,
        csr_array((a, (r, c)), shape=(len(forms), len(number))),
        np.repeat([0.0, 1.0], [len(program.rows), len(program.supply)]),
        bounds=[BOUNDS[kind] for kind, _, _ in program.columns],
        method="highs-ds",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    assert result.status == 0, result.message
    return result.x, -result.ineqlin.marginals * scale


def raw_optimum(
    env: IndependentTypes, ic: Iterable[str], ir: Iterable[str], epsilon: tuple[Fraction, ...] = ()
) -> float:
    """Largest revenue net of costs under constraints named as on the command line."""
    program = raw_program(env, ic, ir, epsilon)
    return at(program.objective, dict(zip(program.columns, solved(program)[0].tolist(), strict=True)))


def at(form: Form, point: dict[Column, float]) -> float:
    return sum(float(a) * point[column] for column, a in form.items())


def point_of(program: RawProgram, mechanism: Mechanism) -> dict[Column, float]:
    """What a mechanism sells and charges, by column of the program."""
    arrays, point = {"x": mechanism.allocation, "p": mechanism.payment}, {}
    for kind, i, (*h, m) in (column for column in program.columns if column != ONE):
        point[kind, i, (*h, m)] = float(arrays[kind][len(h)][(i, mechanism.tree.node(tuple(h)), *m)])
    return point
