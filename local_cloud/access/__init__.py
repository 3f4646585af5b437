"""Access: who may ask, checked as AWS does, by keys, signatures and addresses."""
