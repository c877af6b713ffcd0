"""Exact transfers, or the proof that there are none, as a file that `mechopt certificate check` proves anew."""

from __future__ import annotations

from fractions import Fraction
from math import prod
from typing import Any

import numpy as np

from mechopt.closedform.contingent.program.infeasible import Farkas
from mechopt.closedform.contingent.program.numbers import Numbers, exact_numbers, others_of
from mechopt.closedform.contingent.program.possible import NoTransfersError, rule_surplus
from mechopt.closedform.contingent.program.requirements import Requirements
from mechopt.closedform.contingent.result import ONE_LAST_ACTION, ContingentTransfers
from mechopt.closedform.contingent.robust.transfers import NoRobustTransfersError, Robustness
from mechopt.core.errors import InputError, require_type
from mechopt.core.numbers import Array, IntArray
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.environment.kernels.ball import KernelBall
from mechopt.environment.kernels.box import KernelBox
from mechopt.environment.kernels.hull import KernelHull
from mechopt.environment.kernels.lines import like_kernels
from mechopt.environment.kernels.sets import KernelSet
from mechopt.proof.contingent.file import TransferProof, Weighted


def transfer_proof(found: ContingentTransfers | NoTransfersError | NoRobustTransfersError) -> TransferProof:
    """Write down what proves that transfers satisfy every inequality, or that there are none.

    Parameters
    ----------
    found : ContingentTransfers, NoTransfersError or NoRobustTransfersError
        With exact numbers.

    Raises
    ------
    InputError
        If numbers are not exact.

    Examples
    --------
    >>> from mechopt import modelfile
    >>> from mechopt.closedform.contingent.transfers import contingent_transfers
    >>> from mechopt.proof.contingent.check import check_transfer_proof
    >>> env = modelfile.load("liu-2025/crossed-signals")
    >>> proof = transfer_proof(contingent_transfers(env, "spanning", exact=True))
    >>> check_transfer_proof(env, proof)
    Fraction(239, 72)
    """
    require_type(
        found,
        ("ContingentTransfers", "NoTransfersError", "NoRobustTransfersError"),
        "transfer_proof",
        "give mo.contingent_transfers(env), or its error",
    )
    if isinstance(found, NoTransfersError):
        return _refusal(found)
    if isinstance(found, NoRobustTransfersError):
        return _robust_refusal(found)
    if found.exact is None:
        raise InputError("proof: the transfers are floats; solve with exact=True")
    env, exact = found.environment, found.exact
    common = _common(env, found.policy, found.asked, ONE_LAST_ACTION in found.theorem or _constant(found))
    payments, stack = [], _stack(found)
    for t, row in enumerate(exact.payments):
        if stack.get("how") == "histories":
            payments.append([_flat(table, t * env.agents + env.agents) for table in row])
            continue
        parts = [[table, *(exact.later[t][i] if exact.later else ())] for i, table in enumerate(row)]
        length = 1
        if found.together:
            length = found.together if env.infinite else min(found.together, env.stages - 1 - t)
        policy = found.policy[t]
        by_report = [[_by_report(env, policy, t, i, part, length) for part in own] for i, own in enumerate(parts)]
        payments.append(
            [[[x for line in lines for x in line] for lines in zip(*own, strict=True)] for own in by_report]
        )
    return TransferProof(
        **common,
        values=[[list(table.ravel()) for table in own] for own in exact.values],
        payments=payments,
        last_payments=[list(table.ravel()) for table in exact.last_payments or ()],
        fees=list(exact.fees),
        **({} if found.robust is None else _robust(env, found.robust)),
        stack=stack,
    )


def _stack(found: ContingentTransfers) -> dict[str, Any]:
    """How payments are stacked, as the file says it."""
    if found.method != "stacked":
        return {}
    if found.history:
        if not found.reports:
            raise InputError("proof: solve with exact=True")
        return {"how": "histories", "steps": 1}
    if found.together:
        return {"how": "together", "steps": found.together}
    return {"how": "apart", "steps": 1 + max((len(own) for row in found.later for own in row), default=0)}


def _flat(table: Array, axes: int) -> list[list[Fraction]]:
    """Lines of a table whose first axes are those of the lines."""
    return [list(line) for line in table.reshape(prod(table.shape[:axes]), -1)]


def _robust(env: InterdependentTypes, robust: Robustness) -> dict[str, Any]:
    """The set of kernels as plain data, and the bounds on what the truth is worth."""
    bounds = {"lower": robust.lower, "upper": robust.upper}
    return {"kernels": _plain_set(env, robust.kernels)} | {
        name: [[list(table) for table in own] for own in given] for name, given in bounds.items() if given is not None
    }


def _plain_set(env: InterdependentTypes, kernels: KernelSet) -> dict[str, Any]:
    def plain(tables: tuple[Array, ...], name: str) -> Any:
        by_period = like_kernels(env, tables, name)
        flat = [table.reshape(len(table), prod(env.shape[t]), -1) for t, table in enumerate(by_period)]
        return [
            [[[str(entry) for entry in distribution] for distribution in action] for action in table] for table in flat
        ]

    if isinstance(kernels, KernelBall):
        return {"kind": "ball", "radius": str(kernels.radius)}
    if isinstance(kernels, KernelBox):
        return {"kind": "box", "lower": plain(kernels.lower, "lower"), "upper": plain(kernels.upper, "upper")}
    if isinstance(kernels, KernelHull):
        return {"kind": "hull", "kernels": [plain(tables, "kernels") for tables in kernels.kernels]}
    raise InputError("proof: give the polytope by its vertices, KernelHull, or by KernelBall or KernelBox")


def _robust_refusal(found: NoRobustTransfersError) -> TransferProof:
    if found.farkas is None or not found.farkas.exact:
        raise InputError('proof: the multipliers are floats; write the probabilities as fractions such as "1/3"')
    env = found.farkas.environment
    return TransferProof(
        **_common(env, found.policy, None, found.constant),
        shares=_shares(env, found.farkas),
        kernels=_plain_set(env, found.robustness.kernels),
        distributions=[[] if distribution is None else list(distribution) for distribution in found.distributions],
    )


def _constant(found: ContingentTransfers) -> bool:
    return found.theorem.startswith("Corollary 3.3")


def _common(
    env: InterdependentTypes, policy: tuple[IntArray, ...], asked: Requirements | None, constant: bool
) -> dict[str, Any]:
    """The rule, its surplus and what is asked, with W where the rule is efficient."""
    numbers = exact_numbers(env)
    flat = tuple(stage.reshape(-1) for stage in policy)
    surplus = [list(table) for table in rule_surplus(numbers, flat)]
    welfare = _welfare(numbers, flat, constant)
    demands = asked or Requirements(outside=(Fraction(0),) * env.agents)
    return {
        "fingerprint": env.fingerprint,
        "last": "none" if env.infinite else ("constant" if constant else "efficient"),
        "efficient": welfare is not None,
        "asked": {
            "participation": demands.participation,
            "outside": [str(entry) for entry in demands.outside],
            "fee": demands.fee,
            "cap": None if demands.cap is None else str(demands.cap),
            "balance": demands.balance,
            "form": demands.form,
        },
        "policy": [stage.tolist() for stage in flat],
        "surplus": surplus,
        "welfare": welfare or [],
    }


def _welfare(numbers: Numbers, policy: tuple[IntArray, ...], constant: bool) -> list[list[Fraction]] | None:
    """W by period where the rule attains it, the last period of a constant end apart; else None."""
    worth: list[Array] = list(rule_surplus(numbers, policy))
    if not numbers.infinite and constant:
        worth = [np.max(numbers.surplus(numbers.stages - 1), axis=0)]
        for t in reversed(range(numbers.stages - 1)):
            here = np.arange(len(policy[t]))
            later = (numbers.kernel[t][policy[t], here] * worth[0]).sum(axis=1)
            worth.insert(0, numbers.surplus(t)[policy[t], here] + numbers.discount * later)
    for t in range(numbers.stages):
        best = numbers.surplus(t)
        if t < len(numbers.kernel):
            best = best + numbers.discount * (numbers.kernel[t] @ worth[numbers.following(t)])
        if (np.max(best, axis=0) != worth[t]).any():
            return None
    return [list(table) for table in worth]


def _by_report(
    env: InterdependentTypes, policy: IntArray, t: int, i: int, table: Array, periods: int
) -> list[list[Fraction]]:
    """Payments by reported profile and the others' next profile, or their profiles of several periods."""
    shape = env.shape[t]
    count, own = len(policy.ravel()) // shape[i], np.indices(shape)[i].ravel()
    free = table.ndim == 1 + (env.agents - 1) * (1 + periods)
    wide = table.reshape(len(table), count, 1 if free else shape[i], -1)
    rows = wide[policy.ravel(), others_of(shape, i), np.zeros_like(own) if free else own]
    return [list(row) for row in rows]


def _refusal(found: NoTransfersError) -> TransferProof:
    proof = found.farkas
    if not proof.exact or proof.environment.exact is None:
        raise InputError('proof: the multipliers are floats; write the probabilities as fractions such as "1/3"')
    env = proof.environment
    return TransferProof(**_common(env, found.policy, found.asked, found.constant), shares=_shares(env, proof))


def _shares(env: InterdependentTypes, proof: Farkas) -> list[Weighted]:
    """The inequalities of a contradiction with their multipliers."""
    shares = []
    for share in proof.shares:
        profile = share.signal
        if share.kind in ("truth", "misreport", "last"):
            signals = list(share.others)
            signals.insert(share.agent, share.signal)
            profile = int(np.ravel_multi_index(signals, env.shape[share.period]))
        multiplier = Fraction(share.multiplier)
        shares.append(Weighted(multiplier, share.kind, share.agent, share.period, profile, share.report))
    return shares
