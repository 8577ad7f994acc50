from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
import stix2

import sakimori
from sakimori.app import sharing, taxii
from sakimori.app.cases import Case, Opening, open_case
from sakimori.app.sharing import Wanted
from sakimori.errors import ConfigError, RefusedError, SakimoriError, SourceError
from sakimori.exporters import Item, Sharing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MADE = datetime(2026, 3, 2, tzinfo=UTC)
TOKEN = "s3cret-tOken"  # noqa: S105 - made up
ONE = Sharing(
    title="t", producer="CERT Example", tlp="green", made=MADE,
    items=(Item(role="controller", kind="name", value="c2.example", tlp="green"),),
)  # fmt: skip
FINDING = {
    "detector": "beacon", "technique": "T1071", "peer": "203.0.113.9", "peer_port": 443,
    "proto": "tcp", "score": 0.9, "count": 3, "first_seen": "2026-03-01T09:00:00+09:00",
    "last_seen": "2026-03-01T01:00:00Z", "details": {}, "evidence": [],
}  # fmt: skip
REPORT = {
    "schema": "1",
    "hosts": [
        {"host": "192.0.2.5", "verdict": "infected", "score": 0.9, "does": ["spams"],
         "families": ["zeus"], "findings": [FINDING]},
    ],
    "controllers": [
        {"controller": "203.0.113.9", "kind": "address", "port": 443, "score": 0.8,
         "bots": ["192.0.2.5"], "families": ["zeus"], "sinkhole": False},
        {"controller": "203.0.113.53", "kind": "address", "port": 0, "score": 0.8, "bots": [],
         "families": [], "sinkhole": True},
    ],
    "botnets": [
        {"botnet": "b-1", "family": "zeus", "bots": ["192.0.2.5"], "controllers": ["203.0.113.9"],
         "does": [], "why": "", "score": 0.8},
    ],
    "counts": {},
}  # fmt: skip


@pytest.fixture(scope="module")
def report(_hunted_once: Path) -> dict[str, Any]:
    """Give a report as the program writes it, of hosts and controllers of our own."""
    with sakimori.open(_hunted_once / "ws") as ws:
        real = sharing.contract.as_object(ws.report())
    return {**real, **{k: v for k, v in REPORT.items() if k != "counts"}}


@pytest.fixture
def written(tmp_path: Path) -> Callable[[Any], Path]:
    """Write a report to a file."""

    def write(content: Any) -> Path:
        path = tmp_path / "report.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
        return path

    return write


# Into files


def test_a_report_becomes_items_under_one_label(
    report: dict[str, Any], written: Callable[[Any], Path]
) -> None:
    gate = sharing.of_file(written(report), Wanted(tlp="TLP:AMBER"))
    controller, bot = gate.sharing.items
    assert (controller.value, controller.port, controller.botnet) == ("203.0.113.9", 443, "b-1")
    assert (bot.value, bot.peers, bot.does) == ("192.0.2.5", ("203.0.113.9",), ("spams",))
    assert {i.tlp for i in gate.sharing.items} == {"amber"}
    assert controller.first_seen == datetime(2026, 3, 1, tzinfo=UTC)
    assert controller.last_seen == datetime(2026, 3, 1, 1, tzinfo=UTC)


def test_a_workspace_gives_its_last_hunt(hunted: Path) -> None:
    with sakimori.open(hunted) as ws:
        gate = sharing.of_workspace(ws, Wanted(tlp="green"))
    assert {i.value for i in gate.sharing.items} >= {"10.0.0.5", "203.0.113.9"}
    # The name that a client sent is no name that others could look for.
    assert list(gate.kept_back.values()) == [1]


def test_controllers_alone_do_not_name_their_bots(
    report: dict[str, Any], written: Callable[[Any], Path]
) -> None:
    gate = sharing.of_file(written(report), Wanted(tlp="green", only="controller"))
    for form in ("stix", "misp", "ecs", "csv", "intelmq", "n6"):
        text = sharing.text_of(gate, form)
        assert "203.0.113.9" in text
        assert "192.0.2.5" not in text
    with pytest.raises(ConfigError, match="ocsf cannot hold a controller alone"):
        sharing.text_of(gate, "ocsf")


@pytest.mark.parametrize(
    ("wanted", "error", "message"),
    [
        (Wanted(tlp=""), RefusedError, "without a TLP label"),
        (Wanted(tlp="pink"), ConfigError, "no TLP label"),
        (Wanted(tlp="red", most="green"), RefusedError, "may not leave as TLP:GREEN"),
        (Wanted(tlp="red", most="rouge"), ConfigError, "no TLP label"),
        (Wanted(tlp="red", only="victim"), ConfigError, "--only"),
        (Wanted(tlp="red", title=" "), ConfigError, "must not be empty"),
    ],
)
def test_what_may_not_leave_is_refused(
    report: dict[str, Any], written: Callable[[Any], Path], wanted: Wanted,
    error: type[SakimoriError], message: str,
) -> None:  # fmt: skip
    with pytest.raises(error, match=message):
        sharing.of_file(written(report), wanted)


def changed(report: dict[str, Any], **changes: Any) -> dict[str, Any]:
    host = {**report["hosts"][0], "findings": [{**FINDING, **changes}]}
    return {**report, "hosts": [host]}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(lambda _: "{", "not valid JSON", id="broken"),
        pytest.param(lambda _: "", "not valid JSON", id="empty"),
        pytest.param(lambda _: "[" * 100_000, "not valid JSON", id="deep"),
        pytest.param(lambda r: [r], "not a report", id="a list"),
        pytest.param(lambda _: "null", "not a report", id="null"),
        pytest.param(lambda _: {}, "not a report", id="an empty object"),
        pytest.param(lambda r: {**r, "hosts": [{"host": 1}]}, r"\$.hosts", id="no host"),
        pytest.param(lambda r: changed(r, score=2), "score", id="score"),
        pytest.param(lambda r: changed(r, score="x"), "score", id="score text"),
        pytest.param(lambda r: changed(r, details=[]), "details", id="details"),
        pytest.param(lambda r: changed(r, first_seen="soon"), "not a report", id="no time"),
        pytest.param(lambda r: changed(r, first_seen="0001-01-01T00:00:00+09:00"),
                     "not a report", id="before all time"),
        pytest.param(lambda r: json.dumps(changed(r)).replace("0.9,", "1e999,"), "score",
                     id="infinite"),
    ],
)  # fmt: skip
def test_what_is_no_report_is_one_error(
    report: dict[str, Any], written: Callable[[Any], Path], make: Callable[[Any], Any], message: str
) -> None:
    path = written(make(report))
    with pytest.raises(SourceError, match=message) as wrong:
        sharing.of_file(path, Wanted(tlp="green"))
    assert str(path) in str(wrong.value)


def test_half_characters_do_not_stop_a_file(
    report: dict[str, Any], written: Callable[[Any], Path]
) -> None:
    odd = changed(report, details={"\ud800": "\udfff"}, peer="\ud800")
    gate = sharing.of_file(written(odd), Wanted(tlp="green", title="\udcff"))
    for form in ("stix", "misp", "ocsf", "ecs", "csv", "intelmq", "n6"):
        assert sharing.text_of(gate, form).encode()


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    gate = sharing.exporters.gate(ONE, "green")
    out = tmp_path / "out.json"
    out.write_text("before")
    with pytest.raises(ConfigError, match="no export format"):
        sharing.write(gate, "sticks", out)
    assert out.read_text() == "before"
    sharing.write(gate, "stix", out)
    assert "c2.example" in out.read_text()
    assert [p.name for p in tmp_path.iterdir()] == ["out.json"]


# To a TAXII server


@dataclass
class Server:
    """A TAXII 2.1 server on loopback that answers what it is told, in order."""

    answers: list[tuple[int, Any]] = field(default_factory=list)
    asked: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)
    url: str = ""

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Any:
        given = json.loads(body) if body else None
        self.asked.append((method, path, headers, given))
        code, reply = self.answers.pop(0) if self.answers else (202, done(len(given["objects"])))
        return code, reply if isinstance(reply, bytes) else json.dumps(reply).encode()


def done(success: int, failure: int = 0, **more: Any) -> dict[str, Any]:
    return {"id": "2d086da7", "status": "complete", "success_count": success,
            "failure_count": failure, "pending_count": 0, **more}  # fmt: skip


@pytest.fixture
def server() -> Iterator[Server]:
    """Run a server."""
    made = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            code, reply = made.answer(self.command, self.path, dict(self.headers), body)
            self.send_response(code)
            self.send_header("Location", made.url)
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        do_GET = do_POST  # noqa: N815 - the name http.server calls

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        made.url = f"http://127.0.0.1:{running.server_port}/api1/collections/91a7b528/"
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield made
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taxii, "PAUSE", 0.001)


def test_objects_are_added_as_taxii_says(server: Server) -> None:
    told = sharing.push(ONE, server.url, "A. Tanaka", TOKEN)
    ((method, path, headers, body),) = server.asked
    assert (method, path) == ("POST", "/api1/collections/91a7b528/objects/")
    assert headers["Content-Type"] == "application/taxii+json;version=2.1"
    assert headers["Accept"] == "application/taxii+json;version=2.1"
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert [stix2.parse(thing).id for thing in body["objects"]] == [
        t["id"] for t in body["objects"]
    ]
    assert told.sent == told.success == len(body["objects"]) > 3


def test_a_name_and_password_go_as_basic_and_no_token_as_nothing(server: Server) -> None:
    sharing.push(ONE, server.url.rstrip("/"), "A", "user:pass")
    sharing.push(ONE, server.url, "A")
    assert server.asked[0][2]["Authorization"] == "Basic dXNlcjpwYXNz"
    assert "Authorization" not in server.asked[1][2]


def test_a_server_that_takes_objects_later_is_asked_until_it_did(server: Server) -> None:
    pending = {"id": "2d086da7", "status": "pending", "success_count": 0, "failure_count": 0,
               "pending_count": 6}  # fmt: skip
    server.answers = [(202, pending), (200, pending), (200, done(6))]
    assert sharing.push(ONE, server.url, "A").pending == 0
    assert [path for _, path, _, _ in server.asked[1:]] == ["/api1/status/2d086da7/"] * 2


def test_patience_ends(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taxii, "PATIENCE", 0.0)
    server.answers = [(202, {"id": "1", "status": "pending", "pending_count": 6})]
    assert sharing.push(ONE, server.url, "A").pending == 6


def test_a_hostile_status_id_cannot_lead_elsewhere(server: Server) -> None:
    pending = {"id": "../../x?y=", "status": "pending", "pending_count": 6}
    server.answers = [(202, pending), (200, done(6))]
    sharing.push(ONE, server.url, "A", TOKEN)
    assert server.asked[1][1] == "/api1/status/..%2F..%2Fx%3Fy%3D/"


def test_what_the_server_refused_or_did_not_mention_is_counted(server: Server) -> None:
    server.answers = [(202, done(2, 1, failures=[{"id": "i", "message": "no"}, 7, {"id": "j"}]))]
    told = sharing.push(ONE, server.url, "A")
    assert (told.success, told.failure, told.pending) == (2, 1, told.sent - 3)
    assert told.reasons == ("no", "j")


@pytest.mark.parametrize(
    ("reply", "known"),
    [((200, "the markings"), 2), ((403, {}), 0), ((200, {"objects": 7}), 0), ((200, {}), 0)],
)
def test_what_never_changes_and_is_there_already_is_no_failure(
    server: Server, reply: tuple[int, Any], known: int
) -> None:
    things = sharing.stix.objects_of(ONE)
    marks = [t for t in things if t["type"] == "marking-definition"]
    failures = [{"id": t["id"], "message": "exists"} for t in [*marks, things[-1]]]
    code, body = reply
    server.answers = [
        (202, done(len(things) - 3, 3, failures=failures)),
        (code, {"objects": [*marks, things[-1]]} if body == "the markings" else body),
    ]
    told = sharing.push(ONE, server.url, "A")
    assert (told.known, told.failure, told.pending) == (known, 3 - known, 0)
    assert told.reasons == ("exists",) * (3 - known)
    asked = server.asked[1][1]
    assert asked.startswith(
        "/api1/collections/91a7b528/objects/?match%5Bid%5D=marking-definition--"
    )
    assert things[-1]["id"] not in asked  # it has versions, so a refusal is one


def test_many_objects_go_in_several_envelopes(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taxii, "AT_ONCE", 2)
    told = sharing.push(ONE, server.url, "A")
    assert [len(body["objects"]) for *_, body in server.asked] == [2] * (told.sent // 2) + [1] * (
        told.sent % 2
    )
    assert told.success == told.sent


def test_a_server_that_fails_half_way_says_what_was_sent(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taxii, "AT_ONCE", 2)
    server.answers = [(202, done(2)), (503, b"busy")]
    with pytest.raises(SourceError, match="answered 503") as wrong:
        sharing.push(ONE, server.url, "A")
    assert wrong.value.hint.startswith("2 of ")


BAD = [
    (401, {}, "answered 401"), (404, b"<html>", "answered 404"), (413, b"", "answered 413"),
    (302, b"", "answered 302"), (202, b"<html>", "no TAXII status"), (202, [], "no TAXII status"),
    (202, {}, "no TAXII status"), (202, {"status": "odd"}, "no TAXII status"),
    (202, done(-1), "no TAXII status"), (202, {**done(1), "failure_count": "1"}, "no TAXII"),
    (202, b"[" * 100_000, "no TAXII status"), (202, b" " * (5 << 20), "no TAXII status"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "reply", "message"), BAD)
def test_a_bad_answer_is_one_error_without_the_token(
    server: Server, code: int, reply: Any, message: str
) -> None:
    server.answers = [(code, reply)]
    with pytest.raises(SourceError, match=message) as wrong:
        sharing.push(ONE, server.url, "A", TOKEN)
    assert len(server.asked) == 1  # no redirect was followed
    assert TOKEN not in f"{wrong.value} {wrong.value.hint}"


def test_a_server_that_is_not_there_is_one_error() -> None:
    with pytest.raises(SourceError, match="cannot be reached"):
        sharing.push(ONE, "http://127.0.0.1:1/api/collections/1/", "A", TOKEN)


def test_a_proxy_of_the_environment_does_not_see_what_goes_to_this_host(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert sharing.push(ONE, server.url, "A").success


@pytest.mark.parametrize("name", ["", "  "])
def test_nothing_is_pushed_that_nobody_approved(server: Server, name: str) -> None:
    with pytest.raises(RefusedError, match="nobody approved"):
        sharing.push(ONE, server.url, name)
    assert server.asked == []


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://taxii.example/api/collections/1/", "travel in clear"),
        ("http://127.0.0.1.example/api/collections/1/", "travel in clear"),
        ("ftp://taxii.example/api/collections/1/", "no TAXII collection"),
        ("https:///api/collections/1/", "no TAXII collection"),
        ("https://taxii.example/api/", "no TAXII collection"),
        ("https://taxii.example/?x=/collections/1/", "no TAXII collection"),
        ("https://[::1/collections/1/", "no TAXII collection"),
        ("https://taxii.example:99999/collections/1/", "no TAXII collection"),
        ("https://u:hunter2@taxii.example/api/collections/1/", "ends up in logs"),
        ("", "no TAXII collection"),
    ],
)
def test_a_url_that_is_no_collection_is_refused(url: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as wrong:
        sharing.push(ONE, url, "A", TOKEN)
    assert "hunter2" not in str(wrong.value)
    assert TOKEN not in str(wrong.value)


@pytest.mark.parametrize("token", ["two words-x9", "line\nbreak-x9", "é-x9", "\x00-x9"])
def test_a_token_that_is_none_is_refused_and_not_shown(server: Server, token: str) -> None:
    with pytest.raises(ConfigError, match="what no token holds") as wrong:
        sharing.push(ONE, server.url, "A", token)
    assert "x9" not in f"{wrong.value}{wrong.value.hint}"
    assert server.asked == []


# For a case


@pytest.fixture
def case(hunted: Path) -> Iterator[Case]:
    """Give a case under TLP:AMBER."""
    with sakimori.open(hunted) as ws:
        open_case(ws, "op", Opening(), "analyst")
        yield Case(ws, "op", "analyst")


def test_a_case_gives_the_label_and_never_a_looser_one(case: Case) -> None:
    assert sharing.for_case(Wanted(tlp=""), case).tlp == "amber"
    assert sharing.for_case(Wanted(tlp="red"), case).tlp == "red"
    with pytest.raises(RefusedError, match="TLP:AMBER, stricter"):
        sharing.for_case(Wanted(tlp="green"), case)


def test_a_push_is_on_the_cases_record_also_when_it_fails(server: Server, case: Case) -> None:
    sharing.push(ONE, server.url, "A. Tanaka", TOKEN, case)
    server.answers = [(500, b"")]
    with pytest.raises(SourceError):
        sharing.push(replace(ONE, title="u"), server.url, "B. Sato", TOKEN, case)
    records = [r for r in case.evidence.records() if r.body.get("what") == "TAXII push"]
    assert [r.kind for r in records] == ["approval", "act"] * 2
    assert [r.body.get("by") for r in records] == ["A. Tanaka", None, "B. Sato", None]
    assert records[1].body["success"] == records[1].body["objects"]
    assert "500" in records[3].body["failed"]
    assert all(TOKEN not in path.read_text("utf-8", "ignore")
               for path in case.evidence.folder.rglob("*") if path.is_file())  # fmt: skip
