from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sakimori.exporters
from sakimori.errors import ConfigError, RefusedError
from sakimori.exporters import (
    BUILTIN,
    TLP,
    Exporter,
    Gate,
    Item,
    Sharing,
    exporter_named,
    gate,
    load_all,
)
from sakimori.hostile import is_unsafe

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent
MADE = datetime(2026, 3, 2, tzinfo=UTC)
SEEN = datetime(2026, 3, 1, tzinfo=UTC)
HOSTILE = (
    "=cmd|'/c calc'!A1", "a' OR x:y = '", "\\' ]", "a|b", 'tlp:clear" x="', "\x1b[31m\u202egpj",
    "line\r\nbreak\u2028\x00\x7f\x9b", '"},{"tlp":"clear', "<script>", "\ud800", "＝1+1", "",  # noqa: RUF001
)  # fmt: skip
every = pytest.mark.parametrize("exporter", BUILTIN, ids=lambda e: e.NAME)


def found(peer: str, text: str) -> dict[str, Any]:
    return {
        "detector": "beacon", "technique": "T1071", "peer": peer, "peer_port": 443, "proto": "tcp",
        "score": 0.9, "count": 3, "first_seen": "2026-03-01T00:00:00Z",
        "last_seen": "2026-03-01T01:00:00Z", "details": {"text": text}, "evidence": [text],
    }  # fmt: skip


def controller(number: int, tlp: str | None = "green", **more: Any) -> Item:
    return Item(role="controller", kind="name", value=f"secret-{number}-x.example", tlp=tlp,
                port=443, first_seen=SEEN, **more)  # fmt: skip


def bot(number: int, tlp: str | None = "green", **more: Any) -> Item:
    return Item(role="bot", kind="address", value=f"192.0.2.{number}", tlp=tlp, first_seen=SEEN,
                **more)  # fmt: skip


def sharing(*items: Item, tlp: str = "clear", title: str = "Botnets") -> Sharing:
    return Sharing(title=title, producer="CERT Example", tlp=tlp, made=MADE, items=items)


def valid(exporter: Exporter, text: str) -> Any:
    """Return the file as read back; raises when it is no file of its format's family."""
    text.encode()
    if exporter.NAME == "csv":
        rows = list(csv.reader(io.StringIO(text), strict=True))
        assert {len(row) for row in rows} == {12}
        return rows
    if exporter.NAME in ("stix", "misp"):
        return json.loads(text)
    return [json.loads(line) for line in text.split("\n")[:-1]]


def test_each_file_is_listed_and_has_tests() -> None:
    folder = Path(sakimori.exporters.__file__).parent
    listed = {Path(str(e.__file__)).stem for e in BUILTIN}  # type: ignore[attr-defined]
    assert listed == {p.stem for p in folder.glob("*.py") if not p.stem.startswith("_")}
    tested = {p.stem.removeprefix("test_") for p in (HERE.parent / "exporters").glob("test_*.py")}
    assert listed <= tested


def test_names_are_unique_and_an_unknown_one_gets_a_hint() -> None:
    assert list(load_all()) == [e.NAME for e in BUILTIN]
    assert exporter_named("misp").TITLE == "MISP event"
    with pytest.raises(ConfigError) as wrong:
        exporter_named("stx")
    assert wrong.value.hint == "did you mean stix?"


@every
def test_nothing_is_a_valid_file(exporter: Exporter) -> None:
    read = valid(exporter, exporter.export(sharing()))
    if exporter.NAME == "stix":
        assert read["type"] == "bundle"
        assert not read.get("objects")
    elif exporter.NAME == "misp":
        assert read["Event"]["Attribute"] == []
    else:
        assert len(read) == (exporter.NAME == "csv")


@every
def test_the_same_input_gives_the_same_text(exporter: Exporter) -> None:
    given_ = sharing(controller(1), bot(2, findings=(found("secret-1-x.example", "x"),)))
    assert exporter.export(given_) == exporter.export(given_)


@every
def test_each_role_that_a_format_holds_is_in_it(exporter: Exporter) -> None:
    text = exporter.export(sharing(controller(1), bot(2, findings=(found("a.example", "x"),))))
    assert ("secret-1-x" in text) == ("controller" in exporter.ROLES)
    assert ("192.0.2.2" in text) == ("bot" in exporter.ROLES)


@every
@pytest.mark.parametrize("text", [h for h in HOSTILE if h != "\ud800"])
def test_hostile_text_stays_text(exporter: Exporter, text: str) -> None:
    items = (
        controller(1, families=(text, "plain"), botnet=text, peers=(text,)),
        bot(2, families=(text,), botnet=text, peers=(text,), findings=(found(text, text),)),
    )
    written = exporter.export(sharing(*items, title=text or "t"))
    assert not [c for c in written if c != "\n" and is_unsafe(c)]
    read = valid(exporter, written)
    if exporter.NAME == "csv":
        assert len(read) == 3
        assert not [c for row in read[1:] for c in row if c.startswith(("=", "＝", "@"))]  # noqa: RUF001
    elif exporter.NAME == "stix":
        assert len([o for o in read["objects"] if o["type"] == "indicator"]) == 1
    elif exporter.NAME == "misp":
        assert len(read["Event"]["Attribute"]) == 2
        tags = [t["name"] for a in read["Event"]["Attribute"] for t in a["Tag"]]
        assert sorted(t for t in tags if t.startswith("tlp:")) == ["tlp:green"] * 2
    else:
        assert len(read) == (1 if exporter.NAME == "ocsf" else 2)


VALUES = [
    ("address", "203.0.113.9", True), ("address", "2001:db8::1", True),
    ("address", "203.0.113.9|80", False), ("address", "fe80::1%\x1b", False),
    ("address", "c2.example", False), ("address", "", False), ("name", "c2.example", True),
    ("name", "a_b.example", True), ("name", "c2.example|1.2.3.4", False), ("name", "=1.example", False),
    ("name", "a' OR", False), ("name", "c2.example\n", False), ("name", "203.0.113.9", False),
    ("name", "a" * 254, False), ("name", "\ud800.example", False), ("name", "é.example", False),
    ("url", "http://c2.example/a?b='c'|d", True), ("url", "http://c2.example/a b", False),
    ("url", "http://c2.example/\u202e", False), ("url", "c2.example/x", False),
    ("url", "http://c2.example/" + "a" * 5000, False), ("hash", "00", False),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "value", "leaves"), VALUES)
def test_only_what_others_can_use_leaves(kind: str, value: str, leaves: bool) -> None:
    given_ = Item(role="controller", kind=kind, value=value, tlp="green")
    passed = gate(sharing(given_, controller(1)), "green")
    assert (len(passed.sharing.items) == 2) == leaves
    assert sum(passed.kept_back.values()) == (not leaves)


labels = st.sampled_from([*TLP, None, "pink"])


@st.composite
def sharings(draw: Callable[..., Any]) -> Sharing:
    """Draw controllers and bots that tell of each other, each under a label of its own."""
    controllers = [controller(n, draw(labels)) for n in range(1, 4)]
    names = [c.value for c in controllers]
    bots = []
    for number in range(11, 14):
        called = draw(st.lists(st.sampled_from(names), unique=True, max_size=2))
        findings = tuple(
            found(peer, draw(st.sampled_from(["", *names, "192.0.2.11"]))) for peer in called
        )
        made = bot(number, draw(labels), peers=tuple(called), findings=findings)
        bots.append(replace(made, botnet=draw(st.sampled_from(["", "b", names[0]]))))
    victims = tuple(b.value for b in bots)
    controllers = [replace(c, peers=victims) for c in controllers]
    return sharing(*controllers, *bots, tlp=draw(st.sampled_from(TLP[:2])))


def passed(given_: Sharing, limit: str) -> Gate | None:
    try:
        return gate(given_, limit)
    except RefusedError:
        return None


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(sharings(), st.sampled_from(TLP))
def test_nothing_above_the_limit_is_in_any_file(given_: Sharing, limit: str) -> None:
    free = {i.value for i in given_.items if i.tlp in TLP[: TLP.index(limit) + 1]}
    secret = {i.value for i in given_.items} - free
    out = passed(given_, limit)
    if out is None:
        assert not free or TLP.index(given_.tlp) > TLP.index(limit)
        return
    assert {i.value for i in out.sharing.items} == free
    for exporter in BUILTIN:
        text = exporter.export(out.sharing)
        assert not [value for value in secret if value in text]
        stricter = [t for t in TLP[TLP.index(limit) + 1 :] if t != "amber+strict"]
        if exporter.NAME != "intelmq":  # which writes the next stricter one where it lacks a label
            assert not [t for t in stricter if f"tlp:{t}" in text.lower()]


@settings(max_examples=50)
@given(sharings(), st.sampled_from(TLP))
def test_every_item_leaves_or_is_counted(given_: Sharing, limit: str) -> None:
    out = passed(given_, limit)
    if out is not None:
        back = sum(n for why, n in out.kept_back.items() if why.startswith("items"))
        assert len(out.sharing.items) + back == len(given_.items)
        assert out.sharing.tlp in TLP[: TLP.index(limit) + 1]
        assert all(TLP.index(str(i.tlp)) <= TLP.index(out.sharing.tlp) for i in out.sharing.items)


def test_what_may_leave_from_another_source_is_told_of() -> None:
    items = (controller(1, "red"), controller(1, "green"), bot(2, peers=("secret-1-x.example",)))
    out = gate(sharing(*items), "green").sharing
    assert out.of("bot")[0].peers == ("secret-1-x.example",)


def test_a_whole_above_the_limit_is_refused() -> None:
    with pytest.raises(RefusedError, match="TLP:RED and may not leave as TLP:GREEN"):
        gate(sharing(controller(1), tlp="red"), "green")


def test_where_nothing_may_leave_the_reasons_are_told() -> None:
    with pytest.raises(RefusedError, match=r"without a TLP label: 1; items above TLP:GREEN: 2"):
        gate(sharing(controller(1, None), controller(2, "red"), controller(3, "amber")), "green")


@pytest.mark.parametrize("label", ["", "pink", "amber strict", "TLP:"])
def test_a_label_that_is_none_is_refused(label: str) -> None:
    with pytest.raises(ConfigError, match="no TLP label"):
        gate(sharing(controller(1)), label)
    with pytest.raises(ConfigError, match="no TLP label"):
        gate(sharing(controller(1), tlp=label), "red")


def test_labels_are_read_in_the_usual_spellings() -> None:
    assert (
        gate(sharing(controller(1), tlp="TLP:GREEN"), " TLP:Amber+Strict ").sharing.tlp == "green"
    )
