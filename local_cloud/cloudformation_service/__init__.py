"""CloudFormation: templates and stacks, applied to the other services."""
