"""A figure without a screen, and the bytes that it becomes.

The background is painted, so that a picture reads the same on a light and on a dark page. Colours are those of Okabe
and Ito (Color Universal Design, 2008), which people with any common colour blindness tell apart; whatever a colour
says is said by a shape, a hatch or a word, too.
"""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Callable, Sequence
from functools import cache
from html import escape
from typing import Any, Literal

Form = Literal["svg", "png"]

BLUE, SKY, GREEN = "#0072B2", "#56B4E9", "#009E73"
ORANGE, RED, GREY = "#E69F00", "#D55E00", "#7A8794"
INK, PAPER, LINES = "#1F2933", "#FFFFFF", "#D8DEE4"
DPI = 110
WIDTH = 8.0
"""Inches."""
LEAST_PLACES = 10
"""Nights that an axis has room for, so that one alone does not fill the picture."""

_DRAWING = threading.Lock()
"""Settings of matplotlib belong to the process, so pictures are drawn one at a time."""

_SETTINGS: Any = {  # of settings that matplotlib names one by one in its types
    "svg.hashsalt": "gatehouse",
    "svg.fonttype": "none",  # text stays text: it can be searched and read aloud, and names no file
    "text.parse_math": False,  # a name with dollar signs is a name
    "font.family": ["DejaVu Sans"],  # comes with matplotlib
    "font.size": 9.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": INK,
    "ytick.color": INK,
    "hatch.linewidth": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "grid.color": LINES,
    "grid.linewidth": 0.7,
}
_PROLOGUE = re.compile(r"<!DOCTYPE[^>]*>\s*")
_METADATA = re.compile(r"\s*<metadata>.*?</metadata>", re.DOTALL)
_OPENING = re.compile(r"<svg [^>]*>")


def drawn(
    form: Form, title: str, says: str, paint: Callable[[Any], None], *, height: float = 3.6, square: bool = False
) -> bytes:
    """paint: is given the axes. height in inches. Raises ValueError for another form."""
    if form not in ("svg", "png"):
        raise ValueError("a chart is drawn as svg or png")
    with _DRAWING:
        import matplotlib as mpl
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine

        with mpl.rc_context(_SETTINGS):
            room = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.09)  # inches
            figure = Figure(figsize=(5.2 if square else WIDTH, height), dpi=DPI, layout=room)
            figure.set_facecolor(PAPER)
            (FigureCanvasSVG if form == "svg" else FigureCanvasAgg)(figure)  # takes the figure, for its measures
            axes = figure.add_subplot()
            axes.set_facecolor(PAPER)
            name = wrapped(title, 46 if square else 76)
            figure.suptitle(name, x=0.012, ha="left", fontsize=11.5, fontweight="bold")
            paint(axes)
            sink = io.BytesIO()
            nothing = ("Date", "Creator", "Format", "Type") if form == "svg" else ("Software",)
            figure.savefig(sink, format=form, metadata=dict.fromkeys(nothing), facecolor=PAPER)
    return _told(sink.getvalue(), says) if form == "svg" else sink.getvalue()


def _told(svg: bytes, says: str) -> bytes:
    """With the sentence as its title, and without what names an address elsewhere."""
    text = _METADATA.sub("", _PROLOGUE.sub("", svg.decode(), count=1), count=1)
    opening = _OPENING.search(text)
    assert opening is not None  # noqa: S101  (matplotlib wrote it)
    sentence = escape("".join(one for one in says if one.isprintable()), quote=True)
    begin = opening.group()[:-1] + f' role="img" aria-label="{sentence}">'
    return (text[: opening.start()] + begin + f"<title>{sentence}</title>" + text[opening.end() :]).encode()


def nothing_yet(axes: Any, sentence: str) -> None:
    """In place of an empty chart."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, sentence, ha="center", va="center", color=GREY, fontsize=11, transform=axes.transAxes)


def shown(name: str, most: int = 36) -> str:
    """A name of anybody's choosing as one short line of characters that the font has."""
    line = " ".join("".join(one if one.isprintable() else " " for one in name[: 4 * most]).split())
    line = line if len(line) <= most and len(name) <= 4 * most else f"{line[: most - 1]}…"
    known = _characters()
    return "".join(one if ord(one) in known else "□" for one in line)


def wrapped(title: str, width: int) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(shown(title, 2 * width), width)) or " "


@cache
def _characters() -> frozenset[int]:
    """The code points that the font can draw."""
    from matplotlib.font_manager import findfont, get_font

    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())


def thinned(labels: Sequence[str], most: int = 10) -> list[tuple[int, str]]:
    """(position, label) of so many that they have room: evenly spaced back from the last, which is always there."""
    step = -(-len(labels) // most)
    return [(place, shown(labels[place], 16)) for place in range(len(labels) - 1, -1, -step)][::-1]


def ticks_below(axes: Any, labels: Sequence[str]) -> None:
    at = thinned(labels)
    long = max((len(text) for _, text in at), default=0) > 6
    axes.set_xticks([place for place, _ in at])
    axes.set_xticklabels([text for _, text in at], rotation=30 if long else 0, ha="right" if long else "center")
    room = 0.6 + max(0, LEAST_PLACES - len(labels)) / 2
    axes.set_xlim(-room, max(0, len(labels) - 1) + room)


def figure_of(value: float) -> str:
    """A number for people."""
    return f"{value:,.4g}"
