"""The form behind *Resume* on the page of a suspended run.

Filled in through the platform's dashboard (`api.dashboard`) it records a decision of the person who is signed in.
What reaches Prefect is never read here: the run that is resumed walks again and looks into our own tables.
"""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID, uuid4

from prefect.flow_runs import asuspend_flow_run
from prefect.input import RunInput
from prefect.input.run_input import Keyset, keyset_from_base_key
from pydantic import Field

from governance.evidence import Evidence
from governance.requests import TransitionRequest


class Decision(RunInput):
    """The fields, in the words of `governance.operations.transitions.decide`. Nothing is chosen beforehand."""

    decision: Literal["approve", "reject", "request_changes"] = Field(description="What you decide.")
    comment: str = Field(
        default="", max_length=2_000, description="Why. A rejection and a request for changes need a reason."
    )
    evidence: str = Field(
        default="", max_length=200, description="The digest of what was read. The decision is about exactly this."
    )

    @classmethod
    async def asave(cls, keyset: Keyset, flow_run_id: UUID | None = None) -> None:
        """Nothing: `suspend_with_form` has saved it already."""


async def suspend_with_form(request: TransitionRequest, evidence: Evidence, api_url: str) -> None:
    """Suspend this run; does not return. Resuming starts the flow from the top.

    Prefect would save the form after it has suspended the run. A process killed in between would leave a run that
    nobody can resume, since Prefect checks what it is given against the form; so the form is saved first.
    """
    key = str(uuid4())
    words: dict[str, Any] = {"description": description(request, evidence, api_url), "evidence": evidence.digest}
    form = Decision.with_initial_data(**words)
    await save_form(form, keyset_from_base_key(f"suspended-{key}"))  # as Prefect names it for a state of that name
    await asuspend_flow_run(wait_for_input=form, key=key)


async def save_form(form: type[Decision], keyset: Keyset) -> None:
    await super(Decision, form).asave(keyset)


def description(request: TransitionRequest, evidence: Evidence, api_url: str) -> str:
    """Markdown: what is asked, about which evidence, where to read it."""
    model, version = evidence.subject["model"], evidence.subject["version"]
    what = request.transition.value.replace("_", " ")
    return (
        f"**May {_code(model['group'])} / {_code(model['name'])} {_code(version['version'])} pass “{what}”?**\n\n"
        f"Your decision is about exactly the evidence that begins with `{evidence.digest[:19]}`. "
        f"[Read the whole request]({api_url.rstrip('/')}/runs/{request.id}) before you decide."
    )


def _code(text: str) -> str:
    """A name as it is, whatever markup it tries to be."""
    return f"`{text.replace('`', '’')}`"
