"""A forked child: it may warm up and wait; then it executes one flow run and ends.

It is told what to do by the worker: SIGUSR1 means that a user has cancelled the run, which the engine then reports
as cancelled; a hang-up of the socket means that the worker has died or will not wait longer, and the run is
reported crashed. Both reach the flow as the SIGTERM that Prefect's engine knows, so `finally` blocks run.

Prefect names used here that are not public, all of 3.8.8, which is pinned for this reason:

    prefect._internal.control_listener._set_intent
        tells the engine that the coming SIGTERM is a cancellation. The public way is a TCP connection back to
        Prefect's own runner.
    prefect.flow_engine.observe_flow_run_suspension
        is replaced by nothing. It opens a client and a websocket in every run to hear whether someone else has
        suspended it, which costs a third of the way to the flow's first line. Our runs suspend themselves; one
        suspended from outside ends normally.

Undocumented, though without an underscore: `handle_engine_signals`, `run_flow`, `SyncClientContext`,
`AsyncClientContext`, `APILogWorker`, `EventsWorker`.

Not done: generator flows, pull steps, and `PREFECT_*` settings among job variables (settings were read before the
fork). Heartbeats are off: the fork server reports the end, and a synchronous flow would wait up to a second for the
heartbeat thread. Functions registered with `atexit` do not run.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import signal
import socket
import threading
import time
from collections.abc import Sequence
from types import FrameType, ModuleType
from typing import Any, NoReturn
from uuid import UUID

import httpx
import prefect.flow_engine
import prefect.task_engine  # flows would import it when they first run a task
from prefect import Flow
from prefect._internal import control_listener
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.context import AsyncClientContext, SyncClientContext
from prefect.engine import handle_engine_signals
from prefect.events.worker import EventsWorker
from prefect.exceptions import ObjectNotFound, TerminationSignal
from prefect.flow_engine import run_flow
from prefect.flows import load_flow_from_entrypoint
from prefect.logging import get_logger
from prefect.logging.handlers import APILogWorker
from prefect.logging.loggers import flow_run_logger
from prefect.settings import (
    PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    temporary_settings,
)
from prefect.settings.legacy import Setting
from prefect.states import Crashed

from flows.worker.job import Job, receive_job
from flows.worker.preloading import part_from_siblings, warm_up

if not hasattr(prefect.flow_engine, "observe_flow_run_suspension"):
    raise ImportError("This Prefect is not the one that flows.worker.child was written for.")
prefect.flow_engine.observe_flow_run_suspension = lambda *_: contextlib.nullcontext()

GRACE_SECONDS = 5.0
"""From asking a child to stop until it is killed."""

_SETTINGS: dict[str | Setting, Any] = {
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
    PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED: False,  # the worker has talked to the server already
}

TERMINATED = 128 + signal.SIGTERM


def live(job_socket: socket.socket, modules: Sequence[ModuleType], *, spare: bool) -> int:
    """The whole life of a child; returns its exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C: the worker decides
    signal.signal(signal.SIGTERM, _on_terminate)
    signal.signal(signal.SIGUSR1, _on_cancel)
    part_from_siblings()
    try:
        with temporary_settings(_SETTINGS):
            clients = _Clients()
            if spare:
                clients.connect()
                warm_up(modules, get_logger("worker.spare"))
            job = receive_job(job_socket)
            if job is None:
                return 0
            watch = threading.Thread(target=_end_with_worker, args=(job_socket, job.flow_run_id), daemon=True)
            watch.start()
            try:
                return _execute(job, clients)
            finally:
                # A second signal must not interrupt this; the worker's SIGKILL still does.
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                signal.signal(signal.SIGUSR1, signal.SIG_IGN)
                hand_over_logs_and_events()
    except TerminationSignal:
        return TERMINATED


class _Clients:
    """Prefect's two clients, for synchronous and asynchronous flows, in the contexts where the engine looks for them,
    and the event loop of the second, in which the flow will run. The process ends with them."""

    def __init__(self) -> None:
        self.blocking = SyncClientContext().__enter__().client
        self.loop = asyncio.Runner()
        self.asynchronous = self.loop.run(AsyncClientContext().__aenter__()).client

    def connect(self) -> None:
        """Open, while there is time, everything that a run would otherwise have to open first."""
        self.blocking.api_healthcheck()
        self.loop.run(self.asynchronous.api_healthcheck())
        EventsWorker.instance()
        APILogWorker.instance()


def _on_terminate(*_: int | FrameType | None) -> NoReturn:
    raise TerminationSignal(signal=signal.SIGTERM)


def _on_cancel(*_: int | FrameType | None) -> None:
    control_listener._set_intent("cancel")
    os.kill(os.getpid(), signal.SIGTERM)


def _end_with_worker(job_socket: socket.socket, flow_run_id: UUID) -> None:
    """Stop when the worker hangs up: it has died, or it is stopping and will not wait longer for this run.

    A parent-death signal would be no help: the parent is the fork server, not the worker.
    """
    with contextlib.suppress(OSError):
        job_socket.recv(1)
    if not _is_leaving(flow_run_id):
        os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os.killpg(0, signal.SIGKILL)


def _is_leaving(flow_run_id: UUID) -> bool:
    """The run has ended or is suspended, so this process is about to leave by itself.

    The engine would report a suspended run crashed if it were interrupted on its way out.
    """
    try:
        with get_client(sync_client=True) as client:
            state = client.read_flow_run(flow_run_id).state
    except (httpx.HTTPError, ObjectNotFound):
        return False
    return state is not None and (state.is_final() or bool(state.state_details.pause_reschedule))


def _execute(job: Job, clients: _Clients) -> int:
    client = clients.blocking
    os.environ.update(job.environment)
    try:
        with handle_engine_signals(job.flow_run_id):  # turns suspending and aborting into exit code 0
            flow_run = client.read_flow_run(job.flow_run_id)
            flow = _load(job.entrypoint, flow_run, client)
            outcome = run_flow(flow, flow_run=flow_run, return_type="state")
            if inspect.iscoroutine(outcome):
                with clients.loop:  # leaving it cancels the flow's tasks, which is how a signal reaches them
                    clients.loop.run(outcome)
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 1
    except TerminationSignal:  # it came before the engine was in charge, so nobody has reported it
        _report_crash(client, job.flow_run_id, "The process was terminated before the flow began.")
        return TERMINATED
    return 0


def _load(entrypoint: str, flow_run: FlowRun, client: SyncPrefectClient) -> Flow[Any, Any]:
    try:
        return load_flow_from_entrypoint(entrypoint, use_placeholder_flow=False)
    except Exception as cause:
        flow_run_logger(flow_run).exception("Cannot load the flow from %r", entrypoint)
        _report_crash(client, flow_run.id, f"Cannot load the flow from {entrypoint!r}: {cause}")
        raise SystemExit(1) from cause


def _report_crash(client: SyncPrefectClient, flow_run_id: UUID, message: str) -> None:
    with contextlib.suppress(httpx.HTTPError, ObjectNotFound):  # the worker, if alive, reports it otherwise
        client.set_flow_run_state(flow_run_id, Crashed(message=message))


def hand_over_logs_and_events() -> None:
    """Send what this process has queued, unless the orchestrator does not take it within seconds."""
    APILogWorker.drain_all(timeout=GRACE_SECONDS)
    EventsWorker.drain_all(timeout=GRACE_SECONDS)
