from __future__ import annotations

import csv
import io
import json
import random
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

import jsonschema
import pytest

from sakimori.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from syrupy.assertion import SnapshotAssertion

SCHEMA = json.loads(files("sakimori").joinpath("schemas/study.schema.json").read_text("utf-8"))


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
        monkeypatch.setattr("sys.argv", ["sakimori", "study", *map(str, words)])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        return Ended(code, *capsys.readouterr())

    return run_it


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    """Black screens by Daonol, on machines that have the update more often than others."""
    dice = random.Random(2009)
    lines = ["machine,os,symptom,updates,family"]
    for number in range(500):
        update = dice.random() < 0.6
        infected = dice.random() < (0.35 if update else 0.1)
        symptom = dice.random() < (0.5 if infected else 0.03)
        system = dice.choice(["Windows XP", "Windows Vista"])
        lines.append(f"m{number},{system},{int(symptom)},{'KB976098' if update else 'none'},"
                     f"{'Daonol' if infected else 'none'}")  # fmt: skip
    path = tmp_path / "fleet.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_family_is_named_and_the_update_cleared(run: Callable[..., Ended], fleet: Path) -> None:
    told = json.loads(run(fleet, "--format", "json").out)
    jsonschema.validate(told, SCHEMA, cls=jsonschema.Draft202012Validator)
    end = told["conclusion"]
    assert (end["answer"], end["tied_to"], end["not_tied_to"]) == (
        "family",
        ["Daonol"],
        ["KB976098"],
    )
    assert "cleared by these data: KB976098" in end["statement"]
    assert len(told["caveats"]) >= 4


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_the_conclusion_in_words(
    run: Callable[..., Ended], fleet: Path, lang: str, snapshot: SnapshotAssertion
) -> None:
    told = json.loads(run(fleet, "--format", "json", "--lang", lang).out)
    assert [told["conclusion"]["statement"], *told["caveats"]] == snapshot


@pytest.mark.parametrize("form", ["table", "csv"])
def test_every_format_says_it_with_the_caveats(
    run: Callable[..., Ended], fleet: Path, form: str
) -> None:
    told = run(fleet, "--format", form)
    words = told.out if form == "table" else told.err
    assert "tied to a family: Daonol" in words
    assert "does not prove a cause" in words
    if form == "csv":
        rows = {r["exposure"]: r["verdict"] for r in csv.DictReader(io.StringIO(told.out))}
        assert rows == {"Daonol": "tied", "KB976098": "not tied"}


def test_json_rows_say_the_same_as_csv(
    run: Callable[..., Ended], fleet: Path, tmp_path: Path
) -> None:
    rows = list(csv.DictReader(fleet.read_text().splitlines()))
    for row in rows:
        row["updates"] = [] if row["updates"] == "none" else [row["updates"]]  # type: ignore[assignment]
    (tmp_path / "fleet.json").write_text(json.dumps(rows))
    (tmp_path / "fleet.jsonl").write_text("\n".join(map(json.dumps, rows)))
    first, second, third = (
        json.loads(run(f, "--format", "json").out)["exposures"]
        for f in (fleet, "fleet.json", "fleet.jsonl")
    )
    assert first == second == third


@pytest.mark.parametrize(
    ("name", "text", "where"),
    [
        ("none.csv", None, "none.csv"),
        ("empty.csv", "", "empty.csv"),
        ("short.csv", "machine,symptom,KB1\n", "short.csv"),
        ("bad.csv", "machine,symptom,KB1\na,1,1\nb,perhaps,0\n", "bad.csv:3"),
        ("wide.csv", "machine,symptom,KB1\na,1,1,7\n", "wide.csv:2"),
        ("bad.json", '[{"machine": "a"},\n', "bad.json"),
        ("list.json", "[1]", "list.json: [0]"),
    ],
)
def test_wrong_input_is_one_line_with_its_place(
    run: Callable[..., Ended], tmp_path: Path, name: str, text: str | None, where: str
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    told = run(name)
    assert (told.code, where in told.err, "Traceback" in told.err) == (3, True, False)


def test_hostile_names_are_shown_and_do_nothing(run: Callable[..., Ended], tmp_path: Path) -> None:
    rows = [f"m{n},{n % 2},=evil\x1b[31m\u202e" for n in range(40)]
    (tmp_path / "evil.csv").write_text("machine,symptom,updates\n" + "\n".join(rows) + "\n")
    for form in ("table", "csv", "json"):
        told = run("evil.csv", "--format", form)
        assert told.code == 0
        assert "\x1b" not in told.out + told.err
        assert "\u202e" not in told.out + told.err
