from __future__ import annotations

import contextlib
import json
import re
from datetime import timedelta
from importlib.resources import files
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.app import cleaning, effects
from sakimori.app.files import write_whole
from sakimori.errors import ConfigError, EngineError, RefusedError, SakimoriError, SourceError
from sakimori.hostile import is_unsafe
from sakimori.i18n import Translator
from sakimori.takedown.effect import Options

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HOSTILE = '</text><script>alert(1)</script>\u202e=cmd "x" https://evil.example/'
EN, JA = Translator("en"), Translator("ja")


def schema(name: str) -> object:
    return json.loads(files("sakimori").joinpath(f"schemas/{name}.schema.json").read_text("utf-8"))


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write_it(text: str, name: str = "series.csv") -> Path:
        path = tmp_path / name
        path.write_text(text, "utf-8")
        return path

    return write_it


def table(name: str = "spam", days: int = 60, ratio: float = 0.5, seed: int = 1) -> str:
    dice = np.random.default_rng(seed)
    start = np.datetime64("2026-01-01")
    quoted = name.replace('"', '""')
    lines = [
        f'"{quoted}",{start + n},{dice.poisson(900 * (ratio if n >= days // 2 else 1))}'
        for n in range(days)
    ]
    return "\n".join(lines) + "\n"


HEAD = "series,date,value\n"


def test_a_file_is_read_with_its_gaps_and_zeros(write: Callable[..., Path]) -> None:
    path = write(
        "\ufeffSeries, Date ,value,note\na,2026/1/2,0,x\na,2026-01-04,3,\na,2026-01-05,,\n"
    )
    [one] = effects.read_series(path)
    assert one.start.isoformat() == "2026-01-02T00:00:00"
    assert [None if v != v else v for v in one.values.tolist()] == [0.0, None, 3.0, None]  # noqa: PLR0124


def test_zones_are_turned_into_utc(write: Callable[..., Path]) -> None:
    path = write(HEAD + "a,2026-01-01T09:00+09:00,1\na,2026-01-01T01:00Z,2\na,2026-01-01 02:00,3\n")
    [one] = effects.read_series(path)
    assert one.values.tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("", 1, "no column 'series'"),
        ("series,value\na,1\n", 1, "no column 'date'"),
        (HEAD, None, "there is no row"),
        (HEAD + "a,16.3.2026,1\n", 2, "is no date"),
        (HEAD + "a,2026-02-30,1\n", 2, "is no date"),
        (HEAD + "a,2026-01-01,1\n\na,2026-01-02,many\n", 4, "'many' is no number"),
        (HEAD + "a,2026-01-01,-3\n", 2, "negative"),
        (HEAD + "a,2026-01-01,inf\n", 2, "no count"),
        (HEAD + "a,2026-01-01,1\na,2026-01-01,1\n", 3, "twice"),
        (HEAD + "a,2026-01-01,1\na,2026-01-01T00:00Z,1\n", 3, "twice"),
        (HEAD + ",2026-01-01,1\n", 2, "no name"),
        (HEAD + "a,2026-01-01\n", 2, "2 cells"),
        (HEAD + 'a,"2026-01-01,1\n', None, "no CSV"),
        (HEAD + "a,x,1\na,y,1\na,z,1\n", 2, "and 2 more bad lines"),
        (HEAD + "a,2026-01-01T00:00:00,1\na,2026-01-01T00:07:00,1\n", None, "whole hours"),
    ],
)
def test_a_broken_file_is_told_with_its_line(
    write: Callable[..., Path], text: str, line: int | None, says: str
) -> None:
    path = write(text)
    with pytest.raises(SourceError, match=re.escape(says)) as refused:
        effects.read_series(path)
    where = str(path) if line is None else f"{path}:{line}"
    assert str(refused.value).startswith(f"{where}: ")


def test_what_is_no_text_and_what_is_not_there_are_told(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"series,date,value\n\xff\xfe,2026-01-01,1\n")
    with pytest.raises(SourceError, match="UTF-8"):
        effects.read_series(path)
    with pytest.raises(SourceError):
        effects.read_series(tmp_path / "none.csv")
    with pytest.raises(SourceError):
        effects.read_series(tmp_path)


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=80))
def test_whatever_is_in_a_file_only_our_errors_come_out(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.mktemp("any") / "series.csv"
    path.write_text(HEAD + text, "utf-8", errors="replace")
    with contextlib.suppress(SakimoriError):
        effects.read_series(path)


def test_results_follow_the_schema_in_both_languages(write: Callable[..., Path]) -> None:
    path = write(HEAD + table() + table("short", days=6) + table(HOSTILE, ratio=2.0, seed=3))
    told = effects.run(path, "2026-01-31", Options())
    for say in (EN, JA):
        rows = effects.as_object(told, say)
        jsonschema.validate(rows, schema("effect"))
        assert [row["series"] for row in rows] == ["spam", "short", HOSTILE]
        lines = effects.in_sentences(told, say)
        assert not any(is_unsafe(c) for line in lines for c in line)
    assert rows[0]["ratio"] == pytest.approx(0.5, abs=0.1)
    assert rows[1]["ratio"] is None
    assert "増えています" in " ".join(rows[0]["warnings"])


@pytest.mark.parametrize("kind", ["svg", "html", "png"])
@pytest.mark.parametrize("say", [EN, JA], ids=["en", "ja"])
def test_a_chart_is_drawn_and_names_cannot_act_in_it(
    write: Callable[..., Path], tmp_path: Path, kind: str, say: Translator
) -> None:
    path = write(HEAD + table(HOSTILE) + table("sources", seed=2))
    told = effects.run(path, "2026-01-31", Options())
    out = tmp_path / f"chart.{kind}"
    assert effects.write_chart(told, out, say, title=HOSTILE) == [HOSTILE, "sources"]
    assert {p.name for p in tmp_path.iterdir()} == {"series.csv", out.name}
    drawn = out.read_bytes()
    if kind == "png":
        assert drawn.startswith(b"\x89PNG")
        return
    text = drawn.decode()
    assert "<script" not in text
    assert "https://evil" not in text
    assert "\u202e" not in text
    outside = re.sub(r'xmlns(:xlink)?="[^"]*"', "", text)
    assert not re.search(r"https?:|url\(http|@import|<image|href=", outside)
    assert text.count('aria-roledescription="rule mark container"') == 2, "an action line a panel"
    if kind == "svg":
        ET.fromstring(text)  # noqa: S314 - our own picture
    assert ("対策" if say is JA else "action") in text


def test_a_gap_in_the_data_is_a_gap_in_the_line(write: Callable[..., Path], tmp_path: Path) -> None:
    lines = table().splitlines()
    paths = []
    for kept in (lines, lines[:10] + lines[14:]):
        path = write(HEAD + "\n".join(kept) + "\n")
        out = tmp_path / "chart.svg"
        effects.write_chart(effects.run(path, "2026-01-31", Options()), out, EN)
        [line] = re.findall(r'd="(M[^"]*)" stroke="#1b4965"', out.read_text("utf-8"))
        paths.append(line.count("M"))
    assert paths == [1, 2]


@pytest.mark.parametrize("name", ["chart.gif", "chart", "no/such/folder/chart.svg"])
def test_a_chart_that_cannot_be_written_is_refused_before_the_work(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(ConfigError):
        effects.checked_chart(tmp_path / name)


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "chart.svg"
    path.write_bytes(b"old")

    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(EngineError, match="No space"):
        write_whole(path, b"new")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("chart.svg", b"old")]


def test_periods_are_read_from_words_and_from_a_file(write: Callable[..., Path]) -> None:
    words = effects.periods("2026-03-01..2026-03-04,2026-03-09", "--outages")
    path = write("# ours\n2026-03-01,2026-03-04\n\n2026-03-09\n", "outages.txt")
    assert effects.periods(str(path), "--outages") == words
    assert words[0][1] - words[0][0] == timedelta(days=4, seconds=-1)
    for bad in ("soon", "2026-03-04..2026-03-01", "2026-03-01.."):
        if bad.endswith(".."):
            assert effects.periods(bad, "--outages")[0][0] == words[0][0]
            continue
        with pytest.raises(ConfigError):
            effects.periods(bad, "--outages")


def test_a_plan_is_followed_or_the_run_is_refused(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    path = write(HEAD + table())
    plan = effects.register(path, "2026-01-31", 30, ["mx1"], Options())
    jsonschema.validate(plan, schema("effect-plan"))
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(plan), "utf-8")
    told = effects.run(path, "2026-01-31", Options(), plan=file)
    assert told.plan == effects.fingerprint(plan)
    assert told.departures == ()
    with pytest.raises(RefusedError, match="date"):
        effects.run(path, "2026-01-20", Options(), plan=file)
    departed = effects.run(path, "2026-01-20", Options(), plan=file, depart=True)
    assert "date" in departed.departures
    assert "date" in effects.in_sentences(departed, EN)[-1]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": "1"}', "\x00"])
def test_what_is_no_plan_is_refused(write: Callable[..., Path], text: str) -> None:
    with pytest.raises(SourceError, match="no plan"):
        effects.read_plan(write(text, "plan.json"))


CLEANUP = "id,provider,first_seen,last_seen,told,end\n"


def test_infections_are_followed_by_the_schema(write: Callable[..., Path]) -> None:
    rows = [
        f"{n},net {n % 3},2026-01-01,2026-01-{10 + n % 9},{'2026-01-12' if n % 3 else ''},2026-03-01"
        for n in range(60)
    ]
    found = cleaning.follow(write(CLEANUP + "\n".join(rows) + "\n"), 14, 90)
    for say in (EN, JA):
        told = cleaning.as_object(found, say)
        jsonschema.validate(told, schema("survival"))
        assert cleaning.in_words(found, say)
    assert [p["provider"] for p in told["providers"]] == ["net 0", "net 1", "net 2"]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("a,n,2026-01-01,2026-01-02,,never", "no date"),
        ("a,n,2026-01-03,2026-01-02,,2026-02-01", "not in this order"),
        ("a,n,2026-01-01,2026-01-02,,2025-02-01", "not in this order"),
        (",n,2026-01-01,2026-01-02,,2026-02-01", "no id"),
        ("a,,2026-01-01,2026-01-02,,2026-02-01", "no provider"),
        ("a,n,2026-01-01,2026-01-02,soon,2026-02-01", "no date"),
        ("b,n,2026-01-01,2026-01-02,,2026-02-01\nb,n,2026-01-01,2026-01-02,,2026-02-01", "twice"),
    ],
)
def test_broken_infections_are_told_with_their_line(
    write: Callable[..., Path], row: str, says: str
) -> None:
    path = write(CLEANUP + row + "\n")
    with pytest.raises(SourceError, match=says) as refused:
        cleaning.read_infections(path)
    assert re.match(rf"{re.escape(str(path))}:[23]: ", str(refused.value))
