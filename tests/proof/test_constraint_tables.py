"""What the checker's tables say of constraints: values that there are, outside options, and gains of misreports."""

from types import SimpleNamespace

import pytest

import mechopt as mo
from mechopt.mechanism.constraints import (
    ALL_CONSTRAINTS,
    INDEPENDENT_CONSTRAINTS,
    PERSISTENT_CONSTRAINTS,
    UNMOVED_CONSTRAINTS,
)
from mechopt.proof.constraints import (
    INDEPENDENT,
    PERSISTENT,
    CertificateError,
    compared,
    demanded,
    expressible,
    require_outside,
)
from mechopt.proof.payments import slack

VALUES = {  # incentives, participation, whether strategies may gain something; which values there are
    "bayesian": ((mo.BayesianIC(),), set(), False, {"interim": "all"}),
    "strategies": ((mo.BayesianIC(),), set(), True, {"strategy": "all"}),
    "strategies-and-participation": (
        (mo.BayesianIC(),),
        {mo.Interim()},
        True,
        {"interim": "none", "strategy": "all"},
    ),
    "unseen": ((mo.BayesianIC("own"),), set(), True, {}),
    "adjacent": ((mo.AdjacentIC(),), set(), True, {"interim": "adjacent"}),
    "downward": ((mo.DownwardIC(),), {mo.PeriodicIR()}, False, {"interim": "downward"}),
    "myopic": ((mo.MyopicIC(),), set(), True, {}),
    "ex-post": ((mo.PeriodicExPostIC(),), {mo.Interim()}, True, {"ex post": "all"}),
}


@pytest.mark.parametrize("name", VALUES)
def test_which_values_there_are(name):
    ic, ir, within, expected = VALUES[name]
    assert compared(ic, ir, within) == expected
    if not within:
        assert compared(ic, ir) == expected


def test_the_tables_list_what_the_library_lists():
    assert (*INDEPENDENT.ic, *INDEPENDENT.ir) == INDEPENDENT_CONSTRAINTS
    persistent = (*PERSISTENT_CONSTRAINTS, *UNMOVED_CONSTRAINTS)
    assert (*PERSISTENT.ic, *PERSISTENT.ir) == tuple(c for c in ALL_CONSTRAINTS if c in persistent)


def test_dominance_from_the_start_is_dominance_later():
    closure = PERSISTENT.closure([mo.DominantIC()])
    assert closure >= {mo.DominantIC(later=True), mo.PeriodicExPostIC(), mo.BayesianIC()}
    assert PERSISTENT.closure([mo.DominantIC(later=True)]) == {mo.DominantIC(later=True)}


def test_all_reports_are_more_than_once_more_the_same():
    assert PERSISTENT.closure([mo.PeriodicExPostIC(rereport=True)]) >= {mo.PeriodicExPostIC(), mo.BayesianIC()}
    assert mo.PeriodicExPostIC(rereport=True) not in PERSISTENT.closure([mo.PeriodicExPostIC()])


def test_participation_on_paths_is_a_row_beside_outside_options_alone():
    assert demanded("payment", (), (mo.EPIR(),)) == [] and demanded("payment", (), (mo.EPIR(),), True) == [mo.EPIR()]


OUTSIDE = {  # by agent, period and type; whether participation on paths is defined
    "nobody": (None, True),
    "one-number": ([((1, 1), (0, 0)), ((2, 2), (0, 0))], True),
    "by-type": ([((1, 2), (0, 0))], False),
    "by-type-of-another": ([((1, 1), (0, 0)), ((1, 2), (0, 0))], False),
    "one-type-later": ([((1, 1), (0, 3))], False),
    "all-types-later": ([((1, 1), (3, 3))], False),
    "last": ([((1, 1), (0, 0), (0, 3))], False),
}


@pytest.mark.parametrize("ir", [mo.EPIR(), mo.PFIR(), mo.PPIR(), mo.PEIR()], ids=lambda c: c.name)
@pytest.mark.parametrize("name", OUTSIDE)
def test_outside_options_beside_participation_on_paths(name, ir):
    outside, defined = OUTSIDE[name]
    env = SimpleNamespace(exact=SimpleNamespace(outside=outside))
    require_outside(env, (mo.Interim(),))
    if defined:
        require_outside(env, (ir,))
    else:
        with pytest.raises(CertificateError, match=f"ir: {ir.name} beside an outside option by type or period"):
            require_outside(env, (mo.Interim(), ir))


def test_the_smaller_gain_counts():
    limits = mo.NoSubsidy(), mo.EpsilonIC([2, 0]), mo.EpsilonIC(1)
    assert [slack(limits, i) for i in (0, 1)] == [1, 0] and slack(limits[:1], 0) == 0


FORMS = {  # incentives, participation, whether realised utility need not be said apart
    "bank": ((mo.DIC(),), (mo.EPIR(),), True),
    "constant": ((mo.DIC(), mo.INDU()), (mo.PFIR(),), True),
    "rebate": ((mo.DIC(),), (mo.PPIR(),), True),
    "rebate-without-enough": ((mo.DIC(),), (mo.PeriodicIR(),), False),
    "rebate-that-is-not-constant": ((mo.DIC(), mo.INDU()), (mo.PPIR(),), False),
    "neither": ((mo.DIC(), mo.PPIC()), (mo.PeriodicIR(),), False),
}


@pytest.mark.parametrize("name", FORMS)
def test_which_timing_says_what_is_asked(name):
    ic, ir, said = FORMS[name]
    assert expressible("utility", 2, ic, ir) is said and expressible("payment", 2, ic, ir)
