"""What happened, in sentences: everything that the caller may see, of one user, about one asset."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.deps import Caller, CallOf, PlatformDep, PoolDep, identifier, permits
from api.envelope import listed, success
from api.filtering import EntryPageDep, FilterDep
from api.schemas.base import answers
from api.schemas.history import ActivityRead, Subscribe, SubscriptionRead
from governance.audit.filters import EntryFilter
from governance.operations import history
from storage.queries import history as views
from storage.queries.visibility import HISTORY

router = APIRouter(prefix="/api/v1/activity", tags=["Activity"])

_SEE = permits(*HISTORY)


@router.get("", summary="Activity stream", dependencies=_SEE, responses=answers(list[ActivityRead], 400, 403, 404))
async def list_activity(
    request: Request,
    caller: Caller,
    pool: PoolDep,
    asked: FilterDep,
    page: EntryPageDep,
    subscription: Annotated[str | None, Query(description="Of one's own: what it asks for, since it was made.")] = None,
) -> Response:
    """What happened to assets that the caller may see, and what they did themselves, newest first."""
    where = views.narrowed(views.seen_entries(caller), asked)
    if subscription is not None:
        _, wanted, after = await views.subscription(pool, caller, subscription)
        where = views.narrowed(views.seen_entries(caller), wanted)
        where.add("i.seq > %(subscribed_after)s", subscribed_after=after)
    return listed(request, await views.activity(pool, where, page))


@router.get(
    "/user/{user_id}",
    summary="Activity of a user",
    dependencies=_SEE,
    responses=answers(list[ActivityRead], 400, 403, 404),
)
async def list_user_activity(
    user_id: str, request: Request, caller: Caller, pool: PoolDep, page: EntryPageDep
) -> Response:
    """What a user did and what was done to them, as far as the caller may see it."""
    where = views.about_user(views.seen_entries(caller), identifier("user", user_id))
    return listed(request, await views.activity(pool, where, page))


@router.get(
    "/artifact/{artifact_id}",
    summary="Activity about an asset",
    dependencies=_SEE,
    responses=answers(list[ActivityRead], 400, 403, 404),
)
async def list_artifact_activity(
    artifact_id: str, request: Request, caller: Caller, pool: PoolDep, page: EntryPageDep
) -> Response:
    """What happened to a model, a version, an artifact or a dataset, by its id."""
    found = await views.asset(pool, caller, HISTORY, artifact_id)
    where = views.about_asset(views.seen_entries(caller), found)
    return listed(request, await views.activity(pool, where, page))


@router.post(
    "/subscribe",
    summary="Subscribe to activity",
    dependencies=_SEE,
    status_code=201,
    responses=answers(SubscriptionRead, 400, 403, 422, status=201),
)
async def subscribe(
    body: Subscribe, request: Request, caller: Caller, call: CallOf, platform: PlatformDep, pool: PoolDep
) -> Response:
    """Remember what somebody wants to hear of. It is read at `stream`; nothing is pushed yet."""
    asked = EntryFilter.read(body.filters)
    made = await run_in_threadpool(history.subscribe, platform.new_unit(), call(body.model_dump()), asked)
    data, _, _ = await views.subscription(pool, caller, made)
    path = f"/api/v1/activity?subscription={made}"
    return success(request, data, status=201, headers={"Location": path}, links={"stream": path})
