"""The face model: quantise CenterFace, compare the result with the original. Runs before deployment only."""
