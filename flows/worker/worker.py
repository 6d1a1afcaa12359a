"""The Prefect worker: hears of work and of cancellations, hands each run to a child, and settles what it left behind.

Events wake it at once; polling finds whatever an event did not tell. It outlives the orchestrator: every loop retries
until it is back, and a run whose process ended meanwhile is settled then.

Stopping (SIGTERM, SIGINT): no new work; `drain_seconds` for running flows; then SIGTERM, which the engine reports as
crashed; then SIGKILL.

Of Prefect it uses public methods of `BaseWorker` (3.8.8), and one private: `_submit_scheduled_flow_runs`, which fails
for every run when one of them still holds its slot, as a run does that is resumed before its first process is gone.
Two of the public ones carry more than their documentation says:
`get_and_submit_flow_runs` puts every run through `run` in a task group of its own, holding a slot of `limiter` from
the claim to the end; `sync_with_backend` creates the work pool and sends the heartbeat.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from uuid import UUID

import anyio
import anyio.abc
import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import Flow, FlowRun, StateType, WorkPool
from prefect.client.schemas.responses import DeploymentResponse, WorkerFlowRunResponse
from prefect.events import Event
from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventAnyResourceFilter, EventFilter, EventNameFilter
from prefect.logging import get_logger
from prefect.workers.base import BaseJobConfiguration, BaseVariables, BaseWorker, BaseWorkerResult
from pydantic import PrivateAttr

from flows.worker import POOL_TYPE
from flows.worker.child import GRACE_SECONDS
from flows.worker.handle import Child
from flows.worker.job import Job
from flows.worker.settlement import settle
from flows.worker.spares import Spares

_log = get_logger("worker.warm")

_WORK = ("Scheduled", "Resuming", "AwaitingRetry", "AwaitingConcurrencySlot", "Late")
"""Names of the states in which a run can be claimed. A resumed run is `Resuming`, never `Scheduled`."""

_CANCELLING = "prefect.flow-run.Cancelling"

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 2.0
"""Between attempts to reach an absent server."""

_CATCH_UP_PAUSES_SECONDS = (0.2, 0.8, 4.0)
"""After each connection to the event stream, when to look again for work and cancellations without an event."""

_LOOK_AGAIN_SECONDS = (0.1, 0.5, 2.0)
"""After an event, when to look again for a run that its transaction still held back."""

_FAREWELL_SECONDS = 5.0
"""After draining and killing, how long reporting to the orchestrator may take before we leave anyway."""


class WarmJobConfiguration(BaseJobConfiguration):
    """Prefect hands us the deployment here; its entry point is all that a run needs of it."""

    _entrypoint: str | None = PrivateAttr(default=None)

    @property
    def entrypoint(self) -> str:
        """Raises ValueError when the deployment has none."""
        if not self._entrypoint:
            raise ValueError("The deployment has no entry point.")
        return self._entrypoint

    def prepare_for_flow_run(
        self,
        flow_run: FlowRun,
        deployment: DeploymentResponse | None = None,
        flow: Flow | None = None,
        work_pool: WorkPool | None = None,
        worker_name: str | None = None,
        worker_id: UUID | None = None,
    ) -> None:
        super().prepare_for_flow_run(flow_run, deployment, flow, work_pool, worker_name, worker_id)
        self._entrypoint = deployment.entrypoint if deployment is not None else None


class WarmWorkerResult(BaseWorkerResult):
    """Always status 0: the run has been settled before Prefect looks at it."""


class WarmWorker(BaseWorker[WarmJobConfiguration, BaseVariables, WarmWorkerResult]):
    """Serves one work pool with children of `spares`. Run it with `serve`, not with Prefect's `start`."""

    type = POOL_TYPE
    job_configuration = WarmJobConfiguration
    job_configuration_variables = BaseVariables
    _description = "Runs each flow in a single-use process forked from a warm one."

    def __init__(
        self, pool: str, *, name: str, limit: int, spares: Spares, poll_seconds: float, drain_seconds: float
    ) -> None:
        super().__init__(work_pool_name=pool, name=name, limit=limit, prefetch_seconds=poll_seconds)
        self._spares = spares
        self._poll_seconds = poll_seconds
        self._drain_seconds = drain_seconds
        self._running: dict[UUID, Child] = {}
        self._passed_over: set[UUID] = set()
        self._wake = asyncio.Event()
        self._looking_again: list[asyncio.TimerHandle] = []
        self._asking = anyio.CancelScope()
        self._introduced = asyncio.Event()
        self._stopping = asyncio.Event()
        self._background: anyio.abc.TaskGroup

    # ------------------------------------------------------------------ one run

    async def run(
        self,
        flow_run: FlowRun,
        configuration: WarmJobConfiguration,
        task_status: anyio.abc.TaskStatus[int] | None = None,
    ) -> WarmWorkerResult:
        """Give the run to a child, wait for its end, settle. Called by Prefect for every run it has claimed."""
        environment = {name: value for name, value in configuration.env.items() if value is not None}
        child = await self._hand_over(Job(flow_run.id, configuration.entrypoint, environment))
        self._running[flow_run.id] = child
        try:
            if task_status is not None:
                task_status.started(child.pid)
            exit_code = await asyncio.shield(child.ended)
        finally:
            del self._running[flow_run.id]
            child.let_go()
        await settle(self.client, flow_run.id, exit_code)
        if flow_run.id in self._passed_over:
            self._passed_over.discard(flow_run.id)
            asyncio.get_running_loop().call_soon(self._wake.set)  # Prefect frees the slot as soon as we return
        return WarmWorkerResult(status_code=0, identifier=str(child.pid))

    async def _submit_scheduled_flow_runs(self, flow_run_response: list[WorkerFlowRunResponse]) -> list[FlowRun]:
        """Pass over runs that still hold a slot: they have been resumed while their first process was still ending."""
        holders = self.limiter.statistics().borrowers
        self._passed_over |= {entry.flow_run.id for entry in flow_run_response if entry.flow_run.id in holders}
        free = [entry for entry in flow_run_response if entry.flow_run.id not in holders]
        return await super()._submit_scheduled_flow_runs(free)

    async def _hand_over(self, job: Job) -> Child:
        while True:
            child = await self._spares.take()
            try:
                child.give(job)
            except OSError:
                continue  # it has died since; take the next
            return child

    # ------------------------------------------------------------------ cancellation

    async def _stop_cancelled(self, flow_run_ids: Iterable[UUID]) -> None:
        """Stop those runs that are being cancelled now. An event alone could be about an earlier attempt."""
        cancelling = await self.client.read_flow_runs(
            flow_run_filter=FlowRunFilter(
                id=FlowRunFilterId(any_=list(flow_run_ids)),
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.CANCELLING])),
            )
        )
        async with anyio.create_task_group() as stopping:
            for flow_run in cancelling:
                if child := self._running.get(flow_run.id):
                    _log.info("Cancelling flow run %s", flow_run.id)
                    stopping.start_soon(child.cancel, GRACE_SECONDS)

    async def _look_for_cancellations(self) -> None:
        while True:
            await anyio.sleep(self._poll_seconds)
            if running := list(self._running):
                await self._attempt("look for cancellations", partial(self._stop_cancelled, running))

    # ------------------------------------------------------------------ hearing of work

    async def _ask_for_work(self) -> None:
        while not self._stopping.is_set():
            with anyio.CancelScope() as self._asking:
                async with self.limiter:  # wait for room: a slot is free when this can be entered
                    pass
                self._wake.clear()
                await self._attempt("ask for work", self.get_and_submit_flow_runs)
                if self.limiter.available_tokens > 0:
                    with anyio.move_on_after(self._poll_seconds):
                        await self._wake.wait()

    def _ask_again(self) -> None:
        """Ask now, giving up an answer that may be long in coming: calls to an absent server go on for a minute."""
        self._wake.set()
        self._asking.cancel()

    async def _listen(self) -> None:
        connected_before = False
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                async with get_events_subscriber(filter=self._events(), reconnection_attempts=0) as events:
                    pause = _FIRST_PAUSE_SECONDS
                    if connected_before:
                        _log.info("Hearing events again")
                        self._spares.renew()
                    connected_before = True
                    self._ask_again()
                    self._background.start_soon(self._catch_up)
                    async for event in events:
                        self._hear(event)
            except Exception as trouble:
                if pause == _FIRST_PAUSE_SECONDS:  # said once, not at every attempt
                    _log.warning("No events, polling every %s s: %s", self._poll_seconds, trouble)
            await anyio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    async def _catch_up(self) -> None:
        """Look for what went unheard: the server does not say when it has begun to tell, and stores events late."""
        for pause in _CATCH_UP_PAUSES_SECONDS:
            await anyio.sleep(pause)
            self._wake.set()
            if running := list(self._running):
                await self._attempt("look for cancellations", partial(self._stop_cancelled, running))

    def _events(self) -> EventFilter:
        return EventFilter(
            event=EventNameFilter(name=[_CANCELLING, *(f"prefect.flow-run.{state}" for state in _WORK)]),
            any_resource=EventAnyResourceFilter(id=[f"prefect.work-pool.{self.work_pool.id}"]),
        )

    def _hear(self, event: Event) -> None:
        if event.event != _CANCELLING:
            self._wake.set()
            self._look_again()
            return
        flow_run_id = UUID(event.resource.id.removeprefix("prefect.flow-run."))
        if flow_run_id in self._running:  # otherwise the server will not let it begin
            check = partial(self._stop_cancelled, [flow_run_id])
            self._background.start_soon(self._attempt, "cancel a flow run", check)

    def _look_again(self) -> None:
        """The server tells of a run before it has committed it, so an answer at once may not hold it yet."""
        for handle in self._looking_again:
            handle.cancel()
        loop = asyncio.get_running_loop()
        self._looking_again = [loop.call_later(pause, self._wake.set) for pause in _LOOK_AGAIN_SECONDS]

    async def _send_heartbeats(self) -> None:
        while True:
            sent = await self._attempt("report to the orchestrator", self.sync_with_backend)
            if sent:
                self._introduced.set()
            await anyio.sleep(self.heartbeat_interval_seconds if sent else _FIRST_PAUSE_SECONDS)

    async def _attempt(self, what: str, action: Callable[[], Awaitable[object]]) -> bool:
        """Do it; a failure is logged and answered by False, for every caller tries again later."""
        try:
            await action()
        except httpx.HTTPError as trouble:
            _log.warning("Cannot %s: %s", what, trouble or type(trouble).__name__)
        except Exception:
            _log.exception("Cannot %s", what)
        else:
            return True
        return False

    # ------------------------------------------------------------------ lifetime

    async def serve(self) -> None:
        """Work until SIGTERM or SIGINT. Raises PreloadRefusedError when there is nothing to fork from."""
        for stop in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(stop, self._stopping.set)
        try:
            await self._spares.open()
            await self._until_server_answers()
            if not self._stopping.is_set():
                await self._work()
        finally:
            await self._spares.close()

    async def _work(self) -> None:
        with anyio.CancelScope() as life:
            async with self, anyio.create_task_group() as self._background:
                for duty in (self._spares.keep, self._send_heartbeats, self._work_once_introduced):
                    self._background.start_soon(duty)
                await self._stopping.wait()
                await self._drain()
                life.deadline = anyio.current_time() + _FAREWELL_SECONDS
                self._background.cancel_scope.cancel()

    async def _work_once_introduced(self) -> None:
        await self._introduced.wait()
        async with anyio.create_task_group() as duties:
            for duty in (self._listen, self._look_for_cancellations, self._ask_for_work):
                duties.start_soon(duty)

    async def _drain(self) -> None:
        self._ask_again()  # ends that loop, as we are stopping
        await self._until_idle(self._drain_seconds)
        async with anyio.create_task_group() as stopping:
            for child in self._running.values():
                stopping.start_soon(child.dismiss, GRACE_SECONDS)
        await self._until_idle(_FAREWELL_SECONDS)

    async def _until_idle(self, at_most_seconds: float) -> None:
        with anyio.move_on_after(at_most_seconds):
            while self.limiter.borrowed_tokens > 0:
                await anyio.sleep(0.05)

    async def _until_server_answers(self) -> None:
        pause = _FIRST_PAUSE_SECONDS
        async with get_client() as client:
            while not self._stopping.is_set() and (trouble := await client.api_healthcheck()) is not None:
                if pause == _FIRST_PAUSE_SECONDS:
                    _log.warning("Waiting for the Prefect server: %s", trouble)
                with anyio.move_on_after(pause):
                    await self._stopping.wait()
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
