from __future__ import annotations

import csv
import io
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

import sakimori
from sakimori.app.cases import Opening, open_case
from sakimori.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Run = Any  # a command line to exit code, stdout and stderr
TOKEN = "s3cret-tOken"  # noqa: S105 - made up


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, hunted: Path
) -> Callable[..., tuple[int, str, str]]:
    """Run `export` in a folder that holds the workspace ws; gives exit code, stdout and stderr."""
    monkeypatch.chdir(hunted.parent)

    def run_it(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["sakimori", "export", *map(str, words)])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run_it


@pytest.fixture
def collection() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Run a TAXII server that refuses the first object; gives its URL and what it was sent."""
    sent: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            sent.append({"token": self.headers["Authorization"],
                         **json.loads(self.rfile.read(size))})  # fmt: skip
            refused = int("refuse" in self.path)
            status = {"id": "1", "status": "complete", "pending_count": 0,
                      "success_count": len(sent[-1]["objects"]) - refused,
                      "failure_count": refused,
                      "failures": [{"id": "x", "message": "bad\x1b[31m"}] * refused}  # fmt: skip
            reply = json.dumps(status).encode()
            self.send_response(202)
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/api/collections/", sent
        server.shutdown()
        thread.join()


def test_the_last_hunt_is_printed_in_another_format(run: Run) -> None:
    code, out, err = run("--to", "csv", "--tlp", "AMBER", "-w", "ws")
    assert code == 0
    rows = list(csv.DictReader(io.StringIO(out)))
    assert {row["value"] for row in rows} >= {"203.0.113.9", "10.0.0.5"}
    assert {row["tlp"] for row in rows} == {"amber"}
    assert "\x1b" not in out + err
    assert err.startswith("kept back: items that name no address")


def test_a_file_is_written_and_nothing_printed(run: Run, tmp_path: Path) -> None:
    code, out, err = run("--tlp", "green", "--only", "controller", "-o", "b.json", "-w", "ws")
    assert (code, out) == (0, "")
    assert json.loads((tmp_path / "b.json").read_text("utf-8"))["type"] == "bundle"
    assert "1 items: b.json" in err


def test_a_report_needs_no_workspace(run: Run, hunted: Path, tmp_path: Path) -> None:
    from sakimori.app import contract  # noqa: PLC0415

    with sakimori.open(hunted) as ws:
        report = contract.as_object(ws.report())
    (tmp_path / "report.json").write_text(json.dumps(report), "utf-8")
    code, out, _ = run("--to", "n6", "--tlp", "green", "--report", "report.json")
    assert code == 0
    assert {json.loads(line)["category"] for line in out.splitlines()} == {"bots", "cnc"}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["-w", "ws"], 5, "without a TLP label"),
        (["--tlp", "red", "--most-tlp", "amber", "-w", "ws"], 5, "may not leave as TLP:AMBER"),
        (["--tlp", "red", "--to", "stixx", "-w", "ws"], 2, "no export format"),
        (["--tlp", "red"], 2, "no workspace is named"),
        (["--tlp", "red", "--report", "broken.json"], 3, "broken.json:1"),
        (["--tlp", "red", "-w", "ws", "-o", "broken.json/x"], 3, "cannot be written"),
        (["--tlp", "red", "-w", "ws", "--case", "none"], 3, "none"),
        (["--tlp", "red", "-w", "ws", "--push", "https://x.example/collections/1/"], 5, "approved"),
        (["--tlp", "red", "-w", "ws", "--push", "http://127.0.0.1:1/collections/1/",
          "--approved-by", "A"], 3, "cannot be reached"),
        (["--tlp", "red", "-w", "ws", "--push", "http://127.0.0.1:1/collections/1/",
          "--approved-by", "A", "--token-file", "nowhere"], 3, "nowhere"),
    ],
)  # fmt: skip
def test_what_goes_wrong_has_its_exit_code_and_a_hint(
    run: Run, tmp_path: Path, words: list[str], code: int, said: str
) -> None:
    (tmp_path / "broken.json").write_text("{")
    told, out, err = run(*words)
    assert (told, out) == (code, "")
    assert said in err
    assert "Traceback" not in err


def test_a_push_tells_what_was_taken_and_never_the_token(
    run: Run, tmp_path: Path, collection: tuple[str, list[dict[str, Any]]]
) -> None:
    url, sent = collection
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    code, out, err = run("--tlp", "green", "-w", "ws", "--push", f"{url}1/", "--approved-by", "A",
                         "--token-file", "token")  # fmt: skip
    assert (code, out) == (0, "")
    assert sent[0]["token"] == f"Bearer {TOKEN}"
    assert f"{len(sent[0]['objects'])} taken, 0 there before, 0 refused, 0 pending" in err
    assert TOKEN not in err


def test_what_a_server_refuses_ends_with_6_and_its_words_made_safe(
    run: Run, collection: tuple[str, list[dict[str, Any]]]
) -> None:
    code, _, err = run("--tlp", "green", "-w", "ws", "--push", f"{collection[0]}refuse/",
                       "--approved-by", "A")  # fmt: skip
    assert code == 6
    assert r"bad\u{1b}[31m" in err
    assert "\x1b" not in err


def test_a_case_gives_the_label(run: Run, hunted: Path) -> None:
    with sakimori.open(hunted) as ws:
        open_case(ws, "op", Opening(tlp="RED"), "analyst")
    code, out, _ = run("--to", "n6", "--case", "op", "-w", "ws")
    assert code == 0
    assert {json.loads(line)["restriction"] for line in out.splitlines()} == {"internal"}
    code, out, err = run("--to", "n6", "--case", "op", "--tlp", "green", "-w", "ws")
    assert (code, out) == (5, "")
    assert "TLP:RED, stricter" in err
