"""Rows and columns that are told from the model: the numbers, counted as the docstrings count them."""

import re
from dataclasses import replace
from fractions import Fraction
from math import prod

import pytest

import mechopt as mo
from mechopt.lp.build import plan
from mechopt.proof.check import check_certificate
from mechopt.proof.constraints import CertificateError
from mechopt.proof.independent import rebuild
from mechopt.proof.orbits import OrbitModel, orbit_entries
from mechopt.proof.persistent.model import rebuild_persistent
from mechopt.proof.size import independent_entries, persistent_entries, require_at_most, require_size
from mechopt.solve.exact.certify import certify
from tests.persistent_exact import random_interdependent
from tests.persistent_instances import battaglini, three_types
from tests.proof.test_rows import ONE, ORBITS, THREE, TWO, correlated_by_period, markov_by_period
from tests.proof.test_rows_beyond import DOMINATED
from tests.reporting_strategies import moves_that_end, never_high_first

REVENUE = Fraction(1), Fraction(0), Fraction(0)
# One buyer with 4, 2 and 3 types has 1, 4, 8 and 24 histories: 37 columns S and 13 rows of promises. Promise form: a
# slope a history, 36. Utility form: 36 columns x, and 2 x 36 rows of incentives, or 2 x 3 x 24 future by future.
# Payment form: 13 columns R, rows of incentives for each constraint and as many of participation.
# Two buyers with 2 x 3 and 3 x 1 types have 1, 6 and 18: 50 columns S, 14 rows; 48 columns x, 24 rows of supply, 96
# rows of incentives; 14 columns R. Three with 2 x 3 x 2 have 1 and 12: 39, 3; 36, 12, 72; 3.
INDEPENDENT = {
    "one-promise": (ONE, "promise", mo.DIC(), mo.EPIR(), 37 + 13 + 36),
    "one-utility": (ONE, "utility", mo.DIC(), mo.EPIR(), 37 + 13 + 36 + 72),
    "one-utility-super": (ONE, "utility", mo.SuperDIC(), mo.EPIR(), 37 + 13 + 36 + 144),
    "one-payment": (ONE, "payment", (mo.PPIC(), mo.INDU()), mo.PPIR(), 37 + 13 + 36 + 13 + 2 * 72 + 72),
    "one-payment-super": (ONE, "payment", mo.SuperDIC(), mo.PPIR(), 37 + 13 + 36 + 13 + 144 + 72),
    "two-utility": (TWO, "utility", mo.DIC(), mo.EPIR(), 50 + 14 + 48 + 24 + 96),
    "two-utility-super": (TWO, "utility", mo.SuperDIC(), mo.EPIR(), 50 + 14 + 48 + 24 + 2 * 2 * 18 * 2),
    "two-payment": (TWO, "payment", (mo.PPIC(), mo.INDU()), mo.PPIR(), 50 + 14 + 48 + 24 + 14 + 2 * 96 + 96),
    "three-utility": (THREE, "utility", mo.DIC(), mo.EPIR(), 39 + 3 + 36 + 12 + 72),
    "three-payment": (THREE, "payment", (mo.PPIC(), mo.INDU()), mo.PPIR(), 39 + 3 + 36 + 12 + 3 + 2 * 72 + 72),
}


@pytest.mark.parametrize("name", INDEPENDENT)
def test_types_independent_across_periods(name):
    env, form, ic, ir, predicted = INDEPENDENT[name]
    chosen = plan(env, ic, ir, form=form)
    model = rebuild(env, form, chosen.ic, chosen.ir, REVENUE)
    assert independent_entries(env, form, chosen.ic) == predicted >= model.columns + model.row_count


def test_payments_have_a_row_a_node():
    """Two buyers, 6 and 18 nodes, three constraints."""
    base = independent_entries(TWO, "payment", (mo.PPIC(),))
    asked, limits = (TWO, "payment", (mo.PPIC(),), (mo.PFIR(),)), (mo.NoSubsidy(), mo.PaymentCap(1), mo.Budget(1))
    require_size(*asked, base + 3 * 2 * (6 + 18), limits)
    with pytest.raises(CertificateError, match=f"about {base + 144:,} rows and columns"):
        require_size(*asked, base + 3 * 2 * (6 + 18) - 1, limits)


MANY = mo.IndependentTypes.iid(list(range(12)), ["1/12"] * 12, 2)
LOOSE = [(mo.DIC(),), (mo.PPIC(), mo.INDU()), (mo.DIC(), mo.ExPostIC(), mo.PPIC(), mo.INDU()), (mo.SuperDIC(),)]


@pytest.mark.parametrize("env", [ONE, TWO, THREE, MANY], ids=["one", "two", "three", "many"])
@pytest.mark.parametrize("ic", LOOSE, ids=["dic", "ppic+indu", "all", "super-dic"])
def test_misreports_that_may_gain_have_a_row_for_every_pair(env, ic):
    model = rebuild(env, "payment", ic, (mo.EPIR(),), REVENUE, (mo.EpsilonIC(1),))
    plain = independent_entries(env, "payment", ic)
    entries = independent_entries(env, "payment", ic, (mo.EpsilonIC(1),))
    assert entries >= model.columns + model.row_count
    if env is MANY:  # 12 and 144 nodes: S, x, R, promises, participation, one limit, and 11 reports a type
        assert entries == 157 + 156 + 13 + 13 + 312 + 156 + (2 * 144 if ic == (mo.SuperDIC(),) else 156 * len(ic)) * 11
        assert plain < model.columns + model.row_count
        with pytest.raises(CertificateError, match=f"about {entries:,} rows"):
            require_size(env, "payment", ic, (mo.EPIR(),), entries - 1, (mo.EpsilonIC(1),))


# One buyer with 1, 4, 8 and 24 histories, three with 1 and 12, with slots: supply by history, and by set of buyers.
SHARED = [(ONE, ["1/2"], 37 + 13 + 36 + 36 + 72), (THREE, [1, "1/2", "1/3"], 39 + 3 + 36 + 7 * 12 + 72)]


@pytest.mark.parametrize(("env", "slots", "entries"), SHARED)
def test_slots_are_shared_out_among_every_set_of_buyers(env, slots, entries):
    assert independent_entries(replace(env, slots=slots), "utility", (mo.DIC(),)) == entries


@pytest.mark.parametrize("ir", [(mo.EPIR(),), (mo.Interim(),), (mo.ExAnteIR(),)], ids=["epir", "interim", "ex-ante"])
@pytest.mark.parametrize("env", [*ORBITS, ONE], ids=range(5))
def test_identical_buyers_are_counted_to_the_row(env, ir):
    model = OrbitModel(env, (mo.DIC(),), ir, REVENUE)
    rows = list(model.rows())
    assert orbit_entries(env, ir) == model.columns + model.row_count == len(model.cost) + len(rows)


ENVIRONMENTS = {
    "battaglini": battaglini(3),
    "three-types": three_types(),
    "correlated": random_interdependent(1, (2, 3)),
    "moves-that-end": moves_that_end(0),
    "never-high-first": never_high_first(0),
}
PERSISTENT = [  # incentives, participation, constraints on payments
    ((), (mo.EPIR(),), 0),
    ((), (mo.PeriodicIR(),), 0),
    ((mo.BayesianIC(),), (mo.EPIR(),), 2),
    ((mo.BayesianIC("actions"),), (mo.EPIR(),), 0),
    ((mo.BayesianIC("own"),), (mo.EPIR(),), 0),
    ((mo.PeriodicExPostIC(),), (mo.EPIR(),), 0),
    ((mo.PeriodicExPostIC(rereport=True),), (mo.PeriodicExPostIR(),), 0),
]
# Three types of one agent in two periods, two actions: 3 and 9 nodes with two weights, a flow, a payment and two rows
# of participation each, 1 and 3 slots with one realised utility and its rows by action, 2 x 3 x 3 transitions:
# 3 x 6 + 3 + 18 + 9 x 6 + 9 = 102. Values: 1 and 3 slots with 3 types and 3 reports each, 12 + 36. Two constraints on
# payments: 4 rows or sums a node by action, 36 + 108. If actions are seen there are 18 nodes after 6 slots, and values
# by cell and past: 12, then 6 x 3 x 12. The others are counted in the same way.
PREDICTED = {
    "battaglini": [121, 163, 331, 769, 559, 163, 163],
    "three-types": [102, 102 + 48, 150 + 144, 21 + 18 + 12 + 18 * 6 + 6 * 3 + 216, 330, 150, 150],
    "correlated": [492, 798, 1806, 1134, 774, 786, 786],
    "moves-that-end": [284, 392, 920, 392, 518, 500, 626],
    "never-high-first": [140, 176, 416, 332, 248, 212, 362],
}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_persistent_types(name):
    env = ENVIRONMENTS[name]
    assert [persistent_entries(env, *asked) for asked in PERSISTENT] == PREDICTED[name]
    assert persistent_entries(env, *PERSISTENT[0][:2]) == PREDICTED[name][0]
    if env.exact is not None:
        for ic, ir, payments in PERSISTENT:
            subject_to = (mo.WeakBudgetBalance(), mo.ExAnteBudgetBalance())[:payments]
            model = rebuild_persistent(env, "sequence", ic, ir, REVENUE, subject_to)
            assert persistent_entries(env, ic, ir, payments) >= model.columns + model.row_count


def counted(env, ic, ir, payments):
    """The same with histories counted one by one."""
    model = rebuild_persistent(env, "sequence", ic, ir, REVENUE)
    tree, process, agents = model.tree, model.process, env.agents
    asked = model.bases
    total = 0
    for t, row in enumerate(env.shape):
        nodes, slots, actions = len(tree.slot[t]), len(tree.parent[t]), env.action_counts[t]
        total += nodes * (actions + 1 + 3 * agents) + slots * agents * (1 + actions)
        total += (payments + 2) * nodes * agents * (1 + actions) if payments else 0
        profiles = len(process.profiles[t])
        for i, count in enumerate(row):
            before = env.shape[t - 1][i] if t and not process.independent else 1
            total += slots * count * (count + 1) * before if "interim" in asked else 0
            total += slots * profiles * (count + 1) if "ex post" in asked else 0
            if model.sees:
                cells = [env.shape[s][i] * env.action_counts[s] for s in range(t)]
                pasts = [env.shape[s][i] for s in range(t)]
                total += prod(cells) * prod(pasts) * count * (count + 1)
        if t + 1 < len(env.shape):
            total += actions * profiles * len(process.profiles[t + 1])
    return total


BY_PERIOD = {
    "correlated": correlated_by_period(False),
    "correlated-controlled": correlated_by_period(True),
    "markov": markov_by_period(),
    "markov-that-moves-late": never_high_first(0),
    "battaglini": battaglini(3),
}


@pytest.mark.parametrize("name", BY_PERIOD)
def test_histories_are_counted_as_they_are_where_periods_differ(name):
    env = BY_PERIOD[name]
    if env.exact is None:
        pytest.skip("no exact numbers")
    for ic, ir, payments in PERSISTENT:
        assert persistent_entries(env, ic, ir, payments) == counted(env, ic, ir, payments), (ic, ir)


@pytest.mark.parametrize("name", BY_PERIOD)
def test_dominance_has_a_row_for_every_way_on(name):
    """Each with two paths of weights and payments: by node, other report, and profiles of the periods after."""
    env, ir = BY_PERIOD[name], (mo.Interim(),)
    model, last, expected = rebuild_persistent(env, "sequence", (), ir, REVENUE), len(env.shape) - 1, []
    for t, row in enumerate(env.shape):
        nodes, ways = len(model.tree.slot[t]), 1
        for later in env.shape[t + 1 :]:
            ways *= prod(later)
        others = sum(count - 1 for count in row)
        expected.append(nodes * others * ways * 2 * (last - t + 1) * (1 + max(env.action_counts)))
    base = persistent_entries(env, (), ir)
    assert persistent_entries(env, (mo.DominantIC(),), ir) - base == sum(expected)
    assert persistent_entries(env, (mo.DominantIC(later=True),), ir) - base == sum(expected[1:])


@pytest.mark.parametrize("name", DOMINATED)
def test_rows_of_dominance_are_not_more_than_counted(name):
    for ic in (mo.DominantIC(), mo.DominantIC(later=True)):
        model = rebuild_persistent(DOMINATED[name], "sequence", (ic,), (mo.EPIR(),), REVENUE)
        assert persistent_entries(DOMINATED[name], (ic,), (mo.EPIR(),)) >= model.columns + model.row_count


def test_what_is_said_of_sizes():
    require_at_most(10, 10)
    said = ((11, "about 11 rows"), (10**15 - 1, "about 999,999,999,999,999 rows"), (10**15, r"more than 10\^14 rows"))
    for entries, words in said:
        with pytest.raises(CertificateError, match=words):
            require_at_most(entries, 10)


@pytest.mark.parametrize("power", range(50, 1000, 7))
def test_a_large_size_is_at_least_what_is_said(power):
    """2^59 is not more than 10^18; and what is said is not far below."""
    for entries in (2**power, 2**power + 1, 2 ** (power + 1) - 1):
        with pytest.raises(CertificateError) as found:
            require_at_most(entries, 10)
        said = int(re.search(r"more than 10\^(\d+) rows", str(found.value))[1])
        assert 10**said < entries < 10 ** (said + 3)


ABSORBED = [["1/2", "1/2", 0], ["1/2", "1/2", 0], [0, 0, 1]]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kernel", [[["1/3"] * 3] * 3, ABSORBED], ids=["all-move", "some-never-come"])
def test_sizes_beyond_floats_are_refused_like_others(kernel):
    """2^3000 histories and more: products with chances of zero are not numbers, and were a traceback."""
    env = mo.MarkovTypes([[[0, 0, 0], [1, 2, 3]]], [kernel], [["1/2", "1/2", 0]], horizon=3000)
    for ic in (mo.BayesianIC(), mo.BayesianIC("own"), mo.PeriodicExPostIC(rereport=True)):
        assert persistent_entries(env, (ic,), (mo.EPIR(),)) == int(1e300)
    small = replace(certify(battaglini(1)), fingerprint=env.fingerprint)
    with pytest.raises(CertificateError, match=r"size: the program has more than 10\^29\d rows"):
        check_certificate(env, small)


def test_every_report_where_there_is_one_action():
    """3 and then 9 nodes, or 2 and 4 of those that can be: whatever was reported, all may be next."""
    distribution = [[[1, 0, 0], [0, 1, 0], ["1/2", "1/2", 0]]]
    env = mo.MarkovTypes([[[1, 2, 3]]], [distribution], [["1/2", "1/2", 0]], horizon=2)
    entries = {}
    for ic in (mo.PeriodicExPostIC(), mo.PeriodicExPostIC(rereport=True)):
        model = rebuild_persistent(env, "sequence", (ic,), (mo.Interim(),), REVENUE)
        entries[ic] = persistent_entries(env, (ic,), (mo.Interim(),))
        assert entries[ic] >= model.columns + model.row_count
    nodes, slots = (3 + 9) - (2 + 2), (1 + 3) - (1 + 2)
    more = nodes * (1 + 1 + 3) + slots * (2 + 3 * 4)
    assert entries[mo.PeriodicExPostIC(rereport=True)] - entries[mo.PeriodicExPostIC()] == more


def test_one_agent_is_moved_by_actions_and_another_is_not():
    """4 profiles; after the first action 2 pairs of types of one by 4 of the other, after the second 4 by 4."""
    distributions = [[[[1, 0], [0, 1]], [["1/2", "1/2"], ["1/4", "3/4"]]], [["1/2", "1/2"], ["1/4", "3/4"]]]
    env = mo.MarkovTypes([[[0, 0], [1, 2]], [[0, 0], [0, 3]]], distributions, [["1/2", "1/2"]] * 2, horizon=2)
    predicted = (4 + 24) * (2 + 1 + 3 * 2) + (1 + 4 * 2) * 2 * (1 + 2) + 2 * 4 * 4
    assert persistent_entries(env, (), (mo.EPIR(),)) == predicted
    assert len(rebuild_persistent(env, "sequence", (), (mo.EPIR(),), REVENUE).tree.slot[1]) == 24
