from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from sakimori.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLE = Path(__file__).parents[2] / "docs/examples/rustock-2011.csv"
SPAM, BOTS = "global spam, messages a day", "Rustock, addresses seen by the sinkhole"


class Ended(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Ended]:
    monkeypatch.chdir(tmp_path)

    def run_it(*words: object) -> Ended:
        monkeypatch.setattr("sys.argv", ["sakimori", *map(str, words)])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        return Ended(code, *capsys.readouterr())

    return run_it


def test_the_example_has_the_shape_of_the_published_cut(run: Callable[..., Ended]) -> None:
    told = run("effect", EXAMPLE, "--date", "2011-03-16", "--format", "json", "--chart", "r.svg")
    spam, bots = json.loads(told.out)
    assert told.code == 0
    assert 0.55 < spam["ratio"] < 0.75  # 52 -> 33 billion, then 37 to 42: published
    assert spam["high"] < 1
    assert spam["change_at_date"]
    assert bots["ratio"] is None
    assert bots["before"] == 0
    assert Path("r.svg").stat().st_size < 300_000
    assert "r.svg" in told.err


def test_the_figures_of_the_example_are_the_published_ones() -> None:
    rows = list(csv.DictReader(EXAMPLE.read_text("utf-8").splitlines()))
    published = {(r["date"], r["value"]) for r in rows if r["kind"] == "published"}
    assert published == {("2011-03-26", "1601619"), ("2011-06-18", "702860")}
    week = [
        float(r["value"])
        for r in rows
        if r["series"] == SPAM and "2011-03-09" <= r["date"] < "2011-03-16"
    ]
    assert sum(week) / len(week) == pytest.approx(52e9, rel=0.03)


@pytest.mark.parametrize("form", ["table", "csv"])
@pytest.mark.parametrize("lang", ["en", "ja"])
def test_every_format_says_what_was_found(run: Callable[..., Ended], form: str, lang: str) -> None:
    told = run("effect", EXAMPLE, "--date", "2011-03-16", "--format", form, "--lang", lang)
    assert told.code == 0
    assert "0.65" in told.out
    if form == "csv":
        assert [r["series"] for r in csv.DictReader(io.StringIO(told.out))] == [SPAM, BOTS]
        assert BOTS in told.err


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("--date", "2030-01-01"), 2, "not inside the series"),
        (("--date", "yesterday"), 2, "is no date"),
        (("--date", "2011-03-16", "--control", "none"), 2, "no series is named"),
        (("--date", "2011-03-16", "--chart", "x.gif"), 2, "no kind of chart"),
        (("--date", "2011-03-16", "--plan", "none.json"), 3, "no plan"),
        (("--date", "2011-03-16", "--outages", "soon"), 2, "is no date"),
    ],
)
def test_a_mistake_is_one_line_with_a_hint(
    run: Callable[..., Ended], words: tuple[str, ...], code: int, says: str
) -> None:
    told = run("effect", EXAMPLE, *words)
    assert told.code == code
    assert says in told.err
    assert "Traceback" not in told.err
    assert told.out == ""


def test_a_plan_is_written_and_followed(run: Callable[..., Ended]) -> None:
    words = ("--date", "2011-03-16")
    made = run(
        "effect-plan", EXAMPLE, *words, "--after", "94", "--out", "plan.json", "--sensor", "mx"
    )
    digest = made.err.split("SHA-256 of the plan: ")[1].split()[0]
    assert json.loads(Path("plan.json").read_text("utf-8"))["sensors"] == ["mx"]
    told = run("effect", EXAMPLE, *words, "--plan", "plan.json", "--format", "json")
    assert {row["plan"] for row in json.loads(told.out)} == {digest}
    departed = run("effect", EXAMPLE, "--date", "2011-03-17", "--plan", "plan.json")
    assert departed.code == 5
    assert "departs from the plan in: date" in departed.err


def test_survival_is_told(run: Callable[..., Ended], tmp_path: Path) -> None:
    path = tmp_path / "cleanup.csv"
    rows = [f"{n},net,2026-01-01,2026-01-{10 + n},,2026-03-01" for n in range(9)]
    path.write_text("id,provider,first_seen,last_seen,told,end\n" + "\n".join(rows) + "\n", "utf-8")
    shown = run("survival", path)
    assert "13.50" in shown.out
    assert "not proven clean" in shown.out
    assert json.loads(run("survival", path, "--format", "json").out)["gap_days"] == 14
