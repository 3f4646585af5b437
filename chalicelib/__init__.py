"""The light functions: everything that app.py calls."""
