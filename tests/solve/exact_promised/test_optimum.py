"""The exact optimum by promises: against the program's exact optimum, against known fractions, and its checker."""

from dataclasses import replace
from fractions import Fraction

import pytest

import mechopt as mo
from mechopt.mechanism.constraints import DIC, EPIR
from mechopt.proof.promised.certificate import PromisedCertificate, PromisedCertificateError, load_promised
from mechopt.proof.promised.check import check_promised
from mechopt.solve.exact_promised.optimum import exact_promised
from tests.solve.promised.test_promised import instance

THREE = ([1, 2, 4], ["3/10", "4/10", "3/10"])


def proof_of(env):
    _, proof = exact_promised(env)
    assert proof is not None
    assert check_promised(env, proof) == (proof.lower, proof.upper)
    return proof


def equals_the_program(numbers, most_histories):
    for number in numbers:
        for extras in (False, True):
            env = instance(number, most_histories, extras)
            assert proof_of(env).value == mo.formats.certify(env, form="utility").value, (number, extras)


def test_equals_the_program_on_some_instances():
    equals_the_program(range(15), most_histories=60)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(5), ids=lambda block: f"instances {30 * block + 15} to {30 * block + 44}")
def test_equals_the_program_on_300_instances(block):
    equals_the_program(range(30 * block + 15, 30 * block + 45), most_histories=200)


# By the recursion in fractions of tests/papers/test_promised_utility.py: two values 1, 2 equally likely.
@pytest.mark.parametrize(("periods", "expected"), [(1, "1"), (2, "9/4"), (6, "947/128"), (8, "20587/2048")])
def test_two_values_equally_likely(periods, expected):
    env = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], periods)
    best = mo.optimum(env, exact=True)
    assert (best.exact, best.method, str(best.status)) == (Fraction(expected), "promised", "optimal")
    assert best.bound.lower == best.bound.upper == float(best.exact)
    assert mo.formats.check_certificate(env, best.certificate) == best.exact


def test_without_numba(monkeypatch):
    monkeypatch.setattr("mechopt.solve.promised.kernels.compiled", lambda: False)
    env = mo.IndependentTypes.iid(*THREE, 7)
    assert proof_of(env).value == mo.formats.certify(env, form="utility").value


def test_the_file_comes_back_and_shows_every_change(tmp_path):
    env = mo.IndependentTypes.iid(*THREE, 4)
    proof = proof_of(env)
    proof.save(tmp_path / "proof.json")
    again = mo.formats.load_certificate(tmp_path / "proof.json")
    assert isinstance(again, PromisedCertificate)
    assert (again.points, again.lines, again.ic, again.ir) == (proof.points, proof.lines, proof.ic, proof.ir)
    assert mo.formats.check_certificate(env, again) == proof.value
    text = (tmp_path / "proof.json").read_text()
    (tmp_path / "proof.json").write_text(text.replace('"3/10"', '"1/10"', 1))
    with pytest.raises(PromisedCertificateError, match="digest"):
        load_promised(tmp_path / "proof.json")


def changed(proof, part, t, number, **entries):
    rows = [list(row) for row in getattr(proof, part)]
    rows[t][number] = rows[t][number]._replace(**entries)
    return replace(proof, **{part: tuple(map(tuple, rows))})


LITTLE = Fraction(1, 10**12)


def forgeries(proof):
    """Every claim a little better than it is, one at a time."""
    for t, row in enumerate(proof.points):
        for number, point in enumerate(row):
            yield changed(proof, "points", t, number, height=point.height + LITTLE)
            yield changed(proof, "points", t, number, promise=point.promise - LITTLE)
            yield changed(proof, "points", t, number, lowest=point.lowest - 1)
            if point.lottery:
                (j, z), *rest = point.lottery
                yield changed(proof, "points", t, number, lottery=((j, z + LITTLE), *rest))
    for t, row in enumerate(proof.lines):
        for number, line in enumerate(row):
            yield changed(proof, "lines", t, number, height=line.height - LITTLE)
            yield changed(proof, "lines", t, number, slope=-LITTLE)
    yield changed(proof, "lines", 0, 0, slope=1 - LITTLE)
    yield replace(proof, lower=proof.lower + LITTLE)
    yield replace(proof, upper=proof.upper - LITTLE)
    yield replace(proof, points=proof.points[1:])
    yield replace(proof, lines=((), *proof.lines[1:]))
    yield replace(proof, ic=(mo.DIC(), mo.INDU()), ir=(mo.PPIR(),))
    yield replace(proof, ir=(mo.Interim(),))
    yield replace(proof, ic=())


def test_the_checker_finds_every_forgery():
    env = mo.IndependentTypes.iid(*THREE, 3, cost="1/2", discount="9/10")
    proof = proof_of(env)
    found = list(forgeries(proof))
    assert len(found) > 40
    for forged in found:
        with pytest.raises(PromisedCertificateError):
            check_promised(env, forged)
    other = mo.IndependentTypes.iid(*THREE, 3, cost="1/2", discount="8/10")
    with pytest.raises(PromisedCertificateError, match="fingerprint"):
        check_promised(other, proof)


def test_a_bracket_whose_ends_do_not_meet_claims_no_optimum():
    env = mo.IndependentTypes.iid(*THREE, 2)
    proof = proof_of(env)
    rows = [list(row) for row in proof.lines]
    rows[0][0] = rows[0][0]._replace(height=proof.upper + 1)
    wide = replace(proof, upper=proof.upper + 1, lines=tuple(map(tuple, rows)))
    assert wide.value is None
    assert check_promised(env, wide) == (proof.lower, proof.upper + 1)
    with pytest.raises(mo.errors.MechoptError, match=r"only .* <= optimum <="):
        mo.formats.check_certificate(env, wide)


@pytest.mark.parametrize(
    ("ic", "ir"), [(mo.DIC(), mo.EPIR()), ((mo.PPIC(), mo.INDU()), mo.PFIR())], ids=["dic", "bank account"]
)
def test_the_mechanism_satisfies_what_it_is_optimal_under(ic, ir):
    env = mo.IndependentTypes.iid(*THREE, 5, cost="1/3")
    best = mo.optimum(env, ic, ir, exact=True)
    assert best.mechanism.revenue == pytest.approx(float(best.exact), rel=1e-12)
    assert mo.verify(best.mechanism).holds
    assert mo.formats.check_certificate(env, best.certificate) == best.exact


def test_too_long_a_horizon_is_refused(monkeypatch):
    monkeypatch.setattr("mechopt.solve.exact_promised.visits.MAX_PAIRS", 1000)
    with pytest.raises(mo.errors.LimitError, match="more than 1,000 slopes"):
        mo.optimum(mo.IndependentTypes.iid(*THREE, 14), exact=True)


def test_stopped_proofs_leave_the_bracket(monkeypatch):
    env = mo.IndependentTypes.iid(*THREE, 6)
    known = mo.optimum(env)

    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("mechopt.solve.exact_promised.optimum.visited", stopped)
    best = mo.optimum(env, exact=True)
    assert (str(best.status), best.exact, best.certificate) == ("interrupted", None, None)
    assert (best.bound.lower, best.bound.upper) == (known.bound.lower, known.bound.upper)


@pytest.mark.slow
def test_sixteen_periods_have_an_exact_optimum():
    proof = proof_of(mo.IndependentTypes.iid(*THREE, 16))
    assert proof.value is not None
    assert (DIC() in proof.ic, EPIR() in proof.ir) == (True, True)
