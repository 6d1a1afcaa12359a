"""The figures of the platform in the text form of Prometheus (exposition format 0.0.4)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from api.metering import BUCKETS, RequestMeter
from storage.queries.platform_figures import Figures

if TYPE_CHECKING:
    from prometheus_client import Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_PER_PROCESS = "Of one API process, named by the label process."


def exposition(meter: RequestMeter, figures: Figures) -> bytes:
    """A registry is made for each call: the library's own, which all of a process shares, is never touched.

    The library is imported when somebody scrapes for the first time.
    """
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.registry import Collector

    class Once(Collector):
        def collect(self) -> Iterator[Metric]:
            yield from _of_process(meter)
            yield from _of_platform(figures)
            yield from _of_models(figures)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Once())
    return generate_latest(registry)


def _of_process(meter: RequestMeter) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

    process = str(os.getpid())
    calls = CounterMetricFamily(
        "gatehouse_http_requests", f"Calls by route and status. {_PER_PROCESS}",
        labels=("process", "method", "route", "status"),
    )  # fmt: skip
    for key, count in sorted(meter.calls.items()):
        calls.add_metric((process, *key), count)
    yield calls
    durations = HistogramMetricFamily(
        "gatehouse_http_request_duration_seconds", f"How long calls took. {_PER_PROCESS}",
        labels=("process", "method", "route"),
    )  # fmt: skip
    for route, found in sorted(meter.durations.items()):
        buckets, seen = [], 0
        for limit, count in zip((*map(str, BUCKETS), "+Inf"), found.counts, strict=True):
            seen += count
            buckets.append((limit, seen))
        durations.add_metric((process, *route), buckets, found.seconds)
    yield durations


def _of_platform(figures: Figures) -> Iterator[Metric]:
    yield _gauge("open_transition_requests", "Requests without an outcome.", "status", figures.open_requests)
    yield _gauge("open_findings", "Findings that are not closed.", "severity", figures.open_findings)
    yield _gauge("versions", "Versions by state of the lifecycle.", "state", figures.versions)
    from prometheus_client.core import GaugeMetricFamily

    yield _gauge("night_runs", "Validation runs of the newest night.", "status", figures.night_runs)
    if figures.night_began is not None:
        began = "When the newest night began, seconds since 1970."
        yield GaugeMetricFamily("gatehouse_night_began_seconds", began, value=figures.night_began)
    waiting = "Audit events that are written and not yet in order."
    yield GaugeMetricFamily("gatehouse_audit_waiting_entries", waiting, value=figures.audit_waiting)


def _gauge(name: str, says: str, label: str, values: Mapping[str, int]) -> Metric:
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(f"gatehouse_{name}", says, labels=(label,))
    for value, count in sorted(values.items()):
        family.add_metric((value,), count)
    return family


def _of_models(figures: Figures) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily

    counted = CounterMetricFamily(
        "gatehouse_model_inferences",
        "Inferences that were reported, of the busiest versions; the others together as other.",
        labels=("model", "version", "outcome"),
    )
    seconds = CounterMetricFamily(
        "gatehouse_model_inference_seconds", "How long they took together.", labels=("model", "version")
    )
    for one in figures.inferences:
        counted.add_metric((one.model, one.version, "success"), one.successes)
        counted.add_metric((one.model, one.version, "failure"), one.failures)
        seconds.add_metric((one.model, one.version), one.seconds)
    yield counted
    yield seconds
