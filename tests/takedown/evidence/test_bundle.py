from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import subprocess  # noqa: TID251 - the commands of VERIFY.txt are what is tested
import zipfile
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.errors import ConfigError, SourceError, StateError
from sakimori.takedown.evidence import Redaction, archive, bundle, canonical, export, verify
from sakimori.takedown.evidence.record import Entry, Object, make

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 3, 16, 14, 45, tzinfo=UTC)
FORMS = ["b.zip", "b.tar", "b"]
VICTIM = "victim@example.org"


def codes(found: Any) -> set[str]:
    return {p.code for p in found.problems}


def contents(path: Path) -> dict[str, bytes]:
    with archive.opened(path) as files:
        return {name: read(files, name) for name in files.sizes()}


def read(files: Any, name: str) -> bytes:
    with files.open(name) as file:
        return bytes(file.read())


def put(folder: Path, files: dict[str, bytes]) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


# Writing


@pytest.mark.parametrize("name", FORMS)
def test_a_bundle_verifies_with_the_key_alone(case: Any, name: str) -> None:
    made = case.export(name)
    assert (made.records, made.unsealed, made.left_out) == (4, 1, 0)
    found = verify(made.path, [case.key.public])
    assert found.problems == ()
    assert found.form == "bundle"
    assert (found.records, found.objects, found.head) == (4, 1, made.head)


def test_all_forms_hold_the_same_files(case: Any) -> None:
    first, *others = [contents(case.export(name).path) for name in FORMS]
    assert others == [first, first]
    assert {"chain.jsonl", "openings.jsonl", "pub.pem", "index.html", "INDEX.txt", "VERIFY.txt",
            "SHA256SUMS", "SHA256SUMS.sig", "bundle.json"} <= set(first)  # fmt: skip


@pytest.mark.parametrize("name", ["b.zip", "b.tar"])
def test_the_same_export_gives_the_same_bytes(case: Any, name: str) -> None:
    once = case.export(name).path
    again = case.export(f"again{once.suffix}").path
    assert once.read_bytes() == again.read_bytes()


@pytest.mark.parametrize("program", [("unzip", "-q", "b.zip"), ("tar", "xf", "b.tar")])
def test_common_programs_unpack_it(case: Any, tmp_path: Path, program: tuple[str, ...]) -> None:
    if not shutil.which(program[0]):
        pytest.skip(f"{program[0]} is not installed")
    case.export(program[-1])
    (tmp_path / "u").mkdir()
    words = [str(shutil.which(program[0])), *program[1:-1], str(tmp_path / program[-1])]
    subprocess.run(words, cwd=tmp_path / "u", check=True, timeout=30)  # noqa: S603
    assert verify(tmp_path / "u", [case.key.public]).ok


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_the_commands_in_verify_txt_work_as_printed(case: Any, tmp_path: Path, lang: str) -> None:
    if not shutil.which("openssl") or not shutil.which("sha256sum"):
        pytest.skip("openssl or sha256sum is not installed")
    export(case.chain.folder, tmp_path / "b", case.wanted(lang=lang))
    text = (tmp_path / "b" / "VERIFY.txt").read_text("utf-8")
    lines = [line[3:] for line in text.splitlines() if line.startswith("   ")]
    wanted = [line[2:] for line in lines if line.startswith("# ")]
    script = "\n".join(
        line for line in lines if not line.startswith(("#", "sakimori ")) and "NAME" not in line
    )
    ran = subprocess.run(  # noqa: S603 - our own page, in a folder of its own
        ["/bin/sh", "-c", script], cwd=tmp_path / "b", capture_output=True, text=True, timeout=30,
        check=False,
    )  # fmt: skip
    assert ran.stdout.count("Signature Verified Successfully") == 2, ran
    assert "broken" not in ran.stdout
    assert ran.stderr == ""
    for hashed in wanted:
        assert hashed in ran.stdout
    seal = (tmp_path / "b" / "seals" / "000003.txt").read_text()
    sealed = re.findall(r"^head (\w+)", seal, re.MULTILINE)[0]
    assert sealed in ran.stdout

    chain = tmp_path / "b" / "chain.jsonl"
    chain.write_bytes(chain.read_bytes().replace(b'"message"', b'"massage"'))
    ran = subprocess.run(  # noqa: S603
        ["/bin/sh", "-c", script], cwd=tmp_path / "b", capture_output=True, text=True, timeout=30,
        check=False,
    )  # fmt: skip
    assert "chain.jsonl: FAILED" in ran.stdout
    assert "broken at" in ran.stdout


def test_an_existing_file_is_never_overwritten(case: Any, tmp_path: Path) -> None:
    (tmp_path / "b.zip").write_text("mine")
    with pytest.raises(ConfigError, match="there already"):
        case.export("b.zip")
    assert (tmp_path / "b.zip").read_text() == "mine"


@pytest.mark.parametrize("name", FORMS)
def test_a_full_disk_leaves_no_half_bundle(
    case: Any, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(archive, "write", full)
    with pytest.raises(StateError, match="No space left"):
        case.export(name)
    assert [p.name for p in tmp_path.iterdir()] == ["chain"]


def test_what_a_stopped_export_left_is_in_nobodys_way(case: Any, tmp_path: Path) -> None:
    (tmp_path / ".b.zip.making").mkdir()
    (tmp_path / ".b.zip.making" / "ready.zip").write_text("half")
    assert verify(case.export("b.zip").path).ok
    assert not (tmp_path / ".b.zip.making").exists()


def test_a_line_that_is_no_record_stops_the_export(case: Any) -> None:
    data = case.chain.path.read_bytes()
    case.chain.path.write_bytes(b"x\n" + data)
    for redactions in ((), (Redaction("to", "r"),)):
        with pytest.raises(StateError, match="record 1: the chain is damaged"):
            case.export("b.zip", *redactions)


@pytest.mark.parametrize("part", ["chain.jsonl", "objects"])
def test_damaged_evidence_is_not_exported(case: Any, tmp_path: Path, part: str) -> None:
    path = case.chain.path if part == "chain.jsonl" else next(case.chain.objects.iterdir())
    path.chmod(0o600)
    path.write_bytes(path.read_bytes().replace(b"gate", b"gaat").replace(b"message", b"massage"))
    with pytest.raises(StateError, match="nothing was exported"):
        case.export("b.zip")
    assert not (tmp_path / "b.zip").exists()


def test_a_missing_object_stops_the_export(case: Any) -> None:
    next(case.chain.objects.iterdir()).unlink()
    with pytest.raises(StateError, match="missing"):
        case.export("b.zip")


def test_a_chain_that_is_being_written_is_exported_up_to_its_last_whole_line(case: Any) -> None:
    with case.chain.path.open("ab") as file:
        file.write(b'{"header":{"ac')
    assert verify(case.export("b.zip").path).records == 4


def test_files_named_by_hash_only_are_said_to_be_elsewhere(case: Any, tmp_path: Path) -> None:
    (tmp_path / "huge.pcap").write_bytes(b"x")
    kept = case.chain.keep(tmp_path / "huge.pcap", copy=False)
    entry = case.entry("input")
    case.chain.append(type(entry)(kind="input", objects=(kept,), **case.by))
    found = verify(case.export("b").path)
    assert found.ok
    assert any("hash only" in w for w in found.warnings)
    assert "huge.pcap" in (tmp_path / "b" / "INDEX.txt").read_text("utf-8")


# Pages


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _value in attrs}


HOSTILE = [
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "http://evil.example/x",
    "\u202egpj.exe", "\x1b[2J", "</td></table><a href=//evil.example>", "a\nb",
]  # fmt: skip


@given(text=st.text(max_size=30) | st.sampled_from(HOSTILE), lang=st.sampled_from(["en", "ja"]))
@settings(max_examples=20)
def test_hostile_text_is_shown_and_does_nothing(text: str, lang: str) -> None:
    page = bundle.pages.head_html(about(case=text, reason=text), lang)
    record = bundle.parse(halves(text)).record
    page += (
        bundle.pages.record_html(record, bundle.pages.rows(record, lang), lang)
        + bundle.pages.TAIL_HTML
    )
    seen = Tags()
    seen.feed(page)
    assert seen.tags <= {"html", "head", "meta", "title", "style", "body", "h1", "h2", "p",
                         "table", "tr", "th", "td", "section", "ul", "li"}  # fmt: skip
    assert seen.attributes <= {"lang", "charset", "http-equiv", "content", "name", "class"}
    plain = bundle.pages.head_text(about(case=text, reason=text), lang)
    plain += bundle.pages.record_text(record, bundle.pages.rows(record, lang), lang)
    for written in (page, plain):
        assert "http://" not in written
        assert not re.search("[\u202a-\u202e\u2066-\u2069\x1b]", written)
    harmless = bundle.parse(halves("x")).record
    lines = bundle.pages.head_text(about(), lang)
    lines += bundle.pages.record_text(harmless, bundle.pages.rows(harmless, lang), lang)
    assert plain.count("\n") == lines.count("\n")


def about(case: str = "c", reason: str = "r") -> Any:
    left = [{"record": 1, "part": "field to", "reason": reason}]
    return bundle.pages.About(
        case=case, exported="now", actor=case, tool="t", records=1, head="h", key="k", sealed=0,
        unsealed=1, stamped="", left_out=left, elsewhere=0,
    )  # fmt: skip


def halves(text: str) -> Any:
    thing = Object(text, "a" * 64, 1, where=text)
    entry = Entry(kind="message", actor=f"a{text}", time=NOW, tool=text, body={"f": text, f"g{text}": [text]},
                  objects=(thing,))  # fmt: skip
    return make(entry, 1, "0" * 64)


def test_pages_speak_the_readers_language(case: Any, tmp_path: Path) -> None:
    export(case.chain.folder, tmp_path / "b", case.wanted(lang="ja"))
    for name in ("index.html", "INDEX.txt", "VERIFY.txt"):
        assert re.search("[ぁ-ん]", (tmp_path / "b" / name).read_text("utf-8")), name
    assert 'lang="ja"' in (tmp_path / "b" / "index.html").read_text("utf-8")


def test_a_long_chain_has_a_page_that_says_what_it_does_not_show(
    case: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle.pages, "MOST_IN_HTML", 2)
    case.export("b")
    page = (tmp_path / "b" / "index.html").read_text("utf-8")
    assert page.count("<section") == 2
    assert "INDEX.txt has all" in page
    assert (tmp_path / "b" / "INDEX.txt").read_text("utf-8").count("    sha256: ") == 4


# Redaction


def everything(path: Path) -> bytes:
    return b"\n".join(contents(path).values())


def test_a_field_left_out_is_named_and_gone_and_all_still_verifies(case: Any) -> None:
    whole = case.export("whole.zip")
    made = case.export("b.zip", Redaction("message:to", "personal data"))
    assert (made.left_out, made.leaks) == (1, ())
    found = verify(made.path, [case.key.public])
    assert found.problems == ()
    (left,) = found.left_out
    assert (left.record, left.part, left.reason) == (2, "field to", "personal data")
    assert found.head == verify(whole.path).head
    assert VICTIM.encode() not in everything(made.path)
    opened = json.loads(contents(made.path)["openings.jsonl"].splitlines()[1])
    assert opened["fields"]["to"] is None
    assert contents(made.path)["chain.jsonl"] == contents(whole.path)["chain.jsonl"]


def test_the_salt_of_a_value_left_out_is_gone(case: Any) -> None:
    whole = json.loads(contents(case.export("w").path)["openings.jsonl"].splitlines()[1])
    salt = whole["fields"]["to"]["salt"].encode()
    assert salt not in everything(case.export("b", Redaction("to", "r")).path)


def test_an_object_left_out_takes_its_file_name_and_hash_with_it(case: Any) -> None:
    digest = hashlib.sha256(b"192.0.2.9 GET /gate.php\n").hexdigest()
    made = case.export("b.zip", Redaction("object=sinkhole.log", "addresses of victims"))
    data = everything(made.path)
    assert all(word not in data for word in (digest.encode(), b"sinkhole.log", b"gate.php"))
    assert not any(digest in name for name in contents(made.path))
    assert verify(made.path, [case.key.public]).problems == ()


def test_an_object_is_left_out_under_every_name_it_has(case: Any) -> None:
    case.keep("copy.log", b"192.0.2.9 GET /gate.php\n")
    made = case.export("b.zip", Redaction("object=sinkhole.log", "r"))
    assert made.left_out == 2
    assert b"gate.php" not in everything(made.path)
    assert verify(made.path, [case.key.public]).problems == ()


def test_a_redaction_can_name_one_record_or_any_kind(case: Any) -> None:
    case.add("notice", to="b@example.org")
    case.add("notice", **{"to": "c@example.org", "notice:to": "d@example.org"})
    for name, what, want in (
        ("a", "5:to", [5]), ("b", "notice:to", [5, 6]), ("c", "to", [2, 4, 5, 6]),
    ):  # fmt: skip
        found = verify(case.export(name, Redaction(what, "r")).path)
        assert [g.record for g in found.left_out] == want
    found = verify(case.export("d", Redaction("6:notice:to", "r")).path)
    assert [g.part for g in found.left_out] == ["field notice:to"]


def test_the_actor_can_be_left_out(case: Any) -> None:
    made = case.export("b.zip", Redaction("message:actor", "safety"))
    found = verify(made.path)
    assert found.problems == ()
    assert [(g.record, g.part) for g in found.left_out] == [(2, "actor")]
    assert json.loads(contents(made.path)["openings.jsonl"].splitlines()[1])["actor"] is None
    assert made.leaks  # the same person is the actor of other records, and exports


def test_a_value_that_stands_elsewhere_too_is_told(case: Any) -> None:
    case.add("note", text=f"called {VICTIM}")
    case.keep("mail.eml", f"To: {VICTIM}\n".encode())
    made = case.export("b.zip", Redaction("to", "r"))
    digest = hashlib.sha256(f"To: {VICTIM}\n".encode()).hexdigest()
    assert made.leaks == ("record 5", f"objects/{digest}")


@pytest.mark.parametrize("what", ["nothing", "99:to", "plan:to", "object=none", "seal:statement"])
def test_a_redaction_that_fits_nothing_writes_nothing(case: Any, tmp_path: Path, what: str) -> None:
    with pytest.raises(ConfigError, match="no record has"):
        case.export("b.zip", Redaction(what, "r"))
    assert not (tmp_path / "b.zip").exists()


@pytest.mark.parametrize(("what", "reason"), [("to", " "), ("", "r")])
def test_a_redaction_needs_a_part_and_a_reason(what: str, reason: str) -> None:
    with pytest.raises(ConfigError, match="needs"):
        Redaction(what, reason)


def test_more_can_be_left_out_of_a_bundle(case: Any) -> None:
    first = case.export("a.zip", Redaction("message:to", "first"))
    made = case.export("b.tar", Redaction("subject", "second"), source=first.path)
    found = verify(made.path, [case.key.public])
    assert found.problems == ()
    assert [(g.part, g.reason) for g in found.left_out] == [
        ("field to", "first"), ("field subject", "second"),
    ]  # fmt: skip
    assert json.loads(contents(made.path)["bundle.json"])["case"] == "rustock"


def test_a_bundle_that_does_not_verify_is_not_redacted(case: Any) -> None:
    first = case.export("a")
    (first.path / "INDEX.txt").write_text("other")
    with pytest.raises(StateError, match="does not verify"):
        case.export("b", Redaction("to", "r"), source=first.path)


def test_a_bundle_redacted_by_a_stranger_is_told_from_the_owners(case: Any, other_key: Any) -> None:
    first = case.export("a.zip")
    case.key, owner = other_key, case.key
    made = case.export("b.zip", Redaction("to", "r"), source=first.path)
    assert codes(verify(made.path, [owner.public])) == {"key"}
    assert verify(made.path, [owner.public, other_key.public]).ok


@given(st.text(max_size=3))
@settings(max_examples=20)
def test_a_value_left_out_cannot_be_found_by_trying(value: str) -> None:
    made = halves(value)
    opened = json.loads(made.opening)["fields"]["f"]
    header = json.loads(made.header)
    unsalted = hashlib.sha256(canonical({"field": "f", "value": value})).hexdigest()
    assert header["fields"]["f"] != unsalted
    assert len(bytes.fromhex(opened["salt"])) == 16


# Any change is found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, key: Any, request: Any) -> Any:
    """Bundles in every form, of a chain with two seals, and one with a field left out."""
    desk = request.getfixturevalue("new_desk")(tmp_path_factory.mktemp("made"))
    desk.keep("sinkhole.log", b"192.0.2.9 GET /gate.php\n", source="sinkhole 1", count=1)
    for n in range(3):
        desk.add("message", to=VICTIM, number=n)
        desk.seal()
    for name in FORMS:
        desk.export(name)
    desk.export("redacted", Redaction("2:to", "personal"))
    return desk


@given(data=st.data())
@settings(max_examples=40)
def test_any_changed_byte_of_any_file_is_found(
    made: Any, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    source = made.folder / data.draw(st.sampled_from(["b", "redacted"]))
    files = contents(source)
    name = data.draw(st.sampled_from(sorted(files)))
    at = data.draw(st.integers(0, len(files[name]) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda b: b != files[name][at]))
    how = data.draw(st.sampled_from(["change", "remove", "insert"]))
    new = b"" if how == "remove" else bytes([other])
    keep = at if how == "insert" else at + 1
    changed = files[name][:at] + new + files[name][keep:]
    folder = put(tmp_path_factory.getbasetemp() / "changed", {**files, name: changed})
    found = verify(folder, [made.key.public])
    assert not found.ok
    assert any(p.where.startswith((name, "SHA256SUMS", "record", "openings", "chain"))
               for p in found.problems)  # fmt: skip


@pytest.mark.parametrize("name", ["b.zip", "b.tar"])
@given(data=st.data())
@settings(max_examples=40)
def test_any_changed_byte_of_an_archive_is_found(
    made: Any, name: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole = (made.folder / name).read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda b: b != whole[at]))
    how = data.draw(st.sampled_from(["change", "remove", "insert", "cut"]))
    tail = {"change": whole[at + 1 :], "remove": whole[at + 1 :], "insert": whole[at:], "cut": b""}
    new = bytes([other]) if how in ("change", "insert") else b""
    path = tmp_path_factory.getbasetemp() / f"changed-{name}"
    path.write_bytes(whole[:at] + new + tail[how])
    with contextlib.suppress(SourceError):  # no archive any more
        assert not verify(path, [made.key.public]).ok


def test_every_single_byte_of_a_zips_frame_counts(made: Any, tmp_path: Path) -> None:
    whole = (made.folder / "b.zip").read_bytes()
    start = whole.index(b"PK\x01\x02")
    for at in range(start, len(whole), 31):
        (tmp_path / "x.zip").write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with contextlib.suppress(SourceError):
            assert not verify(tmp_path / "x.zip", [made.key.public]).ok, at


@pytest.mark.parametrize("form", ["chain", "b"])
@given(data=st.data())
@settings(max_examples=30)
def test_any_record_removed_repeated_or_moved_is_found_and_named(
    made: Any, form: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    files = contents(made.folder / form)
    names = ["chain.jsonl", "openings.jsonl"] if form == "b" else ["chain.jsonl"]
    count = files["chain.jsonl"].count(b"\n")
    how = data.draw(st.sampled_from(["remove", "repeat", "swap"]))
    at = data.draw(st.integers(0, count - 2))
    to = data.draw(st.integers(0, count - 1).filter(lambda n: n != at))
    for name in names:
        lines = files[name].splitlines(keepends=True)
        if how == "swap":
            lines[at], lines[to] = lines[to], lines[at]
        elif how == "repeat":
            lines.insert(to, lines[at])
        else:
            del lines[at]
        files[name] = b"".join(lines)
    if form == "b":
        listed_again(files)
    found = verify(put(tmp_path_factory.getbasetemp() / "moved", files), [made.key.public])
    assert any(p.where.startswith("record ") for p in found.problems)


def listed_again(files: dict[str, bytes]) -> None:
    """Do what a forger without the key can do: write the list of files anew."""
    files["SHA256SUMS"] = "".join(
        f"{hashlib.sha256(data).hexdigest()}  {name}\n"
        for name, data in sorted(files.items())
        if not name.startswith("SHA256SUMS")
    ).encode()


def forged(made: Any, folder: Path, change: Any) -> Any:
    files = contents(made.folder / "b")
    change(files)
    listed_again(files)
    return verify(put(folder / "forged", files), [made.key.public])


def without_last(files: dict[str, bytes], name: str) -> None:
    files[name] = b"".join(files[name].splitlines(keepends=True)[:-1])


FORGERIES = [
    ("the end cut off", lambda f: [without_last(f, n) for n in ("chain.jsonl", "openings.jsonl")],
     "truncated"),
    ("the chain's end cut off", lambda f: without_last(f, "chain.jsonl"), "truncated"),
    ("an opening cut off", lambda f: without_last(f, "openings.jsonl"), "removed"),
    ("an object removed", lambda f: f.pop(next(n for n in f if n.startswith("objects/"))), "removed"),
    ("an object added", lambda f: f.update({"objects/" + "0" * 64: b"x"}), "added"),
    ("an object changed", lambda f: f.update({next(n for n in f if n.startswith("obj")): b"x"}),
     "changed"),
    ("a seal's file removed", lambda f: f.pop("seals/000003.sig"), "removed"),
    ("a seal's file added", lambda f: f.update({"seals/000002.txt": b"x"}), "added"),
    ("a value left out", lambda f: f.update({"openings.jsonl": re.sub(
        rb'"number":\{[^}]*\}', b'"number":null', f["openings.jsonl"], count=1)}), "redaction"),
    ("the list's signature removed", lambda f: f.pop("SHA256SUMS.sig"), "unsigned"),
    ("the page changed", lambda f: f.update({"index.html": b"x"}), "signature"),
    ("no manifest", lambda f: f.pop("bundle.json"), "removed"),
    ("a broken manifest", lambda f: f.update({"bundle.json": b"[1]"}), "format"),
    ("no openings", lambda f: f.pop("openings.jsonl"), "removed"),
    ("no public key", lambda f: f.pop("pub.pem"), "removed"),
    ("nothing but a line", lambda f: f.update({"chain.jsonl": b"x"}), "format"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "code"), [f[1:] for f in FORGERIES], ids=[f[0] for f in FORGERIES]
)
def test_a_forger_without_the_key_is_found_out(
    made: Any, tmp_path: Path, change: Any, code: str
) -> None:
    found = forged(made, tmp_path, change)
    assert code in codes(found)
    assert codes(found) & {"signature", "unsigned", "key"}


def test_a_value_taken_out_of_the_chain_itself_is_a_problem(case: Any) -> None:
    data = case.chain.path.read_bytes()
    case.chain.path.write_bytes(re.sub(rb'"to":\{[^}]*\}', b'"to":null', data, count=1))
    assert codes(verify(case.chain.folder)) == {"redaction"}
    with pytest.raises(StateError, match="field to was taken out"):
        case.export("b.zip")


def test_what_is_added_while_a_bundle_is_made_is_not_taken_unredacted(
    case: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = bundle.redaction.plan

    def plan(*given: Any) -> Any:
        made = real(*given)
        case.add("message", to="another@example.org")
        return made

    monkeypatch.setattr(bundle.redaction, "plan", plan)
    made = case.export("b.zip", Redaction("message:to", "r"))
    assert made.records == 4
    assert b"another@" not in everything(made.path)


def test_a_forger_with_a_key_of_their_own_is_found_out(
    made: Any, tmp_path: Path, other_key: Any
) -> None:
    files = contents(made.folder / "b")
    files["pub.pem"] = other_key.public.pem.encode()
    files["index.html"] = b"all is well"
    listed_again(files)
    files["SHA256SUMS.sig"] = other_key.sign(files["SHA256SUMS"])
    folder = put(tmp_path / "forged", files)
    for keys in ([], [made.key.public]):
        assert codes(verify(folder, keys)) == {"key"}


def test_a_link_in_a_bundle_is_a_problem_and_not_followed(made: Any, tmp_path: Path) -> None:
    folder = put(tmp_path / "linked", contents(made.folder / "b"))
    (folder / "extra").symlink_to("/etc/passwd")
    assert any("not followed" in p.message for p in verify(folder).problems)


def test_a_path_that_leaves_the_bundle_is_never_opened(made: Any, tmp_path: Path) -> None:
    files = contents(made.folder / "b")
    parts = {n: archive.of_bytes(d) for n, d in files.items()}
    parts["../../evil"] = archive.of_bytes(b"x")
    for name in ("x.zip", "x.tar"):
        archive.write(parts, tmp_path / name)
        assert "added" in codes(verify(tmp_path / name))
    assert not (tmp_path.parent.parent / "evil").exists()


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"PK\x05\x06" + b"\0" * 18, b"x" * 2000])
def test_what_is_no_bundle_is_said_to_be_none(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.zip").write_bytes(data)
    with pytest.raises(SourceError):
        verify(tmp_path / "x.zip")


def test_a_compressed_copy_is_refused_without_reading_it(made: Any, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in contents(made.folder / "b").items():
            packed.writestr(name, data)
    found = verify(tmp_path / "x.zip")
    assert any("is compressed" in p.message for p in found.problems)
