"""Signed notes as other implementations write and read them."""

from __future__ import annotations

from base64 import b64decode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from governance.audit.note import InvalidNoteError, VerifierKey, open_note, sign_note

# The example of Go's golang.org/x/mod/sumdb/note, the reference implementation of the format.
VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SEED = b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
SIGNATURE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
NOTE = f"{TEXT}\n{SIGNATURE}"

KEY = VerifierKey.parse(VKEY)
PRIVATE = Ed25519PrivateKey.from_private_bytes(SEED)
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))


def other_line(name: str = "Witness") -> str:
    return sign_note(TEXT, name, OTHER).rpartition("\n\n")[2]


def test_signing_gives_the_published_note() -> None:
    assert sign_note(TEXT, "PeterNeumann", PRIVATE) == NOTE


def test_the_published_note_opens() -> None:
    assert open_note(NOTE, KEY) == TEXT


def test_the_published_key_reads_and_writes_itself() -> None:
    assert KEY.name == "PeterNeumann"
    assert KEY.id.hex() == "c74f20a3"
    assert str(KEY) == VKEY
    assert str(VerifierKey("PeterNeumann", PRIVATE.public_key())) == VKEY


def test_no_part_of_a_key_and_no_changed_key_is_a_key() -> None:
    parts = [VKEY[a:b] for a in range(len(VKEY)) for b in range(a + 1, len(VKEY) + 1) if b - a < len(VKEY)]
    changed = [VKEY[:spot] + chr(ord(VKEY[spot]) + 1) + VKEY[spot + 1 :] for spot in range(len(VKEY))]
    for text in [*parts, *changed, "", "++", VKEY + "A"]:
        with pytest.raises(ValueError):
            VerifierKey.parse(text)


def test_signatures_of_others_are_ignored_wherever_they_stand() -> None:
    assert open_note(f"{TEXT}\n{other_line()}{SIGNATURE}", KEY) == TEXT
    assert open_note(f"{TEXT}\n{SIGNATURE}{other_line()}", KEY) == TEXT
    # The same name with another key, and with it another id, is somebody else.
    assert open_note(f"{TEXT}\n{other_line('PeterNeumann')}{SIGNATURE}", KEY) == TEXT


def test_text_may_hold_empty_lines() -> None:
    text = "one\n\ntwo\n\n— not a signature\n"
    assert open_note(sign_note(text, "PeterNeumann", PRIVATE), KEY) == text


def test_no_changed_byte_survives() -> None:
    raw = NOTE.encode()
    for spot in range(len(raw)):
        changed = raw[:spot] + bytes([raw[spot] ^ 1]) + raw[spot + 1 :]
        with pytest.raises(InvalidNoteError):
            open_note(changed.decode("utf-8", "replace"), KEY)


@pytest.mark.parametrize(
    "note",
    [
        "",
        "\n",
        TEXT,
        f"{TEXT}\n",
        NOTE[:-1],
        f"{NOTE}\n",
        NOTE.replace("\n\n", "\n"),
        NOTE.replace("—", "-"),
        NOTE.replace("— ", "—"),
        f"{TEXT}\n{other_line()}",
        f"{TEXT}\n{SIGNATURE}junk\n",
        f"{TEXT}\n— PeterNeumann x08g\n{SIGNATURE}",
        f"{TEXT}\n— PeterNeumann x08go/ZJ\n{SIGNATURE}",
        f"{TEXT}\n{other_line() * 100}{SIGNATURE}",
        NOTE.replace("BwJnAM=", "BwJnAN="),  # the same bytes, spelt with other padding bits
        NOTE.replace("cryptography", "crypto\tgraphy"),
        NOTE.replace("\n", "\r\n"),
        f"added\n{NOTE}",
    ],
    ids=range(18),
)
def test_malformed_or_unsigned_notes_are_rejected(note: str) -> None:
    with pytest.raises(InvalidNoteError):
        open_note(note, KEY)


@pytest.mark.parametrize("text", ["", "no newline", "tab\t\n", "carriage\r\n"])
def test_text_that_cannot_be_verified_is_not_signed(text: str) -> None:
    with pytest.raises(ValueError):
        sign_note(text, "PeterNeumann", PRIVATE)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u00a0b"])
def test_names_that_the_format_cannot_carry_are_refused(name: str) -> None:
    with pytest.raises(ValueError):
        VerifierKey(name, PRIVATE.public_key())


def test_default_names_tell_keys_apart() -> None:
    names = {VerifierKey.named_after(key.public_key()).name for key in (PRIVATE, OTHER)}
    assert len(names) == 2
    assert all(name.startswith("gatehouse.audit/") for name in names)
