"""Step Functions: moto's interpreter of state machines, patched."""
