"""A registry to measure on: PostgreSQL as the platform starts it, people, and many models by plain COPY."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from governance.access.principal import Principal
from governance.access.rules import AccessRule
from storage.composition import Platform, new_id, now
from storage.migrations import upgrade
from storage.postgres_server import PostgresServer, ensure_database, start
from storage.settings import Settings, write_runtime
from tests.fixtures.postgres import temporary_home
from tests.fixtures.registry import METADATA, RegistryUnderTest

VERSION = "1.0.0"
_SUBJECTS = ("credit", "fraud", "churn", "triage", "demand", "pricing", "routing", "tumour", "weather", "speech")
_KINDS = ("risk", "classifier", "ranker", "forecast", "detector", "embedding", "scorer", "translator")
_GROUPS = ("retail", "clinical", "logistics", "research", "platform")


@dataclass(frozen=True)
class Ground:
    """`registry` works on a migrated database in `home`, which settings name for other processes too."""

    home: Path
    postgres: PostgresServer
    registry: RegistryUnderTest

    @property
    def platform(self) -> Platform:
        return self.registry.platform

    @property
    def environment(self) -> dict[str, str]:
        """For processes that shall work on this registry."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith("GATEHOUSE_")}
        # Counted as ever, but never refused: one address makes more calls here than any caller may.
        ours |= {"GATEHOUSE_RATE_PER_ADDRESS": "1000000000", "GATEHOUSE_RATE_PER_PRINCIPAL": "1000000000"}
        return {**ours, "GATEHOUSE_HOME": str(self.home), "PYTHONPATH": str(Path(__file__).parents[2])}

    def token_of(self, principal: Principal) -> str:
        return self.registry.token(principal)[0]


@contextmanager
def prepared_ground() -> Iterator[Ground]:
    """Everything in a directory of its own; stopped and removed in the end."""
    with temporary_home() as home:
        server = start(home)
        ensure_database(server.url("postgres"), "gatehouse")
        write_runtime(home, {"database_url": server.url("gatehouse")})
        platform = Platform(Settings.load({"GATEHOUSE_HOME": str(home)}))
        try:
            upgrade(platform.engine)
            yield Ground(home, server, RegistryUnderTest(platform, at=now()))
        finally:
            platform.close()


def add_models(ground: Ground, count: int) -> list[str]:
    """Ids of models that each have a draft `VERSION` with two artifacts; about 1.4 KB as JSON."""
    author, at = ground.registry.dev.id, now()
    for group in _GROUPS:
        ground.registry.join(group)
    rules = _access_rules(ground)
    models = [new_id() for _ in range(count)]
    versions = [new_id() for _ in range(count)]
    metadata = json.dumps({**METADATA, "framework": "scikit-learn", "parameters": {"depth": 8, "trees": 400}})
    with psycopg.connect(ground.platform.settings.database_url) as connection, connection.cursor() as cursor:
        with cursor.copy(
            'copy models (id, name, "group", description, owners, risk_tier, tags, created_by, created_at, updated_at,'
            " access_id) from stdin"
        ) as copy:
            for number, model in enumerate(models):
                subject, kind = _SUBJECTS[number % 10], _KINDS[number // 10 % 8]
                description = f"A {kind} for {subject}, number {number}, retrained every month."
                owners, tags = [f"owner{number % 97}@example.org"], [subject, kind]
                group, tier = _GROUPS[number % 5], ("Low", "Medium", "High")[number % 3]
                name = f"{subject}-{kind}-{number}"
                copy.write_row((model, name, group, description, owners, tier, tags, author, at, at, rules[number % 5]))
        with cursor.copy(
            "copy model_versions (id, model_id, version, precedence, state, commit_sha, metadata, revision,"
            " created_by, created_at, updated_at) from stdin"
        ) as copy:
            for version, model in zip(versions, models, strict=True):
                copy.write_row((version, model, VERSION, VERSION, "draft", "0" * 40, metadata, 1, author, at, at))
        with cursor.copy(
            "copy artifacts (id, version_id, type, name, media_type, uri, sha256, size, license, created_by,"
            " created_at) from stdin"
        ) as copy:
            for number, version in enumerate(versions):
                for kind, name in (("weights", "model.onnx"), ("config", "config.json")):
                    digest = f"{number:060x}{len(name):04x}"
                    uri = f"sha256:{digest}"
                    row = (new_id(), version, kind, name, "application/octet-stream", uri, digest, 4_200_000)
                    copy.write_row((*row, "Apache-2.0", author, at))
    with psycopg.connect(ground.platform.settings.database_url, autocommit=True) as connection:
        connection.execute("vacuum analyze")
    return models


def _access_rules(ground: Ground) -> list[int]:
    """One rule for each group, among as many others as an organisation of 200 groups has."""
    with ground.registry.unit() as uow:
        for number in range(400):
            uow.access.intern(AccessRule((f"team-{number % 200}",), allowed=(f"team-{number // 2}",)))
        rules = [uow.access.intern(AccessRule((group,))) for group in _GROUPS]
        uow.commit()
    return rules


def settle_down(seconds: float) -> None:
    """Let what preparation left behind (autovacuum, checkpoints) pass before anything is measured."""
    time.sleep(seconds)
