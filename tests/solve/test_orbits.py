"""Programs of identical buyers on orbits: against the programs over all histories, and their certificates."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

import mechopt as mo
from mechopt.histories.orbits import OrbitTree, identical_buyers
from mechopt.lp.orbits import compile_orbits, orbit_size, why_not_orbits
from mechopt.solve import highs
from mechopt.solve.orbits.optimum import orbit_mechanism, orbit_optimum
from mechopt.solve.program import Effort
from mechopt.testing import check_mechanism

SIZES = [
    (2, (2,)),
    (2, (3, 2)),
    (2, (2, 2, 2)),
    (3, (2, 2)),
    (3, (3,)),
    (4, (2,)),
    (2, (1, 3)),
    (3, (1, 2)),
    (4, (2, 2)),
]
IRS = [mo.EPIR(), mo.Interim(), mo.PEIR(), mo.PPIR()]


def instance(number):
    """Identical buyers; costs, discounts, types of probability zero, all kinds of participation."""
    rng = np.random.default_rng([19, number])
    buyers, types = SIZES[number % len(SIZES)]
    values, distribution = [], []
    for count in types:
        values.append(sorted(Fraction(int(v), 10) for v in rng.choice(100, count, replace=False)))
        weights = rng.integers(0 if count > 1 and rng.random() < 0.3 else 1, 10, count)
        weights[rng.integers(count)] += 1
        distribution.append([Fraction(int(w), int(weights.sum())) for w in weights])
    cost = [Fraction(int(c), 10) for c in rng.integers(0, 40, len(types))]
    env = mo.IndependentTypes([values] * buyers, [distribution] * buyers, cost, ["1", "9/10"][number % 2])
    return env, IRS[number // 2 % len(IRS)], [mo.Revenue(), mo.Revenue() + 0.5 * mo.Welfare()][number // 3 % 2]


def solved(env, ir, objective, exact=False):
    chosen = mo.formats.plan(env, mo.DIC(), ir, objective)
    assert why_not_orbits(chosen) is None
    return orbit_optimum(chosen, Effort(exact))


def equals_the_full_program(numbers, exact):
    for number in numbers:
        env, ir, objective = instance(number)
        if ir == mo.PPIR():  # then payments by period matter unless EPIR is asked for too
            ir = (mo.PPIR(), mo.EPIR())
        found, full = solved(env, ir, objective, exact), mo.optimum(env, mo.DIC(), ir, objective, method="simplex")
        assert found.status == full.status == "optimal", number
        assert found.value == pytest.approx(full.value, rel=1e-9, abs=1e-9), number
        assert mo.verify(found.mechanism).holds, (number, mo.verify(found.mechanism))
        revenue, welfare = found.mechanism.revenue, found.mechanism.welfare
        assert objective.revenue * revenue + objective.welfare * welfare == pytest.approx(
            full.value, rel=1e-8, abs=1e-8
        )
        if exact:
            assert found.exact == mo.formats.certify(env, mo.DIC(), ir, objective).value, number
            assert mo.formats.check_certificate(env, found.certificate) == found.exact


def test_equals_the_full_program_on_some_instances():
    equals_the_full_program(range(36), exact=True)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(3), ids=lambda block: f"instances {100 * block + 36} to {100 * block + 135}")
def test_equals_the_full_program_on_300_instances(block):
    equals_the_full_program(range(100 * block + 36, 100 * block + 136), exact=True)


def test_the_size_is_known_before():
    for number in range(18):
        env, _, objective = instance(number)
        for ir in (mo.EPIR(), mo.Interim()):
            chosen = mo.formats.plan(env, mo.DIC(), ir, objective)
            program, _ = compile_orbits(chosen)
            size = orbit_size(chosen)
            likely = all((distribution > 0).all() for distribution in env.probabilities[0])
            assert program.size[:2] == (size.rows, size.columns)
            assert program.size[2] == size.nonzeros if likely else program.size[2] <= size.nonzeros


def test_reach_sums_to_one_and_ranks_are_places():
    tree = OrbitTree(mo.IndependentTypes.iid([1, 2, 5], ["1/2", "1/3", "1/6"], 2, agents=4))
    for t in range(3):
        assert tree.reach[t].sum() == pytest.approx(1, abs=1e-12)
        assert tree.rank(t, tree.multisets[t]).tolist() == list(range(tree.count(t, 3)))
        number, same = tree.all_buyers(t)
        assert sorted(set(number.ravel().tolist())) == list(range(tree.count(t, 4)))
        # a multiset of all buyers is named once by each distinct sequence in it, with its number: 4 in all
        assert np.bincount(number.ravel(), same.ravel().astype(float)).tolist() == [4.0] * tree.count(t, 4)


@pytest.mark.parametrize("change", ["value", "probability"])
def test_buyers_that_differ_by_a_billionth_are_not_identical(change):
    little = Fraction(1, 10**9)
    values, distribution = [[1, 2]] * 2, [["1/2", "1/2"]] * 2
    if change == "value":
        other = mo.IndependentTypes([values, [[1, 2], [1, 2 + little]]], [distribution, distribution])
    else:
        other = mo.IndependentTypes(
            [values, values], [distribution, [["1/2", "1/2"], [Fraction(1, 2) - little, Fraction(1, 2) + little]]]
        )
    assert identical_buyers(mo.IndependentTypes([values] * 2, [distribution] * 2))
    assert not identical_buyers(other)
    assert "not identical" in why_not_orbits(mo.formats.plan(other))


def test_constraints_that_need_payments_by_period_have_no_orbits():
    env = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], 2, agents=2)
    assert "payment form" in why_not_orbits(mo.formats.plan(env, mo.PPIC(), mo.PPIR()))
    assert "for DIC" in why_not_orbits(mo.formats.plan(env, mo.ExPostIC(), mo.EPIR()))
    assert why_not_orbits(mo.formats.plan(env, mo.DIC(), mo.EPIR())) is None


def test_ten_buyers_as_a_view():
    env = mo.IndependentTypes.iid([1, 3], ["0.6", "0.4"], 2, agents=10)
    best = mo.optimum(env)
    assert (best.form, str(best.status)) == ("orbits", "optimal")
    mechanism = orbit_mechanism(*_solution(env))
    assert mechanism.revenue == pytest.approx(best.value, rel=1e-9)
    assert mechanism.welfare - sum(mechanism.utilities) == pytest.approx(mechanism.revenue)
    assert max(mechanism.gains().values()) <= 1e-9
    drawn = mechanism.simulate(3, 4000)
    assert drawn.revenue == pytest.approx(mechanism.revenue, abs=5 * drawn.revenue_error)
    assert np.allclose(drawn.utilities, mechanism.utilities, atol=5 * max(drawn.utility_errors) + 1e-12)
    with pytest.raises(mo.InputError, match="runs"):
        mechanism.simulate(0, 1)


def _solution(env):
    program, layout = compile_orbits(mo.formats.plan(env))
    return layout, highs.solve_program(program).primal


def test_a_view_and_its_histories_agree(tmp_path):
    env = mo.IndependentTypes.iid([1, 2, 4], ["0.3", "0.4", "0.3"], 2, agents=3, cost="1/2", discount="9/10")
    view = orbit_mechanism(*_solution(env))
    full = view.to_mechanism()
    assert (full.revenue, full.welfare) == (pytest.approx(view.revenue), pytest.approx(view.welfare))
    assert full.utilities == pytest.approx(view.utilities)
    assert mo.verify(view).holds
    view.save(tmp_path / "view.npz")
    assert mo.load_mechanism(tmp_path / "view.npz", env).revenue == pytest.approx(view.revenue)
    broken = replace(view, allocation=(view.allocation[0][:, ::-1] / 5, *view.allocation[1:]))
    assert broken.gains()["dic"] > 0.01
    assert broken.gains()["dic"] == pytest.approx(mo.verify(broken)[mo.DIC()].gain, rel=1e-9)


def test_a_view_passes_the_conformance_suite():
    env = mo.IndependentTypes.iid([1, 2, 4], ["0.3", "0.4", "0.3"], 2, agents=3, cost="1/2", discount="9/10")
    view = orbit_mechanism(*_solution(env))
    assert isinstance(view, mo.results.MechanismProtocol)
    assert view.guarantee is None and view.claims == (mo.DIC(), mo.EPIR())
    found = check_mechanism(view, rng=7)
    assert {"accounting", "file", "table", "claims", "simulation"} <= set(found.passed), found


def test_too_many_histories_are_not_written_out(tmp_path):
    env = mo.IndependentTypes.iid([1, 3], ["0.6", "0.4"], 3, agents=9)
    zero = [np.zeros((len(m), s)) for m, s in zip(OrbitTree(env).multisets, OrbitTree(env).sequences, strict=True)]
    view = mo.results.OrbitMechanism(env, tuple(zero[1:]), tuple(zero))
    with pytest.raises(mo.errors.LimitError, match="too many to write out"):
        view.to_mechanism()
    with pytest.raises(mo.errors.LimitError, match="too many to write out"):
        view.to_frame()
    with pytest.raises(mo.errors.LimitError, match="too many to write out"):
        view.save(tmp_path / "view.npz")
    assert view.simulate(3, 10).revenue == 0


def test_forged_certificates_of_orbits_are_found():
    env = mo.IndependentTypes.iid([1, 3], ["0.6", "0.4"], 2, agents=3)
    proof = solved(env, mo.EPIR(), mo.Revenue(), exact=True).certificate
    assert mo.formats.check_certificate(env, proof) == proof.value
    for part in ("primal", "dual"):
        vector = getattr(proof, part)
        for entry in range(len(vector.numerators)):
            numerators = list(vector.numerators)
            numerators[entry] += vector.denominator
            forged = replace(proof, **{part: replace(vector, numerators=tuple(numerators))})
            with pytest.raises(mo.errors.CertificateError):
                mo.formats.check_certificate(env, forged)
    for wrong in (replace(proof, value=proof.value + 1), replace(proof, ic=(mo.PPIC(),)), replace(proof, form="magic")):
        with pytest.raises((mo.errors.CertificateError, mo.InputError, KeyError)):
            mo.formats.check_certificate(env, wrong)
    with pytest.raises(mo.errors.CertificateError, match="subject_to"):
        mo.formats.check_certificate(env, replace(proof, subject_to=(mo.NoSubsidy(),)))
    distribution = [[["0.6", "0.4"]] * 2] * 2 + [[["0.6", "0.4"], ["0.5", "0.5"]]]
    other = mo.IndependentTypes([[[1, 3]] * 2] * 3, distribution)
    with pytest.raises(mo.errors.CertificateError, match="not identical"):
        mo.formats.check_certificate(other, replace(proof, fingerprint=other.fingerprint))


@pytest.mark.slow
def test_ten_buyers_over_three_periods_exactly():
    best = mo.optimum(mo.IndependentTypes.iid([1, 3], ["0.6", "0.4"], 3, agents=10), exact=True)
    assert (best.form, str(best.status)) == ("orbits", "optimal")
    assert best.exact is not None
    assert float(best.exact) == pytest.approx(best.mechanism.revenue, rel=1e-9)
    assert max(best.mechanism.gains().values()) <= 1e-9


def test_orbits_are_picked_where_the_full_program_takes_long(monkeypatch):
    picked = []
    monkeypatch.setattr(
        "mechopt.solve.orbits.optimum.orbit_optimum", lambda *given: picked.append("orbits") or orbit_optimum(*given)
    )
    for periods, wanted in ((2, []), (7, ["orbits"])):
        picked.clear()
        env = mo.IndependentTypes.iid([1, 3], ["3/5", "2/5"], periods, agents=2)
        mo.optimum(env, time_limit=5.0)
        assert picked == wanted, periods
