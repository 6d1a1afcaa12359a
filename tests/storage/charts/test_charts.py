"""Pictures: well formed, the same each time, harmless whatever the names, bounded whatever the data."""

from __future__ import annotations

import io
import math
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest
from PIL import Image

from storage import charts
from storage.charts import CalibrationBin, DriftRow, ForestRow, Form, NightRow, SeriesPoint

HOSTILE = (
    '</text><script>alert(1)</script><image href="http://evil.example/x.png"/> --> ]]> &xxe; $\\frac{1}{$ \0\x07\u202e '
    "漢字 \ud800 'quoted' \"double\" " + "and on " * 500
)
Draw = Callable[[str, int, Form], bytes]


def series(name: str, n: int, form: Form) -> bytes:
    points = [SeriesPoint(f"{name} {i}", 0.9 - i / 9000, 0.88, 0.93 if i % 2 else None, i % 9 == 5) for i in range(n)]
    return charts.series_chart(points, title=name, unit=name, baseline=0.91, form=form)


def forest(name: str, n: int, form: Form) -> bytes:
    rows = [ForestRow(f"{name} {i}", i / 10 - 1, i / 10 - 2, i / 10, 40 * i, i % 7 == 0) for i in range(n)]
    return charts.slice_forest(rows, title=name, unit=name, limit=2.0, form=form)


def reliability(name: str, n: int, form: Form) -> bytes:
    bins = [CalibrationBin((i + 0.5) / n, ((i + 0.5) / n) ** 2, i + 1) for i in range(n)]
    return charts.reliability_diagram(bins, title=name, form=form)


def drift(name: str, n: int, form: Form) -> bytes:
    words = ("none", "moderate", "severe", "insufficient_evidence", name)
    rows = [DriftRow(f"{name} {i}", i / 50, words[i % 5]) for i in range(n)]
    return charts.drift_chart(rows, title=name, form=form)


def nights(name: str, n: int, form: Form) -> bytes:
    rows = [NightRow(f"{name} {i}", 900 + i, i % 40, i % 3, i % 5, i % 4) for i in range(n)]
    return charts.night_overview(rows, title=name, form=form)


ALL = [series, forest, reliability, drift, nights]
every = pytest.mark.parametrize("draw", ALL, ids=lambda draw: draw.__name__)


@every
@pytest.mark.parametrize("n", [0, 1, 2, 12, 200])
def test_svg_is_well_formed_and_names_nothing_elsewhere(draw: Draw, n: int) -> None:
    _check_svg(draw("accuracy", n, "svg"))


@every
def test_hostile_names_are_text(draw: Draw) -> None:
    told = draw(HOSTILE, 12, "svg")
    _check_svg(told)
    assert b"<script" not in told
    assert b"<image" not in told
    assert len(told) < 200_000


def _check_svg(told: bytes) -> None:
    assert b"<!DOCTYPE" not in told
    assert b"<!ENTITY" not in told
    root = Xml.fromstring(told)  # noqa: S314  (made here, and without entities)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.get("role") == "img"
    title = root.find("{http://www.w3.org/2000/svg}title")
    assert title is not None
    assert title.text == root.get("aria-label")
    assert title.text
    for element in root.iter():
        name = element.tag.rpartition("}")[2].lower()
        assert name not in ("script", "image", "foreignobject", "a", "metadata", "iframe", "animate", "set")
        for attribute, value in element.attrib.items():
            where = attribute.rpartition("}")[2].lower()
            assert not where.startswith("on"), attribute
            assert where != "href" or value.startswith("#"), value
            assert all(inside.startswith("#") for inside in re.findall(r"url\(([^)]*)\)", value))
        if name == "style":
            assert not re.search(r"@import|url\(\s*[^#]", element.text or "")


@every
@pytest.mark.parametrize("form", ["svg", "png"])
def test_the_same_data_give_the_same_bytes(draw: Draw, form: Form) -> None:
    first = draw("accuracy", 12, form)
    with ThreadPoolExecutor(4) as drawing:
        assert set(drawing.map(lambda _: draw("accuracy", 12, form), range(4))) == {first}


@pytest.mark.parametrize("form", ["svg", "png"])
def test_another_process_draws_the_same_bytes(form: Form) -> None:
    program = (
        "import sys; from tests.storage.charts.test_charts import series;"
        f"sys.stdout.buffer.write(series('accuracy', 5, {form!r}))"
    )
    root = Path(__file__).parents[3]
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, cwd=root, check=True, timeout=120)
    assert told.stdout == series("accuracy", 5, form)


@every
@pytest.mark.parametrize("n", [0, 1, 12, 5000])
def test_png_is_a_picture_of_bounded_size(draw: Draw, n: int) -> None:
    told = draw("accuracy", n, "png")
    with Image.open(io.BytesIO(told)) as picture:
        picture.load()
        assert picture.format == "PNG"
        assert 400 <= picture.width <= 1000
        assert 150 <= picture.height <= 1500
        corner = picture.convert("RGBA").getpixel((1, 1))
        assert corner == (255, 255, 255, 255)  # painted, so that it reads the same on a dark page
        colors = picture.convert("RGB").getcolors(1 << 24)
    assert colors is not None
    assert len(colors) > 10  # something was drawn
    assert len(told) < 400_000
    assert b"Software" not in told[:200]


@every
def test_svg_of_much_data_is_bounded(draw: Draw) -> None:
    assert len(draw("accuracy", 5000, "svg")) < 400_000


def test_numbers_that_are_none_are_left_out() -> None:
    strange = [math.nan, math.inf, -math.inf, 1e308]
    points = [SeriesPoint("a", x, x, x, alarm=True) for x in strange] + [SeriesPoint("b", 0.5, math.nan, 0.6, False)]
    one = charts.series_says(points, title="accuracy", unit="share", baseline=math.nan)
    assert one == "accuracy: 1 night, the last one (b) at 0.5 share; no alarm."
    for form in ("svg", "png"):
        assert charts.series_chart(points, title="t", unit="u", baseline=math.inf, form=form)
        rows = [ForestRow("x", x, x, x, 5, True) for x in strange]
        assert charts.slice_forest(rows, title="t", unit="u", limit=math.nan, form=form)
        assert charts.drift_chart([DriftRow("x", x, "severe") for x in strange], title="t", form=form)
        bins = [CalibrationBin(x, x, 5) for x in strange] + [CalibrationBin(0.5, 0.5, 0)]
        assert charts.reliability_diagram(bins, title="t", form=form)


def test_equal_and_extreme_values_are_drawn() -> None:
    for value in (0.0, 1e-300, -1e14, 1e14):
        points = [SeriesPoint("n", value, value, value, False)] * 3
        assert charts.series_chart(points, title="t", unit="u", baseline=value, form="png")
    assert charts.night_overview([NightRow("n", 0, 0, 0, 0, 0)], title="t", form="png")
    assert charts.night_overview([NightRow("n", 10**12, 1, 0, 0, 5)] * 3, title="t", form="png")


def test_every_chart_has_a_sentence() -> None:
    points = [SeriesPoint("Mon", 0.9, 0.88, 0.92, False), SeriesPoint("Tue", 0.8, 0.78, 0.82, True)]
    assert charts.series_says(points, title="accuracy", unit="share", baseline=0.9) == (
        "accuracy: 2 nights, the last one (Tue) at 0.8 share (95 % interval 0.78 to 0.82), against a pinned baseline "
        "of 0.9; 1 alarm, the last in the night of Tue."
    )
    rows = [ForestRow("north", 1.0, 0.5, 1.5, 40, False), ForestRow("south", 0.8, 0.6, 0.9, 90, True)]
    assert charts.forest_says(rows, title="slices", unit="points") == (
        "slices: 2 slices, 1 detected; the largest change is 0.8 points (0.6 to 0.9) in south."
    )
    bins = [CalibrationBin(0.2, 0.2, 30), CalibrationBin(0.8, 0.6, 10)]
    assert charts.reliability_says(bins, title="calibration") == (
        "calibration: 40 examples in 2 bins, expected calibration error 0.050; furthest off where 80% was predicted "
        "and 60% came true."
    )
    assert charts.drift_says([DriftRow("age", 0.4, "severe"), DriftRow("x", 0.0, "none")], title="drift") == (
        "drift: 1 of 2 features have drifted; the largest PSI is 0.4, of age."
    )
    assert charts.nights_say([NightRow("Mon", 8, 1, 0, 2, 1)], title="fleet") == (
        "fleet: 1 night; in the last one (Mon) 8 passed, 1 failed, 0 ended in an error, 2 had too little evidence, "
        "and 1 regression was found."
    )


def test_a_forest_of_many_slices_shows_what_was_detected() -> None:
    rows = [ForestRow(f"s{i}", 5.0, 4.0, 6.0, 40, False) for i in range(300)]
    told = charts.slice_forest([*rows, ForestRow("guilty", 0.1, 0.0, 0.2, 9, True)], title="t", unit="u", limit=None)
    assert b"guilty" in told
    assert b"261 more slices are not shown" in told


def test_another_form_is_refused() -> None:
    with pytest.raises(ValueError, match="svg or png"):
        charts.night_overview([], title="t", form="gif")  # type: ignore[arg-type]


def test_matplotlib_comes_with_the_first_picture_and_pyplot_never() -> None:
    program = (
        "import sys; from storage import charts; assert 'matplotlib' not in sys.modules;"
        "charts.night_overview([], title='t'); assert 'matplotlib.pyplot' not in sys.modules"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run(  # noqa: PLW1510  (what it says is told)
        [sys.executable, "-c", program], capture_output=True, cwd=root, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
