"""One measurement in a process of its own: ``python -m benchmarks.markov_worker CONTENDER INSTANCE``.

The last line of the standard output is a JSON object. Imports are not timed, and neither is what is put off until its
first use (compilation by numba above all): a small instance is solved before the clock starts.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time

from benchmarks.markov_instances import instance

MODULES = {
    "mechopt": "benchmarks.markov_ours",
    "policy": "benchmarks.peers.quantecon_joint",
    "modified": "benchmarks.peers.quantecon_joint",
    "markovianbandit": "benchmarks.peers.markovianbandit_index",
}
WARM_UP = {"dense": "dense-3", "local": "local-3", "beta": "beta-4"}


def measure(contender: str, name: str) -> dict[str, object]:
    """Build and solve one instance once.

    Returns
    -------
    dict
        Processor seconds of the build and of the solve (of one thread, which other work on the machine hardly moves),
        peak memory of this process in MB, and values to compare.
    """
    module = importlib.import_module(MODULES[contender])
    small = instance(WARM_UP[name.split("-")[0]])
    module.solve(module.build(small), contender)
    given = instance(name)
    start = time.process_time()
    model = module.build(given)
    built = time.process_time()
    values = module.solve(model, contender)
    solved = time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "build": built - start,
        "solve": solved - built,
        "total": solved - start,
        "megabytes": peak / (2**20 if sys.platform == "darwin" else 2**10),
        "values": values,
    }


if __name__ == "__main__":
    result = measure(*sys.argv[1:])
    print("\n" + json.dumps(result))
