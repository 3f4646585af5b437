"""What the light functions, the state machine and the container say to each other.

Standard library only: this folder is copied into the container image.
"""
