"""One measurement in a process of its own: ``python -m benchmarks.worker CONTENDER INSTANCE ALGORITHM``.

The last line of the standard output is a JSON object. Imports are not timed, and neither are those that a
library puts off until its first use: a tiny instance is built and solved before the clock starts.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time

from benchmarks.instances import INSTANCES, WARM_UP, WARM_UP_VALUE

MODULES = {
    "mechopt": "benchmarks.ours",
    "cvxpy": "benchmarks.peers.cvxpy_raw",
    "linopy": "benchmarks.peers.linopy_raw",
    "pyoptinterface": "benchmarks.peers.pyoptinterface_raw",
}


def measure(contender: str, name: str, algorithm: str) -> dict[str, object]:
    """Build and solve one instance once.

    Parameters
    ----------
    contender, name, algorithm : str
        The library, the instance and the algorithm of HiGHS.

    Returns
    -------
    dict
        Seconds of the build and of the solve, peak memory of this process in MB, optimal value and LP size.
    """
    module = importlib.import_module(MODULES[contender])
    warm_up = module.solve(module.build(*WARM_UP), algorithm)
    if abs(warm_up - WARM_UP_VALUE) > 1e-6:
        raise RuntimeError(f"{contender} gives {warm_up} on the warm-up instance, not {WARM_UP_VALUE}")
    start = time.perf_counter()
    model = module.build(*INSTANCES[name])
    built = time.perf_counter()
    value = module.solve(model, algorithm)
    solved = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "build": built - start,
        "solve": solved - built,
        "total": solved - start,
        "megabytes": peak / (2**20 if sys.platform == "darwin" else 2**10),
        "value": value,
        "size": module.size(model),
    }


if __name__ == "__main__":
    result = measure(*sys.argv[1:])
    print("\n" + json.dumps(result))
