"""An optimum with its exact proof."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mechopt.lp.program import LinearProgram
from mechopt.solve.exact.certify import certified
from mechopt.solve.exact.lifting import ExactLimitError
from mechopt.solve.result import Optimum
from mechopt.solve.solution import Bound, Solution, Status

if TYPE_CHECKING:
    from mechopt.lp.build import AnyLayout


def proved(
    found: Optimum,
    layout: AnyLayout,
    program: LinearProgram,
    solution: Solution,
    time_limit: float | None = None,
) -> Optimum:
    """The same with its exact certificate; where a limit or an interrupt stops the solver or the proof there is none.

    A limit of the exact arithmetic is named in ``conflict``, and the solver's answer stays beside it.

    The mechanism stays the solver's where the solver was right, and is the certificate's where it was not.
    """
    if solution.status in (Status.TIME_LIMIT, Status.INTERRUPTED):
        return found
    begun = time.perf_counter()
    deadline = float("inf") if time_limit is None else time.monotonic() + time_limit
    proof, status = None, Status.INTERRUPTED
    try:
        proof = certified(layout.plan, program, solution.basis, deadline)
    except TimeoutError:
        status = Status.TIME_LIMIT
    except KeyboardInterrupt:
        status = Status.INTERRUPTED
    except ExactLimitError as limit:
        return replace(found, seconds=_until_now(found, begun), status=Status.UNPROVED, conflict=(str(limit),))
    seconds = _until_now(found, begun)
    if proof is None:
        return replace(found, seconds=seconds, status=status)
    if proof.value is None:
        stands = Status.INFEASIBLE if proof.status == "infeasible" else Status.UNBOUNDED
        if found.status is stands:
            return replace(found, seconds=seconds, certificate=proof)
        end, words = -np.inf if stands is Status.INFEASIBLE else np.inf, f"the solver found it {found.status}"
        bound = Bound(-np.inf, end, "exact certificate")
        changed = replace(found, value=end, bound=bound, status=stands, mechanism=None, conflict=(words,))
        return replace(changed, seconds=seconds, certificate=proof, duals=None)
    value, mechanism = float(proof.value), found.mechanism
    if solution.status is not Status.OPTIMAL:
        exact = np.zeros(len(program.cost))
        for column, entry in proof.primal.entries.items():
            exact[column] = float(entry)
        mechanism = layout.mechanism(layout.in_units(exact))
    return replace(
        found,
        value=value,
        mechanism=mechanism,
        bound=Bound(value, value, "exact certificate"),
        status=Status.OPTIMAL,
        seconds=seconds,
        exact=proof.value,
        certificate=proof,
    )


def _until_now(found: Optimum, begun: float) -> dict[str, float]:
    return found.seconds | {"exact": time.perf_counter() - begun}
