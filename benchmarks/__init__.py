"""Benchmark of mechopt against peer modelling libraries."""
