"""The ASGI application that AWS clients talk to."""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from starlette.concurrency import run_in_threadpool

from include.aws_protocol import catalog, signature
from include.aws_protocol.body_limits import OTHERS_BYTES, check_structure, most_bytes
from include.aws_protocol.errors import ServiceError
from include.aws_protocol.parsing import parse
from include.aws_protocol.serialisation import Answer, serialise, serialise_error
from include.aws_protocol.validation import validate
from include.http_limits.bodies import Body, ClientGone, announced_bytes, receive_body
from include.http_limits.refusals import RequestRefused

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from include.aws_protocol.catalog import Operation

logger = logging.getLogger(__name__)

_SHOWN_LENGTH = 200
# Parsing and checking less than this is faster than handing it to a thread.
_SHORT_BYTES = 32 * 1024
_TARGET = re.compile(r"[A-Za-z]\w{0,99}\.[A-Z]\w{0,99}", re.ASCII)
_JSON_TYPES = ("application/json", "application/x-amz-json-1.0", "application/x-amz-json-1.1")


@dataclass(frozen=True)
class Call:
    """One authenticated call: an operation and its parameters, named and typed as botocore does."""

    service: str
    operation: str
    params: dict[str, Any]
    access_key_id: str
    region: str
    account_id: str


Result = Mapping[str, Any] | None
Handler = Callable[[Call], Result | Awaitable[Result]]
SecretOf = Callable[[str], Awaitable[str | None]]
"""Access key id -> its secret access key, None for a key that may not call; called for each request."""


class AwsApplication:
    """Serve AWS operations over HTTP, by the service models of botocore.

    Each request is authenticated (Signature Version 4; no body is read before its key is known), parsed,
    validated and handed to its handler; what the handler returns is reduced to the members that the model
    knows. A :class:`ServiceError` raised by a handler is answered as AWS would; any other exception is logged
    under an id and answered as ``InternalFailure`` (500) with that id. An operation without a handler is a
    501 that names it.

    Parameters
    ----------
    handlers
        ``(service, operation) -> handler``; services as botocore names them. Coroutine functions run on the
        event loop, plain functions in a thread.
    credentials
        Access key id -> secret access key, of all who may call: a mapping, or a coroutine function where
        keys come and go.
    region, account_id
        The region and account that calls see; a signature for another region is refused.
    on_call
        Called on the event loop after every call that was authenticated, with the HTTP status of its answer.
    """

    def __init__(
        self,
        *,
        handlers: Mapping[tuple[str, str], Handler],
        credentials: Mapping[str, str] | SecretOf,
        region: str,
        account_id: str,
        on_call: Callable[[Call, int], None] | None = None,
    ) -> None:
        self._handlers = dict(handlers)
        self._secret_of = credentials if callable(credentials) else _fixed(credentials)
        self._region = region
        self._account_id = account_id
        self._on_call = on_call
        self._long_bodies = asyncio.Lock()

    @property
    def implemented(self) -> list[str]:
        """The operations that have a handler, sorted, as ``service.Operation``."""
        return sorted(f"{service}.{operation}" for service, operation in self._handlers)

    def matches(self, scope: Scope) -> bool:
        """Whether a request is for AWS: signed, with a target header, or on the path of a REST operation."""
        if scope["type"] != "http":
            return False
        for name, value in scope["headers"]:
            if name == b"x-amz-target" or (name == b"authorization" and value.startswith(b"AWS4-")):
                return True
        return catalog.is_rest_path(_raw_path(scope))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        if scope["type"] != "http":
            raise RuntimeError(f"AwsApplication answers HTTP requests only, not {scope['type']}.")
        answer = await self._answer(scope, receive)
        headers = [
            (name.encode(), value.encode("latin-1", "replace")) for name, value in answer.headers.items()
        ]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        operation = _resolve(scope, headers)
        with Body() as body:
            try:
                identity = await self._authenticate(operation, scope, headers, receive, body)
                if operation is None:
                    raise _unknown_operation(scope, headers)
            except ServiceError as error:
                return serialise_error(operation, error)
            params: dict[str, Any] = {}
            try:
                params = await self._read_params(operation, scope, headers, body)
                answer = serialise(operation, await self._handle(operation, params, identity))
            except ServiceError as error:
                answer = serialise_error(operation, error)
            except Exception:
                answer = _internal_failure(operation)
        if self._on_call is not None:
            self._on_call(self._call(operation, params, identity), answer.status)
        return answer

    async def _authenticate(
        self,
        operation: Operation | None,
        scope: Scope,
        headers: Mapping[str, str],
        receive: Receive,
        body: Body,
    ) -> signature.Identity:
        """Check everything that can be checked without the body, then read it and check the rest."""
        claim = signature.read_claim(headers)
        secret = await self._secret_of(claim.access_key_id)
        if secret is None:
            raise signature.unknown_key()
        request = signature.SignedRequest(
            method=scope["method"],
            raw_path=_raw_path(scope),
            query=scope["query_string"].decode("latin-1"),
            headers=headers,
        )
        signature.check_head(claim, request, secret)
        if claim.region != self._region or (operation and claim.service != operation.signing_name):
            raise ServiceError(
                "InvalidSignatureException",
                f"Credential should be scoped to region {self._region!r} and the called service, "
                f"not to {claim.region!r} and {claim.service!r}.",
                403,
            )
        await _receive(receive, body, operation, announced_bytes(scope["headers"]))
        return signature.check_signature(claim, replace(request, body_sha256=body.sha256), secret)

    async def _read_params(
        self, operation: Operation, scope: Scope, headers: Mapping[str, str], body: Body
    ) -> dict[str, Any]:
        _check_content_type(operation, headers, body.size)
        query = scope["query_string"].decode("latin-1")
        if body.size <= _SHORT_BYTES:
            return _params(operation, query, headers, body)
        # One at a time: each takes several times its size of memory.
        async with self._long_bodies:
            return await run_in_threadpool(_params, operation, query, headers, body)

    async def _handle(
        self, operation: Operation, params: dict[str, Any], identity: signature.Identity
    ) -> Mapping[str, Any]:
        handler = self._handlers.get((operation.service, operation.name))
        if handler is None:
            raise ServiceError(
                "NotImplementedException",
                f"The operation {operation.name} of {operation.service} is not implemented by this server.",
                501,
            )
        call = self._call(operation, params, identity)
        if inspect.iscoroutinefunction(handler):
            result = await handler(call)
        else:
            result = await run_in_threadpool(cast("Callable[[Call], Result]", handler), call)
        return result or {}

    def _call(self, operation: Operation, params: dict[str, Any], identity: signature.Identity) -> Call:
        return Call(
            service=operation.service,
            operation=operation.name,
            params=params,
            access_key_id=identity.access_key_id,
            region=self._region,
            account_id=self._account_id,
        )


def _fixed(credentials: Mapping[str, str]) -> SecretOf:
    secrets = dict(credentials)

    async def secret_of(access_key_id: str) -> str | None:
        return secrets.get(access_key_id)

    return secret_of


def _raw_path(scope: Scope) -> str:
    """Return the path as it was sent, before percent-decoding."""
    raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw_path.decode("latin-1")


def _is_rpc(scope: Scope) -> bool:
    """JSON 1.1 has one method and one path: the header names the operation, the body holds its parameters."""
    return bool(scope["method"] == "POST") and _raw_path(scope) == "/"


def _resolve(scope: Scope, headers: Mapping[str, str]) -> Operation | None:
    target = headers.get("x-amz-target")
    if target is not None:
        return catalog.resolve_target(target) if _is_rpc(scope) else None
    return catalog.resolve_path(scope["method"], _raw_path(scope))


def _unknown_operation(scope: Scope, headers: Mapping[str, str]) -> ServiceError:
    asked = f"{scope['method']} {_raw_path(scope)} {headers.get('x-amz-target', '')}".strip()[:_SHOWN_LENGTH]
    target = headers.get("x-amz-target", "")
    # As for SageMaker's unimplemented operations: a client of another AWS service gets 501.
    foreign = _TARGET.fullmatch(target) and not catalog.is_known_prefix(target.rpartition(".")[0])
    status = 501 if foreign and _is_rpc(scope) else 404
    return ServiceError("UnknownOperationException", f"This server has no operation {asked}.", status)


def _check_content_type(operation: Operation, headers: Mapping[str, str], size: int) -> None:
    """Refuse a document declared as anything but JSON; a blob may be of any type."""
    shape = operation.model.input_shape
    given = headers.get("content-type", "").partition(";")[0].strip().lower()
    if not size or not given or (shape is not None and shape.serialization.get("payload")):
        return
    if given not in _JSON_TYPES:
        raise ServiceError(
            "UnsupportedMediaTypeException",
            f"The body is sent as {given[:_SHOWN_LENGTH]!r}: {operation.name} takes JSON.",
            415,
        )


def _params(operation: Operation, query: str, headers: Mapping[str, str], body: Body) -> dict[str, Any]:
    shape = operation.model.input_shape
    is_blob = shape is not None and shape.serialization.get("payload")
    if body.size > OTHERS_BYTES and not is_blob:
        check_structure(body.parts())
    try:
        params = parse(operation, query, headers, body.read())
        validate(operation, params)
    except RecursionError:
        raise ServiceError("SerializationException", "The request is nested too deeply.") from None
    return params


def _internal_failure(operation: Operation) -> Answer:
    incident = uuid.uuid4().hex
    logger.exception("%s.%s failed, incident %s", operation.service, operation.name, incident)
    message = f"The server failed while handling {operation.name}; see its log for incident {incident}."
    modelled = operation.error_shape("InternalServerException") is not None
    code = "InternalServerException" if modelled else "InternalFailure"
    return serialise_error(operation, ServiceError(code, message, 500))


async def _receive(receive: Receive, body: Body, operation: Operation | None, announced: int | None) -> None:
    """Read the body, as much as the operation takes."""
    name = operation.name if operation else "this address"
    limit = most_bytes(operation.service, operation.name) if operation else OTHERS_BYTES
    try:
        await receive_body(
            receive, body, limit=limit, what=f"The request body for {name}", announced=announced
        )
    except RequestRefused as refused:
        raise ServiceError(refused.code, refused.message, refused.status) from None
    except ClientGone:
        raise ServiceError(
            "RequestAborted", "The client disconnected before the request was complete.", 400
        ) from None
