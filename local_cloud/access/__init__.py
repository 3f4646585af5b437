"""Access control: keys, signatures and request origins are checked as AWS does."""
