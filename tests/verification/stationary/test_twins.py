"""Re-reports add no inequality where any type may be reported anyway: checked once, said of both."""

import numpy as np

from mechopt.environment.markov import MarkovTypes
from mechopt.mechanism.constraints import PeriodicExPostIC
from mechopt.mechanism.stationary import MarkovMechanism
from mechopt.verification.stationary.check import verify_markov

PLAIN, AGAIN = PeriodicExPostIC(), PeriodicExPostIC(rereport=True)


def test_both_constraints_together_say_what_each_says_alone() -> None:
    env = MarkovTypes([[[0, 0], [0, 2]]], [[["1/2", "1/2"]] * 2], [["1/2", "1/2"]], discount="1/2")
    everything = MarkovMechanism(env, [np.array([0, 1])], [[np.array([0, 2])]])
    too_dear = MarkovMechanism(env, [np.array([0, 1])], [[np.array([0, 3])]])
    for mechanism, holds in ((everything, True), (too_dear, False)):
        together = verify_markov(mechanism, [PLAIN, AGAIN])
        assert together.holds is holds
        for constraint in (PLAIN, AGAIN):
            check = together[constraint]
            assert check == verify_markov(mechanism, constraint)[constraint]
            if not holds:
                assert check.gain == 1.0
                assert check.counterexample is not None
                assert check.counterexample.constraint == constraint
