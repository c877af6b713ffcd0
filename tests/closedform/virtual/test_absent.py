"""Types and agents that do not exist, and agents who are excluded, are refused by name."""

import pytest

import mechopt as mo

COIN = ["1/2", "1/2"]
STAY = [["3/4", "1/4"], ["1/4", "3/4"]]
PIVOT = mo.virtual_pivot(mo.SeparableTypes([[1, 2]], [COIN], [[[0, 0], [1, 2]]], [COIN], [STAY], horizon=2))
SEARCH = mo.mechanisms.virtual_index(
    mo.families.sponsored_search([[1, 2], [3]], [COIN, [1]], [(1, 1), (1, 1)], 2, "9/10")
)
# Type 0 has the virtual level 1 - 1 (2 - 1) = 0 in both: excluded.

REFUSED = {
    "phase-type": (
        lambda: PIVOT.phase((7,)),
        r"profile\[0\]: is 7, agent 0 has no such initial type; give one from 0 to 1",
    ),
    "phase-negative-type": (lambda: PIVOT.phase((-1,)), r"profile\[0\]: is -1"),
    "phase-agents": (lambda: PIVOT.phase((0, 0)), "has 2 types for 1 agents"),
    "payment-type": (lambda: PIVOT.payment(0, (9,)), "no such initial type"),
    "payment-agent": (lambda: PIVOT.payment(3, (1,)), "agent: is 3; give one from 0 to 0"),
    "payment-excluded": (lambda: PIVOT.payment(0, (0,)), r"agent: 0 is excluded at profile \(0,\) and pays nothing"),
    "index-policy-type": (lambda: SEARCH.policy((9, 0)), "no such initial type"),
    "index-price-type": (lambda: SEARCH.price(0, (1, 4)), r"profile\[1\]: is 4"),
    "index-price-agent": (lambda: SEARCH.price(5, (1, 0)), "agent: is 5; give one from 0 to 1"),
    "index-price-excluded": (lambda: SEARCH.price(0, (0, 0)), "agent: 0 is excluded at profile"),
}


@pytest.mark.parametrize(("call", "message"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_exist_is_refused(call, message):
    with pytest.raises(mo.InputError, match=message):
        call()


def test_what_exists_is_given():
    assert PIVOT.phase((1,)).members
    assert len(PIVOT.payment(0, (1,))) == 2
    assert SEARCH.price(0, (1, 0)).shape == (6,)  # posteriors of the rival: 0, 1 or 2 observations, by successes
