"""Every request to the local AWS emulator passes here: it is recorded, checked, made to fail, and passed on."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from . import backup_api, dsql_api, fis_api, function_permissions, ministack_seams, operation, route53
from .access_control import AccessControl, Caller, RefusedError, headers_of, needs_no_credentials
from .backup import Backup
from .control_api import ControlApi
from .dsql import Dsql
from .faults import Fault, Faults
from .fis import Fis
from .signature import Signature

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Answer = tuple[int, dict[str, str], bytes]
Request = dsql_api.DsqlCall | backup_api.BackupCall | fis_api.FisCall

CONTROL = "/_emulator/"
_OWNERS = (CONTROL, "/_ministack/", "/_localstack/")
_API = "/_aws/execute-api/"
_APIS: dict[str, Any] = {"dsql": dsql_api, "backup": backup_api, "fis": fis_api}
_IS_QUERY = "x-www-form-urlencoded"
_NOT_OWNER = {"message": "Only the owner of this local AWS emulator, who started it, can control it."}


@dataclass(frozen=True)
class Call:
    """One request to the local AWS emulator. *role* is that of the calling Lambda function, if one called."""

    account: str
    region: str
    service: str
    name: str
    role: str | None
    path: str


_IN_BOTO3 = {"monitoring": "cloudwatch", "states": "stepfunctions"}
"""Services that boto3 calls otherwise than their signatures."""


class Gateway:
    """An ASGI application around ministack's.

    Args:
        inner: ministack.
        access_control: Admits a request, or refuses it, before anything else.
        dsql: Answers requests that are signed for ``dsql``.
        backup: Answers those that are signed for ``backup``.
        fis: Answers those that are signed for ``fis``.
        faults: Shared with *dsql*.
        control: Answers the owner's requests to the emulator itself.
        actions: Gives IAM's action and resource for a request to any other service.
    """

    def __init__(
        self,
        inner: App,
        access_control: AccessControl,
        dsql: Dsql,
        backup: Backup,
        fis: Fis,
        faults: Faults,
        control: ControlApi,
        actions: Callable[..., tuple[str | None, str]],
        *,
        enforce: bool,
    ) -> None:
        self._inner = inner
        self._access_control = access_control
        self._dsql = dsql
        self._backup = backup
        self._fis = fis
        self._faults = faults
        self._control = control
        self._actions = actions
        self._enforce = enforce
        self._calls: list[Call] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._inner(scope, receive, send)
            return
        send = _for_programs_only(send)
        try:
            caller, signature = self._access_control.admit(scope), self._access_control.signature(scope)
        except RefusedError as refused:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close"})
            else:
                await _respond(send, _json(403, {"__type": "AccessDeniedException", "message": str(refused)}))
            return
        if scope["type"] == "websocket" or not caller or not signature:
            await self._inner(scope, receive, send)
        else:
            await self._serve(caller, signature, scope, receive, send)

    async def _serve(self, caller: Caller, signature: Signature, scope: Scope, receive: Receive, send: Send) -> None:
        headers, path = headers_of(scope), scope["path"]
        ministack_seams.CALLER.set(caller.user_arn)
        if path.startswith(_OWNERS) and not caller.is_owner and not needs_no_credentials(scope):
            await _respond(send, _json(403, _NOT_OWNER))
            return
        if path.startswith(CONTROL):
            body = await _read(receive)
            answer = await self._control.answer(scope["method"], path.removeprefix(CONTROL), body, self._calls)
            await _respond(send, _json(*answer))
            return
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if signature.service == "s3":  # has no part in peering, and its bodies are streams
            if operation.is_of_s3(scope["method"], path, headers, query):
                await self._inner(scope, receive, send)
            else:
                await _respond(send, _error("AccessDeniedException", operation.NOT_S3, 403, headers))
            return
        account, service, body = caller.account, signature.service, await _read(receive)
        region = route53.CONTROL_PLANE if service == "route53" else signature.region
        api = _APIS.get(service)
        request: Request | None = api.parse(scope["method"], path, query, body, account, region) if api else None
        name = request.name if request else _call_name(scope, headers, body)
        if service == "route53":
            action, _ = self._actions(service, scope["method"], path, headers, body, query, region, account)
            name = (action or name).removeprefix("route53:")
        call = Call(account, region, service, name, caller.role, scope["path"])
        self._calls.append(call)
        fault = self._faults.affecting(("error", "timeout"), region, _IN_BOTO3.get(service, service), name)
        if fault and (caller.role or not fault.functions_only):
            await self._fail(fault, headers, receive, send)
            return
        is_checked = caller.role and self._enforce and not needs_no_credentials(scope) and not path.startswith(_API)
        if is_checked and (denied := self._denial(call, request, scope, headers, body, query)):
            await _respond(send, _error("AccessDeniedException", denied, 403, headers))
        elif isinstance(request, dsql_api.DsqlCall):
            await _respond(send, dsql_api.answer(request, self._dsql))
        elif isinstance(request, backup_api.BackupCall):  # in a thread, as a snapshot of data may be at work
            await _respond(
                send, await asyncio.to_thread(backup_api.answer, request, self._backup, caller.principal_arn)
            )
        elif request:
            await _respond(send, await asyncio.to_thread(fis_api.answer, request, self._fis))
        elif api:
            await _respond(send, api.unknown_operation(call.path))
        else:
            await self._inner(scope, _replay(body, receive), send)

    def _denial(
        self,
        call: Call,
        request: Request | None,
        scope: Scope,
        headers: dict[str, str],
        body: bytes,
        query: dict[str, list[str]],
    ) -> str | None:
        """The first of IAM's refusals of *call*, which a function made with its role."""
        assert call.role  # noqa: S101 - only calls of functions are checked
        if not request and (unclear := operation.unclear(scope["method"], call.path, headers, query, body)):
            return unclear
        for action, resource, context in self._checks(call, request, scope, headers, body, query):
            sentence = function_permissions.refusal(call.role, action, resource, call.region, context)
            if sentence:
                return sentence
        return None

    def _checks(
        self,
        call: Call,
        request: Request | None,
        scope: Scope,
        headers: dict[str, str],
        body: bytes,
        query: dict[str, list[str]],
    ) -> Iterable[tuple[str, str, dict[str, str]]]:
        if isinstance(request, (backup_api.BackupCall, fis_api.FisCall)):
            yield from _APIS[call.service].permissions(request)
            return
        if request:
            for action, resource, context in dsql_api.permissions(request, self._dsql):
                yield action, resource, {**self._dsql.tags_seen(resource, call.region), **context}
            return
        asked, query = operation.service_and_parameters(scope["method"], call.path, headers, query, body)
        if asked == "ssm" and call.name in ("GetParameters", "DeleteParameters", "GetParametersByPath"):
            for parameter in json.loads(body).get("Names") or [json.loads(body)["Path"]]:  # ministack checks no path
                arn = f"arn:aws:ssm:{call.region}:{call.account}:parameter/{parameter.strip('/')}"
                yield f"ssm:{call.name}", arn, {}
            return
        found, resource = self._actions(
            asked, scope["method"], call.path, headers, body, query, call.region, call.account
        )
        if asked == "route53" and (checked := re.search("healthcheck/([^/]+)", call.path)):
            resource = f"arn:aws:route53:::healthcheck/{checked[1]}"
        if call.name == "DescribeKey" and ":alias/" in resource:  # IAM decides on the key that the alias is of
            key = ministack_seams.kms_key(call.account, call.region, resource)
            resource = key["Arn"] if key else resource
        yield found or f"{asked}:{call.name}", resource, _context(call.name, body)

    async def _fail(self, fault: Fault, headers: dict[str, str], receive: Receive, send: Send) -> None:
        if fault.effect == "error":
            await _respond(send, _error(fault.error, fault.message, fault.status_code, headers))
            return
        while (await receive())["type"] != "http.disconnect":  # until the caller's timeout
            await asyncio.sleep(0.05)


def _context(call_name: str, body: bytes) -> dict[str, str]:
    """Condition keys of the service's own that our policies ask for."""
    if call_name == "PutMetricData":
        return {"cloudwatch:namespace": str(json.loads(body)["Namespace"])}
    if call_name == "DescribeKey" and (alias := str(json.loads(body)["KeyId"])).startswith("alias/"):
        return {"kms:RequestAlias": alias}
    return {}


def _call_name(scope: Scope, headers: dict[str, str], body: bytes) -> str:
    """The API call of a request to any service but DSQL; method and path where the protocol does not name it."""
    if target := headers.get("x-amz-target"):
        return target.rpartition(".")[2]
    if "/operation/" in scope["path"]:  # Smithy RPC
        return str(scope["path"].rpartition("/")[2])
    form = re.search(rb"(?:^|&)Action=(\w+)", body)
    return form[1].decode() if form else f"{scope['method']} {scope['path']}"


def _error(code: str, message: str, status: int, headers: dict[str, str]) -> Answer:
    """*code* in the protocol of the request: XML for the Query protocol and Route 53, JSON for the others."""
    in_xml = "/route53/" in headers.get("authorization", "") or _IS_QUERY in headers.get("content-type", "")
    if not in_xml:
        return dsql_api.error_response(code, message, status)
    error = f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    return status, {"content-type": "text/xml"}, f"{error}</ErrorResponse>".encode()


def _json(status: int, body: Any) -> Answer:
    return status, {"content-type": "application/json"}, json.dumps(body).encode()


def _for_programs_only(send: Send) -> Send:
    """*send* without the headers that let a web page read an answer; ministack sends them with every answer."""

    async def sent(message: dict[str, Any]) -> None:
        if "headers" in message:
            kept = [one for one in message["headers"] if not one[0].lower().startswith(b"access-control-")]
            message = {**message, "headers": kept}
        await send(message)

    return sent


async def _respond(send: Send, answer: Answer) -> None:
    status, headers, body = answer[0], {"date": formatdate(usegmt=True)} | answer[1], answer[2]  # Backup has its own
    named = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": named})
    await send({"type": "http.response.body", "body": body})


async def _read(receive: Receive) -> bytes:
    body: bytes = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


def _replay(body: bytes, receive: Receive) -> Receive:
    """*receive* as it was before *body* was read from it."""
    pending: list[dict[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> dict[str, Any]:
        return pending.pop() if pending else await receive()

    return replayed
