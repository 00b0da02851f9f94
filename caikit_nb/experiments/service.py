"""Schedy's HTTP interface on an `ExperimentDB` (contracts S22 to S29)."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import time
from collections.abc import Awaitable, Callable
from urllib.parse import unquote

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from caikit_nb.errors import (
    DatabaseError,
    NoJobError,
    ResourceExistsError,
    ResourceMissingError,
    UnsafeUpdateError,
)
from caikit_nb.experiments.connections import ACCEPTED_AT_ONCE, Connection
from caikit_nb.experiments.database import ExperimentDB
from caikit_nb.experiments.encoding import JSON, to_json
from caikit_nb.experiments.experiment import Experiment
from caikit_nb.experiments.job import Job
from caikit_nb.experiments.names import check_name
from caikit_nb.experiments.tokens import Tokens
from caikit_nb.experiments.wire import (
    experiment_from_wire,
    experiment_to_wire,
    hides_search,
    job_from_wire,
    job_to_wire,
    keep_unsent,
    parse_object,
)

MOST_BYTES = 1_000_000
BODY_S = 30.0
_PAGE = 100
Endpoint = Callable[[Request, bytes], Response]

_STATUS_OF: dict[type[Exception], int] = {
    NoJobError: 204,
    ResourceMissingError: 404,
    ResourceExistsError: 412,
    UnsafeUpdateError: 412,
    DatabaseError: 503,
    ValueError: 400,
}


class _Refusal(Exception):
    """An answer that is no success: its status and text."""


class Service:
    """The endpoints.

    Args:
        db: Where the experiments are. Its jobs should have no leases, as clients send no signs
            of life: ``ExperimentDB(url, lease_s=None)``.
    """

    def __init__(self, db: ExperimentDB) -> None:
        self._db, self._tokens = db, Tokens(db)
        name, job = "/experiments/{name}/", "/experiments/{name}/jobs/{job}/"
        jobs = f"{name}jobs/"
        self.app = Starlette(
            routes=[
                self._route("/token/", "POST", self._trade, is_open=True),
                self._route("/passauth/", "POST", self._trade, is_open=True),
                self._route("/resettoken/", "POST", self._reset_token),
                self._route("/experiments/", "GET", self._list_experiments),
                self._route(name, "GET", self._get_experiment),
                self._route(name, "PUT", self._put_experiment),
                self._route(name, "DELETE", self._delete_experiment),
                self._route(f"{name}nextjob/", "GET", self._next_job),
                self._route(jobs, "GET", self._list_jobs),
                self._route(jobs, "POST", self._add_job),
                self._route(job, "GET", self._get_job),
                self._route(job, "PUT", self._put_job),
                self._route(job, "DELETE", self._delete_job),
            ],
            exception_handlers={404: _nothing_there},
        )

    def _route(self, path: str, method: str, work: Endpoint, *, is_open: bool = False) -> Route:
        async def answer(request: Request) -> Response:
            try:
                _check_address(request)
                if not is_open:
                    await run_in_threadpool(self._check_pass, request)
                body = await _read_body(request)
                return await run_in_threadpool(work, request, body)
            except _Refusal as refusal:
                return Response(refusal.args[1], refusal.args[0], media_type="text/plain")
            except tuple(_STATUS_OF) as error:
                status = next(s for kind, s in _STATUS_OF.items() if isinstance(error, kind))
                text = "" if status == 204 else str(error)
                return Response(text, status, media_type="text/plain")

        handler: Callable[[Request], Awaitable[Response]] = answer
        return Route(path, handler, methods=[method])

    def _check_pass(self, request: Request) -> None:
        request.state.email = self._owner(request)

    def _owner(self, request: Request) -> str:
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        email = self._tokens.owner_of(text, time.time()) if scheme.lower() == "bearer" else None
        if email is None:
            raise _Refusal(401, "trade your token for a pass at token/")
        return email

    def _trade(self, _: Request, body: bytes) -> Response:
        sent = parse_object(body)
        email, token = sent.get("email"), sent.get("token")
        found = None
        if isinstance(email, str) and isinstance(token, str):
            found = self._tokens.trade(email, token, time.time())
        if found is None:
            raise _Refusal(403, "that is not a token of that e-mail address")
        return _json({"token": found.text, "expiresAt": found.expires_at})

    def _reset_token(self, request: Request, _: bytes) -> Response:
        return _json({"token": self._tokens.add(request.state.email)})

    def _list_experiments(self, _: Request, __: bytes) -> Response:
        return _json({"items": [experiment_to_wire(each) for each in self._db.get_experiments()]})

    def _get_experiment(self, request: Request, _: bytes) -> Response:
        return _json(experiment_to_wire(self._experiment(request)))

    def _put_experiment(self, request: Request, body: bytes) -> Response:
        sent = experiment_from_wire(request.path_params["name"], body)
        if request.headers.get("if-none-match") == "*":
            return _json(experiment_to_wire(self._db.add_experiment(sent)), 201)
        with contextlib.suppress(ResourceMissingError):
            stored = self._experiment(request)
            if hides_search(stored, sent):
                stored.status = sent.status
                stored.push_updates()
                return _json(experiment_to_wire(stored))
            keep_unsent(stored, sent)
        return _json(experiment_to_wire(self._db.put_experiment(sent)))

    def _delete_experiment(self, request: Request, _: bytes) -> Response:
        ensure = "if-match" in request.headers
        try:
            self._experiment(request).delete(ensure=ensure)
        except ResourceMissingError:
            if ensure:
                raise
        return Response(status_code=204)

    def _next_job(self, request: Request, _: bytes) -> Response:
        return _job(self._experiment(request).offer_job())

    def _list_jobs(self, request: Request, _: bytes) -> Response:
        start = request.query_params.get("start", "0")
        if not start.isdecimal() or len(start) > 18:
            raise ValueError(f"start is not a page's: {start[:40]!r}")
        page, after = self._experiment(request).page_of_jobs(int(start), _PAGE)
        rest = {} if after is None else {"next": str(after)}
        return _json({"items": [job_to_wire(job) for job in page], **rest})

    def _add_job(self, request: Request, body: bytes) -> Response:
        return _job(self._experiment(request).add_job(**job_from_wire(body)), 201)

    def _get_job(self, request: Request, _: bytes) -> Response:
        return _job(self._experiment(request).get_job(request.path_params["job"]))

    def _put_job(self, request: Request, body: bytes) -> Response:
        experiment, sent = self._experiment(request), job_from_wire(body)
        job_id = check_name(request.path_params["job"], "a job's id")
        if_match = request.headers.get("if-match")
        job = Job(job_id, experiment, **sent)
        with contextlib.suppress(ResourceMissingError):
            job.source = experiment.get_job(job_id).source
        if if_match == "*":
            experiment.get_job(job_id)
        elif if_match is not None:
            job.etag = if_match
        is_safe = if_match not in (None, "*") or request.headers.get("if-none-match") == "*"
        job.put(safe=is_safe)
        return _job(job)

    def _delete_job(self, request: Request, _: bytes) -> Response:
        experiment, ensure = self._experiment(request), "if-match" in request.headers
        job = Job(request.path_params["job"], experiment, {})
        job.delete(ensure=ensure)
        return Response(status_code=204)

    def _experiment(self, request: Request) -> Experiment:
        return self._db.get_experiment(request.path_params["name"])


def _check_address(request: Request) -> None:
    """See that the experiment's name has no slash, by which it would be another address.

    Raises:
        ValueError: it has.
    """
    path = request.scope.get("raw_path", b"").decode("latin-1")
    name = path.partition("/experiments/")[2].partition("/")[0]
    if "%2f" in name.lower():
        check_name(unquote(name))


async def _nothing_there(request: Request, _: Exception) -> Response:
    try:
        _check_address(request)
    except ValueError as error:
        return Response(str(error), 400, media_type="text/plain")
    return Response("there is nothing at this address", 404, media_type="text/plain")


async def _read_body(request: Request) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for part in request.stream():
                body += part
                if len(body) > MOST_BYTES:
                    raise _Refusal(413, f"a request may have {MOST_BYTES} bytes")
    except TimeoutError:
        raise _Refusal(408, f"a request may take {BODY_S:g} s") from None
    except ClientDisconnect:
        raise _Refusal(400, "the request ended before its time") from None
    return bytes(body)


def _json(value: JSON, status: int = 200, **headers: str) -> Response:
    return Response(to_json(value), status, headers, media_type="application/json")


def _job(job: Job, status: int = 200) -> Response:
    return _json(job_to_wire(job), status, ETag=f'"{job.etag}"')


def serve_forever(
    db: ExperimentDB, host: str, port: int, say: Callable[[str], object] = lambda _: None
) -> None:
    """Serve until interrupted.

    Args:
        db: See `Service`.
        host: Where to listen.
        port: The port; a free one if 0.
        say: Told what the user should know, once it listens.

    Raises:
        ExperimentError: the database can't be opened.
        ValueError: nobody can listen there.
    """
    with db.database.reading():
        pass  # what is wrong with it is said at once, not to each client
    with _listening(host, port) as listener:
        address = listener.getsockname()
        say(f"{db} is served at http://{host}:{address[1]}/; Ctrl-C ends it")
        if not ipaddress.ip_address(address[0]).is_loopback:
            say("other machines can reach it, and nothing is encrypted: use a proxy with TLS")
        config = uvicorn.Config(
            Service(db).app,
            log_level="warning",
            server_header=False,
            loop="asyncio",
            http=Connection,
            backlog=ACCEPTED_AT_ONCE,
        )
        uvicorn.Server(config).run(sockets=[listener])


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise ValueError(f"can't listen at {host}, port {port}: {error.strerror}") from None
