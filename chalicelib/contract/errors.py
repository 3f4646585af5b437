"""Every error the system names. Class names are wire format: the state machine matches them.

FaceBlurError
├── TransientError             the state machine tries again
│   ├── RekognitionLimited       20 open jobs, or throttled
│   ├── RekognitionUnavailable   5xx, or no answer
│   ├── StorageUnavailable       S3 said 5xx or SlowDown, or no answer; all of contract/service_errors.py
│   └── ScratchFull              no room left in /tmp
└── PermanentError             trying again cannot help
    ├── ConfigurationError       a setting is missing or contradicts another
    ├── KeyUnusable              the KMS key is disabled, gone, or may not be used
    ├── InvalidDocument          a payload or document cannot be read
    ├── EmptyObject              the upload has no bytes
    ├── ObjectTooLarge           the upload is over 10 GB
    ├── SourceNotVersioned       the upload names no version: its bucket keeps none
    ├── UploadLimitExceeded      more uploads of one key prefix in an hour than the stage allows
    ├── SourceChanged            the analysed object version is not there any more
    ├── DetectionRefused         Rekognition did not accept the video
    ├── DetectionFailed          the Rekognition job ended as FAILED
    ├── DetectionExpired         Rekognition no longer keeps the job's results
    ├── DetectionTimedOut        the Rekognition job did not end in time
    ├── NotAVideo                the container cannot be opened
    ├── NoVideoStream            there is nothing to blur in it
    ├── DamagedVideo             truncated, or not decodable to its end
    ├── VideoTooLarge            over a limit of pixels, duration, streams or packets
    ├── UnsupportedVideo         decodable, but outside what is rendered faithfully
    ├── ModelDamaged             the face model is missing, changed, or cannot be run
    ├── OutputMismatch           the rendered file is not what was asked for
    ├── FailureRecorded          the execution was given up while this function went on
    ├── Superseded               a newer upload of the same key has taken its place
    └── RendererChanged          code or settings were deployed while the execution was under way
"""

from chalicelib.contract.log import printable, without_secrets


class FaceBlurError(Exception):
    """Root of all errors raised on purpose.

    Its words go into logs, causes and manifests as they are: they fit one line, whatever a key or an address
    in them holds.
    """

    def __str__(self) -> str:
        """Return the error in words."""
        return printable(without_secrets(super().__str__()))


class TransientError(FaceBlurError):
    """Trying again later may help."""


class RekognitionLimited(TransientError):
    """Rekognition has no free job, or throttles."""


class RekognitionUnavailable(TransientError):
    """Rekognition answered 5xx, or not at all."""


class StorageUnavailable(TransientError):
    """S3 answered 5xx or SlowDown, or not at all."""


class ScratchFull(TransientError):
    """A function's own files find no room; another place may have more."""


class PermanentError(FaceBlurError):
    """Trying again cannot help; a person must look."""


class ConfigurationError(PermanentError):
    """A setting is missing, malformed or contradicts another."""


class KeyUnusable(PermanentError):
    """The KMS key of a bucket is disabled, gone, or not allowed to the function."""


class InvalidDocument(PermanentError):
    """A payload or document does not follow the contract."""


class EmptyObject(PermanentError):
    """The uploaded object has no bytes."""


class ObjectTooLarge(PermanentError):
    """The uploaded object is larger than Rekognition accepts."""


class SourceNotVersioned(PermanentError):
    """The upload has no version to be pinned to: another may take its place at any time."""


class UploadLimitExceeded(PermanentError):
    """The uploads of one key prefix in one hour are over the stage's limit."""


class SourceChanged(PermanentError):
    """The object version that was analysed is not there any more."""


class DetectionRefused(PermanentError):
    """Rekognition did not accept the request for this object."""


class DetectionFailed(PermanentError):
    """The Rekognition job ended as FAILED."""


class DetectionExpired(PermanentError):
    """Rekognition keeps the results of a job for seven days, and these are over."""


class DetectionTimedOut(PermanentError):
    """The Rekognition job was still in progress after the longest wait."""


class NotAVideo(PermanentError):
    """The file cannot be opened as a media container."""


class NoVideoStream(PermanentError):
    """The container holds no video stream."""


class DamagedVideo(PermanentError):
    """The video is truncated or cannot be decoded to its end."""


class VideoTooLarge(PermanentError):
    """The video is over a limit of pixels, duration, streams or packets."""


class UnsupportedVideo(PermanentError):
    """The video is decodable, but outside what is rendered faithfully."""


class ModelDamaged(PermanentError):
    """The container's face model is missing, is not the one that was built, or cannot be run here."""


class OutputMismatch(PermanentError):
    """The rendered file failed its verification."""


class FailureRecorded(PermanentError):
    """The execution has recorded its failure; what is rendered after that is not delivered."""


class Superseded(PermanentError):
    """A newer upload of the same key is delivered, or on its way: this one is not delivered any more."""


class RendererChanged(PermanentError):
    """The segments were planned or rendered by other code or settings than those that would go on."""


TRANSIENT_ERRORS = (RekognitionLimited, RekognitionUnavailable, StorageUnavailable, ScratchFull)
PERMANENT_ERRORS = (
    ConfigurationError,
    KeyUnusable,
    InvalidDocument,
    EmptyObject,
    ObjectTooLarge,
    SourceNotVersioned,
    UploadLimitExceeded,
    SourceChanged,
    DetectionRefused,
    DetectionFailed,
    DetectionExpired,
    DetectionTimedOut,
    NotAVideo,
    NoVideoStream,
    DamagedVideo,
    VideoTooLarge,
    UnsupportedVideo,
    ModelDamaged,
    OutputMismatch,
    FailureRecorded,
    Superseded,
    RendererChanged,
)
