from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import settings as trying
from hypothesis import strategies as st

from sakimori.takedown.sinkhole.capture import Captures, without_secrets
from sakimori.takedown.sinkhole.config import Capture

if TYPE_CHECKING:
    from pathlib import Path

FORM = "application/x-www-form-urlencoded; charset=utf-8"


@pytest.mark.parametrize(
    ("body", "kind", "left"),
    [
        (b"id=7&password=geheim&x=", FORM, b"id=7&x="),
        (b"id=7&PassWd=geheim&session_id=1&pin=12", FORM, b"id=7"),
        (b'{"id":7,"auth":{"a":1},"list":[{"token":"t","n":1}]}', "application/json",
         b'{"id":7,"list":[{"n":1}]}'),
        (b"\x01\x02beacon", "application/octet-stream", b"\x01\x02beacon"),
        (b"user: amy", "text/plain", None),
        (b"{", "application/json", None),
        (b"[" * 5000, "application/json", None),
        (b"\xff=1", FORM, None),
        (b"--x\r\nname=password", "multipart/form-data; boundary=x", None),
    ],
)  # fmt: skip
def test_credentials_are_taken_out_or_nothing_is_kept(
    body: bytes, kind: str, left: bytes | None
) -> None:
    assert without_secrets(body, kind) == left


@trying(max_examples=50, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([FORM, "application/json", "", "text/x"]))
def test_any_body_is_cleaned_without_an_error(body: bytes, kind: str) -> None:
    assert isinstance(without_secrets(body, kind), bytes | None)


def kept(folder: Path, *bodies: bytes, **changes: Any) -> list[dict[str, Any]]:
    options = {"reason": "order 7", "until": "2999-01-01", "folder": folder, **changes}
    captures = Captures(Capture(**options), "s1")
    for body in bodies:
        captures.keep({"src_ip": "192.0.2.7", "name": "bad.example"}, body, "application/x-bot")
    captures.close()
    lines = [json.loads(t) for p in folder.glob("*.jsonl") for t in p.read_text().splitlines()]
    assert any(line.get("reason") == "order 7" for line in lines)
    return [line for line in lines if line.get("capture")]


def test_a_body_is_kept_up_to_its_bounds(tmp_path: Path) -> None:
    rows = kept(tmp_path / "c", b"a" * 10, b"b" * 10, b"c" * 10, bytes_each=6, bytes_total=10)
    assert [base64.b64decode(row["body"]) for row in rows] == [b"a" * 6, b"b" * 4]
    assert [row["bytes"] for row in rows] == [10, 10]


def test_after_its_end_nothing_is_kept(tmp_path: Path) -> None:
    assert kept(tmp_path / "c", b"a", until="2020-01-01") == []


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    [row] = kept(tmp_path / "c", b"password=geheim")
    assert row["left_out"]
    assert "body" not in row
