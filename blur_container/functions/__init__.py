"""The Lambda functions of the container, one module each; `handler` holds their entry points."""
