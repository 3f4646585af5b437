"""The Lambda functions of the container, one module each; `handler` has their entry points."""
