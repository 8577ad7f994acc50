from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess  # noqa: TID251 - openssl is the authority and the judge of these tests
import threading
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from sakimori.app import evidencing, stamping
from sakimori.app.evidencing import Evidence
from sakimori.errors import ConfigError, PartFailedError, SourceError, StateError
from sakimori.takedown.evidence import Redaction, Transfer, stamp

if TYPE_CHECKING:
    from collections.abc import Iterator

OPENSSL = shutil.which("openssl")
needs_openssl = pytest.mark.skipif(not OPENSSL, reason="openssl is not installed")
NOBODY = "http://127.0.0.1:9/"  # the discard port, closed
SETTINGS = """
[ req ]
distinguished_name = name
prompt = no
[ name ]
CN = unused
[ root ]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
[ leaf ]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
[ tsa ]
default_tsa = t
[ t ]
serial = serial
crypto_device = builtin
signer_cert = tsa.pem
certs = root.pem
signer_key = tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ess_cert_id_alg = sha256
"""


def openssl(folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - no shell, an absolute path
        [str(OPENSSL), *map(str, words)],
        cwd=folder, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


def make_root(folder: Path, name: str) -> None:
    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", 3650)
    made = openssl(folder, "req", "-x509", *new, "-keyout", f"{name}.key", "-out", f"{name}.pem",
                   "-config", "tsa.cnf", "-extensions", "root", "-subj", f"/CN=example {name}")  # fmt: skip
    assert made.returncode == 0, made.stderr


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which openssl answers as a stamping authority."""
    if not OPENSSL:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tsa")
    (folder / "tsa.cnf").write_text(SETTINGS)
    (folder / "serial").write_text("01\n")
    make_root(folder, "root")
    make_root(folder, "stranger")
    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl(folder, "req", *new, "-keyout", "tsa.key", "-out", "tsa.csr", "-config", "tsa.cnf",
            "-subj", "/CN=example stamps")  # fmt: skip
    signed = openssl(folder, "x509", "-req", "-in", "tsa.csr", "-CA", "root.pem", "-CAkey", "root.key",
                     "-CAcreateserial", "-out", "tsa.pem", "-days", 3650, "-extfile", "tsa.cnf",
                     "-extensions", "leaf")  # fmt: skip
    assert signed.returncode == 0, signed.stderr
    return folder


def answer(folder: Path, question: bytes) -> bytes:
    (folder / "q.tsq").write_bytes(question)
    openssl(folder, "ts", "-reply", "-config", "tsa.cnf", "-queryfile", "q.tsq", "-out", "r.tsr")
    return (folder / "r.tsr").read_bytes()


@contextmanager
def serving(reply: Any) -> Iterator[str]:
    """An HTTP server on loopback; `reply(question)` gives status and body. Gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            question = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.headers["Content-Type"] == "application/timestamp-query"
            status, body = reply(question)
            self.send_response(status)
            if status in (301, 302):
                self.send_header("Location", "http://127.0.0.1:9/elsewhere")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/tsa"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(autouse=True, scope="module")
def _no_waiting_for_the_disk() -> Iterator[None]:
    """Do not sync: these tests do not cut the power."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _handle: None)
        yield


@pytest.fixture
def kept(tmp_path: Path) -> Evidence:
    return Evidence.of("rustock", tmp_path / "ws", actor="aiko")


def codes(found: Any) -> set[str]:
    return {p.code for p in found.problems}


# Where evidence lies


def test_a_case_has_its_evidence_in_the_workspace(kept: Evidence, tmp_path: Path) -> None:
    assert kept.folder == tmp_path / "ws" / "cases" / "rustock" / "evidence"
    assert kept.keys == tmp_path / "ws" / "keys"
    assert kept.case == "rustock"


def test_a_folder_works_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("./c", "c"):
        alone = Evidence.of(name, None)
        assert (alone.folder, alone.keys, alone.case) == (Path("c"), Path("c/keys"), "c")
    (tmp_path / "c").mkdir()
    assert Evidence.of("c", tmp_path / "ws").folder == Path("c")
    assert Evidence.of("./c", tmp_path / "ws").folder == Path("c")
    assert Evidence.of("d", tmp_path / "ws").folder == tmp_path / "ws/cases/d/evidence"


@pytest.mark.parametrize("name", ["a b", ".hidden", "x" * 65, "a\nb", ""])
def test_a_name_that_no_case_can_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="no name of a case"):
        evidencing.folder_of(tmp_path, name)


# Records


def test_a_case_is_recorded_sealed_exported_and_verified(kept: Evidence, tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text("{}")
    assert kept.begin()
    assert not kept.begin()
    kept.record("plan", {"cuts": ["c2.example"], "at": datetime(2026, 3, 16, tzinfo=UTC)},
                files=[tmp_path / "plan.json"])  # fmt: skip
    made = kept.export(tmp_path / "b.zip")
    assert (made.records, made.unsealed) == (3, 0)
    found = evidencing.verify(tmp_path / "b.zip", [kept.keys / "evidence.pub.pem"])
    assert found.problems == ()
    assert [r.kind for r in kept.records()] == ["note", "plan", "seal"]
    assert kept.records()[1].body["at"] == "2026-03-16T00:00:00.000000Z"
    assert kept.records()[1].tool.startswith("sakimori ")


def test_a_record_begins_the_chain_where_there_is_none(kept: Evidence) -> None:
    assert kept.record("act", {"block": "c2.example"}).seq == 2


def test_many_records_are_added_at_once(kept: Evidence) -> None:
    made = kept.record_all("message", [{"to": f"abuse@{n}.example"} for n in range(5)])
    assert [r.seq for r in made] == [2, 3, 4, 5, 6]
    assert kept.record_all("message", []) == []


def test_a_second_export_adds_no_seal(kept: Evidence, tmp_path: Path) -> None:
    kept.record("note", {"n": 1})
    kept.export(tmp_path / "a.zip")
    assert kept.export(tmp_path / "b.zip").records == 3


def test_a_refused_export_adds_no_seal(kept: Evidence, tmp_path: Path) -> None:
    kept.record("note", {"n": 1})
    (tmp_path / "a.zip").touch()
    with pytest.raises(ConfigError, match="there already"):
        kept.export(tmp_path / "a.zip")
    assert len(kept.records()) == 2


def test_a_bundle_is_exported_again_with_more_left_out(kept: Evidence, tmp_path: Path) -> None:
    kept.record("message", {"to": "victim@example.org"})
    kept.export(tmp_path / "a.zip")
    redactions = evidencing.redactions_of(["to"], "personal data")
    kept.export(tmp_path / "b.zip", redactions, source=tmp_path / "a.zip")
    found = evidencing.verify(tmp_path / "b.zip")
    assert [(g.record, g.part) for g in found.left_out] == [(2, "field to")]


def test_a_redaction_without_reason_is_refused() -> None:
    with pytest.raises(ConfigError, match="reason"):
        evidencing.redactions_of(["to"], "")
    assert evidencing.redactions_of([], "") == []


def test_handing_over_is_a_record_with_its_receipt(kept: Evidence, tmp_path: Path) -> None:
    (tmp_path / "receipt.pdf").write_bytes(b"%PDF")
    given = Transfer(giver="aiko", receiver="the court", why="order 12", tlp="AMBER+STRICT",
                     receipt="R-7")  # fmt: skip
    made = kept.hand_over(given, tmp_path / "receipt.pdf")
    assert made.kind == "custody"
    assert made.body["from"] == "aiko"
    assert made.body["tlp"] == "AMBER+STRICT"
    assert made.objects[0].name == "receipt.pdf"


@pytest.mark.parametrize(
    "change", [{"tlp": "WHITE"}, {"tlp": "amber"}, {"giver": " "}, {"receiver": ""}, {"why": ""}]
)
def test_a_transfer_without_people_reason_or_label_is_refused(change: dict[str, str]) -> None:
    good = {"giver": "a", "receiver": "b", "why": "c", "tlp": "RED"}
    with pytest.raises(ConfigError):
        Transfer(**{**good, **change})


def test_a_missing_key_says_how_to_make_one(kept: Evidence) -> None:
    kept.begin()
    (kept.keys / "evidence.pem").unlink()
    with pytest.raises(SourceError, match=r"evidence\.pem") as caught:
        kept.seal()
    assert "init" in caught.value.hint


def test_the_key_can_be_replaced(kept: Evidence, tmp_path: Path) -> None:
    kept.begin()
    old = tmp_path / "old.pem"
    shutil.copy(kept.keys / "evidence.pub.pem", old)
    kept.replace_key()
    kept.export(tmp_path / "b.zip")
    assert evidencing.verify(tmp_path / "b.zip", [old]).ok
    assert evidencing.verify(tmp_path / "b.zip", [kept.keys / "evidence.pub.pem"]).ok


# Stamps


@needs_openssl
def test_a_seal_is_stamped_and_openssl_agrees(
    kept: Evidence, authority: Path, tmp_path: Path
) -> None:
    kept.record("note", {"n": 1})
    kept.seal()
    root = (authority / "root.pem").read_bytes()
    with serving(lambda q: (200, answer(authority, q))) as url:
        (made,) = kept.stamp([url], [root])
        assert kept.stamp([url], [root]) == []
    assert made.body["status"] == "stamped"
    kept.export(tmp_path / "b")
    assert len(kept.records()) == 4, "seal and stamp need no further seal"

    words = ("ts", "-verify", "-data", "seals/000003.sig", "-in", "stamps/000004.tsr", "-CAfile")
    assert "Verification: OK" in openssl(tmp_path / "b", *words, "stamps/000004.ca.pem").stdout
    assert "OK" not in openssl(tmp_path / "b", *words, authority / "stranger.pem").stdout
    assert " ".join(words) in (tmp_path / "b" / "VERIFY.txt").read_text()

    key = [kept.keys / "evidence.pub.pem"]
    found = evidencing.verify(tmp_path / "b", key, [authority / "root.pem"])
    assert found.problems == ()
    assert found.warnings == ()
    assert [(s.status, s.seal, s.authority) for s in found.stamps] == [("trusted", 3, url)]
    assert evidencing.verify(tmp_path / "b", key).stamps[0].status == "unchecked"
    wrong = evidencing.verify(tmp_path / "b", key, [authority / "stranger.pem"])
    assert codes(wrong) == {"stamp"}


@needs_openssl
def test_a_stamp_without_a_certificate_is_kept_and_called_unchecked(
    kept: Evidence, authority: Path, tmp_path: Path
) -> None:
    kept.begin()
    kept.seal()
    with serving(lambda q: (200, answer(authority, q))) as url:
        (made,) = kept.stamp([url])
    assert made.body["status"] == "stamped"
    kept.export(tmp_path / "b")
    found = evidencing.verify(tmp_path / "b", [kept.keys / "evidence.pub.pem"])
    assert found.ok
    assert [s.status for s in found.stamps] == ["unchecked"]
    assert any("certificate" in w for w in found.warnings)
    assert (
        evidencing.verify(tmp_path / "b", (), [authority / "root.pem"]).stamps[0].status
        == "trusted"
    )


def test_an_authority_out_of_reach_is_recorded_and_the_seal_stays_waiting(
    kept: Evidence, tmp_path: Path
) -> None:
    kept.begin()
    kept.seal()
    (made,) = kept.stamp([NOBODY])
    assert made.body["status"] == "not stamped"
    assert made.body["reason"].startswith("unreachable")
    assert [s.seq for s in stamp.pending(kept.records())] == [2]
    with pytest.raises(PartFailedError, match="not stamped"):
        evidencing.check_stamped([made])
    kept.export(tmp_path / "b")
    found = evidencing.verify(tmp_path / "b", [kept.keys / "evidence.pub.pem"])
    assert [(s.status, s.reason[:11]) for s in found.stamps] == [("missing", "unreachable")]
    assert any("no stamping authority" in w for w in found.warnings)
    page = (tmp_path / "b" / "INDEX.txt").read_text()
    assert "not stamped" in page
    assert "none: no stamping authority" in page


@needs_openssl
def test_one_stamp_covers_the_seals_that_waited(kept: Evidence, authority: Path) -> None:
    for n in range(2):
        kept.record("note", {"n": n})
        kept.seal()
        kept.stamp([NOBODY])
    assert len(stamp.pending(kept.records())) == 2
    with serving(lambda q: (200, answer(authority, q))) as url:
        made = kept.stamp([url, NOBODY], [(authority / "root.pem").read_bytes()])
    assert [r.body["status"] for r in made] == ["stamped", "not stamped"]
    assert stamp.pending(kept.records()) == []


@needs_openssl
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda f, _q: (200, answer(f, stamp.ask(b"something else").data)), "does not hold"),
        (lambda f, q: (200, answer(f, q)[:-5]), "no answer of a stamping authority"),
        (lambda _f, _q: (200, b""), "no answer of a stamping authority"),
        (lambda _f, _q: (200, b"<html>welcome</html>"), "no answer of a stamping authority"),
        (lambda _f, _q: (200, b"0" * (300 << 10)), "too long"),
        (lambda _f, _q: (500, b"oops"), "status 500"),
        (lambda _f, _q: (302, b""), "status 302"),
        (lambda f, q: (200, refused(f, q)), "rejected"),
    ],
    ids=["another", "cut", "empty", "page", "long", "error", "redirect", "refused"],
)
def test_a_worthless_answer_is_recorded_with_its_reason(
    kept: Evidence, authority: Path, change: Any, reason: str
) -> None:
    kept.begin()
    kept.seal()
    with serving(lambda q: change(authority, q)) as url:
        (made,) = kept.stamp([url], [(authority / "root.pem").read_bytes()])
    assert made.body["status"] == "not stamped"
    assert reason in made.body["reason"]


def refused(folder: Path, _question: bytes) -> bytes:
    """What openssl answers to a question with a hash that it does not take."""
    openssl(folder, "ts", "-query", "-digest", "00" * 64, "-sha512", "-out", "q512.tsq")
    return answer(folder, (folder / "q512.tsq").read_bytes())


@needs_openssl
def test_an_old_answer_is_not_taken_for_a_new_one(authority: Path) -> None:
    question = stamp.ask(b"signature")
    old = answer(authority, question.data)
    root = [(authority / "root.pem").read_bytes()]
    assert stamp.read(old, b"signature", root, question.nonce).trusted
    for roots in (root, []):
        with pytest.raises(SourceError, match=r"question|Nonce"):
            stamp.read(old, b"signature", roots, (question.nonce or 0) + 1)
        with pytest.raises(SourceError):
            stamp.read(old, b"another", roots)


@needs_openssl
def test_a_forged_stamp_is_a_problem(kept: Evidence, authority: Path, tmp_path: Path) -> None:
    kept.begin()
    kept.seal()
    reply = answer(authority, stamp.ask(b"something else").data)
    body = {"status": "stamped", "seal": 2, "authority": "x", "stamped": "now",
            "reply": base64.b64encode(reply).decode()}  # fmt: skip
    kept.record("stamp", body)
    kept.record("stamp", {**body, "seal": 99})
    kept.record("stamp", {**body, "reply": "%"})
    found = evidencing.verify(kept.folder, [kept.keys / "evidence.pub.pem"])
    assert [p.where for p in found.problems] == ["record 3", "record 4", "record 5"]
    assert codes(found) == {"stamp"}


@pytest.mark.parametrize(
    "url", ["", "tsa.example", "ftp://tsa.example/", "http://", "file:///etc/passwd", "http://[::1"]
)
def test_what_is_no_address_is_refused_before_anything_is_recorded(
    kept: Evidence, url: str
) -> None:
    kept.begin()
    kept.seal()
    with pytest.raises(ConfigError, match="no address"):
        kept.stamp([url])
    assert len(kept.records()) == 2


def test_a_broken_certificate_is_refused_before_anything_is_recorded(kept: Evidence) -> None:
    kept.begin()
    kept.seal()
    with pytest.raises(ConfigError, match="no certificate"):
        kept.stamp([NOBODY], [b"x"])
    assert len(kept.records()) == 2


def test_nothing_sealed_is_nothing_to_stamp(kept: Evidence) -> None:
    kept.begin()
    with pytest.raises(SourceError, match="nothing is sealed"):
        kept.stamp([NOBODY])


def test_an_authority_that_says_nothing_is_given_up(authority: Path) -> None:
    stop = threading.Event()
    with serving(lambda _q: (stop.wait(2), (200, b""))[1]) as url:
        with pytest.raises(SourceError, match="unreachable"):
            stamping.send(url, stamp.ask(b"x"), patience=0.05)
        stop.set()


def test_sorting_certificates_leaves_what_is_no_answer_alone() -> None:
    for data in (b"", b"0", b"\x30\x03\x02\x01\x00", b"\x30\x84\xff\xff\xff\xff", b"\x30\x80"):
        assert stamp.sorted_certificates(data) == data


# The JSON


def schema() -> Any:
    return json.loads(files("sakimori").joinpath("schemas/evidence.schema.json").read_text("utf-8"))


@needs_openssl
def test_the_json_of_a_verification_keeps_to_its_schema(
    kept: Evidence, authority: Path, tmp_path: Path
) -> None:
    kept.record("message", {"to": "victim@example.org"})
    kept.seal()
    with serving(lambda q: (200, answer(authority, q))) as url:
        kept.stamp([NOBODY, url])
    kept.export(tmp_path / "b", [Redaction("to", "r")])
    jsonschema.Draft202012Validator.check_schema(schema())
    good = evidencing.as_object(evidencing.verify(tmp_path / "b"))
    jsonschema.validate(good, schema())
    assert good["ok"] is True
    (tmp_path / "b" / "index.html").write_text("x")
    bad = evidencing.as_object(evidencing.verify(tmp_path / "b"))
    jsonschema.validate(bad, schema())
    assert bad["ok"] is False
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**good, "more": 1}, schema())


def test_a_bad_report_is_an_error_with_its_place(kept: Evidence) -> None:
    kept.begin()
    found = evidencing.verify(kept.folder)
    with pytest.raises(StateError, match="1 problems") as caught:
        evidencing.check_report(found)
    assert caught.value.where == str(kept.folder)


def test_records_carry_the_time_of_the_clock(kept: Evidence) -> None:
    when = datetime(2026, 1, 2, tzinfo=UTC)
    timed = replace(kept, clock=lambda: when)
    assert timed.record("note").time == when
    early = replace(kept, clock=lambda: when - timedelta(days=1))
    early.record("note")
    early.seal()
    assert any("clock" in w for w in evidencing.verify(kept.folder).warnings)
