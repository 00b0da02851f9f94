"""Measured against what a user would pick instead, and against what the system allows.

``make bench`` runs all rows; ``python -m tests.benchmarks --rows empty array_in`` some.
"""
