"""The front of the local cloud: which application answers a request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from local_cloud.wsgi import path_of, signed_service

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_MOTO_PATHS = ("/moto-api", "/latest/", "/favicon.ico")


class Front:
    """WSGI application in front of moto: Lambda, S3 and Rekognition have their own, moto has the rest."""

    def __init__(
        self,
        *,
        moto: WSGIApplication,
        lambda_api: WSGIApplication,
        s3_api: WSGIApplication,
        rekognition: WSGIApplication,
    ) -> None:
        self._moto = moto
        self._lambda_api = lambda_api
        self._s3_api = s3_api
        self._rekognition = rekognition

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        return self._application(environ)(environ, start_response)

    def _application(self, environ: WSGIEnvironment) -> WSGIApplication:
        if environ.get("HTTP_X_AMZ_TARGET", "").startswith("RekognitionService."):
            return self._rekognition
        service = signed_service(environ)
        if service == "lambda":
            return self._lambda_api
        if service == "s3" or (not service and _is_anonymous_s3(environ)):
            return self._s3_api
        return self._moto


def _is_anonymous_s3(environ: WSGIEnvironment) -> bool:
    """Return whether an unsigned request is S3's: the other services name a target or post a query form."""
    is_query_form = environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded")
    is_moto_path = path_of(environ).startswith(_MOTO_PATHS)
    return "HTTP_X_AMZ_TARGET" not in environ and not is_query_form and not is_moto_path
