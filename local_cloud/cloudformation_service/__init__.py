"""CloudFormation: templates are parsed, and stacks are applied to the other services."""
