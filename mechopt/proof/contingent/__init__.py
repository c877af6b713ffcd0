"""Proofs about contingent transfers: their files and their checker."""
