"""Uploads through the deployed system; a package, so that its cloud closes with its last test."""
