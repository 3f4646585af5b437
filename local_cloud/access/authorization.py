"""Authorization: each call of a role's session is decided by the policies that AWS would evaluate for it.

The role's own policies, its trust policy, the bucket's policy and the policy of the VPC's S3 endpoint count.
Calls of an operator are not limited. docs/architecture.md lists what is not evaluated.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from local_cloud.access.policies import Decision, Policy, Request, UnsupportedPolicy, decide
from local_cloud.access.roles import UnknownRole, find_role, key_of_bucket, s3_endpoint_of
from local_cloud.http.access_keys import Caller
from local_cloud.http.iam_calls import LISTS, ServiceCall
from local_cloud.http.wsgi import Answer, call, caller_of, json_answer, query_of, read_body, signed_service
from local_cloud.identity import ACCOUNT_ID, REGION

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

_READS = {"s3:GetObject", "s3:GetObjectVersion"}
_ALWAYS_ALLOWED = {"sts:GetCallerIdentity"}
_NOT_FOUND = 404
_ACCOUNT = frozenset({ACCOUNT_ID, f"arn:aws:iam::{ACCOUNT_ID}:root"})
_NAMED = "<Code>AccessDenied</Code><Message>{}</Message>"


class Authorization:
    """Decides the calls of roles.

    `bucket_policy` returns a bucket's policy or None, `subnets_of` the subnets of the function of a name.
    """

    def __init__(
        self, bucket_policy: Callable[[str], bytes | None], subnets_of: Callable[[str], Sequence[str]]
    ) -> None:
        self._bucket_policy = bucket_policy
        self._subnets_of = subnets_of

    def key_calls(self, environ: WSGIEnvironment, calls: Iterable[ServiceCall]) -> Iterator[ServiceCall]:
        """Yield the calls of KMS that S3 makes in the caller's name, by the default key of each bucket."""
        for asked in calls:
            service, _, action = asked.action.partition(":")
            is_object = service == "s3" and "/" in asked.resource
            key = key_of_bucket(_bucket_of(asked.resource)) if is_object else ""
            if not key:
                continue
            is_part = action == "PutObject" and _is_multipart(environ)
            is_read = asked.action in _READS and environ["REQUEST_METHOD"] != "HEAD"
            if is_read or is_part:
                yield ServiceCall(asked.principal, "kms:Decrypt", key)
            if action == "PutObject":
                yield ServiceCall(asked.principal, "kms:GenerateDataKey", key)

    def guarded(
        self, application: WSGIApplication, environ: WSGIEnvironment, calls: Sequence[ServiceCall]
    ) -> WSGIApplication:
        """Return the application that answers a request with these calls: `application`, or a refusal."""
        caller = caller_of(environ)
        if not caller.role_arn:
            return application
        for asked in calls:
            reason = self.reason_against(caller, asked, _context(environ, asked))
            if reason:
                return _refusal(environ, asked, reason)
        reads = next((asked for asked in calls if asked.action in _READS), None)
        if reads is None or signed_service(environ) not in {"", "s3"}:
            return application
        bucket = reads.resource.partition("/")[0]
        for action in LISTS[reads.action]:
            reason = self.reason_against(caller, ServiceCall(reads.principal, action, bucket), {})
            if reason:
                return _hiding_absence(application, _refusal(environ, reads, reason))
        return application

    def missing(self, caller: Caller, actions: Iterable[str]) -> list[str]:
        """Return those of `actions` on every resource that the caller's role does not allow."""
        asked = [ServiceCall(caller.principal, action, "*") for action in actions]
        return [one.action for one in asked if self.reason_against(caller, one, {})]

    def reason_against(self, caller: Caller, asked: ServiceCall, context: Mapping[str, str]) -> str:
        """Return why AWS would refuse the call, in a sentence; empty where it is allowed."""
        if asked.action in _ALWAYS_ALLOWED:
            return ""
        try:
            return self._reason(caller, asked, {**_context_of_caller(caller), **context})
        except (UnknownRole, UnsupportedPolicy) as error:
            return f"because {error}"

    def _reason(self, caller: Caller, asked: ServiceCall, context: dict[str, str]) -> str:
        role = find_role(caller.role_arn)
        if caller.service:
            assuming = Request("sts:AssumeRole", "", context, frozenset({caller.service}))
            if decide([role.trust], assuming) is not Decision.ALLOWED:
                return f"because {caller.role_arn} does not trust {caller.service}"
        is_s3 = asked.action.startswith("s3:")
        endpoint = s3_endpoint_of(self._subnets_of(caller.principal)) if is_s3 else None
        if endpoint:
            context["aws:sourcevpce"] = endpoint.endpoint_id
        names = frozenset({caller.role_arn, caller.session_arn})
        request = Request(asked.action, asked.resource, context, names)
        decision = decide(role.policies, request)
        if decision is Decision.DENIED:
            return "with an explicit deny in an identity-based policy"
        document = self._bucket_policy(_bucket_of(asked.resource)) if is_s3 else None
        bucket_policies = [Policy.parse(document.decode())] if document else []
        of_bucket = decide(bucket_policies, request)
        # To deny an account denies its roles; to allow it leaves the choice to their own policies.
        as_account = replace(request, principals=names | _ACCOUNT)
        if decide(bucket_policies, as_account) is Decision.DENIED:
            return "with an explicit deny in a resource-based policy"
        if Decision.ALLOWED not in (decision, of_bucket):
            return f"because no identity-based policy allows the {asked.action} action"
        if endpoint and decide([endpoint.policy], request) is not Decision.ALLOWED:
            return f"because no VPC endpoint policy allows the {asked.action} action"
        return ""


def _context_of_caller(caller: Caller) -> dict[str, str]:
    """Return the condition keys that a session has in every call."""
    keys = {
        "aws:principalarn": caller.role_arn,
        "aws:principalaccount": ACCOUNT_ID,
        "aws:resourceaccount": ACCOUNT_ID,
        "aws:requestedregion": REGION,
        # Nothing leaves this machine: plain HTTP here stands for AWS's HTTPS.
        "aws:securetransport": "true",
    }
    if caller.source_arn:
        keys |= {"aws:sourcearn": caller.source_arn, "aws:sourceaccount": ACCOUNT_ID}
    if caller.service.startswith("lambda."):
        keys["lambda:sourcefunctionarn"] = caller.source_arn
    return keys


def _context(environ: WSGIEnvironment, asked: ServiceCall) -> dict[str, str]:
    """Return the condition keys of one call."""
    query = query_of(environ)
    if asked.action in {"s3:ListBucket", "s3:ListBucketVersions"} and "prefix" in query:
        return {"s3:prefix": query["prefix"]}
    return {}


def _bucket_of(arn: str) -> str:
    return arn.rpartition(":::")[2].partition("/")[0]


def _is_multipart(environ: WSGIEnvironment) -> bool:
    query = query_of(environ)
    return "uploads" in query or "uploadId" in query


def _hiding_absence(application: WSGIApplication, refusal: Answer) -> WSGIApplication:
    """Return `application` with `refusal` in place of 404: who may not list learns of no absence."""

    def answer(environ: WSGIEnvironment, start_response: object) -> Iterable[bytes]:
        found = call(application, environ)
        shown = refusal if found.status_code == _NOT_FOUND else found
        return shown(environ, start_response)  # type: ignore[arg-type]

    return answer


def _refusal(environ: WSGIEnvironment, asked: ServiceCall, reason: str) -> Answer:
    """Return the refusal of a call in the protocol and the words of the request's service."""
    # An unread body would be taken for the connection's next request.
    read_body(environ)
    user, service = caller_of(environ).session_arn, signed_service(environ)
    message = (
        f'User: {user} is not authorized to perform: {asked.action} on resource: "{asked.resource}" {reason}'
    )
    request_id = {"x-amzn-RequestId": str(uuid.uuid4())}
    if service == "rekognition" and not asked.action.startswith("rekognition:"):
        # Rekognition does not say whose permission is missing.
        code = "InvalidS3ObjectException"
        message = "Unable to get object metadata from S3. Check object key, region and/or access permissions."
        headers = {**request_id, "x-amzn-ErrorType": code}
        return json_answer("400 Bad Request", {"__type": code, "Code": code, "Message": message}, headers)
    if service in {"", "s3"}:
        body = f"<?xml version='1.0'?><Error>{_NAMED.format(escape(message))}</Error>"
        return Answer(body, "403 Forbidden", {"Content-Type": "application/xml"})
    if "HTTP_X_AMZ_TARGET" not in environ and service != "lambda":
        named = f"<Type>Sender</Type>{_NAMED.format(escape(message))}"
        body = f"<ErrorResponse><Error>{named}</Error></ErrorResponse>"
        return Answer(body, "403 Forbidden", {"Content-Type": "application/xml"})
    code = "AccessDeniedException"
    document = {"__type": code, "message": message, "Message": message}
    return json_answer("403 Forbidden", document, {**request_id, "x-amzn-ErrorType": code})
