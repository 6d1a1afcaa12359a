"""File names and media types of downloads: what users wrote becomes harmless in a header and on a disk."""

from __future__ import annotations

import re
from email.message import Message
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.artifacts.download_names import content_disposition, safe_filename, safe_media_type


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("model.onnx", "model.onnx"),
        ("Gewichte für München.onnx", "Gewichte für München.onnx"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("/", "artifact"),
        ("", "artifact"),
        ("..", "artifact"),
        (".bashrc", "bashrc"),
        ("a\r\nSet-Cookie: x=1", "aSet-Cookie_ x=1"),
        ('x"; filename="evil.exe', "x__ filename=_evil.exe"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),  # right-to-left override
        ("nul\0byte", "nulbyte"),
        ("\ud800surrogate", "surrogate"),
    ],
)
def test_a_name_becomes_one_plain_component(name: str, safe: str) -> None:
    assert safe_filename(name) == safe


def test_a_long_name_keeps_its_suffix() -> None:
    shortened = safe_filename("ü" * 500 + ".safetensors")

    assert shortened.endswith("ü.safetensors")
    assert 190 <= len(shortened.encode()) <= 200


def test_a_huge_name_costs_little() -> None:
    assert safe_filename("x" * 50_000_000) == "x" * 200


@pytest.mark.parametrize(
    ("media_type", "safe"),
    [
        ("application/json", "application/json"),
        ("Text/CSV; charset=utf-8", "text/csv"),
        ("application/vnd.x+json", "application/vnd.x+json"),
        ("text/html\r\nX-Evil: 1", "application/octet-stream"),
        ("text/html\n", "text/html"),
        ("text", "application/octet-stream"),
        ("", "application/octet-stream"),
        ("a/b/c", "application/octet-stream"),
        ("a" * 200 + "/b", "application/octet-stream"),
    ],
)
def test_a_media_type_is_a_plain_one_or_the_general_one(media_type: str, safe: str) -> None:
    assert safe_media_type(media_type) == safe


def test_a_disposition_for_old_and_for_new_clients() -> None:
    assert content_disposition("model.onnx") == 'attachment; filename="model.onnx"'
    assert content_disposition("Maß €.csv") == (
        "attachment; filename=\"Ma_ _.csv\"; filename*=UTF-8''Ma%C3%9F%20%E2%82%AC.csv"
    )


@given(st.text(max_size=200))
def test_any_name_gives_one_header_that_names_it(name: str) -> None:
    header = content_disposition(name)

    assert re.fullmatch(r"[\x20-\x7e]+", header)
    message = Message()
    message["Content-Disposition"] = header
    assert message.get_content_disposition() == "attachment"
    extended = re.search(r"filename\*=UTF-8''(\S+)$", header)
    named = unquote(extended[1], errors="strict") if extended else message.get_filename()
    assert named == safe_filename(name)
