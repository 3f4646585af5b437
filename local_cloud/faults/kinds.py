"""Fault kinds: what happens to a call, and the API operations for which each kind makes sense."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class FaultKind(Enum):
    """Kinds of faults of a call. S3 is strongly consistent, so only Rekognition can give a stale answer."""

    THROTTLED = "throttled"
    SERVER_ERROR = "500"
    UNAVAILABLE = "503"
    GATEWAY = "502 of a gateway, in HTML"
    RESET = "connection reset"
    SILENT = "no answer until the caller gives up"
    DELAYED = "carried out a second late"
    LOST_ANSWER = "carried out, answer lost"
    STRAGGLER = "connection reset, carried out meanwhile"
    TWICE = "carried out twice at once"
    KILLED_BEFORE = "caller killed before the call"
    KILLED_AFTER = "caller killed after the call"
    KILLED_LATER = "invoked function killed after a while"
    OUT_OF_MEMORY = "caller out of memory"
    STORAGE_FULL = "caller's /tmp full"
    OVER_QUOTA = "over Rekognition's quota"
    STILL_IN_PROGRESS = "job IN_PROGRESS, or so once more"
    JOB_FAILED = "job FAILED"
    RESULTS_EXPIRED = "job's results expired"
    PAGE_EXPIRED = "page token expired"
    NO_FACES_FIELD = "answer without Faces"
    NO_METADATA = "answer without VideoMetadata"
    PAGES_IN_CIRCLES = "pages A, B, A, B"
    DETECTION_FORBIDDEN = "Rekognition AccessDeniedException"
    DETECTION_LAPSED = "Rekognition ExpiredTokenException"
    DETECTION_OVER_RATE = "Rekognition ProvisionedThroughputExceededException"
    OTHER_PARAMETERS = "Rekognition IdempotentParameterMismatchException"
    OBJECT_UNREACHABLE = "Rekognition InvalidS3ObjectException"
    NULL_ANSWER = "invoked function's answer null"
    CUT_ANSWER = "invoked function's answer cut"
    ARTIFACT_PENDING = "Lambda CodeArtifactUserPendingException"
    NOT_READY = "Lambda ResourceNotReadyException"
    BEING_CHANGED = "Lambda ResourceConflictException"
    NETWORK_NOT_READY = "Lambda ENINotReadyException"
    NO_ADDRESS_LEFT = "Lambda SubnetIPAddressLimitReachedException"
    NETWORK_THROTTLED = "Lambda EC2ThrottledException"
    FUNCTION_KEY_DISABLED = "Lambda KMSDisabledException"
    FUNCTION_GONE = "Lambda ResourceNotFoundException"
    EXECUTIONS_LIMITED = "Step Functions ExecutionLimitExceeded"
    MACHINE_KEY_THROTTLED = "Step Functions KmsThrottlingException"
    MACHINE_DELETING = "Step Functions StateMachineDeleting"
    BAD_DIGEST = "S3 BadDigest"
    SESSION_EXPIRED = "S3 ExpiredToken"
    SESSION_TO_REFRESH = "S3 TokenRefreshRequired"
    OPERATION_ABORTED = "S3 OperationAborted"
    CONDITION_CONFLICT = "S3 ConditionalRequestConflict"
    NO_SUCH_UPLOAD = "S3 NoSuchUpload"
    INVALID_PART = "S3 InvalidPart"
    CLOCK_SKEWED = "S3 RequestTimeTooSkewed"
    REQUEST_TIMEOUT = "S3 RequestTimeout"
    INCOMPLETE_BODY = "S3 IncompleteBody"
    OTHER_CHECKSUM = "S3 XAmzContentSHA256Mismatch"
    KEY_THROTTLED = "S3 ThrottlingException of KMS"
    KEY_DISABLED = "S3 KMS.DisabledException"
    KEY_UNUSABLE = "S3 KMS.KMSInvalidStateException"
    ARCHIVED = "S3 InvalidObjectState"
    FORBIDDEN = "S3 AccessDenied"
    MANIFEST_FORBIDDEN = "S3 AccessDenied at a manifest"
    ERROR_IN_200 = "S3 200 with InternalError in it"
    BODY_CUT = "S3 body that ends early"
    BODY_WRONG = "S3 body with one wrong bit, under its checksum"


@dataclass(frozen=True)
class Refusal:
    """A service's error answer: the HTTP status and the error code."""

    status: str
    code: str


_BAD, _FORBIDDEN, _CONFLICT, _GATEWAY = "400 Bad Request", "403 Forbidden", "409 Conflict", "502 Bad Gateway"
_MISSING = "404 Not Found"
_READING = frozenset({"GetObject"})
_LOOKING = frozenset({"GetObject", "HeadObject"})
_MANIFEST = "PutObject of a manifest"
_PUTTING = frozenset({"PutObject", _MANIFEST})
_COMPLETING = frozenset({"CompleteMultipartUpload"})
_OF_PARTS = frozenset({"UploadPart", "UploadPartCopy", *_COMPLETING})
_WITH_BODY = frozenset({*_PUTTING, "UploadPart"})
_WRITING = frozenset({*_PUTTING, *_OF_PARTS, "CreateMultipartUpload", "CopyObject"})
_ENCRYPTED = frozenset({*_WRITING, *_READING})
_S3 = frozenset({*_ENCRYPTED, "HeadObject", "ListObjectsV2", "DeleteObject", "AbortMultipartUpload"})
_INVOKING = frozenset({"Invoke"})
_STARTING_A_JOB, _ASKING = frozenset({"StartFaceDetection"}), frozenset({"GetFaceDetection"})
_STARTING_AN_EXECUTION = frozenset({"StartExecution"})

# Error answers instead of carrying the call out, and the operations that can get each.
REFUSALS: dict[FaultKind, tuple[Refusal, frozenset[str]]] = {
    FaultKind.OVER_QUOTA: (Refusal(_BAD, "LimitExceededException"), _STARTING_A_JOB),
    FaultKind.RESULTS_EXPIRED: (Refusal(_BAD, "ResourceNotFoundException"), _ASKING),
    FaultKind.PAGE_EXPIRED: (Refusal(_BAD, "InvalidPaginationTokenException"), _ASKING),
    FaultKind.DETECTION_FORBIDDEN: (Refusal(_BAD, "AccessDeniedException"), _STARTING_A_JOB | _ASKING),
    FaultKind.DETECTION_LAPSED: (Refusal(_BAD, "ExpiredTokenException"), _STARTING_A_JOB | _ASKING),
    FaultKind.DETECTION_OVER_RATE: (
        Refusal(_BAD, "ProvisionedThroughputExceededException"),
        _STARTING_A_JOB | _ASKING,
    ),
    FaultKind.OTHER_PARAMETERS: (Refusal(_BAD, "IdempotentParameterMismatchException"), _STARTING_A_JOB),
    FaultKind.OBJECT_UNREACHABLE: (Refusal(_BAD, "InvalidS3ObjectException"), _STARTING_A_JOB),
    FaultKind.ARTIFACT_PENDING: (Refusal(_CONFLICT, "CodeArtifactUserPendingException"), _INVOKING),
    FaultKind.NOT_READY: (Refusal(_GATEWAY, "ResourceNotReadyException"), _INVOKING),
    FaultKind.BEING_CHANGED: (Refusal(_CONFLICT, "ResourceConflictException"), _INVOKING),
    FaultKind.NETWORK_NOT_READY: (Refusal(_GATEWAY, "ENINotReadyException"), _INVOKING),
    FaultKind.NO_ADDRESS_LEFT: (Refusal(_GATEWAY, "SubnetIPAddressLimitReachedException"), _INVOKING),
    FaultKind.NETWORK_THROTTLED: (Refusal(_GATEWAY, "EC2ThrottledException"), _INVOKING),
    FaultKind.FUNCTION_KEY_DISABLED: (Refusal(_GATEWAY, "KMSDisabledException"), _INVOKING),
    FaultKind.FUNCTION_GONE: (Refusal(_MISSING, "ResourceNotFoundException"), _INVOKING),
    FaultKind.EXECUTIONS_LIMITED: (Refusal(_BAD, "ExecutionLimitExceeded"), _STARTING_AN_EXECUTION),
    FaultKind.MACHINE_KEY_THROTTLED: (Refusal(_BAD, "KmsThrottlingException"), _STARTING_AN_EXECUTION),
    FaultKind.MACHINE_DELETING: (Refusal(_BAD, "StateMachineDeleting"), _STARTING_AN_EXECUTION),
    FaultKind.BAD_DIGEST: (Refusal(_BAD, "BadDigest"), _WITH_BODY),
    FaultKind.SESSION_EXPIRED: (Refusal(_BAD, "ExpiredToken"), _S3),
    FaultKind.SESSION_TO_REFRESH: (Refusal(_BAD, "TokenRefreshRequired"), _S3),
    FaultKind.OPERATION_ABORTED: (Refusal(_CONFLICT, "OperationAborted"), _WRITING),
    FaultKind.CONDITION_CONFLICT: (Refusal(_CONFLICT, "ConditionalRequestConflict"), _PUTTING | _COMPLETING),
    FaultKind.NO_SUCH_UPLOAD: (Refusal(_MISSING, "NoSuchUpload"), _OF_PARTS),
    FaultKind.INVALID_PART: (Refusal(_BAD, "InvalidPart"), _COMPLETING),
    FaultKind.CLOCK_SKEWED: (Refusal(_FORBIDDEN, "RequestTimeTooSkewed"), _S3),
    FaultKind.REQUEST_TIMEOUT: (Refusal(_BAD, "RequestTimeout"), _WITH_BODY),
    FaultKind.INCOMPLETE_BODY: (Refusal(_BAD, "IncompleteBody"), _WITH_BODY),
    FaultKind.OTHER_CHECKSUM: (Refusal(_BAD, "XAmzContentSHA256Mismatch"), _WITH_BODY),
    FaultKind.KEY_THROTTLED: (Refusal(_BAD, "ThrottlingException"), _ENCRYPTED),
    FaultKind.KEY_DISABLED: (Refusal(_BAD, "KMS.DisabledException"), _ENCRYPTED),
    FaultKind.KEY_UNUSABLE: (Refusal(_BAD, "KMS.KMSInvalidStateException"), _ENCRYPTED),
    FaultKind.ARCHIVED: (Refusal(_FORBIDDEN, "InvalidObjectState"), _READING),
    FaultKind.FORBIDDEN: (Refusal(_FORBIDDEN, "AccessDenied"), _LOOKING),
    FaultKind.MANIFEST_FORBIDDEN: (Refusal(_FORBIDDEN, "AccessDenied"), frozenset({_MANIFEST})),
    FaultKind.ERROR_IN_200: (
        Refusal("200 OK", "InternalError"),
        frozenset({*_COMPLETING, "UploadPartCopy", "CopyObject"}),
    ),
}
# Faults in the answer to a call that was carried out, and the operations that can get each.
CHANGED_ANSWERS: dict[FaultKind, frozenset[str]] = {
    FaultKind.NO_FACES_FIELD: _ASKING,
    FaultKind.NO_METADATA: _ASKING,
    FaultKind.PAGES_IN_CIRCLES: _ASKING,
    FaultKind.NULL_ANSWER: _INVOKING,
    FaultKind.CUT_ANSWER: _INVOKING,
    FaultKind.BODY_CUT: _READING,
    FaultKind.BODY_WRONG: _READING,
}
_OPERATIONS: dict[FaultKind, frozenset[str]] = {
    **{kind: operations for kind, (_, operations) in REFUSALS.items()},
    **CHANGED_ANSWERS,
    # Not Invoke: Step Functions has its own names for the answers of Lambda's gateway.
    FaultKind.GATEWAY: frozenset({*_S3, *_STARTING_A_JOB, *_ASKING, *_STARTING_AN_EXECUTION}),
    FaultKind.STILL_IN_PROGRESS: _ASKING,
    FaultKind.JOB_FAILED: _ASKING,
    FaultKind.KILLED_LATER: _INVOKING,
}
OF_A_FUNCTION = frozenset(
    {
        FaultKind.SILENT,
        FaultKind.KILLED_BEFORE,
        FaultKind.KILLED_AFTER,
        FaultKind.OUT_OF_MEMORY,
        FaultKind.STORAGE_FULL,
    }
)


def is_heard_at(kind: FaultKind, operation: str) -> bool:
    """Return whether a call of this operation can get a fault of this kind; most kinds fit any call."""
    operations = _OPERATIONS.get(kind)
    return operations is None or operation in operations
