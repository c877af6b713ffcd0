"""What a check in fractions would take is told before it begins, in products that are counted by hand here."""

from fractions import Fraction

import numpy as np
import pytest

import mechopt as mo
from mechopt.closedform.contingent.transfers import contingent_transfers
from mechopt.core.errors import LimitError
from mechopt.environment.process import joint_process
from mechopt.histories.public import PublicTree
from mechopt.verification import exact
from tests.closedform.contingent.test_stacked import late, steered
from tests.closedform.markov_instances import random_environment
from tests.interdependent_instances import random_environment as interdependent_environment
from tests.verification import cases


def direct():
    """Histories after each period: 2 x 3 and 12."""
    env = mo.IndependentTypes(
        [[[1, 2], [3]], [[0, 4, 5], [1, 2]]], [[["1/2", "1/2"], [1]], [["1/3", "1/3", "1/3"], ["1/4", "3/4"]]]
    )
    tree = mo.formats.HistoryTree(env)
    nothing = [np.zeros((2, *tree.children(t))) for t in range(2)]
    return mo.Mechanism(env, nothing, nothing)


def pivot():
    """Two and six profiles of types, three actions, of which the first period's are recorded: 2 and 2 x 3 x 6 nodes."""
    return mo.dynamic_pivot(random_environment(((2, 1), (3, 2)), 3, 2, 0.9)).to_mechanism()


def for_ever():
    return mo.dynamic_pivot(random_environment((2, 3), 3, "infinite", 0.9)).to_mechanism()


def one_buyer():
    """1, 2 and 6 histories."""
    env = mo.IndependentTypes([[[1, 2], [3, 4, 5]]], [[["1/2", "1/2"], ["1/3", "1/3", "1/3"]]])
    nothing = [np.zeros((1, *mo.formats.HistoryTree(env).children(t))) for t in range(2)]
    return mo.Mechanism(env, nothing, nothing)


def one_agent():
    """2, 3 and 2 types, two actions that move nothing: 2, 6 and 12 nodes."""
    kernel = [[[0.5, 0.25, 0.25]] * 2, [[0.5, 0.5]] * 3]
    env = mo.MarkovTypes([[np.ones((2, k)) for k in (2, 3, 2)]], [kernel], [[0.5, 0.5]], horizon=3)
    tree = PublicTree(joint_process(env), "any")
    policy = [np.zeros(count, int) for count in tree.count]
    return mo.SequenceMechanism.of_policy(tree, policy, [np.zeros((1, count)) for count in tree.count])


def unequal():
    return contingent_transfers(interdependent_environment(1, sizes=(3, 2), actions=2, horizon=2), "any", "constant")


STACKED = "liu-2025/two-periods-stacked"
PRODUCTS = {
    # nodes x most types of a buyer, twice, for each of two buyers
    "direct": (direct, mo.DIC(), 2 * 2 * (6 * 3 + 12 * 2)),
    # the same with the two leaves after each node of the first period
    "direct-future-by-future": (direct, mo.SuperDIC(), 2 * 2 * (6 * 3 * 2 + 12 * 2)),
    "one-buyer": (one_buyer, mo.DIC(), 2 * (2 * 2 + 6 * 3)),
    "one-buyer-payments": (one_buyer, mo.NoMoney(), 2 * (2 + 6)),
    "payments": (direct, mo.NoMoney(), 2 * 2 * (6 + 12)),
    # nodes x most types x (actions + most types before), twice for each agent
    "sequence": (lambda: pivot().to_sequence(), mo.EPIR(), 2 * 2 * (2 * 2 * (3 + 2) + 36 * 3 * (3 + 2))),
    "one-agent": (one_agent, mo.EPIR(), 2 * (2 * 2 * (2 + 2) + 6 * 3 * (2 + 2) + 12 * 2 * (2 + 3))),
    "one-agent-hidden": (one_agent, mo.BayesianIC("own"), 2 * 2 + 4 * 3 * 3 + 36 * 2 * 2),
    # histories of profiles x reports x recorded actions, for each agent
    "hidden": (lambda: pivot().to_sequence(), mo.BayesianIC("own"), 2 * (2 * 2 * 3 + 12 * 6 * 3)),
    "sequence-payments": (lambda: pivot().to_sequence(), mo.NoMoney(), 2 * 2 * (2 + 36)),
    # profiles x most types x profiles, for each agent; and an elimination where the horizon is infinite
    "stationary": (pivot, mo.PPIR(), 2 * (2 * 3 * 2 + 6 * 3 * 6)),
    "stationary-for-ever": (for_ever, mo.PPIR(), 2 * (6 * 3 * 6 + 6**3)),
    "contingent": (unequal, None, 2 * 2 * 6 * 3 * 6),
    "contingent-for-ever": (lambda: cases.contingent(1), None, 2 * (4 * 2 * 4 + 4**3)),
    # 1, 9 and 81 histories; promise by promise, 2 x 2 of them are outstanding
    "stacked": (lambda: contingent_transfers(late(), "stacked", "constant"), None, 2 * 9 * 3 * 9 * (1 + 9 + 81)),
    "corrected": (lambda: contingent_transfers(steered(), "stacked", "constant"), None, 2 * 9 * 3 * 9 * (1 + 9 + 81)),
    "stacked-for-ever": (
        lambda: contingent_transfers(mo.load(STACKED), "stacked"),
        None,
        2 * (9 * 3 * 9 * 2 * 2 + 9**3),
    ),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_products_are_counted_before_they_are_taken(name, monkeypatch):
    make, constraint, products = PRODUCTS[name]
    mechanism = make()
    monkeypatch.setattr(exact, "MAX_TERMS", products - 1)
    with pytest.raises(LimitError, match=rf"in fractions takes {products:,} products, above {products - 1:,}"):
        mo.verify(mechanism, constraint, exact=True)
    monkeypatch.setattr(exact, "MAX_TERMS", products)
    assert mo.verify(mechanism, constraint, exact=True) is not None


def test_rows_of_a_bank_table_are_counted(monkeypatch):
    """1, 5 and 2 rows, three types and three reports."""
    table = cases.bank_table(0)
    assert [len(period.balances) for period in table.periods] == [1, 5, 2]
    monkeypatch.setattr(exact, "MAX_TERMS", 71)
    with pytest.raises(LimitError, match="takes 72 products, above 71"):
        mo.mechanisms.verify_bank_table(table, exact=True)
    monkeypatch.setattr(exact, "MAX_TERMS", 72)
    assert mo.mechanisms.verify_bank_table(table, exact=True).holds


def test_a_float_is_the_number_that_it_is():
    assert exact.fractions(np.array([[0.1, 0.5]])) == [Fraction(0.1), Fraction(1, 2)]
    assert exact.fractions(np.array([Fraction(1, 3)], dtype=object)) == [Fraction(1, 3)]
