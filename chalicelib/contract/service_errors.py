"""Service errors: which errors of S3, KMS and STS are temporary, and the contract's errors for the others.

The codes are those that botocore's retry modes and s3transfer retry, and those that S3's and KMS's error
lists describe as temporary. Errors of boto3 are recognised by their attributes, not their class: the contract
imports the standard library only.
"""

from __future__ import annotations

from chalicelib.contract.errors import ConfigurationError, FaceBlurError, KeyUnusable, StorageUnavailable

TRANSIENT_CODES = frozenset(
    {
        # botocore's standard retry mode.
        "RequestTimeout",
        "RequestTimeoutException",
        "PriorRequestNotComplete",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "TooManyRequestsException",
        "ProvisionedThroughputExceededException",
        "TransactionInProgressException",
        "RequestLimitExceeded",
        "BandwidthLimitExceeded",
        "LimitExceededException",
        "EC2ThrottledException",
        "IDPCommunicationError",
        # S3: another change of the same object or bucket, an upload that is gone, bytes that came damaged.
        "SlowDown",
        "InternalError",
        "InternalServerError",
        "ServiceUnavailableException",
        "ServiceUnavailable",
        "OperationAborted",
        "ConditionalRequestConflict",
        "NoSuchUpload",
        "InvalidPart",
        "BadDigest",
        "InvalidDigest",
        "IncompleteBody",
        "XAmzContentSHA256Mismatch",
        "XAmzContentChecksumMismatch",
        "RequestTimeTooSkewed",
        "RequestExpired",
        # The answer to a HEAD has no body: most of all a token that has expired.
        "400",
        "RequestInTheFuture",
        "InvalidSignatureException",
        # Credentials that are renewed while a function runs.
        "ExpiredToken",
        "ExpiredTokenException",
        "TokenRefreshRequired",
        # KMS, as it says so itself and as S3 passes it on.
        "KMSInternalException",
        "KMS.InternalException",
        "KMS.KMSInternalException",
        "KMS.DependencyTimeoutException",
        "DependencyTimeoutException",
        "KeyUnavailableException",
        "KMS.KeyUnavailableException",
        "KMS.ThrottlingException",
        "KMSThrottlingException",
    }
)
# botocore's errors for a request that was never sent: a retry cannot help.
_UNSENT_CLASSES = frozenset(
    {"NoCredentialsError", "PartialCredentialsError", "NoRegionError", "ParamValidationError"}
)
# The answer to a HEAD has a status only.
_FORBIDDEN_CODES = frozenset({"AccessDenied", "403"})
_KEY_PREFIX = "KMS."
_KEY_CODES = frozenset(
    {"DisabledException", "NotFoundException", "InvalidStateException", "KMSInvalidStateException"}
)
_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500


def error_code(error: Exception) -> str:
    """Return the service's error code; without an answer, the class name of `error`."""
    answer = getattr(error, "response", None)
    if isinstance(answer, dict):
        return str(answer.get("Error", {}).get("Code", ""))
    return type(error).__name__


def is_transient(error: Exception) -> bool:
    """Return whether a retry may succeed: after 5xx, 429, an incomplete answer, or a code of the table."""
    answer = getattr(error, "response", None)
    if not isinstance(answer, dict):
        return type(error).__name__ not in _UNSENT_CLASSES
    status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    busy = status == _TOO_MANY_REQUESTS or status >= _SERVER_ERROR
    return busy or error_code(error) in TRANSIENT_CODES


def storage_error(fact: str, error: Exception) -> FaceBlurError:
    """Return the contract's error for an error of S3; `fact` names the action and the object."""
    if is_transient(error):
        return StorageUnavailable(fact)
    if _is_about_key(error):
        return KeyUnusable(
            f"{fact}. The bucket's KMS key must exist, be enabled, and let the function's role use it."
        )
    if error_code(error) in _FORBIDDEN_CODES:
        return ConfigurationError(
            f"{fact}. Either access is denied, by the role, the bucket's policy or the object's owner; or the"
            " object is gone, which S3 says only to a role with s3:ListBucket and s3:ListBucketVersions."
        )
    return ConfigurationError(f"{fact}. The bucket must exist and the role allow this call.")


def _is_about_key(error: Exception) -> bool:
    code = error_code(error)
    if code.startswith(_KEY_PREFIX) or code in _KEY_CODES:
        return True
    # S3 reports a refusal of KMS as its own AccessDenied, with the KMS action in the message.
    return code == "AccessDenied" and "kms:" in str(error)
