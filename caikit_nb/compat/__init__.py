"""Bridges to the packages whose ideas are at home here; each needs its package (an extra)."""
