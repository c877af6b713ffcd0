"""Programs that other solvers solve: by cvxpy, or from an exported file and back."""
