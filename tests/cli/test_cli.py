from __future__ import annotations

import csv
import fcntl
import io
import json
import shutil
import subprocess  # noqa: TID251 - the program itself is what is tested
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import typer

import sakimori
from sakimori.app.trying import fresh_demo
from sakimori.cli import _commands, app, main
from sakimori.cli._output import Bars, cell
from sakimori.hostile import is_unsafe
from sakimori.simulate import Truth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sakimori.app.results import Report
    from sakimori.app.workspace import Workspace


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Ended]:
    """Run the command line in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run_it(*words: object) -> Ended:
        monkeypatch.setattr("sys.argv", ["sakimori", *map(str, words)])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        printed = capsys.readouterr()
        return Ended(code, printed.out, printed.err)

    return run_it


@pytest.fixture
def hunts(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Show the findings that are there instead of hunting anew; gives what was asked for."""
    asked: list[dict[str, Any]] = []

    def hunt(self: Workspace, **given: Any) -> Report:
        asked.append(given)
        return self.report()

    monkeypatch.setattr("sakimori.app.workspace.Workspace.hunt", hunt)
    return asked


def python(*words: str, code: str = "") -> Ended:
    """Run the program in a process of its own."""
    start = ["-c", code] if code else ["-m", "sakimori"]
    ended = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, *start, *words], capture_output=True, text=True, timeout=60, check=False
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def commands() -> Iterator[tuple[str, Any]]:
    assert _commands.__all__

    def walk(command: Any, name: str) -> Iterator[tuple[str, Any]]:
        inner = getattr(command, "commands", None)
        if inner is None or command.invoke_without_command:
            yield name, command
        for word, below in (inner or {}).items():
            yield from walk(below, f"{name} {word}".strip())

    return walk(typer.main.get_command(app), "")


BY_NAME = dict(commands())  # once: making them takes longer than any test of one
EVERY = sorted(BY_NAME)
VIEWS = ["findings", "hosts", "controllers", "botnets"]
FORMATS = ["table", "json", "csv"]


# Help


def test_the_commands_are_those_of_the_reference() -> None:
    assert EVERY == [
        "allow add", "allow list", "allow remove", "block", "botnets", "botnets graph",
        "botnets pivots", "botnets show", "case approve", "case authority", "case block",
        "case close", "case effect", "case list", "case notify", "case open", "case plan",
        "case proposals", "case reject", "case sinkhole", "case size", "case undo", "clean",
        "clean-counts", "clean-runs", "clean-undo", "contacts", "controllers", "demo",
        "effect", "effect-plan", "events", "evidence add", "evidence custody",
        "evidence export", "evidence init", "evidence list", "evidence new-key",
        "evidence seal", "evidence stamp", "evidence verify", "explain", "export", "findings",
        "guard", "hosts", "hunt", "import", "infection-rates", "intel import", "intel list",
        "inventory", "lake compact", "lake retain", "lake verify", "letter", "notices",
        "notify", "plan", "quarantine add", "quarantine check", "quarantine delete",
        "quarantine export", "quarantine list", "quarantine recover", "quarantine restore",
        "quarantine show", "recipe check", "recipe list", "recipe show", "recipe sign",
        "recipe trust", "rules carry", "rules init", "rules key", "rules list",
        "rules promote", "rules publish", "rules refresh", "rules release", "rules rollback",
        "rules rotate", "rules sign", "rules status", "rules trust", "rules update", "scan",
        "simulate", "sinkhole check", "sinkhole config", "sinkhole run", "size",
        "snapshot diff", "snapshot show", "snapshot take", "spam-days", "sql", "study",
        "survival", "tables", "verify-update", "visits",
    ]  # fmt: skip


@pytest.mark.parametrize("name", EVERY)
def test_every_command_has_help_with_an_example(run: Callable[..., Ended], name: str) -> None:
    told = run(*name.split(), "--help")
    assert told.code == 0
    assert "Example" in told.out
    assert f"sakimori {name}" in " ".join(told.out.partition("Example")[2].split())


@pytest.mark.parametrize("name", EVERY)
def test_every_option_says_what_it_does(name: str) -> None:
    command = BY_NAME[name]
    assert [p.name for p in command.params if not getattr(p, "help", "")] == []
    assert command.help


def test_without_a_command_the_help_is_shown(run: Callable[..., Ended]) -> None:
    told = run()
    assert "hunt" in told.out + told.err


def test_the_version_is_printed(run: Callable[..., Ended]) -> None:
    assert run("--version").out == f"sakimori {sakimori.__version__}\n"


# Errors


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        pytest.param(["hunt"], 2, "", id="no path"),
        pytest.param(["hunt", "x", "--bogus"], 2, "--bogus", id="unknown option"),
        pytest.param(["frobnicate"], 2, "frobnicate", id="unknown command"),
        pytest.param(["hunt", "x", "--format", "xml"], 2, "xml", id="unknown format"),
        pytest.param(["hunt", "x", "--since", "yesterday"], 2, "yesterday", id="no time"),
        pytest.param(["hunt", "x", "--internal", "10.0.0.0/99"], 2, "10.0.0.0/99", id="no CIDR"),
        pytest.param(["hunt", "x", "--config", "no.toml"], 2, "no.toml", id="no settings file"),
        pytest.param(["import", "x"], 2, "--workspace", id="import without workspace"),
        pytest.param(["findings"], 2, "--workspace", id="view without workspace"),
        pytest.param(["hosts", "-w", "none"], 2, "no workspace here", id="no such workspace"),
        pytest.param(["lake", "verify", "-w", "none"], 2, "no workspace here", id="verify"),
        pytest.param(["hunt", "nowhere"], 3, "nowhere", id="no such path"),
        pytest.param(["hunt", "junk"], 3, "not recognised", id="no log"),
        pytest.param(["tables", "nothing"], 3, "nothing", id="no such table"),
        pytest.param(["sql", "SELECT nothing", "-w", "ws"], 4, "nothing", id="SQL that fails"),
        pytest.param(["sql", "DROP TABLE x", "-w", "ws"], 4, "only one SELECT", id="no SELECT"),
        pytest.param(["findings", "-w", "ws"], 3, "no hunt", id="no hunt yet"),
        pytest.param(["explain", "10.0.0.9", "-w", "ws"], 3, "no hunt", id="explain before a hunt"),
        pytest.param(["allow", "remove", "9", "-w", "ws"], 3, "no allow entry 9", id="no entry"),
        pytest.param(
            ["allow", "add", "x", "--reason", " ", "-w", "ws"], 2, "reason", id="no reason"
        ),
        pytest.param(["lake", "retain", "--days", "0", "-w", "ws"], 2, "--days", id="no days"),
        pytest.param(["intel", "import", "nowhere", "-w", "ws"], 3, "nowhere", id="no feed"),
        pytest.param(["hunt", "junk", "-w", "junk/ws"], 4, "junk/ws", id="no folder for it"),
        pytest.param(["simulate", "out", "--botnet", "spam=x"], 2, "spam=x", id="no number"),
        pytest.param(["simulate", "out", "--botnet", "spa=1"], 2, "spa", id="no such botnet"),
        pytest.param(["demo", "."], 5, "no demonstration", id="a folder in use"),
    ],
)
def test_what_goes_wrong_has_its_exit_code_and_a_hint(
    run: Callable[..., Ended], tmp_path: Path, words: list[str], code: int, said: str
) -> None:
    (tmp_path / "junk").write_bytes(b"\x7fELF\0\0")
    with sakimori.open("ws") as workspace:
        workspace.sources()
    told = run(*words)
    assert told.code == code, told.err
    assert said in told.err
    assert "Traceback" not in told.err
    assert told.out == ""
    if told.err.startswith("sakimori: "):
        _first, second, *more = told.err.splitlines()
        assert second.startswith("  hint: ")
        assert more == []
    else:  # of the parser of options
        assert "Usage: " in told.err


def test_the_text_of_an_error_cannot_act_on_the_terminal(run: Callable[..., Ended]) -> None:
    told = run("hunt", "no\x1b[31mthing\u202e")
    assert told.code == 3
    assert r"no\u{1b}[31mthing\u{202e}" in told.err
    assert "\x1b" not in told.err


def test_settings_of_the_folder_are_used_and_checked(
    run: Callable[..., Ended], tmp_path: Path, network: Path
) -> None:
    (tmp_path / "sakimori.toml").write_text('workspace = "mine"\n[detector.scan]\nmin_target = 3\n')
    told = run("hunt", network)
    assert told.code == 2
    assert "did you mean 'min_targets'" in told.err
    (tmp_path / "sakimori.toml").write_text('workspace = "mine"\n')
    assert run("import", network).code == 0
    assert "799" in run("sql", "SELECT count(*) FROM conn").out
    assert (tmp_path / "mine" / "state.sqlite").exists()


def test_a_stop_ends_with_130_and_says_how_to_go_on(
    run: Callable[..., Ended], network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sakimori.engine.lake.PartWriter.add", stopped)
    told = run("import", network, "-w", "ws")
    assert told.code == 130
    assert "same command goes on" in told.err
    assert "Traceback" not in told.err
    monkeypatch.undo()
    with sakimori.open(network.parent / "ws") as workspace:
        assert workspace.verify() == []
        workspace.import_([str(network)])


def test_a_disk_that_refuses_is_one_line_with_a_hint(
    run: Callable[..., Ended], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pyarrow.parquet.write_table", full)
    (tmp_path / "feed.txt").write_text("203.0.113.9\n")
    told = run("intel", "import", "feed.txt", "-w", "ws")
    assert told.code == 4
    first, second = told.err.splitlines()
    assert "No space left" in first
    assert "hint" in second


def test_a_workspace_in_use_is_refused(
    run: Callable[..., Ended], hunted: Path, network: Path
) -> None:
    with (hunted / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        told = run("import", network, "-w", hunted)
    assert told.code == 4
    assert "another import is at work" in told.err


def test_a_detector_that_breaks_is_told_and_the_rest_is_shown(
    run: Callable[..., Ended], network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr("sakimori.detectors.beacon.detect", broken)
    told = run("hunt", network, "--workspace", "ws")
    assert told.code == 6
    assert "these detectors failed: beacon" in told.err
    assert "10.0.0.6" in told.out
    assert "not run: beacon: failed: AssertionError" in told.out


def test_a_file_that_cannot_be_read_is_named_and_the_others_are_used(
    run: Callable[..., Ended], network: Path
) -> None:
    (network / "broken.log").write_text("#path\tconn\n#fields\tuid\nC1\n")
    (network / "notes.txt").write_text("buy milk")
    told = run("import", network, "-w", "ws")
    assert told.code == 0
    assert "799" in told.out
    assert "warning: could not be read: " in told.err
    assert "broken.log: the #fields line of this conn log has no ts" in told.err
    assert "notes.txt: not used: format not recognised" in told.err


def test_bad_lines_are_counted_and_three_are_shown(
    run: Callable[..., Ended], network: Path
) -> None:
    with (network / "conn.log").open("a") as log:
        log.write("bad\x1b[0m\n" * 5)
    told = run("import", network, "-w", "ws", "--format", "json")
    assert told.code == 0
    assert "5 lines could not be read" in told.err
    assert told.err.count("fields, not 14") == 3
    counts = {row["table"]: row["rejected"] for row in json.loads(told.out)}
    assert counts == {"conn": 5, "http": 0}
    answer = run("sql", "SELECT line, text FROM rejects ORDER BY 1", "-w", "ws", "-f", "json")
    assert [row["text"] for row in json.loads(answer.out)] == [r"bad\u{1b}[0m"] * 5


# Hunting


def test_a_hunt_prints_one_json_object_of_the_schema(
    run: Callable[..., Ended], network: Path
) -> None:
    told = run("hunt", network, "--format", "json")
    assert told.code == 0
    assert told.err == ""
    report = json.loads(told.out)
    schema = files("sakimori").joinpath("schemas/hunt.schema.json").read_text("utf-8")
    jsonschema.validate(report, json.loads(schema))
    assert "10.0.0.6" in {host["host"] for host in report["hosts"]}


def test_a_hunt_tells_people_what_was_found_and_what_did_not_run(
    run: Callable[..., Ended], network: Path
) -> None:
    told = run("hunt", network, "--workspace", "ws")
    assert told.code == 0
    for word in (
        "10.0.0.6",
        "203.0.113.9",
        "25 clean",
        "not run: intelligence",
        "sakimori explain",
    ):
        assert word in " ".join(told.out.split())
    assert told.err == ""
    assert told.out.isascii()


@pytest.mark.usefixtures("hunts")
def test_a_hunt_speaks_japanese(run: Callable[..., Ended], network: Path, hunted: Path) -> None:
    told = run("hunt", network, "-w", hunted, "--lang", "ja")
    assert told.code == 0
    assert "10.0.0.6" in told.out
    assert any("\u3040" <= c <= "\u30ff" for c in told.out)


def test_a_hunt_without_workspace_leaves_nothing_behind(
    run: Callable[..., Ended],
    network: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    assert run("hunt", network, "-f", "json").code == 0
    assert list((tmp_path / "temporary").iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["logs", "temporary"]


def test_a_hunt_reads_standard_input(
    run: Callable[..., Ended], network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdin = io.TextIOWrapper(io.BytesIO((network / "conn.log").read_bytes()))
    monkeypatch.setattr("sys.stdin", stdin)
    told = run("hunt", "-", "--format", "json")
    assert [s["path"] for s in json.loads(told.out)["sources"]] == ["-"]


@pytest.mark.parametrize(
    "time", ["2023-11-14", "2023-11-14T00:00:00", "2023-11-14 00:00:00", "2023-11-14T00:00:00Z"]
)
def test_bounds_of_a_hunt_are_in_utc(
    run: Callable[..., Ended], hunted: Path, network: Path, hunts: list[dict[str, Any]], time: str
) -> None:
    told = run("hunt", network, "-w", hunted, "--since", time, "--until", "2023-11-15")
    assert told.code == 0
    (asked,) = hunts
    assert asked["since"] == datetime(2023, 11, 14, tzinfo=UTC)
    assert asked["until"] == datetime(2023, 11, 15, tzinfo=UTC)


def test_importing_shows_what_each_file_gave(run: Callable[..., Ended], network: Path) -> None:
    first = run("import", network, "-w", "ws", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(first.out)))
    assert {(row["table"], row["rows"], row["note"]) for row in rows} == {
        ("conn", "799", ""), ("http", "100", ""),
    }  # fmt: skip
    again = run("import", network, "-w", "ws", "--format", "csv")
    assert {row["note"] for row in csv.DictReader(io.StringIO(again.out))} == {"already imported"}


# What is printed


@pytest.mark.parametrize(
    ("view", "form"),
    [
        *((view, form) for view in (*VIEWS, "sql", "explain", "hunt") for form in FORMATS),
        ("explain ja", "table"),
        ("hunt ja", "table"),
    ],
)
def test_hostile_text_never_reaches_the_terminal(
    run: Callable[..., Ended],
    zeek: Any,
    hunted: Path,
    network: Path,
    hunts: list[dict[str, Any]],
    view: str,
    form: str,
) -> None:
    words = {
        "sql": ["sql", "SELECT user_agent, host FROM http LIMIT 3", "-w", hunted],
        "explain": ["explain", "10.0.0.5", "-w", hunted],
        "explain ja": ["explain", "10.0.0.5", "-w", hunted, "--lang", "ja"],
        "hunt": ["hunt", network, "-w", hunted],
        "hunt ja": ["hunt", network, "-w", hunted, "--lang", "ja"],
    }.get(view, [view, "-w", hunted])
    told = run(*words, "--format", form)
    assert told.code == 0
    assert len(hunts) == ("hunt" in view)
    assert [c for c in told.out + told.err if is_unsafe(c) and c not in "\r\n"] == []
    if form == "json":
        assert zeek.hostile in repr_all(json.loads(told.out)) or view in ("hosts", "botnets")
    elif view in ("findings", "controllers", "sql", "explain"):
        assert r"\u{1b}[31m\u{202e}gpj\u{2066}" in told.out.replace("\n", "")


def repr_all(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(repr_all(item) for item in value.values())
    return " ".join(map(repr_all, value)) if isinstance(value, list) else str(value)


def test_csv_cells_are_no_formulas_and_numbers_stay_numbers(
    run: Callable[..., Ended], hunted: Path
) -> None:
    query = (
        "SELECT user_agent, uri, '＝1+1' AS wide, -5 AS number, -0.5 AS \"=1+1\", NULL AS nothing"  # noqa: RUF001
        " FROM http LIMIT 5"
    )
    told = run("sql", query, "-w", hunted, "--format", "csv")
    head, *rows = csv.reader(io.StringIO(told.out))
    assert head == ["user_agent", "uri", "wide", "number", "'=1+1", "nothing"]
    assert len(rows) == 5
    for agent, uri, wide, *numbers in rows:
        assert agent.startswith("'=cmd|")
        assert uri == "/=cmd"
        assert wide == "'＝1+1"  # noqa: RUF001
        assert numbers == ["-5", "-0.5", ""]


def test_json_of_a_question_keeps_its_values(run: Callable[..., Ended], hunted: Path) -> None:
    query = (
        "SELECT 1 AS n, NULL AS x, [1, 2] AS l, 'é感' AS t, TIMESTAMPTZ '2024-01-01 00:00:00Z' AS w"
    )
    told = run("sql", query, "-w", hunted, "--format", "json")
    assert json.loads(told.out) == [
        {"n": 1, "x": None, "l": [1, 2], "t": "é感", "w": "2024-01-01T00:00:00Z"}
    ]
    assert "é感" in told.out


@pytest.mark.parametrize(
    "text", ["\x1b", "\u202e", "\u061c", "\x9b", "\u2028", "\U000e0041", "\x7f", "a\nb", "\\u202e"]
)
def test_json_says_the_same_after_escaping(
    run: Callable[..., Ended], hunted: Path, text: str
) -> None:
    told = run("sql", f"SELECT '{text}' AS t", "-w", hunted, "--format", "json")
    assert json.loads(told.out) == [{"t": text}]
    assert not [c for c in told.out if is_unsafe(c) and c != "\n"]


@pytest.mark.parametrize("name", ["[/b]", "[red]x", "\x1b[31m"])
def test_a_column_may_have_any_name(run: Callable[..., Ended], hunted: Path, name: str) -> None:
    told = run("sql", f'SELECT 1 AS "{name}"', "-w", hunted)
    assert told.code == 0
    assert "\x1b" not in told.out
    assert name.replace("\x1b", r"\u{1b}") in told.out


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("view", VIEWS)
def test_views_have_the_same_rows_in_every_format(
    run: Callable[..., Ended], hunted: Path, view: str, form: str
) -> None:
    rows = json.loads(run(view, "-w", hunted, "--format", "json").out)
    told = run(view, "-w", hunted, "--format", form)
    assert rows
    assert told.err == ""
    if form == "csv":
        assert len(list(csv.DictReader(io.StringIO(told.out)))) == len(rows)
    if form == "table":
        assert all(any(str(v) in told.out for v in row.values()) for row in rows)


def test_there_is_no_progress_where_stderr_is_no_terminal(
    run: Callable[..., Ended], network: Path
) -> None:
    assert run("import", network, "-w", "ws").err == ""


@pytest.mark.parametrize("command", ["hunt", "import", "demo"])
def test_the_bars_are_gone_before_anything_is_printed(
    run: Callable[..., Ended], network: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    ended = Bars.__exit__

    def end(self: Bars, *failure: object) -> None:
        ended(self, *failure)
        print("(the bars end)")

    def simulate(out: Path, _plan: object) -> Truth:
        shutil.copytree(network, out)
        return Truth(
            internal=("10.0.0.0/8",), infected=(), controllers=(), clean=(), bots=(), orders=()
        )

    monkeypatch.setattr(Bars, "__exit__", end)
    monkeypatch.setattr("sakimori.app.trying.simulate", simulate)
    words = ["demo", "there"] if command == "demo" else [command, network, "-w", "ws"]
    told = run(*words)
    assert told.code == 0, told.err
    assert told.out.startswith("(the bars end)\n")
    assert len(told.out.splitlines()) > 3


def test_there_is_progress_on_a_terminal_and_hostile_names_do_not_act_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stderr", screen := Terminal())
    (tmp_path / "x").write_text("abc")
    with Bars([str(tmp_path)]) as progress:
        progress.on_file("\x07[bold]evil\u202e.log")
        progress.on_bytes(3)
        progress.on_detector("scan")
        progress.on_file("\x07[bold]evil\u202e.log")
    assert r"\u{7}[bold]evil\u{202e}.log" in screen.getvalue()
    assert "\x07" not in screen.getvalue()


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, ""), (0.123, "0.12"), (12345.6, "12346"), (["a", "b"], "a, b"), (True, "True")],
)
def test_a_cell_is_short(value: Any, shown: str) -> None:
    assert cell(value) == shown


# The other commands


def test_tables_are_shown_with_their_columns(run: Callable[..., Ended]) -> None:
    every = json.loads(run("tables", "-f", "json").out)
    assert {"conn", "dns", "finding"} <= {row["table"] for row in every}
    columns = json.loads(run("tables", "conn", "-f", "json").out)
    assert [c["column"] for c in columns][:3] == ["ts", "uid", "src_ip"]
    assert all(c["meaning"] for c in columns)


def test_a_host_is_explained_with_its_evidence(run: Callable[..., Ended], hunted: Path) -> None:
    told = run("explain", "10.0.0.5", "-w", hunted)
    assert told.code == 0
    for word in ("10.0.0.5", "beacon", "203.0.113.9", "dst_port=4444", "Next steps"):
        assert word in told.out
    as_json = json.loads(run("explain", "10.0.0.5", "-w", hunted, "-f", "json").out)
    assert as_json["findings"][0]["rows"]
    assert as_json["steps"]
    missing = run("explain", "10.9.9.9", "-w", hunted)
    assert missing.code == 3


def test_an_allow_entry_is_added_listed_and_removed(
    run: Callable[..., Ended], hunted: Path
) -> None:
    added = run("allow", "add", "10.0.0.6", "--reason", "our scanner", "--days", "9", "-w", hunted,
                "-f", "json")  # fmt: skip
    (entry,) = json.loads(added.out)
    assert (entry["kind"], entry["reason"]) == ("address", "our scanner")
    assert entry["expires"] > entry["created"]
    assert "10.0.0.6" not in run("hosts", "-w", hunted).out
    assert json.loads(run("allow", "list", "-w", hunted, "-f", "json").out) == [entry]
    assert run("allow", "remove", entry["id"], "-w", hunted).code == 0
    assert "10.0.0.6" in run("hosts", "-w", hunted).out


def test_indicators_are_imported_and_listed(
    run: Callable[..., Ended], hunted: Path, tmp_path: Path
) -> None:
    (tmp_path / "feed.txt").write_text("203.0.113.9\nevil.example\n\x1b[31m !!\n")
    told = run("intel", "import", "feed.txt", "--source", "csirt", "-w", hunted)
    assert told.code == 0
    assert "2 indicators, 1 refused" in told.err
    assert "\x1b" not in told.err
    listed = json.loads(run("intel", "list", "-w", hunted, "-f", "json").out)
    assert {(row["kind"], row["value"], row["source"]) for row in listed} == {
        ("address", "203.0.113.9", "csirt"), ("name", "evil.example", "csirt"),
    }  # fmt: skip


def test_the_lake_is_compacted_verified_and_cut(run: Callable[..., Ended], hunted: Path) -> None:
    assert run("lake", "verify", "-w", hunted).code == 0
    assert "files became" in run("lake", "compact", "-w", hunted).err
    (hunted / "lake" / "conn" / "stray\x1b[31m.parquet").write_bytes(b"")
    told = run("lake", "verify", "-w", hunted)
    assert told.code == 4
    assert r"stray\u{1b}[31m.parquet" in told.out
    assert "\x1b" not in told.out
    assert "899 rows removed" in run("lake", "retain", "--days", "90", "-w", hunted).err


def test_a_simulation_is_written_and_says_what_is_in_it(
    run: Callable[..., Ended], tmp_path: Path
) -> None:
    told = run("simulate", tmp_path / "sim", "--hosts", "30", "--botnet", "beacon=1")
    assert told.code == 0, told.err
    assert "1 bots among" in told.err
    assert (tmp_path / "sim" / "truth.json").exists()
    assert run("simulate", tmp_path / "sim", "--hosts", "30").code == 3  # logs are there already


def test_the_demonstration_hunts_in_its_own_folder_and_replaces_it_when_run_again(
    run: Callable[..., Ended], network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def simulate(out: Path, _plan: object) -> Truth:
        shutil.copytree(network, out)  # raises where an older demonstration is still there
        return Truth(
            internal=("10.0.0.0/8",), infected=(), controllers=(), clean=(), bots=(), orders=()
        )

    monkeypatch.setattr("sakimori.app.trying.simulate", simulate)
    assert fresh_demo(tmp_path / "here") == (
        tmp_path / "here" / "logs", tmp_path / "here" / "workspace", ["10.0.0.0/8"],
    )  # fmt: skip
    told = run("demo", "here")
    assert told.code == 0, told.err
    assert "10.0.0.6" in told.out
    assert "sakimori explain 10.0.0.5 --workspace here/workspace" in told.out
    assert run("hosts", "-w", "here/workspace").code == 0


# The program


def test_help_does_not_wait_for_the_engine() -> None:
    code = (
        "import sys\n"
        "from sakimori.cli import main\n"
        "sys.argv = ['sakimori', '--help']\n"
        "try:\n    main()\n"
        "except SystemExit:\n    pass\n"
        "slow = {'ibis', 'duckdb', 'pyarrow', 'sqlalchemy', 'numpy', 'babel', 'rich.table', 'scipy', 'pandas',"
        " 'statsmodels', 'altair', 'stix2', 'pymisp', 'cryptography', 'jinja2', 'httpx', 'dns'}\n"
        "print(sorted(slow & set(sys.modules)), file=sys.stderr)\n"
    )
    told = python(code=code)
    assert "hunt" in told.out
    assert told.err.strip() == "[]"


def test_the_program_runs_as_a_module(network: Path) -> None:
    told = python("hunt", str(network), "--format", "json")
    assert told.code == 0, told.err
    assert told.err == ""
    assert json.loads(told.out)["schema"] == "1"


def test_the_program_ends_with_its_exit_code() -> None:
    told = python("tables", "nothing")
    assert told.code == 3
    assert "hint:" in told.err
    assert "Traceback" not in told.err


@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_days_of_spam_are_printed(
    run: Callable[..., Ended], zeek: Any, tmp_path: Path, form: str
) -> None:
    rows = [
        zeek.conn(n, ts=1_750_000_000 + n, orig_h="10.0.0.7", resp_h=f"198.51.{n}.25", resp_p=25)
        for n in range(30)
    ]
    (tmp_path / "conn.log").write_text(zeek.text(rows))
    run("import", "conn.log", "--workspace", "ws")
    told = run("spam-days", "--workspace", "ws", "--format", form)
    assert (told.code, told.err) == (0, "")
    if form == "json":
        (day,) = json.loads(told.out)
        assert (day["day"], day["messages"], day["spam_inside"]) == ("2025-06-15", 30, 1)
    else:
        head, line = told.out.splitlines()
        split = "," if form == "csv" else None
        assert len(head.replace("_", " ").split(split)) >= 10
        assert line.split(split)[:4] == ["2025-06-15", "30", "0", "1"]
