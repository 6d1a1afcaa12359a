"""One registry and one process with Great Expectations for a module: the library takes seconds to load."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.data_validation.validator import DataValidator
from governance.data_validation.records import DataValidation
from governance.evaluations import Dataset
from governance.operations import data_validation, evaluations
from storage.postgres_server import PostgresServer
from tests.fixtures.postgres import fresh_database
from tests.fixtures.registries import opened_registry
from tests.fixtures.registry import RegistryUnderTest
from tests.flows.data_validation.batches import parquet

_numbers = itertools.count(1)


class Data:
    """Datasets in a registry, and a validator for them."""

    def __init__(self, registry: RegistryUnderTest, validator: DataValidator, database_url: str) -> None:
        self.registry = registry
        self.validator = validator
        self.database_url = database_url
        registry.join("lab")

    def dataset(self, content: bytes, kind: str = "parquet", **access: Any) -> Dataset:
        upload = self.registry.platform.store.open_upload(limit=len(content))
        upload.write(content)
        blob = upload.finish()
        r = self.registry
        dataset_id = evaluations.create_dataset(
            r.unit(),
            r.call(r.dev),
            name=f"data-{next(_numbers)}",
            group="lab",
            kind=kind,
            sha256=blob.sha256,
            size=blob.size,
            access=access,
        )
        with r.unit() as uow:
            return uow.evaluations.dataset(dataset_id)

    def expect(self, dataset: Dataset, expectations: list[dict[str, Any]], source: dict[str, Any] | None = None) -> int:
        r = self.registry
        call = r.call(r.dev)
        return data_validation.create_expectations(r.unit(), call, dataset.id, expectations, source).number

    def validated(self, dataset: Dataset, number: int | None = None) -> DataValidation:
        with self.registry.unit() as uow:
            suite = uow.data_validations.suite(dataset.id, number)
        return self.validator.validate(dataset, suite)

    def found(self, columns: dict[str, Any], *expectations: dict[str, Any], **access: Any) -> DataValidation:
        """What these expectations find of these columns."""
        dataset = self.dataset(parquet(columns), **access)
        self.expect(dataset, list(expectations))
        return self.validated(dataset)


@pytest.fixture(scope="module")
def data(
    postgres_server: PostgresServer, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Data]:
    home: Path = tmp_path_factory.mktemp("home")
    with (
        fresh_database(postgres_server, template=template_database) as url,
        opened_registry(url, home, data_connections=f"warehouse={url}") as registry,
        DataValidator(registry.platform) as validator,
    ):
        yield Data(registry, validator, url)
