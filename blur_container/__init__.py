"""The container Lambda: renders videos with every face covered."""
