"""Step Functions: moto's interpreter of state machines, with an order for its threads."""
