from __future__ import annotations

import csv
import io
import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

import sakimori
from sakimori.cli import main
from sakimori.hostile import is_unsafe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PDNS = '{"rrname": "c2.example.com", "rrtype": "A", "rdata": "203.0.113.9", "sensor": "s1"}\n'
FALLBACK = (
    "botnet,order,kind,value,date\n"
    "*,1,server,next.example.com,\n*,2,dead-drop,hxxp://blog[.]example.com/x,\n"
)
FACTS = '[{"network": "203.0.113.0/24", "hosting": "Bullet", "country": "NL"}]'


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, hunted: Path
) -> Callable[..., tuple[int, str, str]]:
    """Run `botnets ...` on a workspace with a hunt: exit code, stdout, stderr."""
    monkeypatch.chdir(hunted.parent)

    def run_it(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(
            "sys.argv", ["sakimori", "botnets", *map(str, words), "--workspace", str(hunted)]
        )
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        return code, *capsys.readouterr()

    return run_it


@pytest.fixture(scope="session")
def name(_hunted_once: Path) -> str:
    with sakimori.open(_hunted_once / "ws") as workspace:
        return workspace.report().botnets[0].botnet


def test_a_botnet_is_shown_with_what_the_analyst_brings(run: Any, name: str, hunted: Path) -> None:
    folder = hunted.parent
    (folder / "pdns.jsonl").write_text(PDNS + "broken\n")
    (folder / "next.csv").write_text(FALLBACK)
    (folder / "facts.json").write_text(FACTS)
    (folder / "asn.tsv").write_text("203.0.113.0\t203.0.113.255\t64500\tNL\tBULLET\n")
    (folder / "known.csv").write_text("parking,198.51.100.0/24\n")
    code, out, _ = run(
        "show", name, "--pdns", "pdns.jsonl", "--fallback", "next.csv", "--registration",
        "facts.json", "--asn", "asn.tsv", "--known", "known.csv", "--home", "jp", "--format", "json",
    )  # fmt: skip
    assert code == 0
    shown = json.loads(out)
    schema = json.loads(files("sakimori").joinpath("schemas/botnet_map.schema.json").read_text())
    jsonschema.validate(shown, schema)
    labels = {n["label"] for n in shown["nodes"]}
    assert {
        "203.0.113.9",
        "c2.example.com",
        "next.example.com",
        "Bullet",
        "AS64500 BULLET",
    } <= labels
    assert {s for e in shown["edges"] for s in e["sources"]} >= {
        "finding", "pdns:s1", "analyst:next.csv", "analyst:facts.json", "asn:asn.tsv",
    }  # fmt: skip
    assert any("pdns.jsonl" in w and "line 2" in w for w in shown["warnings"])
    assert any(step["countries"] == ["NL"] for step in shown["next_steps"])


def test_no_url_is_live_in_a_terminal(run: Any, name: str, hunted: Path) -> None:
    (hunted.parent / "next.csv").write_text(FALLBACK)
    _, out, _ = run("show", name, "--fallback", "next.csv")
    assert "hxxp://blog.example.com/x" in out
    assert "http://" not in out


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_it_is_shown_as_tables_and_drawn(run: Any, name: str, hunted: Path, lang: str) -> None:
    for ending in ("svg", "html"):
        code, out, err = run("show", name, "--lang", lang, "--graph", f"net.{ending}")
        assert code == 0
        assert f"net.{ending}" in err
        drawn = (hunted.parent / f"net.{ending}").read_text("utf-8")
        assert name in drawn
        assert not {c for c in drawn + out if is_unsafe(c) and c not in "\r\n"}
    assert ("接続" if lang == "ja" else "calls") in out


def test_csv_holds_every_edge(run: Any, name: str) -> None:
    edges = json.loads(run("show", name, "--format", "json")[1])["edges"]
    rows = list(csv.DictReader(io.StringIO(run("show", name, "--format", "csv")[1])))
    assert len(rows) == len(edges) > 0
    assert {r["relation"] for r in rows} == {e["relation"] for e in edges}


def test_the_graph_for_plan_is_written_or_printed(run: Any, name: str, hunted: Path) -> None:
    code, out, _ = run("graph")
    printed = json.loads(out)
    assert code == 0
    assert run("graph", name, "--out", "GRAPH.json")[0] == 0
    written = json.loads((hunted.parent / "GRAPH.json").read_text())
    assert {g["id"] for g in written["groups"]} <= {g["id"] for g in printed["groups"]}
    ids = {r["id"] for r in written["resources"]}
    assert all(set(path) <= ids for g in written["groups"] for path in g["paths"])
    assert not list(hunted.parent.glob(".*.part"))


def test_pivots_say_that_they_are_proposals(run: Any) -> None:
    code, out, err = run("pivots", "--format", "json")
    assert code == 0
    assert all(p["says"] == "proposal" for p in json.loads(out))
    assert err == "" or "share" in err


def test_the_workspace_may_be_named_before_the_sub_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], hunted: Path
) -> None:
    monkeypatch.setattr("sys.argv", ["sakimori", "botnets", "-w", str(hunted), "graph"])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    assert json.loads(capsys.readouterr().out)["groups"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        pytest.param(["show", "nobody"], 3, "nobody", id="no such botnet"),
        pytest.param(["show", "NAME", "--pdns", "none"], 3, "none", id="no such file"),
        pytest.param(["show", "NAME", "--pdns", "junk"], 3, "junk:1", id="no passive DNS"),
        pytest.param(["show", "NAME", "--fallback", "junk"], 3, "junk:1", id="no list"),
        pytest.param(["show", "NAME", "--registration", "junk"], 3, "junk:1", id="no facts"),
        pytest.param(["show", "NAME", "--asn", "junk"], 3, "junk:1", id="no ranges"),
        pytest.param(["show", "NAME", "--known", "junk"], 3, "junk:1", id="nothing known"),
        pytest.param(["show", "NAME", "--graph", "net.png"], 2, "net.png", id="no picture"),
        pytest.param(["show", "NAME", "--graph", "no/net.svg"], 3, "net.svg", id="no folder"),
        pytest.param(["show", "NAME", "--home", "Japan"], 2, "Japan", id="no country"),
        pytest.param(["graph", "NAME", "--out", "no/G.json"], 3, "G.json", id="no folder for it"),
        pytest.param(["show", "NAME", "--hops", "-1"], 2, "--hops", id="negative hops"),
        pytest.param(["frobnicate"], 2, "frobnicate", id="no such command"),
    ],
)
def test_what_goes_wrong_has_its_exit_code(
    run: Any, name: str, hunted: Path, words: list[str], code: int, said: str
) -> None:
    (hunted.parent / "junk").write_text("what is this\n")
    ended, out, err = run(*(name if w == "NAME" else w for w in words))
    assert ended == code, err
    assert said in err
    assert "Traceback" not in err
    assert out == ""
