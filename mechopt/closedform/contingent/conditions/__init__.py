"""Convex independence and spanning: distances from hulls, ranks, and the targets met under them.

Source: Liu (2025), section 3.
"""
