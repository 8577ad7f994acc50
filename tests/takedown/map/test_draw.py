from __future__ import annotations

import re
import unicodedata
from datetime import date
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.hostile import is_unsafe
from sakimori.i18n import Translator
from sakimori.takedown.map import Material, Options, make
from sakimori.takedown.map.draw import LABEL, cut, svg
from sakimori.takedown.map.layout import BOX, WIDTH, lay_out
from sakimori.takedown.map.model import Contact, Registration, Way
from sakimori.takedown.map.page import html

EN, JA = Translator("en"), Translator("ja")
EVIL = "<script>alert(1)</script>\u202e\x1b[31m\"'&http://evil.example/x"
SVG = "{http://www.w3.org/2000/svg}"


def parsed(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314 - of our own making


def texts(root: ET.Element) -> list[str]:
    return [e.text or "" for e in root.iter(f"{SVG}text")]


@pytest.fixture(scope="module")
def evil(calls: Any) -> Any:
    return make(
        Material(
            contacts=calls(2, "a.example.com", EVIL, botnet=EVIL),
            registrations=(Registration("a.example.com", EVIL, EVIL, (EVIL,), EVIL),),
        ),
        Options(today=date(2026, 3, 2)),
    )


def test_the_picture_is_one_static_file(material: Material, snapshot: Any) -> None:
    drawn = svg(make(material, Options(today=date(2026, 3, 2))), EN, "bn")
    root = parsed(drawn)
    assert {e.tag.removeprefix(SVG) for e in root.iter()} == {
        "svg", "style", "rect", "text", "path", "g", "title",
    }  # fmt: skip
    assert drawn == snapshot


def test_labels_are_in_the_readers_language(material: Material) -> None:
    drawn = make(material, Options(today=date(2026, 3, 2)))
    assert "controllers: names" in texts(parsed(svg(drawn, EN)))
    assert "ネームサーバー" in texts(parsed(svg(drawn, JA)))
    assert '<html lang="ja">' in html(drawn, JA, "bn")


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)


def test_hostile_labels_neither_act_nor_link(evil: Any) -> None:
    for say in (EN, JA):
        page = html(evil, say, EVIL)
        seen = Tags()
        seen.feed(page)
        assert not seen.tags & {"script", "a", "img", "iframe", "link", "foreignobject", "image"}
        assert not {a for a in seen.attributes if a.startswith("on")} | seen.attributes & {"href"}
        assert not re.search(r"(?i)https?://(?!www\.w3\.org/2000/svg)", page)
        assert not {c for c in page if is_unsafe(c) and c != "\n"}
        assert "default-src 'none'" in page
        parsed(svg(evil, say, EVIL))


@given(st.lists(st.text(max_size=30), min_size=1, max_size=4))
@settings(max_examples=40)
def test_any_label_gives_a_sound_picture(labels: list[str]) -> None:
    contacts = tuple(Contact(f"10.0.0.{n}", label, label) for n, label in enumerate(labels))
    drawn = make(Material(contacts=contacts), Options(today=date(2026, 3, 2)))
    root = parsed(svg(drawn, EN, labels[0]))
    assert not any(is_unsafe(c) for text in texts(root) for c in text)


@given(st.text(max_size=80), st.integers(6, 40))
def test_a_cut_label_fits(text: str, limit: int) -> None:
    shown = cut(text, limit)
    wide = sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in shown)
    assert wide <= limit


def test_both_ends_of_a_long_label_stay() -> None:
    shown = cut("a" * 40 + ".example.com")
    assert len(shown) == LABEL
    assert shown.startswith("aaa")
    assert shown.endswith(".example.com")


def test_hundreds_of_nodes_stay_readable_and_are_all_counted(draw: Any) -> None:
    contacts = tuple(
        Contact(f"10.0.{n}.{m}", f"c{(n + m) % 300}.example.com", "bn")
        for n in range(300)
        for m in range(3)
    )
    drawn = draw(contacts=contacts)
    layout = lay_out(drawn)
    assert len(layout.boxes) < 40
    kinds = [b for b in layout.boxes.values() if b.kind == "controller_name"]
    assert sum(b.more or 1 for b in kinds) == 300
    assert sum(len(link.edges) for link in layout.links) == len(drawn.edges)
    assert "and 288 more" in texts(parsed(svg(drawn, EN)))
    assert layout.height < 1200


def test_no_two_boxes_overlap_and_all_are_inside(material: Material) -> None:
    layout = lay_out(make(material, Options(today=date(2026, 3, 2))))
    boxes = list(layout.boxes.values())
    for at, one in enumerate(boxes):
        assert 0 <= one.x <= layout.width - WIDTH
        assert 0 <= one.y <= layout.height - BOX
        for other in boxes[at + 1 :]:
            apart = abs(one.x - other.x) >= WIDTH or abs(one.y - other.y) >= BOX
            assert apart


def test_days_of_generated_names_are_told_as_one(draw: Any, calls: Any) -> None:
    ways = tuple(
        Way("bn", 1, "dga-day", f"q{n}.example.net", date(2026, 3, n)) for n in range(3, 9)
    )
    page = html(draw(contacts=calls(1, "c2.example"), ways=ways), EN)
    assert "c2.example → generated names of 2026-03-03 to 2026-03-08: 6" in page


def test_a_sinkhole_is_marked(draw: Any, calls: Any) -> None:
    drawn = draw(contacts=calls(1, "192.0.2.1"), sinkholes=frozenset({"192.0.2.1"}))
    assert "192.0.2.1 (sinkhole)" in texts(parsed(svg(drawn, EN)))


def test_an_empty_map_is_a_picture_too(draw: Any) -> None:
    parsed(svg(draw(), EN))
    assert "</html>" in html(draw(), JA)


def test_the_page_has_the_tables_beside_the_picture(material: Material) -> None:
    page = html(make(material, Options(today=date(2026, 3, 2))), EN, "bn", "JP")
    for head in ("Bot groups", "Edges", "who says so", "next steps", "pdns:test", "2026-03-02"):
        assert head in page
    assert "generated names of 2026-03-03: 2" in page
