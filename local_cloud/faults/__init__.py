"""Fault injection: which calls fail, and how."""
