"""Who may call what, as a person reads it in the documents: nothing here asks the code that decides.

`ROLES` are the catalog's lists, letter by letter (catalog, Authorization Model), the package registry's permissions
(package registry, Permission System) and those of whoever decides about requests. `TABLE` says for every route what
calling it takes and what becomes of somebody else's assets.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

ROLES: dict[str, tuple[str, ...]] = {
    "catalog_admin": ("*",),
    "data_scientist": (
        "dataset:*", "model:*", "experiment:*", "pipeline:*", "feature:*", "endpoint:create", "endpoint:read",
        "marketplace:read",
    ),
    "ml_engineer": ("model:*", "pipeline:*", "endpoint:*", "deployment:*", "monitoring:*"),
    "marketplace_user": ("marketplace:read", "model:read", "rating:create", "favorite:*"),
    "auditor": ("provenance:read", "audit:read", "compliance:read", "lineage:read"),
    "viewer": ("*:read",),
    "approver": (
        "approval:*", "production:*", "finding:*", "freeze:read", "policy:approve", "dashboard:use", "model:read",
        "model:download", "model:evaluate", "model:request", "model:retire", "dataset:read", "deployment:read",
        "monitoring:read", "provenance:read", "compliance:read", "lineage:read",
    ),
    "validator": (
        "approval:*", "production:*", "finding:*", "freeze:read", "policy:approve", "dashboard:use", "model:read",
        "model:download", "model:evaluate", "model:request", "model:retire", "dataset:read", "deployment:read",
        "monitoring:read", "provenance:read", "compliance:read", "lineage:read",
    ),
    "package search": ("package:search", "model:read"),
    "package download": ("package:download", "model:download"),
    "package upload": ("package:upload", "model:create", "model:update"),
}  # fmt: skip

# Everybody who is signed in.
EVERYBODY = ("self:*", "policy:read", "group:read")

# What these roles see of groups that they are not in; administrators see and do everything there.
ACROSS: dict[str, tuple[str, ...]] = {
    "approver": (
        "approval:*", "production:*", "finding:*", "model:read", "model:download", "model:evaluate", "model:request",
        "model:retire", "dataset:read", "deployment:read", "monitoring:read", "provenance:read", "compliance:read",
        "lineage:read",
    ),
    "validator": (
        "approval:*", "production:*", "finding:*", "model:read", "model:download", "model:evaluate", "model:request",
        "model:retire", "dataset:read", "deployment:read", "monitoring:read", "provenance:read", "compliance:read",
        "lineage:read",
    ),
    "auditor": ("provenance:read", "audit:read", "compliance:read", "lineage:read"),
}  # fmt: skip

# What people do and service accounts never.
PEOPLE_ONLY = ("approval:*", "production:*", "policy:approve")

# What may be read by the groups that an asset is merely open to.
READING = ("*:read", "model:download")

# Seeing an asset at all takes one of these.
SEEING = {
    "model": ("model:read",),
    "request": ("model:read", "provenance:read"),
    "dataset": ("dataset:read",),
}

# method, route, permissions (any of them; `+` adds one that the asset named second takes), asset, what becomes of it:
#   -         about no asset: the permission somewhere is enough
#   list      200; it holds the asset if one of the permissions reaches it
#   read      404 unless one of the permissions reaches it
#   write     404 unless it may be seen, then 403 unless the permission reaches it; seen, too, is what may be written
#   new       403 unless the permission reaches the group that it is made in
#   mine      of a request: like `write`, and then only for its requester and administrators (403)
#   decider   of a request: like `mine`, and for whoever decides about it
#   group     404 unless a member of the group, or administrator
#   groups    200; it holds the group for members and administrators
#   managed   404 unless a member, then 403 unless somebody who manages it
#   token     404 unless one's own, or administrator
#   account   one's own; of others: 403 without user:delete
#   form      403 without the form's own token, which a bearer of a token cannot have
# The last column: the answer when nothing speaks against the call.
TABLE = """
GET     /api/v1/models                                      model:read                   model    list     200
POST    /api/v1/models                                      model:create                 model    new      201
GET     /api/v1/models/{model_id}                           model:read                   model    read     200
GET     /api/v1/models/{model_id}/access                    model:read                   model    read     200
PUT     /api/v1/models/{model_id}/access                    model:share                  model    write    200
GET     /api/v1/models/{model_id}/deployments               model:read|deployment:read   model    read     200
GET     /api/v1/models/{model_id}/versions                  model:read                   model    read     200
POST    /api/v1/models/{model_id}/versions                  model:create                 model    write    201
GET     VERSION                                             model:read                   model    read     200
PUT     VERSION/metadata                                    model:update                 model    write    200
POST    VERSION/artifacts                                   model:update                 model    write    201
GET     VERSION/artifacts/{artifact_id}/download            model:download               model    read     307
GET     VERSION/transitions                                 model:read|provenance:read   model    read     200
POST    VERSION/transitions#submit                          model:submit                 model    write    202
POST    VERSION/transitions#evaluate                        model:evaluate               model    write    202
POST    VERSION/transitions#approve_staging                 model:request                model    write    409
POST    VERSION/transitions#deploy_staging                  deployment:create            model    write    409
POST    VERSION/transitions#approve_production              model:request                model    write    409
POST    VERSION/transitions#promote_production              deployment:create            model    write    409
POST    VERSION/transitions#request_changes                 approval:request_changes     model    write    409
POST    VERSION/transitions#rollback                        production:rollback          model    write    409
POST    VERSION/transitions#deprecate                       production:deprecate         model    write    409
POST    VERSION/transitions#retire                          model:retire                 model    write    202
GET     /api/v1/transition-requests                         model:read|provenance:read   request  list     200
GET     /api/v1/transition-requests/{request_id}            model:read|provenance:read   request  read     200
GET     /api/v1/transition-requests/{request_id}/evidence   model:read|provenance:read   request  read     200
POST    /api/v1/transition-requests/{request_id}/approvals approval:decide|self:manage&approval:decide request write 409
GET     /api/v1/transition-requests/{request_id}/overrides  model:read|provenance:read   request  read     200
POST    /api/v1/transition-requests/{request_id}/overrides  approval:decide              request  write    409
POST    /api/v1/transition-requests/{request_id}/overrides/{override_id}/confirm  approval:decide  request  write  404
GET     /api/v1/overrides                                   model:read|provenance:read   request  list     200
GET     /api/v1/approvals                                   approval:decide              request  list     200
POST    /api/v1/approvals/batch                             approval:decide              -        -        200
GET     /api/v1/delegations                                 self:read                    -        -        200
POST    /api/v1/delegations                                 approval:decide              -        -        201
DELETE  /api/v1/delegations/{delegation_id}                 self:manage                  -        token    200
POST    /api/v1/transition-requests/{request_id}/withdraw   model:read|provenance:read   request  mine     409
POST    /api/v1/transition-requests/{request_id}/retry      model:read|provenance:read   request  decider  409
POST    /api/v1/evaluation-suites                           model:evaluate+dataset:read  model    write    201
GET     /api/v1/evaluation-suites                           model:read                   model    list     200
GET     /api/v1/evaluation-suites/{suite_id}                model:read                   model    read     200
POST    /api/v1/evaluation-suites/{suite_id}/samples        model:evaluate+dataset:read  model    write    201
GET     /api/v1/evaluation-suites/{suite_id}/samples        model:read                   model    read     200
POST    /api/v1/evaluations/run                             model:evaluate               model    write    202
GET     /api/v1/evaluations/{evaluation_id}/status          model:read|provenance:read   request  read     200
GET     /api/v1/evaluations/{evaluation_id}/results         model:read|provenance:read   request  read     200
POST    VALIDATION/run                                      model:evaluate               model    write    202
POST    VALIDATION/nightly                                  monitoring:create            -        -        202
GET     VALIDATION/history/{model_id}                       model:read|provenance:read|monitoring:read model read 200
GET     VALIDATION/regression-report/{model_id}             model:read|provenance:read|monitoring:read model read 200
GET     VALIDATION/runs/{run_id}                            model:read|provenance:read|monitoring:read model read 200
GET     VALIDATION/runs/{run_id}/charts/{chart}             model:read|provenance:read|monitoring:read model read 200
GET     VALIDATION/nights                                   model:read|provenance:read|monitoring:read - - 200
GET     VALIDATION/nights/{night}                           model:read|provenance:read|monitoring:read - - 200
GET     VALIDATION/nights/{night}/runs                      model:read|provenance:read|monitoring:read model list 200
GET     VALIDATION/nights/{night}/charts/{chart}            model:read|provenance:read|monitoring:read - - 200
POST    /api/v1/datasets                                    dataset:create               dataset  new      201
GET     /api/v1/datasets                                    dataset:read                 dataset  list     200
GET     /api/v1/datasets/{dataset_id}                       dataset:read                 dataset  read     200
POST    /api/v1/datasets/{dataset_id}/expectations          dataset:update               dataset  write    201
GET     /api/v1/datasets/{dataset_id}/expectations          dataset:read                 dataset  read     200
POST    /api/v1/datasets/{dataset_id}/expectations/profile  dataset:update               dataset  write    202
GET     /api/v1/datasets/{dataset_id}/expectations/profile/{profile_id}  dataset:read    dataset  read     200
GET     /api/v1/datasets/{dataset_id}/expectations/{number}  dataset:read                dataset  read     200
POST    /api/v1/datasets/{dataset_id}/validations           dataset:update               dataset  write    202
GET     /api/v1/datasets/{dataset_id}/validations           dataset:read                 dataset  read     200
GET     /api/v1/datasets/{dataset_id}/validations/{validation_id}  dataset:read          dataset  read     200
GET     /api/v1/findings                                    model:read|provenance:read   request  list     200
POST    /api/v1/findings                                    finding:create               model    write    201
GET     /api/v1/findings/{finding_id}                       model:read|provenance:read   request  read     200
PATCH   /api/v1/findings/{finding_id}                       finding:update               request  write    200
POST    /api/v1/findings/{finding_id}/close                 finding:update               request  write    200
GET     /api/v1/freezes                                     freeze:read                  -        -        200
POST    /api/v1/freezes                                     freeze:create                -        -        201
DELETE  /api/v1/freezes/{freeze_id}                         freeze:delete                -        -        200
POST    VERSION/reviews                                     approval:decide              model    write    409
GET     /api/v1/reviews                                     model:read|provenance:read   request  list     200
GET     /api/v1/events                                      model:read|provenance:read   request  list     200
GET     /api/v1/transition-requests/{request_id}/link       model:read|provenance:read   request  read     200
PUT     /api/v1/users/me/time-zone                          self:manage                  -        -        200
GET     /api/v1/policies                                    policy:read                  -        -        200
GET     /api/v1/compliance/status                           compliance:read              -        -        200
GET     /api/v1/compliance/reports                          compliance:read              -        -        200
POST    /api/v1/compliance/validate                         compliance:read              model    read     200
GET     /api/v1/compliance/certifications                   compliance:read              -        -        200
POST    /api/v1/policies                                    policy:update                -        -        400
GET     /api/v1/policies/access                             policy:read                  -        -        200
GET     /api/v1/policies/security                           policy:read                  -        -        200
GET     /api/v1/policies/compliance                         policy:read                  -        -        200
GET     /api/v1/policies/governance                         policy:read                  -        -        200
GET     /api/v1/policies/variables                          policy:read                  -        -        200
GET     /api/v1/policies/{policy_id}                        policy:read                  -        -        200
PUT     /api/v1/policies/{policy_id}                        policy:update                -        -        400
DELETE  /api/v1/policies/{policy_id}                        policy:update                -        -        409
POST    /api/v1/policies/{policy_id}/enable                 policy:update                -        -        409
POST    /api/v1/policies/{policy_id}/disable                policy:update                -        -        409
POST    /api/v1/policies/{policy_id}/evaluate               policy:read&model:read       model    read     201
GET     /api/v1/policies/{policy_id}/violations             model:read|provenance:read   -        -        200
GET     /api/v1/policies/{policy_id}/report                 model:read|provenance:read   -        -        200
POST    /api/v1/policies/{policy_id}/impact                 model:read|provenance:read   -        -        200
POST    /api/v1/policies/evaluate                           policy:read&model:read       model    read     201
GET     /api/v1/policies/results/{evaluation_id}            policy:read&model:read|provenance:read request read 200
GET     /api/v1/policies/compliance-report                  model:read|provenance:read   -        -        200
GET     /api/v1/policies/audit-report                       policy:update|policy:approve|audit:read - -    200
GET     /api/v1/policies/changes                            policy:update|policy:approve|audit:read - -    200
GET     /api/v1/policies/changes/{change_id}                policy:update|policy:approve|audit:read - -    200
POST    /api/v1/policies/changes/{change_id}/approve        policy:approve               -        -        409
POST    /api/v1/policies/changes/{change_id}/reject         policy:approve               -        -        409
GET     /api/v1/transition-requests/{request_id}/replay     model:read|provenance:read   request  read     409
GET     /api/v1/audit                                       audit:read                   model    list     200
POST    /api/v1/audit/search                                audit:read                   model    list     200
GET     /api/v1/audit/export                                audit:read                   -        -        200
GET     /api/v1/audit/checkpoint                            audit:read                   -        -        200
GET     /api/v1/audit/consistency                           audit:read                   -        -        200
GET     /api/v1/audit/holds                                 audit:read                   -        -        200
POST    /api/v1/audit/holds                                 audit:manage                 -        -        201
DELETE  /api/v1/audit/holds/{hold_id}                       audit:manage                 -        -        200
GET     /api/v1/audit/{entry_id}                            audit:read                   model    read     200
GET     /api/v1/audit/{entry_id}/proof                      audit:read                   model    read     200
GET     /api/v1/activity                                    model:read|provenance:read   request  list     200
GET     /api/v1/activity/user/{user_id}                     model:read|provenance:read   -        -        200
GET     /api/v1/activity/artifact/{artifact_id}             model:read|provenance:read   request  read     200
POST    /api/v1/activity/subscribe                          model:read|provenance:read   -        -        201
GET     /api/v1/provenance                                  provenance:read              model    list     200
POST    /api/v1/provenance/query                            provenance:read              model    list     200
GET     /api/v1/provenance/lineage/{artifact_id}            lineage:read                 model    read     200
GET     /api/v1/provenance/{record_id}                      provenance:read              model    read     200
GET     /api/v1/auth/me                                     self:read                    -        -        200
GET     /api/v1/auth/tokens                                 self:read                    -        -        200
POST    /api/v1/auth/tokens                                 self:manage                  -        -        201
DELETE  /api/v1/auth/tokens/{token_id}#own                  self:manage                  -        -        200
DELETE  /api/v1/auth/tokens/{token_id}#foreign              self:manage                  -        token    200
POST    /api/v1/users                                       user:create                  -        -        201
GET     /api/v1/users                                       user:read                    -        -        200
PUT     /api/v1/users/{user_id}/access                      user:update                  -        -        200
DELETE  /api/v1/users/{user_id}                             self:manage                  -        account  200
GET     /api/v1/groups                                      group:read                   -        groups   200
POST    /api/v1/groups                                      group:create                 -        -        201
GET     /api/v1/groups/{group_id}                           group:read                   -        group    200
PUT     /api/v1/groups/{group_id}                           group:update                 -        -        200
GET     /api/v1/groups/{group_id}/permissions               group:read                   -        group    200
GET     /api/v1/groups/{group_id}/members                   group:read                   -        group    200
POST    /api/v1/groups/{group_id}/members                   group:read                   -        managed  201
DELETE  /api/v1/groups/{group_id}/members/{user_id}         group:read                   -        managed  200
GET     /api/v1/access/explain                              self:read                    -        -        200
GET     /api/v1/access/explain#model                        self:read&model:read         model    read     200
GET     /api/v1/access/explain#dataset                      self:read&dataset:read       dataset  read     200
GET     /api/v1/access/explain#user                         user:read                    -        -        200
POST    /user/register                                      user:create                  -        -        201
PUT     /user/{user_id}/permissions                         user:update                  -        -        200
DELETE  /user/{user_id}                                     self:manage                  -        account  200
GET     /api/models/enterprise/registry/{model_id}/drift    model:read                   model    read     409
POST    /api/models/enterprise/registry/{model_id}/observations  monitoring:create       model    write    409
GET     /api/models/enterprise/registry                     model:read                   model    list     200
GET     /api/models/enterprise/types                        model:read                   -        -        200
GET     /api/models/enterprise/registry/{model_id}          model:read                   model    read     200
GET     /api/models/enterprise/registry/{model_id}/metrics  model:read|monitoring:read   model    read     200
GET     /api/models/enterprise/registry/{model_id}/health   model:read|monitoring:read   model    read     200
POST    /api/models/enterprise/registry/{model_id}/inference monitoring:create           model    write    200
GET     /metrics                                            monitoring:read              -        -        200
GET     /                                                   self:read                    -        -        200
GET     /runs/{request_id}                                  model:read|provenance:read   request  read     200
POST    /sign-out                                           self:manage                  -        form     403
"""

_VERSION = "/api/v1/models/{model_id}/versions/{version}"  # as the table has it: VERSION
_VALIDATION = "/api/models/enterprise/validation"  # VALIDATION

# Pages send whoever has no session to the form.
PAGES = frozenset({"/", "/runs/{request_id}", "/sign-out"})


@dataclass(frozen=True, slots=True)
class Row:
    """door: any of these, held anywhere, lets the call in. permissions: those that have to reach the asset.

    also: what a second asset takes.
    """

    method: str
    route: str
    variant: str
    door: tuple[str, ...]
    permissions: tuple[str, ...]
    also: str
    asset: str
    treatment: str
    success: int

    @property
    def name(self) -> str:
        return f"{self.method} {self.route}{'#' if self.variant else ''}{self.variant}"


def _row(line: str) -> Row:
    method, path, permissions, asset, treatment, success = line.split()
    route, _, variant = path.replace("VERSION", _VERSION).replace("VALIDATION", _VALIDATION).partition("#")
    needed, _, also = permissions.partition("+")
    door, _, reaching = needed.partition("&")
    return Row(
        method, route, variant, tuple(door.split("|")), tuple((reaching or door).split("|")), also, asset, treatment,
        int(success),
    )  # fmt: skip


ROWS: tuple[Row, ...] = tuple(_row(line) for line in TABLE.strip().splitlines())


@dataclass(frozen=True, slots=True)
class Asset:
    """Everything of one model, with its dataset: internal to the groups that own it, open to `allowed`."""

    owners: frozenset[str]
    allowed: frozenset[str]
    restricted: frozenset[str]
    public: bool = False


@dataclass(frozen=True, slots=True)
class Person:
    """roles: names in `ROLES`. giving: what each group gives its members. scopes: what the token is limited to."""

    roles: tuple[str, ...]
    groups: frozenset[str]
    giving: tuple[str, ...] = ()
    service: bool = False
    scopes: tuple[str, ...] | None = None

    @property
    def admin(self) -> bool:
        return "catalog_admin" in self.roles


def among(permission: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(permission, pattern) for pattern in patterns)


def barred(person: Person, permission: str) -> bool:
    """By what no role outweighs: decisions are people's, and a token's scopes."""
    if person.service and among(permission, PEOPLE_ONLY):
        return True
    return person.scopes is not None and permission != "self:read" and not among(permission, person.scopes)


def by_role(person: Person, permission: str) -> bool:
    return among(permission, EVERYBODY) or any(among(permission, ROLES[role]) for role in person.roles)


def anywhere(person: Person, permission: str) -> bool:
    given = bool(person.groups) and among(permission, person.giving)
    return (by_role(person, permission) or given) and not barred(person, permission)


def reaches(person: Person, permission: str, asset: Asset) -> bool:
    """Deny wins: first what is closed to them, then what they may see at all, then who permits it."""
    if barred(person, permission):
        return False
    if person.groups & asset.restricted and not (person.admin and permission == "model:share"):
        return False
    if person.admin:
        return True
    if not person.groups and not asset.public:
        return False  # without a group nobody sees more than what is public
    near = asset.owners | asset.allowed if among(permission, READING) else asset.owners
    if by_role(person, permission):
        across = any(among(permission, ACROSS.get(role, ())) for role in person.roles)
        open_to_all = asset.public and among(permission, READING)
        return across or open_to_all or bool(person.groups & near)
    return among(permission, person.giving) and bool(person.groups & near)


@dataclass(frozen=True, slots=True)
class Outcome:
    """listed: whether a list holds the asset; None where there is no list."""

    status: int
    listed: bool | None = None


def outcome(row: Row, person: Person, asset: Asset, target_groups: frozenset[str]) -> Outcome:
    """What this row answers this person about that asset. `target_groups`: the group that group routes name."""
    if not any(anywhere(person, permission) for permission in row.door):
        return Outcome(403)
    reached = any(reaches(person, permission, asset) for permission in row.permissions)
    member = person.admin or bool(person.groups & target_groups)
    treatment = row.treatment
    if treatment == "list":
        return Outcome(200, reached)
    if treatment == "groups":
        return Outcome(200, member)
    if treatment == "read":
        return Outcome(row.success if reached else 404)
    if treatment in ("write", "mine", "decider"):
        seen = any(reaches(person, permission, asset) for permission in SEEING[row.asset])
        if treatment == "write" and not reached:
            return Outcome(403 if seen else 404)
        if treatment != "write" and not seen:
            return Outcome(404)
        if row.also and not reaches(person, row.also, asset):
            return Outcome(404)
        decides = treatment == "decider" and reaches(person, "approval:decide", asset)
        if treatment != "write" and not (person.admin and treatment == "mine") and not decides:
            return Outcome(403)
        return Outcome(row.success)
    if treatment == "new":
        fresh = Asset(target_groups, frozenset(), frozenset())
        return Outcome(row.success if any(reaches(person, p, fresh) for p in row.permissions) else 403)
    if treatment == "group":
        return Outcome(row.success if member else 404)
    if treatment == "managed":
        return Outcome(row.success if person.admin else 403 if member else 404)
    if treatment == "token":
        return Outcome(row.success if person.admin else 404)
    if treatment == "account":
        return Outcome(row.success if anywhere(person, "user:delete") else 403)
    assert treatment in ("-", "form"), row
    return Outcome(row.success)
