"""Chaos: real processes under load, killed at known moments; counted afterwards at the outside systems' own state.

Imports nothing of the product: it starts it, looks at its database from outside, and ends its processes.
"""
