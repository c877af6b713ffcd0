r"""Sets of transition probabilities: what a kernel may be where it is not known for certain.

Each set is a product: at every period, action and profile of signals one convex set of distributions of the next
profile (rows of the kernel are independent of each other). What is asked of such a set is its support function, the
distribution that makes an expectation smallest; it is an extreme point:

- `KernelBall`: within a total size of the given distribution (twice the total variation distance). Mass goes from the
  outcomes that are worth most to the one that is worth least.
- `KernelBox`: every probability between two bounds. The outcomes worth least are filled first.
- `KernelHull`: mixtures of given kernels, that is every polytope by its vertices.
- `KernelRows`: linear inequalities, that is every polytope by its facets; a linear program each.

Source: Iyengar (2005), Robust dynamic programming; Nilim and El Ghaoui (2005), Robust control of Markov decision
processes with uncertain transition matrices (rectangular sets).
"""
