"""The contract between the light functions, the state machine and the container: documents, keys, errors.

Standard library only: this folder is copied into the container image.
"""
