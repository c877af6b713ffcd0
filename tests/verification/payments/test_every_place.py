"""Every gain of a constraint on payments at every place: floats, fractions and the replay from the definition agree."""

from functools import partial
from itertools import islice

import numpy as np
import pytest

import mechopt as mo
from mechopt.verification.payments import check as payments
from mechopt.verification.payments import exact as exact_payments
from tests.reporting_strategies import random_mechanism
from tests.verification.test_agreement import SHAPES, direct
from tests.verification.test_every_place import EVERY

CONSTRAINTS = [
    mo.NoMoney(),
    mo.NoSubsidy(),
    mo.PaymentCap("3/2"),
    mo.Budget("7/3"),
    mo.PrefixBudget("7/3"),
    mo.WeakBudgetBalance(),
    mo.StrongBudgetBalance(),
    mo.ExAnteBudgetBalance(),
]
MECHANISMS = {name: (direct, name) for name in SHAPES}
MECHANISMS |= {name: (random_mechanism, family) for name, family in EVERY.items()}
MECHANISMS |= {f"{name}-limit": (partial(random_mechanism, sparse=True), family) for name, family in EVERY.items()}


@pytest.mark.parametrize("name", MECHANISMS)
def test_payments_at_every_node(name):
    make, what = MECHANISMS[name]
    mechanism, agents = make(what, 8), make(what, 8).environment.agents
    is_direct = isinstance(mechanism, mo.Mechanism)
    money = payments.direct_money(mechanism) if is_direct else payments.sequence_money(mechanism)
    books = exact_payments._direct(mechanism) if is_direct else exact_payments._sequence(mechanism)
    for c in CONSTRAINTS:
        quick = {}
        for i, t, gain, size in payments._gains(c, money, agents):
            branches = gain.shape[-1] if gain.ndim == 2 else 1
            for flat, one in enumerate(gain.ravel().tolist()):
                node, branch = divmod(flat, branches)
                quick[i, t, node, branch if branches > 1 and not is_direct else -1] = one
            assert (size.ravel() >= np.abs(gain.ravel()) - 1e-12).all()
        slow = {place: float(gain) for gain, place in exact_payments._gains(c, books, agents)}
        assert quick.keys() == slow.keys(), c
        for place, gain in slow.items():
            assert quick[place] == pytest.approx(gain, abs=1e-11), (c, place)
        for place in islice(slow, 0, None, max(1, len(slow) // 30)):
            example = payments._counterexample(c, mechanism, slow[place], *place)
            assert example.replay(mechanism) == pytest.approx(slow[place], abs=1e-11), (c, place)
        check = payments.check_payments(c, mechanism)
        if check.counterexample is not None:
            assert check.counterexample.replay(mechanism) == pytest.approx(max(slow.values()), abs=1e-11), c
            worst = max(slow, key=slow.__getitem__)
            assert (check.counterexample.action is None) == (worst[3] < 0), c
