from __future__ import annotations

import json
from datetime import UTC, datetime
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from sakimori.app import sinkholing
from sakimori.errors import ConfigError, RefusedError
from sakimori.takedown.sinkhole.dns import Resolver
from sakimori.takedown.sinkhole.replies import http_replies

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GOOD = {
    "sinkhole": {
        "operator": "Example CERT", "contact": "abuse@example.net", "zones": ["bad.example"],
        "approved_by": "A. Person",
    },
    "ports": {"dns": 0},
}  # fmt: skip
PUBLIC = {"addresses": ["192.0.2.1"], "authority": "order 7", "expires": "2026-06-01T00:00:00Z"}


def loaded(**changes: Any) -> Any:
    given: dict[str, Any] = {name: dict(some) for name, some in GOOD.items()}
    given["sinkhole"] |= changes
    return sinkholing.load(None, given)


@pytest.mark.parametrize(
    ("changes", "public", "lacks"),
    [
        ({}, False, []),
        ({"operator": " "}, False, ["operator"]),
        ({"contact": ""}, False, ["contact"]),
        ({"approved_by": ""}, False, ["approved_by"]),
        ({"zones": []}, False, ["zones"]),
        ({"expires": "2025-12-31"}, False, ["expires"]),
        (PUBLIC, True, []),
        (PUBLIC, False, ["--public"]),
        (PUBLIC | {"authority": ""}, True, ["authority"]),
        (PUBLIC | {"expires": ""}, True, ["end"]),
    ],
)
def test_it_says_what_lacks_before_it_may_run(
    changes: dict[str, Any], public: bool, lacks: list[str]
) -> None:
    found = sinkholing.needs(loaded(**changes), public=public, now=NOW)
    assert len(found) == len(lacks)
    assert all(word in words for word, words in zip(lacks, found, strict=True))


def test_nothing_is_bound_while_something_lacks(tmp_path: Path) -> None:
    settings = loaded(approved_by="")
    with pytest.raises(RefusedError, match="approved_by"):
        sinkholing.sink(lambda: settings, tmp_path, public=False, say=print)
    assert list(tmp_path.iterdir()) == []


def test_a_proposal_keeps_its_schema() -> None:
    schema = json.loads(
        files("sakimori").joinpath("schemas/sinkhole.schema.json").read_text("utf-8")
    )
    settings = sinkholing.load(
        None, GOOD | {"capture": {"reason": "r", "until": "2026-02-01"}, "log": {"folder": "x"}}
    )
    jsonschema.validate(sinkholing.proposal(settings, public=False, now=NOW), schema)
    jsonschema.validate(sinkholing.proposal(loaded(**PUBLIC), public=True, now=NOW), schema)
    assert set(schema["required"]) == set(schema["properties"])


def test_the_replies_it_names_are_those_it_can_make() -> None:
    identity = loaded().sinkhole
    made = set(http_replies(identity))
    resolver = Resolver(identity)._replies
    made |= {resolver.malformed[0].name, resolver.not_implemented[0].name}
    made |= {"dns-answer", "dns-nodata", "dns-truncated", "dns-refused"}
    assert set(sinkholing.REPLIES) == made


def test_options_are_laid_over_a_file(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text('[sinkhole]\nzones = ["bad.example"]\noperator = "A"\n[ports]\ndns = 53\n')
    settings = sinkholing.load(
        file, {"sinkhole": {"operator": "B", "zones": None}, "ports": {"http": 80}}
    )
    assert settings.sinkhole.operator == "B"
    assert settings.sinkhole.zones == ("bad.example",)
    assert (settings.ports.dns, settings.ports.http) == (53, 80)


@pytest.mark.parametrize(
    ("text", "words"),
    [("[sinkhole", "TOML"), ("sinkhole = 1", "section"), ("[sinkhole]\nzons = []", "did you mean")],
)
def test_a_broken_file_is_named(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "s.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=words) as caught:
        sinkholing.load(file, {"sinkhole": {"operator": "A"}})
    assert "s.toml" in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no\.toml"):
        sinkholing.load(tmp_path / "no.toml")


def test_files_are_written_whole(tmp_path: Path) -> None:
    paths = sinkholing.write_files(tmp_path / "new", {"a.conf": "x\n", "b.zone": "y\n"})
    assert [p.read_text() for p in paths] == ["x\n", "y\n"]
    assert len(list((tmp_path / "new").iterdir())) == 2
