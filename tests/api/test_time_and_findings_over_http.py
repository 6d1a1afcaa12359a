"""Findings, freezes, break-glass, reviews, links and events as programs and browsers meet them."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from api.sessions import SESSION_COOKIE
from governance.access.roles import Role
from governance.findings import NIGHT
from governance.operations import findings, groups
from governance.operations.tending import tend
from governance.requests import TransitionRequest
from storage import request_links
from storage.composition import now
from tests.api.served import ServedApi, data, refusal
from tests.governance.operations.situations import in_production, model_with_version, parked, query

WHY = "It denies every loan since this morning."


def in_group(api: ServedApi, name: str) -> str:
    """The id of a model with a version in a group of its own, so that a freeze of it meets nobody else."""
    model = model_with_version(api.registry)
    api.registry.groups(name)
    query(api.registry, 'update models set "group" = %s where id = %s', name, model)
    return model


# --- findings ---------------------------------------------------------------------------------------------


def test_the_life_of_a_finding(api: ServedApi) -> None:
    r = api.registry
    model = model_with_version(r)
    body = {"modelId": model, "version": "1.0.0", "severity": "high", "title": "It drifts.", "owner": "dana"}
    body["blocks"] = ["promote_production", "approve_production"]  # type: ignore[assignment]
    answer = api.grace.post("/api/v1/findings", json=body, headers={"Idempotency-Key": f"f-{model}"})
    made = data(answer, 201)
    assert answer.headers["Location"] == f"/api/v1/findings/{made['id']}"
    assert (made["owner"], made["openedBy"], made["status"], made["overdue"]) == ("dana", "grace", "open", False)
    assert made["blocks"] == ["approve_production", "promote_production"]
    repeated = api.grace.post("/api/v1/findings", json=body, headers={"Idempotency-Key": f"f-{model}"})
    assert data(repeated, 201)["id"] == made["id"]

    path = f"/api/v1/findings/{made['id']}"
    assert data(api.dev.get(path)) == made
    assert data(api.grace.patch(path, json={"severity": "critical"}))["severity"] == "critical"
    refusal(api.grace.patch(path, json={"blocks": []}), 403, "CONFLICT_OF_INTEREST")
    refusal(api.dev.patch(path, json={"title": "Mine."}), 403, "FORBIDDEN")
    closing = {"resolutionKind": "accepted", "resolution": "We live with it until May."}
    refusal(api.grace.post(f"{path}/close", json=closing), 403, "CONFLICT_OF_INTEREST")
    closed = data(api.admin.post(f"{path}/close", json=closing))
    assert (closed["status"], closed["closedBy"], closed["resolutionKind"]) == ("closed", "root", "accepted")
    refusal(api.admin.post(f"{path}/close", json=closing), 409, "CONFLICT")


def test_overdue_findings_are_shown_as_such(api: ServedApi) -> None:
    r = api.registry
    model = model_with_version(r)
    soon = (now() + timedelta(days=1)).isoformat()
    body = {"modelId": model, "version": "1.0.0", "severity": "low", "title": "It drifts.", "dueAt": soon}
    late = data(api.grace.post("/api/v1/findings", json=body), 201)["id"]
    data(api.grace.post("/api/v1/findings", json={**body, "title": "Another one."}), 201)
    query(r, "update findings set due_at = now() - interval '1 day' where id = %s", late)
    found = data(api.dev.get("/api/v1/findings", params={"modelId": model, "overdue": "true"}))
    assert [(one["id"], one["overdue"]) for one in found] == [(late, True)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"severity": "extreme"},
        {"blocks": ["rollback"]},
        {"dueAt": "yesterday"},
        {"dueAt": "2020-01-01T00:00:00Z"},
        {"dueAt": "2099-01-01T00:00:00"},
        {"owner": "nobody at all"},
        {"title": ""},
        {"more": 1},
    ],
)
def test_bad_findings(api: ServedApi, wrong: dict[str, object]) -> None:
    model = model_with_version(api.registry)
    before = api.stored()
    body = {"modelId": model, "version": "1.0.0", "severity": "low", "title": "It drifts.", **wrong}
    refusal(api.grace.post("/api/v1/findings", json=body), 400, "INVALID_INPUT")
    assert api.stored() == before


def about_the_platform(api: ServedApi) -> str:
    """The id of a finding about no model, as a night that was missed leaves it."""
    r = api.registry
    with r.unit() as uow:
        title = "The night of 2026-02-02 was missed: 7 active versions were not validated."
        made = findings.opened(uow, r.call(None), None, kind=NIGHT, severity="medium", title=title)
        uow.commit()
    return made


def sees_platform(client: httpx.Client, finding: str, **headers: str) -> set[bool]:
    """Whether one finds it among findings, by its id and in events."""
    listed = [one["id"] for one in data(client.get("/api/v1/findings", params={"pageSize": 200}, headers=headers))]
    opened = {"type": "io.gatehouse.finding.opened", "pageSize": "200"}
    events = [one["subjectId"] for one in data(client.get("/api/v1/events", params=opened, headers=headers))]
    alone = client.get(f"/api/v1/findings/{finding}", headers=headers)
    assert alone.status_code in (200, 404)
    return {finding in listed, finding in events, alone.status_code == 200}


def test_a_finding_about_the_platform(api: ServedApi) -> None:
    r = api.registry
    made = about_the_platform(api)
    path = f"/api/v1/findings/{made}"
    shown = data(api.grace.get(path))
    assert (shown["modelId"], shown["versionId"], shown["version"], shown["kind"]) == (None, None, None, "night")
    for watching in (api.grace, api.admin, api.dev):
        assert sees_platform(watching, made) == {True}
    assert sees_platform(api.grace, made, **{"X-Group-Context": "risk"}) == {False}, "acting for a group"
    scientist = api.sign_in(r.person(f"scientist-{made[-6:]}", (Role.DATA_SCIENTIST,), "lab"))
    assert sees_platform(scientist, made) == {False}

    refusal(api.dev.patch(path, json={"title": "Mine."}), 403, "FORBIDDEN")
    assert data(api.grace.patch(path, json={"owner": "dana", "severity": "low"}))["owner"] == "dana"
    closing = {"resolutionKind": "fixed", "resolution": "The scheduler runs again."}
    closed = data(api.grace.post(f"{path}/close", json=closing))
    assert (closed["status"], closed["closedBy"]) == ("closed", "grace")
    kinds = query(r, "select type from events where subject_id = %s order by id", made)
    assert [kind.rsplit(".", 1)[1] for (kind,) in kinds] == ["opened", "changed", "closed"]
    refusal(api.grace.post(f"{path}/close", json=closing), 409, "CONFLICT")


def test_what_a_group_gives_is_not_for_findings_about_the_platform(api: ServedApi) -> None:
    r = api.registry
    made = about_the_platform(api)
    path = f"/api/v1/findings/{made}"
    group = f"watchers-{made[-6:]}"
    groups.create_group(
        r.unit(), r.call(None), groups.NewGroup(group, permissions=["monitoring:*", "model:*", "finding:*"])
    )
    stored = query(r, "select * from findings where id = %s", made)
    closing = {"resolutionKind": "fixed", "resolution": "The scheduler runs again."}
    # By a group alone it is not there; who sees it by a role is told what closing takes.
    for roles, status, code in (((), 404, "FINDING_NOT_FOUND"), ((Role.ML_ENGINEER,), 403, "FORBIDDEN")):
        person = api.sign_in(r.person(f"p{status}-{made[-6:]}", roles, group))
        assert sees_platform(person, made) == {status == 403}
        refusal(person.post(f"{path}/close", json=closing), status, code)
        refusal(person.patch(path, json={"owner": "dana"}), status, code)
    narrow = {"X-Group-Context": "risk"}
    assert api.grace.post(f"{path}/close", json=closing, headers=narrow).status_code in (403, 404)
    assert query(r, "select * from findings where id = %s", made) == stored


# --- freezes ----------------------------------------------------------------------------------------------


def test_a_freeze_and_its_end_in_the_callers_zone(api: ServedApi) -> None:
    r = api.registry
    model = in_group(api, "frozen-desk")
    data(api.grace.put("/api/v1/users/me/time-zone", json={"timeZone": "Asia/Kolkata"}))
    assert data(api.grace.get("/api/v1/auth/me"))["timeZone"] == "Asia/Kolkata"
    refusal(api.grace.put("/api/v1/users/me/time-zone", json={"timeZone": "CEST"}), 400, "INVALID_INPUT")
    body = {
        "name": "year end",
        "reason": "The books are closed.",
        "startsAt": (now() - timedelta(minutes=1)).isoformat(),
        "endsAt": "2030-01-01T00:00:00Z",
        "groups": ["frozen-desk"],
        "transitions": ["approve_staging"],
    }
    made = data(api.admin.post("/api/v1/freezes", json=body), 201)
    assert made["inForceUntil"] == "2030-01-01T00:00:00.000000Z"
    (listed,) = [one for one in data(api.grace.get("/api/v1/freezes")) if one["id"] == made["id"]]
    assert listed["inForceUntilLocal"] == "2030-01-01T05:30:00+05:30"
    refusal(api.grace.post("/api/v1/freezes", json=body), 403, "FORBIDDEN")
    refusal(api.dev.get("/api/v1/freezes"), 403, "FORBIDDEN")

    r.settle(r.open(model, "1.0.0", "submit"))
    request = r.open(model, "1.0.0", "approve_staging")
    with r.unit() as uow:
        found = uow.facts.circumstances(request, uow.facts.subject(request, request.transition), now())
    assert [one.id for one in found.freezes] == [made["id"]]

    data(api.admin.delete(f"/api/v1/freezes/{made['id']}"))
    refusal(api.admin.delete(f"/api/v1/freezes/{made['id']}"), 404, "FREEZE_NOT_FOUND")
    assert made["id"] not in [one["id"] for one in data(api.grace.get("/api/v1/freezes"))]


def test_a_weekly_freeze(api: ServedApi) -> None:
    api.registry.groups("weekly-desk")
    rhythm = {"days": ["saturday", "friday"], "from": "18:00", "to": "08:00", "timeZone": "Europe/Berlin"}
    body = {"name": "weekends", "reason": "Nobody is there.", "weekly": rhythm, "groups": ["weekly-desk"]}
    made = data(api.admin.post("/api/v1/freezes", json=body), 201)
    assert made["weekly"] == {**rhythm, "days": [4, 5]}
    bad: list[dict[str, object]] = [{"from": "25:00"}, {"days": []}, {"days": ["someday"]}, {"timeZone": "Berlin"}]
    for wrong in bad:
        changed = {**body, "weekly": {**rhythm, **wrong}}
        refusal(api.admin.post("/api/v1/freezes", json=changed), 400, "INVALID_INPUT")


# --- break-glass ------------------------------------------------------------------------------------------


def test_break_glass(api: ServedApi) -> None:
    model = in_production(api.registry, "1.0.0", "2.0.0")
    path = f"/api/v1/models/{model}/versions/2.0.0/transitions"
    body = {"transition": "retire", "reason": WHY, "breakGlass": True}
    error = refusal(api.admin.post(path, json=body), 409, "BREAK_GLASS_REFUSED")
    assert error["details"]["possible"] == ["deprecate", "rollback"]
    refusal(api.grace.post(path, json={**body, "transition": "rollback", "reason": "Now."}), 400, "INVALID_INPUT")
    refusal(api.dev.post(path, json={**body, "transition": "rollback"}), 403, "FORBIDDEN")
    made = data(api.grace.post(path, json={**body, "transition": "rollback"}), 202)
    assert made["breakGlass"] is True
    (finding,) = data(api.grace.get("/api/v1/findings", params={"modelId": model}))
    assert (finding["kind"], finding["severity"], finding["owner"]) == ("break_glass", "high", "grace")
    with browser(api, "grace") as client:
        assert "Break-glass" in client.get(f"/runs/{made['id']}").text


# --- reviews ----------------------------------------------------------------------------------------------


def test_reviews(api: ServedApi) -> None:
    r = api.registry
    model = in_production(r, "1.0.0")
    (planned,) = data(api.dev.get("/api/v1/reviews", params={"modelId": model, "status": "open"}))
    assert (planned["overdue"], planned["version"], planned["state"]) == (False, "1.0.0", "production")
    query(r, "update reviews set due_at = now() - interval '1 day' where id = %s", planned["id"])
    tend(r.unit, r.launcher, r.call(None))
    (late,) = data(api.dev.get("/api/v1/reviews", params={"modelId": model, "overdue": "true"}))
    finding = data(api.dev.get(f"/api/v1/findings/{late['findingId']}"))
    assert (finding["kind"], finding["status"], finding["openedBy"]) == ("review_overdue", "open", None)

    path = f"/api/v1/models/{model}/versions/1.0.0/reviews"
    refusal(api.dev.post(path, json={"comment": "I made it, it is good."}), 403, "FORBIDDEN")
    refusal(api.grace.post(path, json={"comment": "ok"}), 400, "INVALID_INPUT")
    following = data(api.grace.post(path, json={"comment": "Drift and complaints looked at."}), 201)
    assert (following["status"], following["overdue"]) == ("open", False)
    assert data(api.dev.get(f"/api/v1/findings/{late['findingId']}"))["status"] == "closed"


# --- links ------------------------------------------------------------------------------------------------


def browser(api: ServedApi, name: str | None) -> httpx.Client:
    """Pages stand in no description, which the API's own clients would check the answer against."""
    cookies = {SESSION_COOKIE: api.session(name)} if name else {}
    return httpx.Client(base_url=api.url, cookies=cookies, timeout=60, trust_env=False)


def linked(api: ServedApi, request: TransitionRequest, **asked: int) -> str:
    """Path and query of a link that Grace was given."""
    given = data(api.grace.get(f"/api/v1/transition-requests/{request.id}/link", params=asked))
    parts = urlsplit(given["url"])
    assert parts.path == f"/runs/{request.id}"
    assert set(parse_qs(parts.query)) == {"expires", "signature"}
    return f"{parts.path}?{parts.query}"


# --- events -----------------------------------------------------------------------------------------------


def test_events_are_followed_without_missing_or_repeating_any(api: ServedApi) -> None:
    r = api.registry
    request = parked(r)
    seen: list[dict[str, str]] = []
    after: str | None = None
    while True:
        params = {"modelId": request.model_id, "pageSize": "3", **({"after": after} if after else {})}
        answer = api.dev.get("/api/v1/events", params=params)
        found = data(answer)
        if not found:
            break
        seen += found
        after = answer.json()["pagination"]["nextToken"]
    assert len({one["id"] for one in seen}) == len(seen) > 6
    assert [one["id"] for one in seen] == sorted(one["id"] for one in seen)
    assert seen[-1]["type"] == "io.gatehouse.request.awaiting"
    answer = api.grace.post(
        f"/api/v1/transition-requests/{request.id}/approvals",
        json={"decision": "approve", "evidenceDigest": request.evidence_digest},
    )
    data(answer, 201)
    (new,) = data(api.dev.get("/api/v1/events", params={"modelId": request.model_id, "after": after}))
    assert (new["type"], new["subjectId"]) == ("io.gatehouse.request.decided", request.id)
    refusal(api.dev.get("/api/v1/events", params={"after": "1; drop table events"}), 400, "INVALID_INPUT")


def test_events_are_for_those_who_see_the_model(api: ServedApi) -> None:
    request = parked(api.registry)
    outsider = api.sign_in(api.registry.person(f"outsider-{request.id[-6:]}", (Role.VIEWER,), "elsewhere"))
    answer = outsider.get("/api/v1/events", params={"modelId": request.model_id})
    assert data(answer) == []
    assert answer.json()["pagination"]["totalCount"] == 0


def test_an_event_waits_for_transactions_that_began_before_it(api: ServedApi) -> None:
    """The reader's cursor never passes something that is committed later."""
    r = api.registry
    model = model_with_version(r)
    begun = r.unit()
    with begun as uow:
        version = uow.versions.get(model, "1.0.0")
        uow.events.emit(version.id, "io.gatehouse.finding.opened", ("finding", version.id), model, {"n": 1}, now())
        body = {"modelId": model, "version": "1.0.0", "severity": "low", "title": "The second one."}
        data(api.grace.post("/api/v1/findings", json=body), 201)
        assert data(api.dev.get("/api/v1/events", params={"modelId": model})) == []
        uow.commit()
    shown = data(api.dev.get("/api/v1/events", params={"modelId": model}))
    assert [one["data"].get("n") for one in shown] == [1, None]


# --- a link leads to the page and grants nothing (behaviour 17) ----------------------------------------------


def test_17_a_link_leads_to_the_page(api: ServedApi) -> None:
    request = parked(api.registry)
    with browser(api, "grace") as client:
        assert client.get(linked(api, request)).status_code == 200


def test_17_without_a_session_it_asks_for_sign_in_and_comes_back(api: ServedApi) -> None:
    request = parked(api.registry)
    link = linked(api, request)
    with browser(api, None) as client:
        answer = client.get(link)
        assert answer.status_code == 303
        where = urlsplit(answer.headers["Location"])
        assert where.path == "/sign-in"
        assert parse_qs(where.query)["next"] == [link]
        assert client.get(answer.headers["Location"]).status_code == 200


def test_17_a_link_grants_nothing(api: ServedApi) -> None:
    request = parked(api.registry)
    link = linked(api, request)
    name = f"stranger-{request.id[-6:]}"
    stranger = api.sign_in(api.registry.person(name, (Role.VIEWER,), "elsewhere"))
    with browser(api, name) as client:
        assert client.get(link).status_code == 404
    refusal(stranger.get(f"/api/v1/transition-requests/{request.id}/link"), 404, "TRANSITION_REQUEST_NOT_FOUND")


def test_17_a_link_that_was_changed(api: ServedApi) -> None:
    request, other = parked(api.registry), parked(api.registry)
    link = linked(api, request)
    path, _, words = link.partition("?")
    expires, signature = parse_qs(words)["expires"][0], parse_qs(words)["signature"][0]
    flipped = ("0" if signature[0] != "0" else "1") + signature[1:]
    with browser(api, "grace") as client:
        for wrong in (
            f"{path}?expires={expires}&signature={flipped}",
            f"{path}?expires={int(expires) + 1}&signature={signature}",
            f"/runs/{other.id}?{words}",
            f"{link}&more=1",
            f"{link}&expires={expires}",
            f"{path}?expires={expires}",
            f"{path}?signature={signature}",
            f"{path}?expires=never&signature=%E2%82%AC",
        ):
            answer = client.get(wrong)
            assert answer.status_code == 400, wrong
            assert "was not made by this platform" in answer.text


def test_17_a_link_that_is_too_old(api: ServedApi) -> None:
    r = api.registry
    request = parked(r)
    made = now() - timedelta(days=8)
    old = request_links.sign(f"/runs/{request.id}", key=r.platform.link_key, at=made, ttl=timedelta(days=7))
    with browser(api, "grace") as client:
        answer = client.get(old)
    assert answer.status_code == 410
    assert "has expired" in answer.text


def test_17_the_key_of_links_is_not_that_of_downloads(api: ServedApi) -> None:
    platform = api.registry.platform
    assert platform.link_key != platform.download_key
    path = f"/runs/{parked(api.registry).id}"
    forged = request_links.sign(path, key=platform.download_key, at=now(), ttl=timedelta(days=1))
    with browser(api, "grace") as client:
        assert client.get(forged).status_code == 400
