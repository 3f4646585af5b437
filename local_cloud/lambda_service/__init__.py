"""Lambda: functions, invocations, sandboxes with the Runtime API, container images."""
