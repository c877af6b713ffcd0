"""The stand-alone checker of certificates: plain fractions and loops, nothing of the programs or of the solver.

It rebuilds the rows itself from the exact numbers of the environment, in the order in which `mechopt.lp` documents
them, and proves, for maximise c x over a <= A x <= b, l <= x <= u:

- the primal x keeps every row and bound, so that the optimum is at least c x;
- multipliers y of the rows press on sides that exist, and so do the reduced costs d = c - y A on bounds, so that the
  optimum is at most the sum of y times the sides pressed on plus that of d times the bounds pressed on;
- both numbers are the certificate's value.

Where the certificate claims that there is no bound, x must be a direction: c x > 0, and every row and bound is kept
however far one goes along it from the null mechanism, or from a point that it names and that is checked like a primal,
where payments are constrained or there are outside options. Where it claims that no mechanism keeps everything, the
same sum of sides and bounds pressed on, for c = 0, must be below 0, which bounds 0 from above (Farkas).
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from mechopt.core.errors import require_type
from mechopt.core.numbers import to_exact
from mechopt.environment.independent import IndependentTypes
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.scenarios import Scenarios
from mechopt.environment.separable import SeparableTypes
from mechopt.mechanism.constraints import INDU, Constraint
from mechopt.mechanism.objective import Revenue
from mechopt.proof.certificate import Certificate, CertificateError, GuaranteeCertificate, SparseVector
from mechopt.proof.constraints import require_independent, require_persistent
from mechopt.proof.independent import Model, rebuild
from mechopt.proof.orbits import OrbitModel, OrbitRow, orbit_entries, unfit
from mechopt.proof.persistent.model import SequenceModel, rebuild_persistent
from mechopt.proof.promised.certificate import PromisedCertificate
from mechopt.proof.promised.check import check_promised
from mechopt.proof.rows import Row, Side
from mechopt.proof.scenarios import GuaranteeModel, GuaranteeTerms, measured_by
from mechopt.proof.size import MOST, independent_entries, require_at_most, require_size

AnyModel = Model | SequenceModel | GuaranteeModel | OrbitModel


def check_certificate(
    environment: IndependentTypes | MarkovTypes | SeparableTypes | InterdependentTypes,
    certificate: Certificate | PromisedCertificate,
    most: int = MOST,
) -> Fraction | None:
    """Prove a certificate anew.

    Parameters
    ----------
    environment : IndependentTypes, MarkovTypes, SeparableTypes or InterdependentTypes
        That it claims to be about; of a separable one, its unfolding.
    certificate : Certificate or PromisedCertificate
        The latter of a bracket whose ends meet; `mechopt.proof.promised.check_promised` checks all brackets.
    most : int
        Rows and columns together that are checked; the size of the program is told from the model first.

    Returns
    -------
    Fraction or None
        The optimum in money of the environment, present value; None where it is proved that there is no bound, or no
        mechanism that keeps everything, as the certificate's ``status`` says.

    Raises
    ------
    CertificateError
        If it proves nothing; it says which row, column or entry fails.

    Examples
    --------
    >>> from mechopt.solve.exact.certify import certify
    >>> env = IndependentTypes.iid(values=[1, 2], probabilities=["1/2", "1/2"], horizon=4)
    >>> check_certificate(env, certify(env))
    Fraction(153, 32)
    """
    require_type(
        certificate,
        ("Certificate", "PromisedCertificate"),
        "check_certificate",
        "give best.certificate of mo.optimum(env, exact=True)",
    )
    _require_finite(environment)
    if isinstance(certificate, PromisedCertificate):
        if not isinstance(environment, IndependentTypes):
            raise CertificateError("fingerprint: a certificate by promises is about types independent across periods")
        lower, upper = check_promised(environment, certificate)
        if lower != upper:
            raise CertificateError(f"lower, upper: only {lower} <= optimum <= {upper} is proved")
        return lower
    if isinstance(environment, SeparableTypes):
        environment = environment.to_markov()
    if certificate.fingerprint != environment.fingerprint:
        raise CertificateError(
            f"fingerprint: made for another environment ({certificate.fingerprint[:12]}, this one is "
            f"{environment.fingerprint[:12]}); give the model file that it was made from"
        )
    if environment.exact is None:
        raise CertificateError("fingerprint: this environment has no exact numbers, so nothing can be proved about it")
    _require_claim(environment, certificate)
    if certificate.form == "orbits":
        _require_orbits(environment, certificate, most)
    else:
        require_defined(environment, certificate.form, certificate.ic, certificate.ir)
        require_size(environment, certificate.form, certificate.ic, certificate.ir, most, certificate.subject_to)
    model = _program(environment, certificate)
    if certificate.status == "infeasible":
        prove_infeasible(model, certificate.dual)
        return None
    if certificate.point is not None:
        _check_point(model, certificate.point)
    return prove(model, certificate.primal, certificate.dual, certificate.value)


def _require_claim(environment: IndependentTypes | MarkovTypes | InterdependentTypes, certificate: Certificate) -> None:
    """Refuse a claim that is not known, or that has parts that it should not have, or lacks one."""
    status, known = certificate.status, ("optimal", "unbounded", "infeasible")
    if status not in known or (status == "optimal" and certificate.value is None):
        raise CertificateError(f"status: {status!r} with value {certificate.value} claims nothing known")
    if status == "unbounded" and (certificate.value is not None or certificate.dual.index):
        raise CertificateError("value: a program without bound has neither a value nor multipliers")
    if status == "infeasible" and (certificate.value is not None or certificate.primal.index):
        raise CertificateError("value: where no mechanism keeps everything there is neither a value nor a primal")
    if certificate.point is not None and status != "unbounded":
        raise CertificateError("point: belongs to a proof that there is no bound")
    free = not certificate.subject_to and environment.outside is None
    if status == "unbounded" and certificate.point is None and not free:
        raise CertificateError(
            "point: is missing; where payments are constrained, or agents have something outside, that there is no "
            "bound is proved from a mechanism that keeps everything"
        )


def _check_point(model: AnyModel, point: SparseVector) -> None:
    """A point keeps all rows and bounds."""
    x = _dense(point, "point", model.columns)
    rows: Iterator[Row | OrbitRow] = model.rows()
    for row in rows:
        _check_row(row, x, point.denominator, False)
    _check_bounds(model, x, point.denominator, False)


def prove_infeasible(model: AnyModel, dual: SparseVector) -> None:
    """Prove that no point keeps all rows and bounds: multiplied and added up they say 0 <= something below 0.

    Raises
    ------
    CertificateError
        If the multipliers do not prove it.
    """
    y = _dense(dual, "dual", model.row_count)
    reduced: list[Fraction | int] = [0] * model.columns
    total = Fraction(0)
    rows: Iterator[Row | OrbitRow] = model.rows()
    for number, row in enumerate(rows):
        if not y[number]:
            continue
        side = row.upper if y[number] > 0 else row.lower
        if side is None:
            raise CertificateError(f"dual: multiplier of {row.words()} presses on a side that the row has not")
        total += y[number] * side
        for j, coefficient in row.entries:
            reduced[j] -= y[number] * coefficient
    for j, cost in enumerate(reduced):
        if cost:
            side = model.upper[j] if cost > 0 else model.lower[j]
            if side is None:
                raise CertificateError(f"dual: sum of multiples of {model.words(j)} presses on a bound that it has not")
            total += cost * side
    if total >= 0:
        raise CertificateError(f"dual: added up the rows and bounds say 0 <= {total / dual.denominator}, which is true")


def _require_orbits(
    environment: IndependentTypes | MarkovTypes | InterdependentTypes, certificate: Certificate, most: int
) -> None:
    if not isinstance(environment, IndependentTypes):
        raise CertificateError("form: orbits are of buyers whose types are independent across periods")
    require_defined(environment, "utility", certificate.ic, certificate.ir)
    if certificate.subject_to:
        raise CertificateError("subject_to: orbits have no payments that constraints could be on")
    if why := unfit(environment, certificate.ic, certificate.ir):
        raise CertificateError(f"form: no program of identical buyers stands for this: {why}")
    require_at_most(orbit_entries(environment, certificate.ir), most)


def _program(environment: IndependentTypes | MarkovTypes | InterdependentTypes, certificate: Certificate) -> AnyModel:
    weights = certificate.objective
    exact_weights = to_exact(weights.revenue), to_exact(weights.welfare), to_exact(weights.utility)
    if certificate.form == "orbits" and isinstance(environment, IndependentTypes):
        return OrbitModel(environment, certificate.ic, certificate.ir, exact_weights)
    asked = certificate.form, certificate.ic, certificate.ir, exact_weights, certificate.subject_to
    if isinstance(environment, IndependentTypes):
        return rebuild(environment, *asked)
    return rebuild_persistent(environment, *asked)


def rebuilt(environment: Any, certificate: Certificate | GuaranteeCertificate) -> AnyModel:
    """The program that a proved certificate is about, for writing it in another format."""
    if isinstance(certificate, GuaranteeCertificate):
        optima = [proof.value or Fraction(0) for proof in certificate.optima]
        return GuaranteeModel(environment, optima, terms_of(certificate))
    if isinstance(environment, SeparableTypes):
        environment = environment.to_markov()
    return _program(environment, certificate)


def _require_finite(environment: IndependentTypes | MarkovTypes | SeparableTypes | InterdependentTypes) -> None:
    if not isinstance(environment, IndependentTypes) and environment.infinite:
        raise CertificateError("fingerprint: this environment has no last period, so nothing can be proved about it")


def require_defined(
    environment: IndependentTypes | MarkovTypes | InterdependentTypes,
    form: str,
    ic: tuple[Constraint, ...],
    ir: tuple[Constraint, ...],
) -> None:
    """Refuse constraints and forms that the checker does not define for the kind of environment.

    Raises
    ------
    CertificateError
        With those that are defined.
    """
    if isinstance(environment, IndependentTypes):
        require_independent(form, environment.agents, ic, ir)
    else:
        require_persistent(form, ic, ir)


def check_guarantee(scenarios: Scenarios, certificate: GuaranteeCertificate, most: int = MOST) -> Fraction:
    """Prove a certificate of the best guarantee anew, and those of the clairvoyant optima in it.

    Parameters
    ----------
    scenarios : Scenarios
        That it claims to be about.
    certificate : GuaranteeCertificate
    most : int
        Rows and columns together that are checked.

    Returns
    -------
    Fraction
        The best guarantee.

    Raises
    ------
    CertificateError
        If it proves nothing; it says which scenario, row, column or entry fails.
    """
    require_type(scenarios, "Scenarios", "check_guarantee", "mo.formats.check_certificate is for environments")
    require_type(certificate, "GuaranteeCertificate", "check_guarantee", "give mo.formats.certify_guarantee(scenarios)")
    if certificate.fingerprint != scenarios.fingerprint or len(certificate.optima) != len(scenarios):
        raise CertificateError("fingerprint: made for other scenarios; give the model file that it was made from")
    terms = terms_of(certificate)
    if certificate.absorbing != tuple(sorted(scenarios.absorbing)):
        raise CertificateError("absorbing: other distributions absorb than in the scenarios")
    if scenarios.absorbing and terms != GuaranteeTerms():
        raise CertificateError("absorbing: with such periods the guarantee under dic and epir is defined")
    measured = measured_by(terms, certificate.benchmark, scenarios.agents)
    entries = 0
    for part in scenarios.environments:
        entries += independent_entries(part, terms.form(scenarios.agents), certificate.ic, certificate.subject_to)
    require_at_most(3 * entries if INDU() in certificate.ic else 2 * entries, most)
    optima = []
    for name, environment, proof in zip(scenarios.names, scenarios.environments, certificate.optima, strict=True):
        if (proof.ic, proof.ir, proof.subject_to, proof.objective) != (*measured, Revenue()):
            words = "+".join(c.name for one in measured for c in one) or "nothing"
            raise CertificateError(f"optima: that of scenario {name!r} is not the revenue under {words}")
        optimum = check_certificate(environment, proof, most)
        if optimum is None:
            raise CertificateError(f"optima: that of scenario {name!r} has no value")
        optima.append(optimum)
    model = GuaranteeModel(scenarios, optima, terms)
    sign = -1 if certificate.objective == "regret" else 1
    value = prove(model, certificate.primal, certificate.dual, sign * certificate.value)
    if value is None:
        raise CertificateError("value: is missing")
    return sign * value


def terms_of(certificate: GuaranteeCertificate) -> GuaranteeTerms:
    """Terms of a certificate's guarantee."""
    return GuaranteeTerms(certificate.ic, certificate.ir, certificate.subject_to, certificate.objective)


def prove(model: AnyModel, primal: SparseVector, dual: SparseVector, claimed: Fraction | None) -> Fraction | None:
    """Prove the value that is claimed for a rebuilt program, or that it has none where none is claimed."""
    x, y = _dense(primal, "primal", model.columns), _dense(dual, "dual", model.row_count)
    scale, price, direction = primal.denominator, dual.denominator, claimed is None
    reduced: list[Fraction | int] = [price * cost for cost in model.cost]
    upper_bound = Fraction(0)
    rows: Iterator[Row | OrbitRow] = model.rows()
    for number, row in enumerate(rows):
        _check_row(row, x, scale, direction)
        if y[number]:
            side = row.upper if y[number] > 0 else row.lower
            if side is None:
                raise CertificateError(f"dual: multiplier of {row.words()} presses on a side that the row has not")
            upper_bound += y[number] * side
            for j, coefficient in row.entries:
                reduced[j] -= y[number] * coefficient
    _check_bounds(model, x, scale, direction)
    value = Fraction(sum(cost * number for cost, number in zip(model.cost, x, strict=True) if number), scale)
    if direction:
        if value <= 0:
            raise CertificateError("primal: the objective does not grow along this direction")
        return None
    value += model.offset
    for j, cost in enumerate(reduced):
        if cost:
            side = model.upper[j] if cost > 0 else model.lower[j]
            if side is None:
                raise CertificateError(f"dual: reduced cost of {model.words(j)} presses on a bound that it has not")
            upper_bound += cost * side
    proved = upper_bound / price + model.offset
    if value != claimed:
        raise CertificateError(f"value: the primal is worth {value}, the certificate says {claimed}")
    if proved != value:
        raise CertificateError(f"dual: it proves the bound {proved}, the primal is worth {value}")
    return value


def _dense(vector: SparseVector, name: str, size: int) -> list[int]:
    dense = [0] * size
    for j, number in zip(vector.index, vector.numerators, strict=True):
        if not 0 <= j < size:
            raise CertificateError(f"{name}: there is no entry {j}; the program has {size}")
        dense[j] = number
    if vector.denominator < 1:
        raise CertificateError(f"{name}: the denominator is {vector.denominator}")
    return dense


def _outside(value: Fraction | int, lower: Side, upper: Side, direction: bool) -> bool:
    """Whether a value breaks a side; along a direction sides are those of the cone."""
    if direction:
        return (lower is not None and value < 0) or (upper is not None and value > 0)
    return (lower is not None and value < lower) or (upper is not None and value > upper)


def _check_row(row: Row | OrbitRow, x: list[int], scale: int, direction: bool) -> None:
    activity: Fraction | int = 0
    for j, coefficient in row.entries:
        if x[j]:
            activity += coefficient * x[j]
    lower, upper = (None if side is None else side * scale for side in (row.lower, row.upper))
    if _outside(activity, lower, upper, direction):
        raise CertificateError(f"primal: {row.words()} is broken: {Fraction(activity, scale)}")


def _check_bounds(model: AnyModel, x: list[int], scale: int, direction: bool) -> None:
    for j in range(model.columns):
        lower, upper = (None if side is None else side * scale for side in (model.lower[j], model.upper[j]))
        if _outside(x[j], lower, upper, direction):
            raise CertificateError(f"primal: {model.words(j)} is out of bounds: {Fraction(x[j], scale)}")
