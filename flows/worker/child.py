"""A forked child: it may warm up and wait; then it executes one flow run and ends.

Signals, all sent by the worker: SIGTERM interrupts the run, which the engine then reports as crashed; SIGUSR1 means
that a user cancelled it, so the engine reports it cancelled. Either way `finally` blocks run. The engine takes SIGTERM
over while it is in charge; before that the handlers here apply.

Prefect names used here that are not public, all of 3.8.8 (pinned for this reason):

    prefect._internal.control_listener._set_intent   tells the engine that the coming SIGTERM is a cancellation. The
                                                     public way is a TCP connection back to Prefect's own runner.

Undocumented, though without an underscore: `handle_engine_signals`, `run_flow`, `SyncClientContext`, `APILogWorker`,
`EventsWorker`. Importing them here, before any fork, is also what makes the fork worth it.

Not done: generator flows, pull steps, and `PREFECT_*` settings among job variables (settings were read before the
fork). Heartbeats are off: the exit is reported by the fork server, and a synchronous flow would wait up to a second
for the heartbeat thread. Functions registered with `atexit` do not run.
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
import prefect.task_engine  # noqa: F401  (flows import it when they first run a task)
from prefect import Flow
from prefect._internal import control_listener
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.context import SyncClientContext
from prefect.engine import handle_engine_signals
from prefect.events.worker import EventsWorker
from prefect.exceptions import ObjectNotFound, TerminationSignal
from prefect.flow_engine import run_flow
from prefect.flows import load_flow_from_entrypoint
from prefect.logging import get_logger
from prefect.logging.handlers import APILogWorker
from prefect.logging.loggers import flow_run_logger
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from prefect.states import Crashed

from flows.worker.job import Job, receive_job
from flows.worker.preloading import part_from_siblings, warm_up

GRACE_SECONDS = 5.0
"""From asking a child to stop until it is killed."""

TERMINATED = 128 + signal.SIGTERM


def live(job_socket: socket.socket, modules: Sequence[ModuleType], *, spare: bool) -> int:
    """The whole life of a child; returns its exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C: the worker decides
    signal.signal(signal.SIGTERM, _on_terminate)
    signal.signal(signal.SIGUSR1, _on_cancel)
    part_from_siblings()
    try:
        with (
            temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
            SyncClientContext.get_or_create() as context,
        ):
            if spare:
                _warm_up(context.client, modules)
            job = receive_job(job_socket)
            if job is None:
                return 0
            watch = threading.Thread(target=_end_with_worker, args=(job_socket, job.flow_run_id), daemon=True)
            watch.start()
            try:
                return _execute(job, context.client)
            finally:
                # A second signal must not interrupt this; the worker's SIGKILL still does.
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                signal.signal(signal.SIGUSR1, signal.SIG_IGN)
                hand_over_logs_and_events()
    except TerminationSignal:
        return TERMINATED


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


def _warm_up(client: SyncPrefectClient, modules: Sequence[ModuleType]) -> None:
    """Spend idle time on what every run needs: TLS context, connection, the event and log threads, our own hooks."""
    client.api_healthcheck()
    EventsWorker.instance()
    APILogWorker.instance()
    warm_up(modules, get_logger("worker.spare"))


def _execute(job: Job, client: SyncPrefectClient) -> int:
    os.environ.update(job.environment)
    try:
        with handle_engine_signals(job.flow_run_id):  # turns suspending and aborting into exit code 0
            flow_run = client.read_flow_run(job.flow_run_id)
            outcome = run_flow(_load(job.entrypoint, flow_run, client), flow_run=flow_run, return_type="state")
            if inspect.iscoroutine(outcome):
                asyncio.run(outcome)
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
