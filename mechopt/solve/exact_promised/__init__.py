"""The exact optimum of one buyer by promised utility, and its certificate; `mechopt.solve.exact_promised.optimum`."""
