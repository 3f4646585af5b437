"""One command to AWS, one away: stacks, image, Chalice app; and what runs there."""
