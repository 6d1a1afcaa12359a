from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.evaluation.job import MIB, Limits
from flows.weights import inspect_weights
from flows.weights.safetensors_file import check_safetensors
from flows.weights.verdict import UnsafeError
from tests.flows import hostile_weights as samples
from tests.flows.weights_cases import BROKEN, HOSTILE


def _written(tmp_path: Path, content: bytes, name: str = "model.onnx") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", HOSTILE)
def test_weights_that_would_run_code_are_refused_and_run_nothing(name: str, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    make, formats, word = HOSTILE[name]
    found = inspect_weights(_written(tmp_path, make(marker)))
    assert not found.safe
    assert found.format in formats, found
    assert word in found.reason
    assert not marker.exists()


@pytest.mark.parametrize("name", BROKEN)
def test_broken_weights_are_refused(name: str, tmp_path: Path) -> None:
    make, formats, word = BROKEN[name]
    found = inspect_weights(_written(tmp_path, make()))
    assert not found.safe
    assert found.format in formats, found
    assert word in found.reason, found


@pytest.mark.parametrize("make", [samples.pickled, samples.safetensors_and_pickle])
def test_the_hostile_samples_do_work(make: Callable[[Path], bytes], tmp_path: Path) -> None:
    """Otherwise the tests above would show nothing."""
    marker = tmp_path / "ran"
    pickle.loads(make(marker))  # noqa: S301
    assert marker.exists()


def test_the_doubled_sample_is_good_safetensors(tmp_path: Path) -> None:
    path = _written(tmp_path, samples.safetensors_and_pickle(tmp_path / "ran"))
    with safetensors.safe_open(path, framework="numpy") as file:
        assert list(file.keys()) == ["w"]


@pytest.mark.parametrize("extension", ["bin", "pkl"])
@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (samples.good_onnx, "onnx"),
        (samples.good_safetensors, "safetensors"),
        (samples.good_skops, "skops"),
    ],
)
def test_good_weights_are_accepted_whatever_they_are_called(
    make: Callable[[], bytes], kind: str, extension: str, tmp_path: Path
) -> None:
    found = inspect_weights(_written(tmp_path, make(), f"model.{extension}"))
    assert (found.format, found.safe) == (kind, True), found


@pytest.mark.parametrize("length", [93, 376, 640, 896, 1152, 1408, 18010, 24184, 35615, 40056, 55928])
def test_a_header_whose_length_looks_like_another_format(length: int, tmp_path: Path) -> None:
    """The first two bytes are then the mark of zlib, gzip, lzma or pickle."""
    text = json.dumps(samples.one_tensor()).ljust(length).encode()
    found = inspect_weights(_written(tmp_path, samples.safetensors_of(text, bytes(4))))
    assert (found.format, found.safe) == ("safetensors", True), found


def test_paths_that_hold_no_file(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent", tmp_path / "\0"):
        assert inspect_weights(path).safe is False


def test_a_parser_that_needs_too_much_is_a_refusal(tmp_path: Path) -> None:
    """Importing the parser alone takes more than this."""
    path = _written(tmp_path, samples.good_onnx())
    found = inspect_weights(path, limits=Limits(memory=64 * MIB))
    assert not found.safe
    assert "could not be inspected" in found.reason


def test_a_model_larger_than_the_memory_is_not_called_broken(tmp_path: Path) -> None:
    path = _written(tmp_path, samples.large_onnx(120 * MIB))
    assert inspect_weights(path).safe
    for memory in (300, 450):
        found = inspect_weights(path, limits=Limits(memory=memory * MIB))
        assert not found.safe
        assert f"needs more than the {memory} MiB" in found.reason


def test_a_parser_that_takes_too_long_is_a_refusal(tmp_path: Path) -> None:
    path = _written(tmp_path, samples.good_onnx())
    found = inspect_weights(path, limits=Limits(wall_seconds=0.01))
    assert not found.safe
    assert "within 0.01 seconds" in found.reason


_numbers = st.integers(0, 12)
_entries = st.dictionaries(
    st.sampled_from(["a", "b", "__metadata__", ""]),
    st.one_of(
        st.fixed_dictionaries(
            {
                "dtype": st.sampled_from(["U8", "F32", "F4", "F6_E2M3", "nope"]),
                "shape": st.lists(_numbers, max_size=2),
                "data_offsets": st.lists(_numbers, min_size=2, max_size=2),
            }
        ),
        st.dictionaries(st.sampled_from(["dtype", "x"]), st.one_of(st.text(max_size=3), st.integers()), max_size=2),
    ),
    max_size=3,
)


@given(_entries, st.integers(0, 24))
@settings(max_examples=400, deadline=None)
def test_nothing_is_accepted_that_the_reference_reader_refuses(
    tmp_path_factory: pytest.TempPathFactory, header: dict[str, object], size: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "reference.safetensors"
    path.write_bytes(samples.safetensors_of(header, bytes(size)))
    try:
        check_safetensors(path)
    except UnsafeError:
        return
    with safetensors.safe_open(path, framework="numpy") as file:
        assert set(file.keys()) == set(header) - {"__metadata__"}
