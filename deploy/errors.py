"""Errors that stop a deployment: each is one sentence with the problem and its solution.

DeployError
├── NoCredentials         AWS does not accept the credentials
├── WrongRegion           no region, or one without Rekognition Video
├── QuotaTooLow           the account may not give a function its memory
├── InvalidSettings       deploy/stages.yaml contradicts itself
├── BucketUnusable        taken, elsewhere, or not there
├── NoEngine              neither docker nor podman answers
├── BaseUnknown           nobody says which base image its name means now
├── ImageNotPushed        the image was not built, or did not arrive
├── StackFailed           CloudFormation rolled back
├── ChaliceFailed         `chalice deploy` or `chalice delete` ended with an error
├── RecordUnusable        .chalice has no record of the stage, or one that is no longer true
├── VideoUnavailable      no such file, no such upload, or no output of it
└── ExecutionsRunning     videos are being blurred
"""


class DeployError(Exception):
    """Root of the errors that the user can fix."""


class NoCredentials(DeployError):
    """AWS does not accept the credentials."""


class WrongRegion(DeployError):
    """There is no region, or Rekognition detects no faces in stored videos there."""


class QuotaTooLow(DeployError):
    """Lambda would refuse the functions in this account."""


class InvalidSettings(DeployError):
    """The settings of the stage contradict each other or name what does not exist."""


class BucketUnusable(DeployError):
    """A bucket cannot be used under this name, in this region, by this account."""


class NoEngine(DeployError):
    """No program builds images here."""


class BaseUnknown(DeployError):
    """The registry of the base image does not say which image its name means now."""


class ImageNotPushed(DeployError):
    """The image is not in the repository."""


class StackFailed(DeployError):
    """CloudFormation did not bring a stack to what its template says."""


class ChaliceFailed(DeployError):
    """Chalice ended with an error; the message holds what it printed."""


class RecordUnusable(DeployError):
    """The stage's record in .chalice is missing, or does not fit code, credentials or account."""


class VideoUnavailable(DeployError):
    """There is no such file, no such upload, or no output of it."""


class ExecutionsRunning(DeployError):
    """Removing now would cut off executions."""
