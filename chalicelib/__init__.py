"""The light Lambdas: everything app.py calls."""
