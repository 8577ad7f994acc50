from __future__ import annotations

import json
from datetime import UTC, datetime
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

import sakimori
from sakimori.app.contract import as_object
from sakimori.app.detecting import Coverage
from sakimori.app.results import NO_HOST, SCHEMA_VERSION, Notice, Report, SourceSummary
from sakimori.verdicts.model import Botnet, Controller, Finding, Host

if TYPE_CHECKING:
    from pathlib import Path

    from sakimori.app.workspace import Workspace

NOW = datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
SCHEMA: dict[str, Any] = json.loads(
    files("sakimori").joinpath("schemas/hunt.schema.json").read_text("utf-8")
)
CHECKER = jsonschema.Draft202012Validator(
    SCHEMA, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
)


def finding(number: int, **changes: Any) -> Finding:
    values: dict[str, Any] = {
        "detector": "beacon", "technique": "T1071", "host": "10.0.0.5",
        "peer": f"203.0.113.{number % 250}", "peer_port": 443, "proto": "tcp", "first_seen": NOW,
        "last_seen": NOW, "count": number, "score": 1 / (number + 1),
        "details": {"period_s": 60.0, "name": None, "nested": [1, 2]},
        "evidence": tuple(f"C{n}" for n in range(20)),
    }  # fmt: skip
    return Finding(**{**values, **changes})


def report(**changes: Any) -> Report:
    values: dict[str, Any] = {
        "hosts": [], "controllers": [], "botnets": [], "coverage": [], "sources": [], "clean": 0,
        "internal": [],
    }  # fmt: skip
    return Report(**{**values, **changes})


def host(*findings: Finding, **changes: Any) -> Host:
    values: dict[str, Any] = {
        "host": "10.0.0.5", "verdict": "infected", "score": 0.99, "does": ("scans", "spams"),
        "families": ("x",), "findings": findings,
    }  # fmt: skip
    return Host(**{**values, **changes})


FULL = report(
    hosts=[
        host(*(finding(n) for n in range(200))),
        host(
            finding(1, peer=None, peer_port=None, proto=None, evidence=(), details={}, score=0.0),
            finding(2, technique="T1568.002", peer="\x1b[31m\u202eevil", score=1.0),
            verdict="suspected", score=1, does=(), families=(),
        ),
    ],
    controllers=[
        Controller(controller="203.0.113.1", kind="address", port=443, score=0.5, bots=("10.0.0.5",)),
        Controller(controller="a.example", kind="name", port=None, score=1, bots=(), sinkhole=True),
    ],
    botnets=[
        Botnet(botnet="botnet-1", family=None, bots=("10.0.0.5",), controllers=("a.example",),
               does=("scans",), why="they share a controller", score=0.9),
    ],
    coverage=[
        Coverage("beacon", ran=True, reason="", seconds=0.5),
        Coverage("dga", ran=False, reason="needs dns.query"),
        Coverage("scan", ran=False, reason="failed: ValueError: x", failed=True),
    ],
    sources=[
        SourceSummary("a.log", "zeek-tsv", "conn", 5, 1, NOW, NOW),
        SourceSummary("b.log", "zeek-tsv", None, 0, 9, None, None, "nothing readable"),
    ],
    clean=7,
    internal=["10.0.0.0/8"],
    hidden=3,
    warnings=[Notice(NO_HOST, {"networks": "10.0.0.0/8"})],
)  # fmt: skip


def test_the_schema_itself_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["properties"]["schema"]["const"] == SCHEMA_VERSION


@pytest.mark.parametrize(
    "given", [pytest.param(report(), id="empty"), pytest.param(FULL, id="full")]
)
def test_a_report_fits_the_schema(given: Report) -> None:
    CHECKER.validate(json.loads(json.dumps(as_object(given))))


def test_the_report_of_a_hunt_fits_the_schema(hunted: Path) -> None:
    with sakimori.open(hunted) as workspace:
        told = json.loads(json.dumps(as_object(workspace.report())))
    CHECKER.validate(told)
    assert told["hosts"]
    assert told["controllers"]


def test_the_report_of_an_empty_workspace_fits_the_schema(ws: Workspace) -> None:
    CHECKER.validate(json.loads(json.dumps(as_object(ws.hunt()))))


def test_every_field_of_the_object_is_in_the_schema_and_the_other_way_round() -> None:
    def compare(schema: dict[str, Any], value: Any) -> None:
        if isinstance(value, dict) and "properties" in schema:
            assert set(value) == set(schema["properties"]) == set(schema["required"])
            for name, inner in value.items():
                compare(schema["properties"][name], inner)
        for item in value if isinstance(value, list) else []:
            compare(schema["items"], item)

    compare(SCHEMA, as_object(FULL))


@pytest.mark.parametrize(
    "break_it",
    [
        pytest.param(lambda told: told.pop("coverage"), id="a field is gone"),
        pytest.param(lambda told: told["hosts"][0].update(verdict="clean"), id="a clean host"),
        pytest.param(lambda told: told["hosts"][0].update(score=1.5), id="a score above one"),
        pytest.param(lambda told: told["hosts"][0].update(findings=[]), id="no findings"),
        pytest.param(lambda told: told["hosts"][0].update(does=["naps"]), id="a strange deed"),
        pytest.param(
            lambda told: told["hosts"][0]["findings"][0].update(technique="beacon"), id="technique"
        ),
        pytest.param(lambda told: told.update(schema="2"), id="another version"),
    ],
)
def test_the_schema_can_refuse(break_it: Any) -> None:
    told = json.loads(json.dumps(as_object(FULL)))
    break_it(told)
    assert not CHECKER.is_valid(told)


def test_times_are_utc_with_z() -> None:
    told = as_object(FULL)
    assert told["sources"][0]["first"] == "2024-05-06T07:08:09.123456Z"
    assert told["hosts"][0]["findings"][0]["last_seen"].endswith("Z")
    assert told["sources"][1]["first"] is None


def test_warnings_are_whole_sentences() -> None:
    (warning,) = as_object(FULL)["warnings"]
    assert warning.startswith("no host inside 10.0.0.0/8 was seen")


def test_text_is_raw_for_whoever_shows_it() -> None:
    assert as_object(FULL)["hosts"][1]["findings"][1]["peer"] == "\x1b[31m\u202eevil"
