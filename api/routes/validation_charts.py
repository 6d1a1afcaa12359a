"""Pictures of validation: the series of a run's score, its slices, its reliability; nights beside each other."""

from __future__ import annotations

from typing import Annotated, Any, get_args

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.credentials import GROUP_CONTEXT, WORKSPACE
from api.deps import Caller, PoolDep, permits
from api.routes.validation import ROOT
from api.schemas.base import refusals
from governance.errors import NotFound
from governance.validation.pictures import Picture, digest_of_picture
from storage.queries import validation_pictures
from storage.queries.visibility import VALIDATION
from storage.validation_charts import MEDIA_TYPES, Form, draw

router = APIRouter(prefix=ROOT, tags=["Validation"])

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "The picture.", "content": dict.fromkeys(MEDIA_TYPES.values(), _BINARY)},
    304: {"description": "The picture that the caller has already."},
    **refusals(400, 401, 403, 404, 503),
}
# An SVG that is opened by itself is a document; this one may load nothing and run nothing.
_ALONE = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"
_CALLER = f"Authorization, X-Authorization, X-API-Key, Cookie, {GROUP_CONTEXT}, {WORKSPACE}"
_FOR_EVER = "private, max-age=31536000, immutable"
_ASK_AGAIN = "private, no-cache"


@router.get(
    "/runs/{run_id}/charts/{chart}",
    dependencies=permits(*VALIDATION),
    response_class=Response,
    responses=_ANSWERS,
)
async def run_chart(
    run_id: str,
    chart: str,
    request: Request,
    caller: Caller,
    pool: PoolDep,
    suite: Annotated[
        str | None, Query(max_length=100, description="Id of a suite; the one that matters most otherwise.")
    ] = None,
) -> Response:
    """A picture of a run: `series`, `slices` or `reliability`, as `.svg` or `.png`.

    404 as well where the run has nothing for it, such as no slices.
    """
    kind, form = _wanted(chart, validation_pictures.OF_RUNS)
    picture, settled = await validation_pictures.of_run(pool, caller, run_id, kind, suite)
    return await _answer(request, picture, form, settled)


@router.get(
    "/nights/{night}/charts/{chart}",
    dependencies=permits(*VALIDATION),
    response_class=Response,
    responses=_ANSWERS,
)
async def night_chart(night: str, chart: str, request: Request, caller: Caller, pool: PoolDep) -> Response:
    """`overview`, as `.svg` or `.png`: a night beside those before it, over the models that you are told about."""
    _, form = _wanted(chart, ("overview",))
    picture, settled = await validation_pictures.of_night(pool, caller, night)
    return await _answer(request, picture, form, settled)


def _wanted(chart: str, known: tuple[str, ...]) -> tuple[str, Form]:
    kind, _, form = chart.rpartition(".")
    for one in get_args(Form):
        if kind in known and form == one:
            return kind, one
    raise NotFound("chart", chart[:200])


async def _answer(request: Request, picture: Picture, form: Form, settled: bool) -> Response:
    """Drawn unless the caller has it. Weak, since another release may draw the same a little differently."""
    tag = f'W/"{digest_of_picture(picture).removeprefix("sha256:")[:32]}.{form}"'
    headers = {"ETag": tag, "Cache-Control": _FOR_EVER if settled else _ASK_AGAIN, "Vary": _CALLER}
    if tag in (one.strip() for one in request.headers.get("if-none-match", "").split(",")):
        return Response(status_code=304, headers=headers)
    drawn = await run_in_threadpool(draw, picture, form)
    return Response(drawn, media_type=MEDIA_TYPES[form], headers={**headers, "Content-Security-Policy": _ALONE})
