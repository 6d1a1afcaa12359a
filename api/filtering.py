"""How queries about the past are asked in a query string."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Depends, Query

from governance.audit.filters import EntryFilter
from storage.queries.history import EntryPage


async def entry_filter(
    actor: Annotated[str | None, Query(description="Id or name.")] = None,
    action: Annotated[list[str] | None, Query(description="Beginning of the action; any of several.")] = None,
    subject_kind: Annotated[str | None, Query(alias="subjectKind")] = None,
    subject_id: Annotated[str | None, Query(alias="subjectId")] = None,
    model_id: Annotated[str | None, Query(alias="modelId")] = None,
    version_id: Annotated[str | None, Query(alias="versionId")] = None,
    since: Annotated[str | None, Query(alias="from", description="A time; included.")] = None,
    until: Annotated[str | None, Query(alias="to", description="A time; not included.")] = None,
    request_id: Annotated[str | None, Query(alias="requestId", description="Of the HTTP call.")] = None,
) -> EntryFilter:
    """Raises the refusals of filters (FILTER_001 to 005)."""
    return EntryFilter.read(
        {
            "actor": actor,
            "action": action,
            "subjectKind": subject_kind,
            "subjectId": subject_id,
            "modelId": model_id,
            "versionId": version_id,
            "from": since,
            "to": until,
            "requestId": request_id,
        }
    )


async def entry_page(
    page_size: Annotated[int, Query(alias="pageSize", description="Entries of one page, at most 200.")] = 50,
    next_token: Annotated[str | None, Query(alias="nextToken", description="Continue after a page.")] = None,
    order: Annotated[
        Literal["newest", "oldest"], Query(description="Newest first, or as the log has them.")
    ] = "newest",
) -> EntryPage:
    return EntryPage(page_size, next_token, order)


FilterDep = Annotated[EntryFilter, Depends(entry_filter)]
EntryPageDep = Annotated[EntryPage, Depends(entry_page)]
