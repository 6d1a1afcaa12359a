"""Registering with the orchestrator what `prefect.yaml` declares, by Prefect's own command, when it is
needed.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import httpx
import yaml

from storage.platform_processes import commands, detached
from storage.platform_processes.environment import ROOT
from storage.platform_processes.errors import AbandonedError, PlatformError
from storage.platform_processes.home import log_file, registration_file, write_private
from storage.prefect_server import basic

_DEPLOY_SECONDS = 300.0
_PAGE = 200


@dataclass(frozen=True)
class Registration:
    """`project` is the directory of prefect.yaml; `pool_type` is used when the work pool has to be made."""

    home: Path
    prefect_api_url: str
    prefect_auth: str = field(repr=False)
    pool: str
    pool_type: str
    environment: Mapping[str, str] = field(repr=False)
    nightly: tuple[str, str]  # cron expression and time zone of the nightly validation
    project: Path = ROOT

    def ensure(self, abandoned: threading.Event) -> bool:
        """True when something had to be registered. Raises PlatformError, AbandonedError."""
        digest = self._digest()
        with self._client() as client:
            try:
                self._ensure_pool(client)
                if self._recorded() == digest and self._declared() <= self._registered(client):
                    return False
            except httpx.HTTPError as error:
                raise PlatformError(f"The Prefect server does not answer as it should: {error}.") from error
        self._deploy(abandoned)
        write_private(registration_file(self.home), json.dumps({"digest": digest}) + "\n")
        return True

    def _client(self) -> httpx.Client:
        return httpx.Client(base_url=self.prefect_api_url, auth=basic(self.prefect_auth), trust_env=False, timeout=30.0)

    def _digest(self) -> str:
        """Of all that the server keeps about deployments: their declaration, the pool, the code and its
        place.
        """
        content = [
            self._yaml().decode(errors="replace"),
            self.pool,
            *self.nightly,
            _package_version(),
            str(self.project),
        ]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def _yaml(self) -> bytes:
        path = self.project / "prefect.yaml"
        try:
            return path.read_bytes()
        except OSError as error:
            raise PlatformError(f"Cannot read {path}, which declares the flows: {error.strerror}.") from error

    def _declared(self) -> set[str]:
        return {deployment["name"] for deployment in yaml.safe_load(self._yaml())["deployments"]}

    def _recorded(self) -> str | None:
        try:
            return str(json.loads(registration_file(self.home).read_text())["digest"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _registered(self, client: httpx.Client) -> set[str]:
        """Names of the deployments that the server has for our pool."""
        names: set[str] = set()
        offset = 0
        while True:
            answer = client.post("/deployments/filter", json={"limit": _PAGE, "offset": offset})
            answer.raise_for_status()
            page = answer.json()
            names.update(each["name"] for each in page if each["work_pool_name"] == self.pool)
            if len(page) < _PAGE:
                return names
            offset += _PAGE

    def _ensure_pool(self, client: httpx.Client) -> None:
        """A worker would make it too, but nothing can be registered before. Its job template is filled by the
        worker.
        """
        if client.get(f"/work_pools/{self.pool}").is_success:
            return
        body = {"name": self.pool, "type": self.pool_type, "base_job_template": {}}
        made = client.post("/work_pools/", json=body)
        if made.status_code != httpx.codes.CONFLICT:  # the worker was faster
            made.raise_for_status()

    def _deploy(self, abandoned: threading.Event) -> None:
        log = log_file(self.home, "deploy")
        before = detached.size(log)
        with detached.log_for_appending(log) as output:
            process = subprocess.Popen(
                commands.deploy(),
                cwd=self.project,
                env={
                    **self.environment,
                    "GATEHOUSE_WORK_POOL": self.pool,
                    "GATEHOUSE_NIGHTLY_CRON": self.nightly[0],
                    "GATEHOUSE_NIGHTLY_TIMEZONE": self.nightly[1],
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            _wait(process, abandoned)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if process.returncode != 0:
            raise PlatformError(
                f"The flows could not be registered with Prefect. The end of {log}:\n{detached.tail(log, before)}"
            )


def _wait(process: subprocess.Popen[bytes], abandoned: threading.Event) -> None:
    deadline = time.monotonic() + _DEPLOY_SECONDS
    while process.poll() is None:
        if abandoned.wait(0.05):
            raise AbandonedError("The registration of the flows was given up.")
        if time.monotonic() > deadline:
            raise PlatformError(f"Registering the flows with Prefect took longer than {_DEPLOY_SECONDS:.0f} s.")


def _package_version() -> str:
    try:
        return version("gatehouse")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "0"
