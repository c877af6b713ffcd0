"""Several units or slots a period: against raw programs with an assignment of their own, theorems, dummies, proofs."""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations, product

import numpy as np
import pytest
from scipy.optimize import linprog

import mechopt as mo
from mechopt.core.errors import InputError
from mechopt.environment.supply import limits, sets_of
from mechopt.mechanisms import myerson, second_price
from tests.papers.raw_program import raw_program
from tests.solve.payments.raw_independent import payment_forms

SLOTS = {"units": [1, 1], "slots": [1, "1/2"], "half": ["1/2"], "three": ["3/4", "3/4", "1/4"], "mixed": [1, 1, "1/3"]}


def random_market(seed, slots, horizon=1, buyers=None):
    rng = np.random.default_rng(seed)
    n = buyers or 1 + seed % 3
    sizes = rng.integers(1, 3 if horizon > 1 or n == 3 else 4, (n, horizon))
    values = [[sorted(rng.choice(6, k, replace=False).tolist()) for k in row] for row in sizes]
    distributions = []
    for row in sizes:
        weights = [rng.integers(0, 4, k) + (np.arange(k) == 0) for k in row]
        distributions.append([[f"{w}/{part.sum()}" for w in part] for part in weights])
    cost = [f"{c}/2" for c in rng.integers(0, 3, horizon)]
    return mo.IndependentTypes(values, distributions, cost=cost, discount=["1", "4/5"][seed % 2], slots=slots)


def raw_value(env, ic, ir, weights, names=(), deterministic=False):
    """The raw program with columns z for who has which slot: doubly substochastic at every history."""
    program = raw_program(env, ic, ir)
    columns = list(program.columns)
    nodes = dict.fromkeys(column[2] for column in columns if column[0] == "x")
    z = [("z", i, s, node) for node in nodes for i in range(env.agents) for s in range(len(weights))]
    number = {column: k for k, column in enumerate([*columns, *z])}
    upper = [({c: -float(a) for c, a in row.items()}, 0.0) for row in program.rows]
    for name in names:
        upper += [({c: -float(a) for c, a in form.items()}, float(side)) for form, side in payment_forms(env, name)]
    equal = []
    for node in nodes:
        for i in range(env.agents):
            upper.append(({("z", i, s, node): 1.0 for s in range(len(weights))}, 1.0))
            form = {("z", i, s, node): -float(Fraction(c)) for s, c in enumerate(weights)}
            equal.append((form | {("x", i, node): 1.0}, 0.0))
        for s in range(len(weights)):
            upper.append(({("z", i, s, node): 1.0 for i in range(env.agents)}, 1.0))

    def dense(rows):
        matrix = np.zeros((len(rows), len(number)))
        for r, (form, _) in enumerate(rows):
            for column, a in form.items():
                matrix[r, number[column]] = a
        return matrix, [side for _, side in rows]

    (most, right), (left, side) = dense(upper), dense(equal)
    cost = np.array([-float(program.objective.get(column, 0)) for column in number])

    def solved(fixed):
        bounds = [fixed.get(c, (None, None) if c[0] == "p" else (0, None)) for c in number]
        found = linprog(cost, most, right, left, side, bounds, method="highs")
        return None if found.status == 2 else -found.fun

    if not deterministic:
        return solved({})
    best = []
    for chosen in product(list(assignments(env.agents, len(weights))), repeat=len(nodes)):
        taken = {("z", i, s, node) for node, pairs in zip(nodes, chosen, strict=True) for i, s in pairs}
        best.append(solved({column: (int(column in taken),) * 2 for column in z}))
    return max(value for value in best if value is not None)


def assignments(buyers, slots):
    """Every way to give different slots to different buyers."""
    places = [*range(slots), *[None] * buyers]
    for given in set(permutations(places, buyers)):
        yield tuple((i, s) for i, s in enumerate(given) if s is not None)


ASKED = [("dic", "epir"), ("ex-post", "per-period"), ("ppic+indu", "prefix"), ("dic", "interim"), ("super-dic", "epir")]


@pytest.mark.parametrize("kind", SLOTS)
@pytest.mark.parametrize("seed", range(5))
def test_against_the_raw_program(seed, kind):
    env = random_market(seed, SLOTS[kind], horizon=1 + seed % 2, buyers=2 if seed % 2 else None)
    ic, ir = ASKED[(seed + list(SLOTS).index(kind)) % len(ASKED)]
    expected = raw_value(env, ic.split("+"), ir.split("+"), SLOTS[kind])
    best = mo.optimum(env, ic, ir)
    assert best.value == pytest.approx(expected, abs=1e-8)
    assert mo.verify(best.mechanism).holds
    if env.slots is not None:
        assert best.method in ("simplex", "ipx")


@pytest.mark.parametrize("kind", ["units", "slots", "three"])
def test_constraints_on_payments_combine(kind):
    env = random_market(4, SLOTS[kind], buyers=3)
    for name in ("no-subsidy+payment-cap:1", "budget:1/2", "weak-budget-balance"):
        expected = raw_value(env, ["dic"], ["interim"], SLOTS[kind], name.split("+"))
        assert mo.optimum(env, "dic", "interim", subject_to=name).value == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("kind", SLOTS)
def test_the_optimum_is_proved(kind):
    env = random_market(1, SLOTS[kind], horizon=2, buyers=2)
    best = mo.optimum(env, exact=True)
    assert best.exact is not None and float(best.exact) == pytest.approx(best.value, abs=1e-9)
    assert mo.formats.check_certificate(env, best.certificate) == best.exact
    assert mo.verify(best.mechanism, exact=True).holds
    other = mo.IndependentTypes(env.exact.values, env.exact.probabilities, env.exact.cost, env.exact.discount)
    if env.slots is not None:
        with pytest.raises(mo.errors.CertificateError):
            mo.formats.check_certificate(other, best.certificate)


def test_three_buyers_with_a_proof_of_all_sets():
    env = random_market(2, ["1", "2/3", "1/3"], buyers=3)
    assert {size: len(sets_of(size, 3)) for size in limits([Fraction(1), Fraction(2, 3), Fraction(1, 3)], 3)} == {
        1: 3,
        2: 3,
        3: 1,
    }
    best = mo.optimum(env, exact=True)
    assert mo.formats.check_certificate(env, best.certificate) == best.exact


@pytest.mark.parametrize("seed", range(4))
def test_slots_without_lotteries_against_every_assignment(seed):
    chances = [f"{1 + seed}/6", f"{5 - seed}/6"]
    rows = [[[1, 3]], [[2]], [[1, 4]]][: 1 + seed % 3]
    env = mo.IndependentTypes(rows, [[chances if len(row[0]) == 2 else [1]] for row in rows], slots=[1, "1/2"])
    if env.agents == 3:
        env = mo.IndependentTypes([[[2]], [[3]], [[1, 4]]], [[[1]], [[1]], [chances]], slots=[1, "1/2"])
    expected = raw_value(env, ["dic"], ["epir"], [1, "1/2"], deterministic=True)
    best = mo.optimum(env, deterministic=True)
    assert best.value == pytest.approx(expected, abs=1e-8)
    for exact in (False, True):
        assert mo.verify(best.mechanism, exact=exact).holds


def test_a_lesser_slot_is_given_on_purpose():
    env = mo.IndependentTypes.iid(["5/2", 10], ["1/2", "1/2"], horizon=1, slots=["3/4", "1/4"])
    assert [row.tolist() for row in env.slots] == [[0.75, 0.25]]
    best = mo.optimum(env, deterministic=True, objective="revenue+0.5*utility", subject_to="budget:5")
    levels = (
        0,
        0.25,
        0.75,
    )  # of the lower and the higher type; each pays at most 5, and no more than keeps her truthful
    program = []
    for low, high in product(levels, repeat=2):
        if low <= high:
            p_low = min(5, 2.5 * low)
            p_high = min(5, p_low + 10 * (high - low))
            if p_high - p_low >= 2.5 * (high - low):
                program.append((p_low + p_high) / 2 + (2.5 * low - p_low + 10 * high - p_high) / 4)
    assert best.value == pytest.approx(max(program), abs=1e-9)
    assert mo.verify(best.mechanism, "deterministic").holds


SPARE = {"two": ["3/4", "1/4"], "three": [1, "1/2", "1/4"], "double": [1, 1, "1/2"]}


@pytest.mark.parametrize("kind", SPARE)
@pytest.mark.parametrize("seed", range(3))
def test_more_slots_than_buyers_without_lotteries_against_every_assignment(seed, kind):
    buyers, distributions = 1 + seed % 2, [[["1/3", "2/3"]], [[1]]]
    env = mo.IndependentTypes([[[1, 3 + seed]], [[2]]][:buyers], distributions[:buyers], slots=SPARE[kind], cost="1/2")
    for ir, names in ("epir", ()), ("interim", ("payment-cap:3/4",)), ("epir", ("no-money",)):
        expected = raw_value(env, ["dic"], [ir], SPARE[kind], names, deterministic=True)
        best = mo.optimum(env, ir=ir, subject_to="+".join(names) or None, deterministic=True)
        assert best.value == pytest.approx(expected, abs=1e-8)
        assert mo.verify(best.mechanism).holds and mo.verify(best.mechanism, "deterministic", exact=True).holds
        assert best.value <= mo.optimum(env, ir=ir, subject_to="+".join(names) or None).value + 1e-9
    assert mo.loads(env.to_toml()) == env


def test_of_each_weight_no_more_slots_are_kept_than_there_are_buyers():
    env = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], 1, agents=2, slots=[1, 1, 1, "1/2", "1/2", "1/2", "1/4"])
    assert [row.tolist() for row in env.slots] == [[1, 1, 0.5, 0.5, 0.25]]
    assert mo.optimum(env).value == pytest.approx(
        mo.optimum(mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], 1, agents=2, supply=2)).value
    )


def test_what_is_no_assignment_is_found():
    env = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], 1, agents=3, slots=[1, "1/2"])
    shared = np.full((3, 1, 2, 2, 2), 0.5)
    mechanism = mo.Mechanism(env, [shared], [shared * 0])
    for exact in (False, True):
        check = mo.verify(mechanism, "deterministic", exact)["deterministic"]
        assert check.status == "violated" and check.gain == pytest.approx(0.5)
        assert check.counterexample.replay(mechanism) == pytest.approx(0.5)


@pytest.mark.parametrize("kind", SLOTS)
@pytest.mark.parametrize("seed", range(4))
def test_myerson_is_the_static_optimum(seed, kind):
    """The largest slots to the highest ironed virtual values that are at least the cost."""
    env = random_market(seed, SLOTS[kind])
    buyers = [
        (row[0], distribution[0]) for row, distribution in zip(env.exact.values, env.exact.probabilities, strict=True)
    ]
    auction = myerson(buyers, env.exact.cost[0], SLOTS[kind])
    best = mo.optimum(env, "dic", "interim")
    assert auction.revenue == pytest.approx(best.value, abs=1e-9)
    assert mo.repeated_myerson(env).revenue == pytest.approx(best.value, abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_repeated_myerson_is_best_under_super_dic(seed):
    env = random_market(seed, ["1", "1/2"], horizon=2, buyers=2)
    auction = mo.repeated_myerson(env)
    assert auction.revenue == pytest.approx(mo.optimum(env, "super-dic", "epir").value, abs=1e-8)
    assert mo.verify(auction.to_mechanism(), auction.claims).holds


@pytest.mark.parametrize("kind", SLOTS)
@pytest.mark.parametrize("seed", range(4))
def test_second_price_is_efficient_and_pays_for_what_it_takes_from_others(seed, kind):
    env = random_market(seed, SLOTS[kind])
    cost, weights = float(env.cost[0]), [float(Fraction(c)) for c in SLOTS[kind]]
    auction = mo.repeated_second_price(env)
    assert auction.welfare == pytest.approx(env.first_best, abs=1e-9)
    mechanism = auction.to_mechanism()
    assert mo.verify(mechanism, auction.claims).holds

    def best(values):
        gains = sorted((v - cost for v in values if v > cost), reverse=True)
        return sum(c * g for c, g in zip(weights, gains, strict=False))

    for profile in product(*(range(k) for k in env.shape[0])):
        values = [float(row[0][k]) for row, k in zip(env.values, profile, strict=True)]
        for i, value in enumerate(values):
            sold = float(mechanism.allocation[0][(i, 0, *profile)])
            utility = value * sold - float(mechanism.payment[0][(i, 0, *profile)])
            rest = [v for j, v in enumerate(values) if j != i]
            assert utility == pytest.approx(best(values) - best(rest), abs=1e-9)  # Vickrey, Clarke and Groves


def test_of_k_units_the_next_value_is_the_price():
    auction = second_price([([1, 2, 3, 4], ["1/4"] * 4)] * 3, slots=[1, 1])
    assert auction.payment[:, 3, 1, 2].tolist() == [2, 0, 2]
    assert auction.allocation[:, 0, 0, 0].tolist() == pytest.approx([2 / 3] * 3)
    reserve = second_price([([1, 2, 3, 4], ["1/4"] * 4)] * 3, reserve=2.5, slots=[1, 1])
    assert reserve.payment[:, 3, 1, 2].tolist() == [2.5, 0, 2.5]


def test_one_item_and_enough_for_all_change_nothing():
    rows = [[[1, 3]], [[2, 5]]], [[["1/2", "1/2"]], [["1/3", "2/3"]]]
    one = mo.IndependentTypes(*rows)
    for same in (mo.IndependentTypes(*rows, supply=1), mo.IndependentTypes(*rows, slots=[1])):
        assert same == one and same.fingerprint == one.fingerprint and same.slots is None
    many = mo.IndependentTypes(*rows, supply=7)
    assert many == mo.IndependentTypes(*rows, supply=2)
    alone = [mo.optimum(mo.IndependentTypes([v], [p])).value for v, p in zip(*rows, strict=True)]
    assert mo.optimum(many).value == pytest.approx(sum(alone))
    single = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], 3, supply=4)
    assert single == mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], 3)


def test_supply_by_period():
    rows = [[1, 3], ["1/2", "1/2"]]
    env = mo.IndependentTypes.iid(*rows, 2, agents=2, supply=[1, 2])
    one, two = (mo.IndependentTypes.iid(*rows, 1, agents=2, supply=k) for k in (1, 2))
    assert env.first_best == pytest.approx(one.first_best + two.first_best)
    assert mo.repeated_myerson(env).revenue == pytest.approx(sum(mo.repeated_myerson(e).revenue for e in (one, two)))


FILE = """kind = "independent"
horizon = 2
{}
[[buyers]]
values = [1, 3]
probabilities = ["1/2", "1/2"]
count = 3
"""


@pytest.mark.parametrize(
    "line", ["supply = 2", "supply = [1, 2]", 'slots = [1, "1/2", "1/4"]', "slots = [[1], [1, 1]]"]
)
def test_files_and_back(line):
    env = mo.loads(FILE.format(line))
    assert env.slots is not None
    assert mo.loads(env.to_toml()) == env


WRONG = {
    "fraction": ("supply = 1.5", "supply: is ", "whole number"),
    "none": ("supply = 0", "supply: is 0", "at least one unit"),
    "length": ("supply = [1, 2, 3]", "supply: has 3 entries for 2 periods", "one a period"),
    "text": ('supply = "many"', "supply: is 'many'", "whole number"),
    "both": ("supply = 2\nslots = [1]", "slots: stands beside supply", "one or the other"),
    "rising": ('slots = ["1/2", 1]', "slots[1]: 1 is above 0.5", "largest to the smallest"),
    "large": ("slots = [2]", "slots[0]: is 2", "at most 1"),
    "empty": ("slots = []", "slots: is empty", "at least one weight"),
    "lists": ("slots = [[1], [1], [1]]", "slots: has 3 lists for 2 periods", "one a period"),
    "number": ('slots = [1, "a half"]', "slots[1]", "finite number"),
}


@pytest.mark.parametrize(("line", "what", "fix"), WRONG.values(), ids=WRONG)
def test_bad_input(line, what, fix):
    with pytest.raises(InputError) as caught:
        mo.loads(FILE.format(line))
    assert what in str(caught.value) and fix in str(caught.value)


def test_what_is_for_one_item_says_so():
    env = mo.IndependentTypes.iid([1, 3], ["1/2", "1/2"], 2, agents=2, supply=2)
    for mechanism in (mo.non_clairvoyant_balance, mo.two_period, mo.asymptotic):
        with pytest.raises(InputError, match=f"{mechanism.__name__}: its theorem is for one item a period"):
            mechanism(env)
    alone = mo.IndependentTypes.iid([1, 3], ["1/2", "1/2"], 2, slots=["1/2"])
    with pytest.raises(InputError, match="one whole item"):
        mo.mechanisms.promised_optimum(alone)
    with pytest.raises(InputError, match="one item a period"):
        mo.mechanisms.dual_optimum(env)
    for method in ("promised", "orbits", "dual"):
        with pytest.raises(InputError, match="use another method"):
            mo.optimum(env if method != "promised" else alone, method=method)
    with pytest.raises(InputError, match="above what there is to sell"):
        mo.Mechanism(
            env, [np.ones((2, 1, 2, 2)), np.full((2, 4, 2, 2), 1.5)], [np.zeros((2, 1, 2, 2)), np.zeros((2, 4, 2, 2))]
        )
    with pytest.raises(InputError, match="to_efg"):
        mo.formats.to_efg(mo.repeated_myerson(env), "never.efg")


def test_compare_and_explain():
    env = mo.loads(FILE.format("supply = 2"))
    table = mo.compare(env)
    assert set(table.to_frame().index) >= {"repeated-myerson", "repeated-second-price", "clairvoyant-optimum"}
    assert "one item a period" in table.skipped["non-clairvoyant-balance"]
    frame = table.to_frame()
    assert frame.loc["repeated-myerson", "dic"] and frame.loc["repeated-myerson", "ratio"] <= 1 + 1e-9
    text = str(mo.explain(mo.optimum(mo.IndependentTypes.iid([1, 3], ["1/2", "1/2"], 1, agents=2, supply=2))))
    assert "sell to 0, sell to 1" in text


def test_a_second_unit_has_a_price():
    """Values 1 and 3 at 1/2, two buyers: a unit more for both is worth what the second buyer pays."""
    env = mo.IndependentTypes.iid([1, 3], ["1/2", "1/2"], 1, agents=3, supply=2)
    duals = mo.optimum(env, method="simplex").duals
    more = mo.IndependentTypes.iid([1, 3], ["1/2", "1/2"], 1, agents=3, supply=3)
    total = sum(price.price for price in duals.prices if price.constraint == "supply")
    gain = mo.optimum(more).value - mo.optimum(env).value
    assert total >= gain - 1e-9 and total == pytest.approx(3 * 1 / 8)  # a third 3 is turned away with chance 1/8
