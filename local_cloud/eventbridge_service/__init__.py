"""EventBridge's delivery: the ends of executions to the targets of rules, as their policies allow."""
