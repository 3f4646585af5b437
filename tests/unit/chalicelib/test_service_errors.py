"""Service errors: one table says what passes by itself, for both sides."""

from __future__ import annotations

import pytest
from botocore.exceptions import (
    ConnectTimeoutError,
    FlexibleChecksumError,
    IncompleteReadError,
    NoCredentialsError,
    ParamValidationError,
)
from botocore.retries.standard import ThrottledRetryableChecker, TransientRetryableChecker

from blur_container.storage.client import translated
from chalicelib.contract.errors import ConfigurationError, FaceBlurError, KeyUnusable, StorageUnavailable
from chalicelib.contract.service_errors import TRANSIENT_CODES
from chalicelib.storage import named_errors
from tests.clouds.fake_s3 import refusal

SIDES = pytest.mark.parametrize("named_by", [translated, named_errors], ids=["container", "light functions"])


def test_all_that_botocore_tries_again_is_in_the_table() -> None:
    """Its own tries may end; the machine's go on."""
    # botocore tells them nowhere else.
    botocore_codes = {
        *ThrottledRetryableChecker._THROTTLED_ERROR_CODES,  # noqa: SLF001
        *TransientRetryableChecker._TRANSIENT_ERROR_CODES,  # noqa: SLF001
    }

    assert botocore_codes <= TRANSIENT_CODES


@SIDES
@pytest.mark.parametrize("code", sorted(TRANSIENT_CODES))
def test_a_temporary_refusal_is_tried_again(named_by: type, code: str) -> None:
    """Whatever its HTTP status."""
    with pytest.raises(StorageUnavailable, match=code), named_by("s3://bucket/key"):
        raise refusal(code, 400)


@SIDES
@pytest.mark.parametrize(
    ("error", "named"),
    [
        (refusal("AnythingAtAll", 500), StorageUnavailable),
        (refusal("AnythingAtAll", 429), StorageUnavailable),
        (FlexibleChecksumError(error_msg="wrong checksum"), StorageUnavailable),
        (IncompleteReadError(actual_bytes=1, expected_bytes=2), StorageUnavailable),
        (ConnectTimeoutError(endpoint_url="s3"), StorageUnavailable),
        (NoCredentialsError(), ConfigurationError),
        (ParamValidationError(report="a field"), ConfigurationError),
        (refusal("AccessDenied", 403), ConfigurationError),
        (refusal("NoSuchBucket", 404), ConfigurationError),
        (refusal("KMS.DisabledException", 400), KeyUnusable),
        (refusal("KMS.NotFoundException", 400), KeyUnusable),
        (refusal("KMS.KMSInvalidStateException", 400), KeyUnusable),
        (refusal("AccessDenied", 403, "User is not authorized to perform: kms:GenerateDataKey"), KeyUnusable),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)[:60]),
)
def test_errors_have_one_name_on_both_sides(
    named_by: type, error: Exception, named: type[FaceBlurError]
) -> None:
    """The state machine matches it."""
    with pytest.raises(named, match="s3://bucket/key") as raised, named_by("s3://bucket/key"):
        raise error

    assert raised.value.__cause__ is error
