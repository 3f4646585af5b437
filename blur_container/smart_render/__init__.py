"""Smart rendering: GOPs without faces are copied, the others are encoded again."""
