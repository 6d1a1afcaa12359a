"""One version on its way: what a developer does with it, and what people decide about it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Any

from api.cli.demo.catalogue import Registered
from api.cli.demo.client import Answer
from api.cli.demo.people import DANA, Cast, Person, Session
from api.cli.demo.prefect_runs import PrefectRuns, RunState
from api.cli.demo.story import Broken, Chapter, Step
from api.cli.demo.training import Trained
from api.cli.demo.wording import (
    applied_text,
    blocking,
    difference_rows,
    evaluation_text,
    gates_text,
    progress_text,
    reasons_of,
)

ENDED = frozenset({"applied", "denied", "withdrawn"})
FILE = "model.onnx"
REQUEST_SECONDS = 120.0  # a request without an outcome after that counts as stuck
LOOK_EVERY = 0.2  # seconds

Json = Mapping[str, Any]


class Journey:
    """`chapter` is where its steps are told."""

    def __init__(self, cast: Cast, model: Registered, version: str, chapter: Chapter) -> None:
        self.cast = cast
        self.model = model
        self.version = version
        self.chapter = chapter
        self.path = f"{model.path}/versions/{version}"

    @property
    def label(self) -> str:
        return f"{self.model.plan.name} {self.version}"

    def _step(self, name: str, expected: str) -> AbstractContextManager[Step]:
        return self.chapter.step(name, expected, about=self.label)

    # -- what a developer does -------------------------------------------------------------------------------

    def create(self, trained: Trained, content: bytes | None = None) -> None:
        """A draft with metadata, and its weights (`content` where it is not the ONNX file). Raises Broken."""
        weights = trained.onnx if content is None else content
        plan, dana = self.model.plan, self.cast[DANA].caller
        with self._step("register and upload", "a draft") as step:
            body = {
                "version": self.version,
                "commitSha": hashlib.sha256(trained.onnx).hexdigest()[:40],
                "trainingJobId": f"demo/{plan.name}/{trained.recipe}",
                "metadata": dict(plan.metadata),
            }
            draft = dana.post(f"{self.model.path}/versions", body)
            _ = draft.data
            metadata = {**plan.metadata, "modelCard": dict(plan.card), "recipe": trained.recipe}
            _ = dana.put(f"{self.path}/metadata", {"metadata": metadata}, etag=draft.etag).data
            artifact = self._upload(weights, replace=False).data
            step.went(f"a draft; {trained.recipe}; {FILE}, {artifact['size']:,} bytes, sha256 checked on arrival")

    def replace_weights(self, content: bytes, why: str) -> None:
        """Raises Broken."""
        with self._step(f"{why}", "accepted") as step:
            artifact = self._upload(content, replace=True).data
            step.went(f"accepted; {FILE} is now sha256 {artifact['sha256'][:12]}…")

    def _upload(self, content: bytes, *, replace: bool) -> Answer:
        return self.cast[DANA].caller.upload(
            f"{self.path}/artifacts", content, type="weights", name=FILE, replace=str(replace).lower()
        )

    # -- asking for transitions ------------------------------------------------------------------------------

    def ask(
        self,
        transition: str,
        to: str,
        *,
        by: Person = DANA,
        reason: str = "",
        alongside: tuple[str, str] | None = None,
    ) -> Json:
        """Ask, and follow the request until it is applied and the version is `to`.

        `alongside`: the other version that has to move with it, and where to. Raises Broken.
        """
        also = f", and {alongside[0]} {alongside[1]}" if alongside else ""
        with self._step(f"{transition}", f"applied, {to}{also}") as step:
            request = self._follow(step, self._open(step, by, transition, reason))
            self._expect_applied(step, request, to)
            moved = request["outcome"].get("alongside") or {}
            if alongside and (moved.get("version"), moved.get("to")) != alongside:
                step.ok = False
                raise Broken(step.title)
        return request

    def evaluate(self) -> Json:
        """Run the suites. The results are in the story whether or not they are good enough. Raises Broken."""
        with self._step("evaluate", "evaluated, thresholds met") as step:
            request = self._follow(step, self._open(step, DANA, "evaluate", ""))
            if request["status"] != "applied":
                self._unexpected(step, request)
            evaluation = request["outcome"]["evaluations"][0]
            results = self.cast[DANA].caller.get(f"/api/v1/evaluations/{evaluation['evaluationId']}/results").data
            step.went(evaluation_text(results), ok=bool(results["passed"]))
            if not step.ok:
                raise Broken(step.title)
        return request

    def ask_and_wait(self, transition: str, *, by: Person = DANA, show: Sequence[str] = ()) -> Json:
        """Ask for what people decide: all gates but theirs pass. `show`: policies whose reasons are told.

        Raises Broken.
        """
        with self._step(f"{transition}", "gates passed, waits for people") as step:
            request = self._follow(step, self._open(step, by, transition, ""), also="awaiting_approval")
            told = [gate for gate in request["gates"] if gate["policy"] in show]
            if request["status"] != "awaiting_approval":
                self._unexpected(step, request)
            step.went(f"{gates_text(request)}; waits for people", reasons=reasons_of(told))
        return request

    def decide(self, request: Json, people: Sequence[Person], to: str) -> Json:
        """Everybody in `people` approves the evidence that the request holds. Raises Broken."""
        sessions = [self.cast[person] for person in people]
        names = ", ".join(session.title for session in sessions)
        with self._step(f"approved by {names}", f"applied, {to}") as step:
            step.request_id = request["id"]
            for session in sessions:
                answer = self.approve(session, request)
                step.dashboard = answer.links.get("dashboard")
                step.progress = f"{answer.data['status']}, {session.caller.name} approved"
            self._expect_applied(step, self._follow(step, request["id"]), to)
        return request

    def approve(self, session: Session, request: Json) -> Answer:
        """One decision, bound to the digest of the evidence that was read."""
        body = {
            "decision": "approve",
            "evidenceDigest": request["evidenceDigest"],
            "comment": "Read and agreed.",
        }
        return session.caller.post(f"/api/v1/transition-requests/{request['id']}/approvals", body)

    # -- what must not work ----------------------------------------------------------------------------------

    def denied(self, transition: str, policy: str) -> None:
        """The gate of `policy` refuses, with its reasons. Raises Broken when nothing is refused."""
        with self._step(f"{transition}", f"denied by the gate {policy}") as step:
            request = self._follow(step, self._open(step, DANA, transition, ""), also="awaiting_approval")
            gates = blocking(request)
            by_it = [gate for gate in gates if gate["policy"] == policy and gate["outcome"] == "failed"]
            if request["status"] != "denied":
                self._unexpected(step, request)
            failed = [gate for gate in gates if gate["outcome"] == "failed"] or gates
            names = ", ".join(gate["policy"] for gate in failed)
            step.went(f"denied by {names}", ok=bool(by_it), reasons=reasons_of(failed))

    def jump(self, transition: str, possible: str) -> None:
        """Ask for what the lifecycle does not allow from here; the refusal names what is possible instead."""
        with self._step(f"{transition} at once", "409 ILLEGAL_TRANSITION") as step:
            answer = self.cast[DANA].caller.post(f"{self.path}/transitions", {"transition": transition})
            names = ", ".join(answer.details.get("possible") or ())
            refused(step, answer, 409, "ILLEGAL_TRANSITION", also=possible in names)
            step.reasons = (f"possible from here: {names}",)

    def approve_own(self, request: Json, requester: Person) -> None:
        """The requester tries to approve the own request."""
        session = self.cast[requester]
        expected = "403 SELF_APPROVAL"
        with self._step(f"{session.title} approves her own request", expected) as step:
            step.request_id = request["id"]
            refused(step, self.approve(session, request), 403, "SELF_APPROVAL")

    def deploy_something_else(self, transition: str) -> None:
        """Ask to deploy what is not what was approved; the refusal carries the difference."""
        with self._step(f"{transition} all the same", "409 APPROVAL_INVALIDATED") as step:
            answer = self.cast[DANA].caller.post(f"{self.path}/transitions", {"transition": transition})
            difference = answer.details.get("difference") or []
            refused(step, answer, 409, "APPROVAL_INVALIDATED", also=bool(difference))
            step.table = difference_rows(difference)

    def resume_without_approval(self, request: Json, runs: PrefectRuns) -> Json:
        """Resume the flow run past us, saying "approve": it looks again, finds no approval and waits on.

        The request as it is then; people can still decide about it when this step did not go as expected.
        """
        expected = "the request still waits, with no approval"
        with suppress(Broken), self._step("somebody resumes the run in Prefect, past us", expected) as step:
            step.request_id, run = request["id"], str(request["flowRunId"])
            before, state = self._parked(step, runs, run), self.state()
            said = runs.resume(run)
            self._parked(step, runs, run, after=before.id)
            found, state_now = self.read(request["id"]), self.state()
            waits = found["status"] == "awaiting_approval" and not found["approvals"] and state_now == state
            step.went(
                f"Prefect said {said}; the run looked again and waits on: {found['status']}, "
                f"{len(found['approvals'])} approvals, version still {state_now}",
                ok=said == "ACCEPT" and waits,
            )
        return self.read(request["id"])

    def _parked(self, step: Step, runs: PrefectRuns, run: str, *, after: str = "") -> RunState:
        """The run once it is suspended, in another state than `after`. Raises Broken."""
        deadline = time.monotonic() + REQUEST_SECONDS
        while (state := runs.state(run)).type != "PAUSED" or state.id == after:
            step.progress = f"the run is {state.type}"
            if time.monotonic() > deadline:
                step.went(f"the run is still {state.type} after {REQUEST_SECONDS:.0f} s", ok=False)
                raise Broken(step.title)
            self.cast[DANA].caller.wire.pause(LOOK_EVERY)
        return state

    # -- following -------------------------------------------------------------------------------------------

    def read(self, request_id: str) -> Json:
        found: Json = self.cast[DANA].caller.get(f"/api/v1/transition-requests/{request_id}").data
        return found

    def state(self) -> str:
        return str(self.cast[DANA].caller.get(self.path).data["state"])

    def _open(self, step: Step, by: Person, transition: str, reason: str) -> str:
        body = {"transition": transition, **({"reason": reason} if reason else {})}
        answer = self.cast[by].caller.post(f"{self.path}/transitions", body)
        step.request_id = str(answer.data["id"])
        step.dashboard = answer.links.get("dashboard")
        return step.request_id

    def _follow(self, step: Step, request_id: str, *, also: str = "") -> Json:
        """The request once it has ended, or has the status `also`. Raises Broken when it takes too long."""
        deadline = time.monotonic() + REQUEST_SECONDS
        while True:
            request = self.read(request_id)
            step.progress = progress_text(request)
            if request["status"] in ENDED or request["status"] == also:
                return request
            if time.monotonic() > deadline:
                step.went(f"still {request['status']} after {REQUEST_SECONDS:.0f} s", ok=False)
                raise Broken(step.title)
            self.cast[DANA].caller.wire.pause(LOOK_EVERY)

    def _expect_applied(self, step: Step, request: Json, to: str) -> None:
        if request["status"] != "applied" or request["outcome"]["to"] != to:
            self._unexpected(step, request)
        step.went(applied_text(request))

    def _unexpected(self, step: Step, request: Json) -> None:
        reasons = reasons_of(blocking(request))
        step.went(f"{request['status']}: {gates_text(request)}", ok=False, reasons=reasons)
        raise Broken(step.title)


def refused(step: Step, answer: Answer, status: int, code: str, *, also: bool = True) -> None:
    """Record what happened where a refusal was expected; `also`: it said all that it should."""
    expected = answer.status == status and answer.code == code
    step.went(answer.summary if answer.status >= 400 else f"{answer.status}: accepted", ok=expected and also)
