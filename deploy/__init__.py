"""Deploys a stage to AWS and removes it: stacks, image, Chalice app; lists and restarts executions."""
