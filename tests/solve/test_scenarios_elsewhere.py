"""Scenarios where one environment is wanted: refused by name, with what is for them."""

import pytest

import mechopt as mo

PAIR = mo.load("mirrokni-2020/maximin-equal-revenue-5")


@pytest.mark.parametrize(
    "call",
    [
        mo.optimum,
        mo.compare,
        mo.frontier,
        mo.Problem,
        mo.relaxed_optimum,
        mo.formats.plan,
        mo.formats.certify,
        mo.mechanisms.dual_optimum,
    ],
    ids=lambda call: call.__name__,
)
def test_programs_of_one_environment(call):
    with pytest.raises(mo.InputError, match=r"Scenarios have a best guarantee .* write mo.maximin\(scenarios\)"):
        call(PAIR)


@pytest.mark.parametrize("call", [mo.non_clairvoyant_balance, mo.two_period, mo.asymptotic, mo.lemmas.charging])
def test_closed_forms(call):
    with pytest.raises(mo.InputError, match=r"not 'scenarios'; take mo\.maximin, or one scenario by itself"):
        call(PAIR)


def test_a_long_bank_account_says_where_its_constraints_are_checked():
    long = mo.non_clairvoyant_balance(mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], 200))
    with pytest.raises(mo.errors.LimitError, match=r"conditions\(\) for its constraints"):
        mo.verify(long)
    assert long.conditions().holds
