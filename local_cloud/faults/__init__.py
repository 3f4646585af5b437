"""Faults on demand: which calls fail, and how."""
