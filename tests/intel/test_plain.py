from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable


def brief(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["kind"], row["value"], row["port"], row["family"], row["label"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("evil.example", [("name", "evil.example", None, None, None)]),
        ("evil.example # Emotet", [("name", "evil.example", None, "Emotet", "Emotet")]),
        (
            "203.0.113.7 ; Cobalt Strike",
            [("address", "203.0.113.7", None, "Cobalt Strike", "Cobalt Strike")],
        ),
        ("203.0.113.0/25 ; SBL1 // x", [("cidr", "203.0.113.0/25", None, None, "SBL1 // x")]),
        ("203.0.113.7#seen twice", [("address", "203.0.113.7", None, None, "seen twice")]),
        ("203.0.113.7 # C2", [("address", "203.0.113.7", None, None, "C2")]),
        ("203.0.113.7 8080", [("address", "203.0.113.7", 8080, None, None)]),
        (
            "0.0.0.0 a.evil.example b.evil.example",
            [
                ("name", "a.evil.example", None, None, None),
                ("name", "b.evil.example", None, None, None),
            ],
        ),
        ("127.0.0.1\tevil.example", [("name", "evil.example", None, None, None)]),
        (":: evil.example # Mozi", [("name", "evil.example", None, "Mozi", "Mozi")]),
        ("hxxp://evil[.]example/a#b", [("url", "http://evil.example/a", None, None, None)]),
        (
            "http://evil.example/a # Dridex",
            [("url", "http://evil.example/a", None, "Dridex", "Dridex")],
        ),
        ("evil [.] example", [("name", "evil.example", None, None, None)]),
        ("127.0.0.1 localhost", []),
        ("::1 ip6-loopback", []),
        ("", []),
        ("// evil2.example", []),
        ("; evil2.example", []),
    ],
)
def test_a_line_gives_its_indicators(
    loaded: Callable[..., Any], line: str, expected: list[Any]
) -> None:
    rows, rejects = loaded(f"# a list\n{line}\nlast.example\n")
    assert [brief(row) for row in rows] == [
        *expected,
        ("name", "last.example", None, None, None),
    ]
    assert rejects == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("10.0.0.1", "your own hosts"),
        ("evil.example and more words", "one indicator a line"),
        ("co.jp", "public suffix"),
        ("%%%", "no address"),
    ],
)
def test_a_bad_line_is_told_with_its_number_and_the_rest_is_kept(
    loaded: Callable[..., Any], line: str, reason: str
) -> None:
    rows, [reject] = loaded(f"a.example\n{line}\nc.example")
    assert [row["value"] for row in rows] == ["a.example", "c.example"]
    assert (reject.line, reject.text) == (2, line)
    assert reason in reject.reason


def test_windows_text_is_read(loaded: Callable[..., Any]) -> None:
    for encoding in ("utf-16", "utf-8-sig"):
        rows, _ = loaded("a.example\r\nb.example\r\n".encode(encoding))
        assert [row["value"] for row in rows] == ["a.example", "b.example"]


def test_a_remark_that_says_sinkhole_marks_the_row(loaded: Callable[..., Any]) -> None:
    rows, _ = loaded("a.example # sinkholed by police\nb.example\n")
    assert [row["sinkhole"] for row in rows] == [True, False]


def test_a_list_of_remarks_only_is_an_empty_list(loaded: Callable[..., Any]) -> None:
    assert loaded("# nothing is online today\n") == ([], [])


def test_an_endless_line_costs_one_reject(loaded: Callable[..., Any]) -> None:
    rows, [reject] = loaded("a.example\n" + "x" * 3_000_000 + "\nb.example\n")
    assert [row["value"] for row in rows] == ["a.example", "b.example"]
    assert reject.line == 2
    assert len(reject.text) == 200


def test_hostile_text_is_kept_as_it_is(loaded: Callable[..., Any]) -> None:
    label = "=cmd|'/c calc'!A1 \x1b[31m {{7*7}} <script>"
    rows, _ = loaded(f"a.example # {label}\n")
    assert rows[0]["label"] == label


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40), max_size=8
    )
)
def test_any_line_is_an_indicator_a_reject_or_nothing(
    loaded: Callable[..., Any], lines: list[str]
) -> None:
    good = "\n".join(f"h{n}.example" for n in range(len(lines) + 1))
    text = good + "\n" + "\n".join(line.replace("\n", "") for line in lines)
    rows, rejects = loaded(text.replace("\r", ""))
    assert {f"h{n}.example" for n in range(len(lines) + 1)} <= {row["value"] for row in rows}
    assert all(reject.line > len(lines) + 1 for reject in rejects)
