"""Nothing that a record refers to is ever deleted; what nobody refers to is, once it is old enough."""

from __future__ import annotations

import os
from datetime import timedelta

from flows.garbage import collect
from tests.fixtures.registry import RegistryUnderTest


def put(registry: RegistryUnderTest, content: bytes) -> str:
    upload = registry.platform.store.open_upload(limit=len(content))
    upload.write(content)
    return upload.finish().sha256


def test_only_unreferenced_content_goes(registry_under_test: RegistryUnderTest) -> None:
    registry = registry_under_test
    model_id = registry.model()
    registry.version(model_id, weights=b"wanted")
    with registry.unit() as uow:
        (wanted,) = uow.artifacts.of_version(uow.versions.get(model_id, "1.0.0").id)
    unwanted = put(registry, b"nobody refers to this")
    assert collect(registry.platform, timedelta(hours=1))["deleted"] == 0, "it is too young"
    assert collect(registry.platform, timedelta(seconds=-60))["deleted"] == 1
    store = registry.platform.store
    assert store.exists(wanted.sha256)
    assert not store.exists(unwanted)


def test_a_replaced_artifact_is_collected(registry_under_test: RegistryUnderTest) -> None:
    registry = registry_under_test
    model_id = registry.model()
    registry.version(model_id, weights=b"first")
    registry.attach(model_id, "1.0.0", b"second", replace=True)
    assert collect(registry.platform, timedelta(seconds=-60))["deleted"] == 1


def test_old_scratch_folders_are_swept(registry_under_test: RegistryUnderTest) -> None:
    scratch = registry_under_test.settings.scratch_directory
    for name in ("old", "new"):
        (scratch / name).mkdir(parents=True)
    os.utime(scratch / "old", (1, 1))
    assert collect(registry_under_test.platform, timedelta(hours=1))["scratch"] == 1
    assert [entry.name for entry in scratch.iterdir()] == ["new"]
