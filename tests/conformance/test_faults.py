"""The suite finds what is wrong: one mechanism by hand, with one fault each."""

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import pytest

import mechopt as mo
from mechopt.testing import CHECKS, ConformanceError, check_mechanism

ENV = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=2)


@dataclass(frozen=True)
class Posted(mo.results.MechanismMethods):
    """Every item at price 1, which both types pay: revenue 2, welfare 3, utility 1; the optimum is 9/4."""

    environment = ENV
    claims = (mo.DIC(), mo.EPIR())
    revenue = 2.0
    welfare = 3.0
    utilities = (1.0,)

    def to_mechanism(self):
        sale = [np.ones((1, *mo.formats.HistoryTree(ENV).children(t))) for t in range(2)]
        return mo.Mechanism(ENV, sale, sale, self.claims)


class Less(Posted):
    """It does something else than it says: type 2 pays 3/2 in the second period."""

    def to_mechanism(self):
        honest = super().to_mechanism()
        last = honest.payment[1].copy()
        last[..., 1] = 1.5
        return replace(honest, payment=(honest.payment[0], last))


class Deaf(Posted):
    def simulate(self, rng, runs=10_000):
        return super().simulate(rng, runs + 1)


class Forgetful(Posted):
    def to_mechanism(self):
        return replace(super().to_mechanism(), claims=(mo.DIC(),))


class Empty(Posted):
    def to_frame(self):
        return super().to_frame()[:0]


class Nameless(Posted):
    def to_frame(self):
        return super().to_frame().rename(columns={"payment": "price"})


def changed(**members):
    return type("Changed", (Posted,), members)()


FAULTS = {
    "welfare": (changed(welfare=3.5), "accounting: welfare is 3.5, but revenue and utilities add up to 3"),
    "claims-in-file": (Forgetful(), r"file: read back it claims \(DIC\(\),\), before \(DIC\(\), EPIR\(\)\)"),
    "numbers-in-file": (Less(), r"file: read back its revenue is 2\.25, before 2"),
    "simulation": (Less(), r"simulation: revenue is 2\.2\d* on average \(standard error .*\), but it says 2"),
    "runs": (Deaf(), "simulation: did 4001 runs, asked for 4000"),
    "empty-table": (Empty(), "table: the table is empty"),
    "column": (Nameless(), "table: the table has no column 'payment'"),
    "broken-claim": (Less(), r"claims: dic is violated: agent 0, period 1, after history .* reports 0 and gains 0\.5"),
    "above-the-optimum": (
        changed(revenue=2.5, welfare=3.5),
        r"optimum: revenue is 2\.5, but what satisfies dic, epir earns at most 2\.25",
    ),
    "guarantee": (
        changed(guarantee=Fraction(9, 10)),
        r"guarantee: revenue is 2, less than 9/10 of the optimum 2\.25",
    ),
    "guarantee-in-floats": (changed(guarantee=0.5), "protocol: guarantee is 0.5; write None or a Fraction"),
    "claims-in-words": (changed(claims=("dic",)), r"protocol: claims is \('dic',\); write a tuple of constraints"),
    "one-utility": (changed(utilities=(1.0, 0.0)), "protocol: utilities is .* write a tuple of 1 numbers"),
    "nan": (changed(revenue=float("nan")), "protocol: revenue is nan; it must be a finite number"),
    "environment": (changed(environment={}), "protocol: environment is a dict"),
}


def test_the_mechanism_without_faults_passes_every_check():
    passed = check_mechanism(changed(guarantee=Fraction(8, 9))).passed
    assert passed == ("protocol", *CHECKS)


@pytest.mark.parametrize(("mechanism", "message"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_found(mechanism, message):
    with pytest.raises(ConformanceError, match=message):
        check_mechanism(mechanism)


def test_members_that_are_missing_are_all_named():
    with pytest.raises(ConformanceError, match=r"has no environment, claims, .*, simulate, to_frame; see"):
        check_mechanism(ENV)


def test_a_mechanism_that_cannot_be_followed_says_so_and_may_be_left_out():
    class Closed(mo.results.MechanismMethods):
        environment, claims, revenue, welfare, utilities = ENV, (), 0.0, 0.0, (0.0,)

    with pytest.raises(ConformanceError) as error:
        check_mechanism(Closed())
    for name in ("file", "simulation", "table"):
        assert f"\n{name}: a Closed is " in str(error.value)
    found = check_mechanism(Closed(), skip=["file", "simulation", "table"])
    assert found.passed == ("protocol", "accounting")
    assert found.skipped == {
        **dict.fromkeys(("file", "simulation", "table"), "left out by the caller"),
        "claims": "it claims nothing",
        "optimum": "it claims no participation constraint, without which revenue is unbounded",
        "guarantee": "it guarantees nothing",
    }


def test_what_is_left_out_must_be_a_check():
    with pytest.raises(mo.InputError, match="'tabel' is not a check that can be left out; those are: accounting"):
        check_mechanism(Posted(), skip=["tabel"])


def test_welfare_is_not_revenue_plus_utilities_where_discounts_differ():
    env = mo.MarkovTypes([[[3]]], [[[[1]]]], [[1]], horizon=2, discount="9/10", discounts=["3/4"])
    found = mo.optimum(env, ir="periodic", subject_to="no-subsidy").mechanism
    assert found.revenue == pytest.approx(5.7) and found.welfare == pytest.approx(5.25)
    assert "discount the same money differently" in check_mechanism(found).skipped["accounting"]
