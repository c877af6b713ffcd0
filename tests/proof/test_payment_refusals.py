"""Constraints on payments that the checker does not define, or that a form does not say together."""

from fractions import Fraction

import pytest

import mechopt as mo
from mechopt.proof.constraints import CertificateError
from mechopt.proof.payments import require_payments, require_slack
from mechopt.proof.persistent.model import rebuild_persistent
from tests.persistent_instances import battaglini
from tests.proof.test_rows import correlated_by_period
from tests.reporting_strategies import moves_that_end

SINGLE, SUM, TOGETHER = mo.NoSubsidy(), mo.Budget("7/3"), mo.WeakBudgetBalance()
REVENUE = Fraction(1), Fraction(0), Fraction(0)

ON_DRAWS = {  # what is asked for where payments may depend on earlier draws, and whether the program says it
    "one-period": ((SINGLE,), (mo.Interim(),), True),
    "sums": ((SUM,), (mo.Interim(),), True),
    "all-agents-together": ((TOGETHER,), (mo.EPIR(),), True),
    "nothing": ((), (mo.EPIR(),), True),
    "one-period-and-sums": ((SINGLE, SUM), (mo.Interim(),), False),
    "one-period-and-paths": ((SINGLE,), (mo.EPIR(),), False),
    "sums-and-paths": ((SUM,), (mo.PFIR(),), False),
    "sums-and-periods": ((SUM,), (mo.PPIR(),), False),
    "one-period-and-paths-among-others": ((SINGLE,), (mo.Interim(), mo.EPIR()), False),
    "all-three": ((SINGLE, SUM), (mo.EPIR(),), False),
}


@pytest.mark.parametrize("name", ON_DRAWS)
def test_payments_that_depend_on_draws_are_not_constrained_in_two_ways(name):
    subject_to, ir, said = ON_DRAWS[name]
    require_payments(subject_to, 1, "sequence", ir, draws=False)
    if said:
        require_payments(subject_to, 1, "sequence", ir, draws=True)
    else:
        with pytest.raises(CertificateError, match="payments depend on draws of earlier actions"):
            require_payments(subject_to, 1, "sequence", ir, draws=True)


def test_gains_of_strategies_and_of_single_misreports_do_not_stand_together():
    gain, strategies, single = (SINGLE, mo.EpsilonIC(1)), mo.BayesianIC("own"), mo.PeriodicExPostIC()
    for ic, periods in (((strategies,), 2), ((single, mo.AdjacentIC()), 3), ((strategies, mo.MyopicIC()), 2)):
        require_slack(ic, gain, periods)
    for ic in ((single, strategies), (strategies, mo.AdjacentIC()), (mo.MyopicIC(), single, mo.BayesianIC())):
        require_slack(ic, gain, 1)
        require_slack(ic, (SINGLE,), 2)
        with pytest.raises(CertificateError, match="epsilon is defined with bayesian constraints or with others"):
            require_slack(ic, gain, 2)


def test_draws_matter_where_actions_are_recorded():
    """Types that move alike whatever is done leave nothing to remember."""
    asked = "sequence", (mo.BayesianIC(),), (mo.Interim(),), REVENUE, (SINGLE, SUM)
    assert rebuild_persistent(battaglini(2), *asked).row_count > 0
    for env in (moves_that_end(0), correlated_by_period(True)):  # of the second, in one of two periods
        with pytest.raises(CertificateError, match="draws of earlier actions"):
            rebuild_persistent(env, *asked)


@pytest.mark.parametrize("form", ["utility", "promise", "orbits"])
def test_forms_without_payments_have_none_to_constrain(form):
    require_payments((), 1, form, (), draws=False)
    with pytest.raises(CertificateError, match=f"form: '{form}' has no payments by period"):
        require_payments((SINGLE,), 1, form, (), draws=False)


@pytest.mark.parametrize("constraint", [mo.PaymentCap, mo.Budget, mo.PrefixBudget])
def test_amounts_are_of_one_or_of_all_agents(constraint):
    for amounts, agents in ((1, 3), ((1, 2), 2), ((1, 2, 3), 3)):
        require_payments((constraint(amounts),), agents, "payment", (), draws=False)
    for amounts, agents in (((1, 2), 3), ((1, 2), 1), ((1, 2, 3), 2)):
        with pytest.raises(CertificateError, match="amounts for another number of agents"):
            require_payments((constraint(amounts),), agents, "payment", (), draws=False)


def test_each_stands_once_in_the_librarys_order():
    require_payments((SINGLE, SUM, TOGETHER), 1, "payment", (), draws=False)
    for listed in ((SUM, SINGLE), (SINGLE, SINGLE), (TOGETHER, SINGLE)):
        with pytest.raises(CertificateError, match="stands once, in the library's order"):
            require_payments(listed, 1, "payment", (), draws=False)
