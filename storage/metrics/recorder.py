"""Committing reports of one process: those that arrive while a commit is under way go together into the next one.

A report is answered after its commit and never before. A report with an idempotency key has a transaction of its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence

from sqlalchemy.exc import DBAPIError

from governance.errors import DependencyUnavailable
from governance.operations import inferences
from governance.operations.inferences import Report
from storage.composition import Platform
from storage.metrics.compaction import compact_repeated

log = logging.getLogger("gatehouse.metrics")

MOST_TOGETHER = 500
ROWS_BEFORE_MERGING = 500
"""Rows of one version that this process appends before it merges those of the same minute."""


class Recorder:
    """For one event loop."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._waiting: list[tuple[Report, asyncio.Future[None]]] = []
        self._committing: asyncio.Task[None] | None = None
        self._merging: asyncio.Task[None] | None = None
        self._appended: Counter[str] = Counter()

    async def record(self, report: Report) -> None:
        """Returns when it is committed. Raises what the operation refuses, DependencyUnavailable."""
        if report.call.idempotency is not None:
            await asyncio.to_thread(self._record, [report])
        else:
            committed = asyncio.get_running_loop().create_future()
            self._waiting.append((report, committed))
            if self._committing is None or self._committing.done():
                self._committing = asyncio.create_task(self._commit_waiting())
            await committed
        self._count(report)

    async def close(self) -> None:
        """Let what is under way end."""
        for task in (self._committing, self._merging):
            if task is not None:
                await asyncio.gather(task, return_exceptions=True)

    async def _commit_waiting(self) -> None:
        while self._waiting:
            together, self._waiting = self._waiting[:MOST_TOGETHER], self._waiting[MOST_TOGETHER:]
            outcomes = await self._outcomes([report for report, _ in together])
            for (_, committed), outcome in zip(together, outcomes, strict=True):
                if committed.done():
                    continue  # whoever waited has gone
                if outcome is None:
                    committed.set_result(None)
                else:
                    committed.set_exception(outcome)

    async def _outcomes(self, reports: list[Report]) -> Sequence[Exception | None]:
        try:
            return await asyncio.to_thread(inferences.record, self._platform.new_unit(), reports)
        except DependencyUnavailable as error:
            return [DependencyUnavailable(error.message, details=error.details) for _ in reports]
        except Exception as error:
            if len(reports) == 1:
                return [error]
            # One that cannot be stored must not take the others along.
            return [outcome for report in reports for outcome in await self._outcomes([report])]

    def _record(self, reports: list[Report]) -> None:
        for refusal in inferences.record(self._platform.new_unit(), reports):
            if refusal is not None:
                raise refusal

    def _count(self, report: Report) -> None:
        self._appended[report.version_id] += 1
        if self._appended[report.version_id] >= ROWS_BEFORE_MERGING and (self._merging is None or self._merging.done()):
            del self._appended[report.version_id]
            self._merging = asyncio.create_task(self._merge(report.version_id))
        elif len(self._appended) > 10_000:
            self._appended.clear()

    async def _merge(self, version_id: str) -> None:
        try:
            await asyncio.to_thread(compact_repeated, self._platform.engine, version_id)
        except DBAPIError as error:  # the maintenance flow comes by later
            log.warning("measurements could not be merged: %s", type(error).__name__)
