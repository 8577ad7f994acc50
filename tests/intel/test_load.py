from __future__ import annotations

import contextlib
import gzip
import json
import lzma
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

import sakimori.intel
from sakimori.errors import ConfigError, SourceError
from sakimori.intel import BUILTIN, VALID_DAYS, Options, load, recognise
from sakimori.tables import INDICATOR

if TYPE_CHECKING:
    from collections.abc import Callable

HOME = Path(sakimori.intel.__file__).parent
LIST = b"a.example\nb.example # Mozi\n10.0.0.1\n"
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "xz": lzma.compress,
}


def test_every_format_file_is_listed() -> None:
    files = {p.stem for p in HOME.glob("[!_]*.py") if "\ndef recognises(" in p.read_text("utf-8")}
    assert files == {importer.__name__.rpartition(".")[2] for importer in BUILTIN}
    assert len({importer.NAME for importer in BUILTIN}) == len(BUILTIN)


def test_the_rows_have_the_tables_schema(tmp_path: Path, now: datetime) -> None:
    path = tmp_path / "list"
    path.write_bytes(LIST)
    rows, _ = load(path, Options("feed"), now)
    assert rows.schema == INDICATOR.arrow()
    assert rows["source"].to_pylist() == ["feed", "feed"]


@pytest.mark.parametrize("packer", PACKERS.values(), ids=PACKERS)
def test_packed_files_are_unpacked_member_after_member(
    loaded: Callable[..., Any], packer: Callable[[bytes], bytes]
) -> None:
    assert loaded(packer(LIST)) == loaded(LIST)
    assert loaded(packer(LIST) + packer(b"c.example\n")) == loaded(LIST + b"c.example\n")


@pytest.mark.parametrize("packer", PACKERS.values(), ids=PACKERS)
def test_a_broken_off_list_gives_what_was_there_and_says_so(
    loaded: Callable[..., Any], packer: Callable[[bytes], bytes]
) -> None:
    data = packer(b"".join(b"h%d.example\n" % (n * n * 7919) for n in range(40_000)))
    rows, rejects = loaded(data[: len(data) * 2 // 3])
    assert 1000 < len(rows) < 40_000
    assert "damaged" in rejects[-1].reason


@pytest.mark.parametrize("packer", PACKERS.values(), ids=PACKERS)
def test_a_broken_off_json_is_an_error(
    loaded: Callable[..., Any], packer: Callable[[bytes], bytes]
) -> None:
    data = packer(b'{"Event": {"Attribute": [' + b'{"value": "x"},' * 9)
    with pytest.raises(SourceError):
        loaded(data[:-5])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"\x7fELF\0\0\0", "no format"),
        (b"Nov 22 10:00:00 host sshd[1]: Failed password for root\n" * 5, "no format"),
        (b'203.0.113.7 - - [22/Nov/2026] "GET / HTTP/1.1" 200\n' * 5, "no format"),
        (b'{"hello": 1}', "no format"),
        (b'{"type": "bundle", "objects": [', "valid JSON"),
        (b'{"Event": ' + b"[" * 100_000, "valid JSON"),
        (b'{"Event": ' + b"9" * 10_000 + b"}", "valid JSON"),
    ],
)
def test_what_is_no_indicator_format_is_an_error_with_a_hint(
    loaded: Callable[..., Any], content: bytes, message: str
) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        loaded(content)
    assert caught.value.hint


def test_a_missing_file_is_an_error(tmp_path: Path, now: datetime) -> None:
    with pytest.raises(SourceError, match="No such file"):
        load(tmp_path / "none", Options("feed"), now)
    with pytest.raises(SourceError):
        load(tmp_path, Options("feed"), now)


def test_json_beyond_the_limit_is_an_error(
    loaded: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sakimori.intel._open.JSON_BYTES", 1000)
    with pytest.raises(SourceError, match="512 MiB"):
        loaded(gzip.compress(b'{"Event": "' + b"x" * 3_000_000))


@pytest.mark.parametrize("kind", ["address", "name", "url", "sha256"])
def test_validity_is_by_kind_unless_the_user_says_otherwise(
    loaded: Callable[..., Any], now: datetime, kind: str
) -> None:
    value = {"address": "203.0.113.7", "url": "http://a.example/", "sha256": "c3" * 32}
    text = value.get(kind, "a.example")
    [row], _ = loaded(text)
    days = VALID_DAYS.get(kind)
    assert row["expires"] == (now + timedelta(days) if days else None)
    [row], _ = loaded(text, valid_days=7)
    assert row["expires"] == now + timedelta(7)


def test_a_time_to_come_does_not_prolong_an_indicator(
    loaded: Callable[..., Any], now: datetime
) -> None:
    [row], _ = loaded("ip,last_seen\n203.0.113.7,2099-01-01\n")
    assert row["expires"] == now + timedelta(30)
    [row], _ = loaded("ip,expires\n203.0.113.7,2099-01-01\n")
    assert row["expires"] == datetime(2099, 1, 1, tzinfo=UTC)


def test_the_users_word_fills_only_what_the_source_leaves_open(loaded: Callable[..., Any]) -> None:
    text = "ip,family,confidence\n203.0.113.7,Mozi,90\n203.0.113.8,,\n"
    told = {"family": "Mirai", "confidence": 0.2, "sinkhole": True}
    rows, _ = loaded(text, **told)
    assert [(row["family"], row["confidence"]) for row in rows] == [("Mozi", 0.9), ("Mirai", 0.2)]
    assert all(row["sinkhole"] for row in rows)
    assert [row["confidence"] for row in loaded(text)[0]] == [0.9, 0.5]


def test_doubles_become_one_row_with_the_best_of_each(loaded: Callable[..., Any]) -> None:
    rows, _ = loaded(
        "ip,port,family,first_seen,expires,confidence,tlp,sinkhole\n"
        "203.0.113.7,80,,2026-02-02,2026-04-01,50,green,\n"
        "203.0.113.7,80,Mozi,2026-02-01,2026-05-01,60,red,1\n"
        "203.0.113.7,81,Mirai,2026-02-03,2026-04-01,50,,\n"
    )
    assert len(rows) == 2
    best = rows[0]
    assert (best["port"], best["family"], best["confidence"]) == (80, "Mozi", 0.6)
    assert (best["tlp"], best["sinkhole"]) == ("red", True)
    assert best["first_seen"] == datetime(2026, 2, 1, tzinfo=UTC)
    assert best["expires"] == datetime(2026, 5, 1, tzinfo=UTC)


@pytest.mark.parametrize("wrong", [{"confidence": 1.5}, {"confidence": -1.0}, {"valid_days": -1}])
def test_impossible_options_are_an_error(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Options("feed", **wrong)


def test_the_number_of_rejects_is_bounded_and_told(
    loaded: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sakimori.intel, "MOST_REJECTS", 3)
    _, rejects = loaded("10.0.0.1\n" * 10)
    assert len(rejects) == 4
    assert rejects[-1].reason == "7 more were refused"


def test_lone_surrogates_in_json_do_not_stop_the_import(loaded: Callable[..., Any]) -> None:
    text = '{"Event": {"info": "\\ud800x", "Attribute": [{"type": "domain", "value": "a.example",'
    rows, rejects = loaded(
        text + '"to_ids": true}, {"type": "url", "value": "\\ud800", "to_ids": 1}]}}'
    )
    assert [(row["value"], row["label"]) for row in rows] == [("a.example", "?x")]
    assert rejects[0].text == "?"


HEADS = [b"", b"ip,port\n", b"# url,tags\n", b'{"Event": ', b'{"type": "bundle", "objects": [',
         b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\x00", b"\xff\xfe", b"a.example\n" * 20]  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(HEADS), st.binary(max_size=200))
def test_any_bytes_are_rows_or_an_error_of_ours(
    loaded: Callable[..., Any], head: bytes, tail: bytes
) -> None:
    rows = []
    with contextlib.suppress(SourceError):
        rows, _ = loaded(head + tail)
    assert all(row["kind"] and row["value"] for row in rows)


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(
        st.sampled_from(["Event", "Attribute", "Object", "Tag", "Galaxy", "type", "value", "name",
                         "to_ids", "objects", "pattern", "labels", "id", "confidence", "response",
                         "first_seen", "timestamp", "definition", "object_marking_refs"]),
        inner, max_size=5)),
    max_leaves=20,
)  # fmt: skip
SHAPES = st.dictionaries(
    st.sampled_from(["type", "pattern", "Event", "Attribute", "objects", "to_ids"]),
    st.one_of(
        VALUES,
        st.sampled_from(["indicator", "domain", "bundle", "[url:value = 'http://a.example/']"]),
    ),
)


@settings(max_examples=50, deadline=None)
@given(st.one_of(VALUES, SHAPES, st.lists(SHAPES, max_size=3)), st.sampled_from([0, 1]))
def test_any_json_is_rows_or_an_error_of_ours(
    loaded: Callable[..., Any], document: Any, which: int
) -> None:
    shape = [{"Event": document}, {"type": "bundle", "objects": document}][which]
    rows, _ = loaded(json.dumps(shape))
    assert all(row["kind"] and row["value"] for row in rows)


def test_each_format_is_asked_in_its_turn() -> None:
    assert recognise(b'[{"type":"indicator"}]') is BUILTIN[0]
    assert recognise(b"nothing here, really") is None
