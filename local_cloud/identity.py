"""Region, account and callers of the local cloud, and the environment that points a client at it."""

from __future__ import annotations

import os

REGION = "us-east-1"
ACCOUNT_ID = "123456789012"
# Principals of access keys: people, moto's interpreter of state machines; a function's is its name.
PERSON = "person"
INTERPRETER = "interpreter"

# Used nowhere else: a log that contains one has leaked it. The secret of each key begins with the first.
FUNCTION_SECRET = "secret-key-of-the-local-cloud"  # noqa: S105 made up, as all here
FUNCTION_TOKEN = "session-token-of-a-role"  # noqa: S105 as above


def cloud_environment(endpoint_url: str, key_id: str, secret: str, token: str) -> dict[str, str]:
    """Return the variables that point an AWS client at the local cloud, and away from any real account."""
    return {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": key_id,
        "AWS_SECRET_ACCESS_KEY": secret,
        # Only a session has one; without any the token of a real account would be sent.
        "AWS_SESSION_TOKEN": token or "local-cloud",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }
