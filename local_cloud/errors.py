"""Errors of the local cloud that its user can fix: each is printed as one sentence, without a traceback."""


class LocalCloudError(Exception):
    """Root of the errors that the user can fix."""


class PortTaken(LocalCloudError):
    """Another program listens on the requested port."""


class DeployFailed(LocalCloudError):
    """The deployment failed; the message contains the output of the failed step."""


class NoExecution(LocalCloudError):
    """An upload started no execution."""
