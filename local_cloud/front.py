"""The front of the local cloud: it passes each request to the application that answers it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from local_cloud.access.authorization import Authorization
from local_cloud.faults.middleware import FaultFront
from local_cloud.http.iam_calls import ServiceCalls
from local_cloud.http.wsgi import path_of, signed_service
from local_cloud.lambda_service.pushed_images import PUSH_PATH

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_MOTO_PATHS = ("/moto-api", "/latest/", "/favicon.ico")


class Front:
    """WSGI application in front of moto, which answers for services that `own` has no application for.

    The keys of `own` are the services that requests are signed for. Each request and its answer are recorded
    in `calls`; `authorization` decides it.
    """

    def __init__(
        self,
        moto: WSGIApplication,
        own: Mapping[str, WSGIApplication],
        calls: ServiceCalls,
        faults: FaultFront,
        authorization: Authorization,
    ) -> None:
        self._authorization = authorization
        self._faults = faults
        self._moto = moto
        self._own = own
        self._calls = calls

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        calls = self._calls.record(environ)
        implied = tuple(self._authorization.key_calls(environ, calls))
        self._calls.add(implied)
        application = self._authorization.guarded(self._application(environ), environ, (*calls, *implied))

        def counted(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            self._calls.count(calls, status, headers)
            return start_response(status, headers, *error)

        return self._faults.answer(application, environ, counted)

    def _application(self, environ: WSGIEnvironment) -> WSGIApplication:
        if environ.get("HTTP_X_AMZ_TARGET", "").startswith("RekognitionService."):
            return self._own["rekognition"]
        if path_of(environ) == PUSH_PATH:
            return self._own["images"]
        service = signed_service(environ)
        if not service and _is_anonymous_s3(environ):
            return self._own["s3"]
        return self._own.get(service, self._moto)


def _is_anonymous_s3(environ: WSGIEnvironment) -> bool:
    """Return whether an unsigned request is for S3: other services name a target or post a query form."""
    is_query_form = environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded")
    is_moto_path = path_of(environ).startswith(_MOTO_PATHS)
    return "HTTP_X_AMZ_TARGET" not in environ and not is_query_form and not is_moto_path
