"""Certificates that were changed and signed again: whatever the checker still accepts must be true."""

import copy
import json
import random
from functools import cache

import mechopt as mo
from mechopt.core.errors import InputError
from mechopt.core.numbers import to_exact
from mechopt.mechanism.constraints import ALL_CONSTRAINTS
from mechopt.proof.certificate import digest
from mechopt.proof.check import check_certificate
from mechopt.solve.exact.certify import CertificateError, certify, load_certificate
from tests.persistent_exact import random_interdependent
from tests.persistent_instances import battaglini, three_types
from tests.proofs import coin, generic, other_text

NAMES = [constraint.name for constraint in ALL_CONSTRAINTS]
TWO_BUYERS = mo.IndependentTypes.iid([1, 3], ["2/3", "1/3"], 1, agents=2)
WORTHLESS = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], 2, cost=5)
HONEST = {
    "coin": (coin(2), mo.DIC(), mo.EPIR()),
    "coin-payments": (coin(2), mo.PPIC(), (mo.PPIR(), mo.PEIR())),
    "coin-truth-taken": (coin(2), None, mo.EPIR()),
    "coin-no-bound": (coin(2), mo.DIC(), None),
    "three-types": (generic(3, 2), mo.SuperDIC(), mo.PFIR()),
    "two-buyers": (TWO_BUYERS, mo.ExPostIC(), mo.Interim()),
    "two-buyers-payments": (TWO_BUYERS, mo.PPIC(), mo.PeriodicIR()),
    "worthless": (WORTHLESS, mo.DIC(), mo.EPIR()),
    "persistent": (battaglini(2), mo.BayesianIC(), mo.EPIR()),
    "persistent-local": (three_types(), mo.AdjacentIC(), mo.PeriodicIR()),
    "persistent-hidden": (three_types(1), mo.BayesianIC("own"), mo.Interim()),
    "persistent-truth-taken": (battaglini(2), None, mo.PFIR()),
    "correlated": (random_interdependent(0, (1, 2)), mo.PeriodicExPostIC(), mo.PeriodicExPostIR()),
}
ENVIRONMENTS = list({env.fingerprint: env for env, _, _ in HONEST.values()}.values())


@cache
def honest_content(name, folder):
    path = folder / f"{name}.json"
    env, ic, ir = HONEST[name]
    certify(env, ic, ir).save(path)
    content = json.loads(path.read_text())
    del content["digest"]
    return content


@cache
def truth(fingerprint, ic, ir, objective):
    """The optimum under constraints of exactly these names; an error where they are not defined for the kind."""
    env = next(env for env in ENVIRONMENTS if env.fingerprint == fingerprint)
    named = {constraint.name: constraint for constraint in ALL_CONSTRAINTS}
    weights = mo.Objective(**dict(objective))
    return certify(env, [named[name] for name in ic], [named[name] for name in ir], weights).value


def changed(content, chance):
    """One to three changes of anything."""
    content = copy.deepcopy(content)
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        chance.choice(CHANGES)(content, chance)
    return content


def _constraints(content, chance):
    side = chance.choice(["ic", "ir"])
    listed = content[side]
    kind = chance.randrange(4)
    if kind == 0:
        content[side] = [*listed, chance.choice(NAMES)]
    elif kind == 1:
        content[side] = listed[1:]
    elif kind == 2:
        content[side] = [chance.choice(NAMES)]
    else:
        content[side] = chance.sample(NAMES, chance.randint(1, 3))
    if chance.random() < 0.7:
        content[side] = sorted(set(content[side]), key=NAMES.index)


def _form(content, chance):
    content["form"] = chance.choice(["payment", "utility", "promise", "sequence", "scenarios", ""])


def _objective(content, chance):
    content["objective"][chance.choice(list(content["objective"]))] = chance.choice(["0", "1", "2", "-1", "1/2"])


def _value(content, chance):
    value = content["value"]
    content["value"] = chance.choice([value, "0", "1", "5/2", "-1", None, f"{chance.randint(1, 99)}/32"])
    content["status"] = chance.choice([content["status"], content["status"], "optimal", "unbounded", "infeasible"])


def _fingerprint(content, chance):
    content["fingerprint"] = chance.choice([*(env.fingerprint for env in ENVIRONMENTS), other_text("0" * 64)])


def _vector(content, chance):
    vector = content[chance.choice(["primal", "dual"])]
    entries = dict(zip(vector["index"], map(int, vector["numerators"]), strict=True))
    denominator = int(vector["denominator"])
    for _ in range(chance.randint(1, 2)):
        at = chance.choice([*entries, chance.randrange(40)])
        entries[at] = chance.choice(
            [0, -entries.get(at, 1), entries.get(at, 0) + chance.choice([-1, 1]), 2 * denominator]
        )
    entries = {at: number for at, number in sorted(entries.items()) if number}
    vector["index"], vector["numerators"] = list(entries), [str(number) for number in entries.values()]
    if chance.random() < 0.2:
        vector["denominator"] = str(denominator * chance.choice([2, 3]))


def _swap(content, chance):
    content["primal"], content["dual"] = content["dual"], content["primal"]


CHANGES = [_constraints, _constraints, _constraints, _form, _objective, _value, _fingerprint, _vector, _vector, _swap]


def false_claim(content, folder):
    """Whether the checker accepts a changed certificate, and, where it does, whether it claims what is not so."""
    path = folder / "mutant.json"
    path.write_text(json.dumps(content | {"digest": digest(content)}))
    env = next((env for env in ENVIRONMENTS if env.fingerprint == content["fingerprint"]), None)
    try:
        value = check_certificate(env or ENVIRONMENTS[0], load_certificate(path))
    except CertificateError:
        return False, False
    ic, ir = tuple(content["ic"]), tuple(content["ir"])
    weights = tuple(sorted((name, float(to_exact(w))) for name, w in content["objective"].items()))
    try:
        return True, truth(content["fingerprint"], ic, ir, weights) != value
    except InputError:
        return True, True


def try_mutants(seeds, folder):
    """How many changed certificates were accepted, and those that claim what is not so."""
    accepted, false = 0, []
    for seed in seeds:
        chance = random.Random(seed)
        name = chance.choice(list(HONEST))
        content = changed(honest_content(name, folder), chance)
        taken, wrong = false_claim(content, folder)
        accepted += taken
        if wrong:
            false.append((seed, name, content["ic"], content["ir"], content["form"], content["objective"]))
    return accepted, false
