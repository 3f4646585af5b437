"""What the local cloud cannot do for its user: each is told in one sentence, without a traceback."""


class LocalCloudError(Exception):
    """Root of the errors that a person at the keyboard can mend."""


class PortTaken(LocalCloudError):
    """Another program listens on the port asked for."""


class DeployFailed(LocalCloudError):
    """`chalice deploy` ended with an error; the message holds what it printed."""


class NoExecution(LocalCloudError):
    """An upload started no execution."""
