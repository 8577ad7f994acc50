from __future__ import annotations

import hashlib
import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import pyzipper

from sakimori.app import deeds, quarantining
from sakimori.app.evidencing import Evidence
from sakimori.app.quarantining import Places, Why
from sakimori.endpoint.quarantine import Fault
from sakimori.errors import (
    ConfigError,
    PartFailedError,
    RefusedError,
    SourceError,
    StateError,
)

if TYPE_CHECKING:
    from pathlib import Path

WHY = Why(rule="Made_Up", family="test", reason="by hand")


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    path = tmp_path.resolve() / "bad.bin"
    path.write_bytes(b"made up\n")
    return path


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def recorded(store: Path) -> list[dict[str, Any]]:
    records = Evidence(folder=store / "evidence", keys=store / "keys").records()
    return [dict(r.body) for r in records if r.kind == "act"]


def conforms(outcome: quarantining.Outcome) -> dict[str, Any]:
    schema = json.loads(files("sakimori").joinpath("schemas/quarantine.schema.json").read_text())
    plain: dict[str, Any] = json.loads(json.dumps(quarantining.as_object(outcome)))
    jsonschema.validate(plain, schema, format_checker=jsonschema.FormatChecker())
    return plain


def test_a_dry_run_shows_the_entry_and_makes_nothing(bad: Path, store: Path) -> None:
    shown = quarantining.add(store, [bad], WHY)
    assert not shown.done
    assert conforms(shown)["entries"][0] | {"attributes": 0, "taken": 0, "changed": 0} == {
        "id": "", "state": "proposed", "path": str(bad), "size": 8, "rule": "Made_Up",
        "family": "test", "definitions": "", "reason": "by hand", "restored_to": "", "lacking": [],
        "sha256": hashlib.sha256(b"made up\n").hexdigest(), "attributes": 0, "taken": 0,
        "changed": 0,
    }  # fmt: skip
    assert bad.exists()
    assert not store.exists()


def test_each_deed_is_done_once_and_recorded(bad: Path, store: Path) -> None:
    taken = quarantining.add(store, [bad], WHY, yes=True, actor="aiko")
    (entry,) = taken.entries
    conforms(taken)
    assert not bad.exists()
    assert [e.id for e in quarantining.listed(store).entries] == [entry.id]
    shown = quarantining.restore(store, [entry.id[-8:]], Places())
    assert shown.entries[0].restored_to == str(bad)
    assert not bad.exists()
    conforms(quarantining.restore(store, [entry.id], Places(), yes=True, actor="aiko"))
    assert bad.read_bytes() == b"made up\n"
    again = quarantining.add(store, [bad], WHY, yes=True).entries[0]
    quarantining.delete(store, [again.id])
    conforms(quarantining.delete(store, [again.id], yes=True))
    assert quarantining.listed(store).entries == []
    assert [e.state for e in conforms_all(store)] == ["restored", "deleted"]
    assert [r["deed"] for r in recorded(store)] == [
        "quarantine take", "quarantine restore", "quarantine take", "quarantine delete",
    ]  # fmt: skip
    assert recorded(store)[0]["path"] == str(bad)
    chain = Evidence(folder=store / "evidence", keys=store / "keys").records()
    assert {r.actor for r in chain[1:3]} == {"aiko"}


def conforms_all(store: Path) -> list[Any]:
    outcome = quarantining.listed(store, every=True)
    conforms(outcome)
    return outcome.entries


def test_what_is_refused_does_not_hold_up_the_rest(bad: Path, store: Path) -> None:
    missing = bad.with_name("missing")
    done = quarantining.add(store, [missing, bad], WHY, yes=True)
    assert [e.path for e in done.entries] == [str(bad)]
    assert conforms(done)["refused"][0]["path"] == str(missing)
    with pytest.raises(PartFailedError, match="1 of 2 were refused"):
        quarantining.check_outcome(done)
    alone = quarantining.add(store, [missing], WHY, yes=True)
    with pytest.raises(SourceError, match="no such file"):
        quarantining.check_outcome(alone)


def test_a_person_may_name_a_file_through_a_linked_folder(bad: Path, store: Path) -> None:
    link = bad.parent / "link"
    link.symlink_to(bad.parent)
    done = quarantining.add(store, [link / bad.name], WHY, yes=True)
    assert [e.path for e in done.entries] == [str(bad)]
    (link / "to").mkdir()
    back = quarantining.restore(store, [done.entries[0].id], Places(to=link / "to"), yes=True)
    assert back.entries[0].restored_to == str(bad.parent / "to" / bad.name)


def test_several_files_need_a_folder_to_go_to(bad: Path, store: Path) -> None:
    with pytest.raises(ConfigError, match="cannot have one path"):
        quarantining.restore(store, ["a", "b"], Places(to=bad))


def test_what_was_in_the_way_is_told_and_recorded(bad: Path, store: Path) -> None:
    entry = quarantining.add(store, [bad], WHY, yes=True).entries[0]
    bad.write_bytes(b"precious")
    refused = quarantining.restore(store, [entry.id], Places(), yes=True)
    with pytest.raises(RefusedError, match="another file is there"):
        quarantining.check_outcome(refused)
    done = quarantining.restore(store, [entry.id], Places(replace=True), yes=True)
    assert [e.path for e in done.displaced] == [str(bad)]
    assert [r["deed"] for r in recorded(store)][-2:] == ["quarantine take", "quarantine restore"]
    conforms(done)


def test_a_lost_key_is_said_and_no_other_is_made(bad: Path, store: Path) -> None:
    quarantining.add(store, [bad], WHY, yes=True)
    key = store / "keys" / "quarantine.key"
    kept = key.read_bytes()
    key.unlink()
    for act in (
        quarantining.listed,
        quarantining.check,
        lambda s: quarantining.add(s, [bad], WHY, yes=True),
    ):
        with pytest.raises(StateError, match="key of this quarantine is gone"):
            act(store)
    assert not key.exists()
    key.write_bytes(kept)
    key.chmod(0o600)
    assert len(quarantining.listed(store).entries) == 1


def test_faults_end_a_check_with_an_error(bad: Path, store: Path) -> None:
    quarantining.add(store, [bad], WHY, yes=True)
    quarantining.check_outcome(quarantining.check(store))
    next(store.rglob("content")).write_bytes(b"broken")
    found = quarantining.check(store)
    assert isinstance(found.faults[0], Fault)
    conforms(found)
    with pytest.raises(StateError, match="1 faults"):
        quarantining.check_outcome(found)


def test_the_zip_for_analysts_opens_with_the_usual_password(bad: Path, store: Path) -> None:
    entry = quarantining.add(store, [bad], WHY, yes=True).entries[0]
    out = bad.with_name("x.zip")
    quarantining.export(store, entry.id, out)
    assert not out.exists()
    quarantining.export(store, entry.id, out, yes=True)
    with pyzipper.AESZipFile(out) as archive:
        assert archive.namelist() == [f"{entry.sha256}.bin"]
        with pytest.raises(RuntimeError, match="password"):
            archive.read(archive.namelist()[0])
        archive.setpassword(b"infected")
        assert archive.read(archive.namelist()[0]) == b"made up\n"
    assert out.stat().st_mode & 0o777 == 0o600
    with pytest.raises(ConfigError, match="there already"):
        quarantining.export(store, entry.id, out, yes=True)
    assert recorded(store)[-1]["deed"] == "quarantine export"


def test_a_broken_content_leaves_no_zip(bad: Path, store: Path) -> None:
    entry = quarantining.add(store, [bad], WHY, yes=True).entries[0]
    next(store.rglob("content")).write_bytes(b"broken")
    with pytest.raises(StateError):
        quarantining.export(store, entry.id, bad.with_name("x.zip"), yes=True)
    assert [p.name for p in bad.parent.iterdir() if p.name != "store"] == []


def test_a_deed_that_cannot_be_recorded_is_said(store: Path) -> None:
    store.mkdir()
    (store / "evidence").write_text("in the way")
    with pytest.raises(PartFailedError, match="done, but not recorded"):
        deeds.record(store, "quarantine take", {"path": "\udcff"}, "aiko")


def test_a_record_keeps_a_path_of_broken_bytes(store: Path) -> None:
    deeds.record(store, "quarantine take", {"path": "/a\udcff\n"}, "aiko")
    assert recorded(store) == [{"deed": "quarantine take", "path": "/a\udcff\n"}]


def test_nothing_to_recover_is_nothing(store: Path) -> None:
    assert quarantining.recover(store).recovered == []
    assert not store.exists()


def test_what_a_scan_found_is_taken_with_its_rule_and_only_as_it_was(tmp_path: Path) -> None:
    made = {name: tmp_path / name for name in ("whole", "packed", "changed")}
    for file in made.values():
        file.write_bytes(b"x")
    digest = hashlib.sha256(b"x").hexdigest()
    hits = [
        {
            "path": str(made["packed"]),
            "member": "a",
            "rule": "r",
            "family": "F",
            "sha256": "0" * 64,
        },
        *(
            {"path": str(made[n]), "member": None, "rule": "r", "family": "F", "sha256": digest}
            for n in ("whole", "changed")
        ),
    ]
    (tmp_path / "scan.json").write_text(json.dumps({"hits": hits}))
    made["changed"].write_bytes(b"y")
    wanted = quarantining.found_by(tmp_path / "scan.json")
    done = quarantining.add_each(tmp_path / "store", wanted, yes=True)
    assert {(e.path, e.rule, e.family) for e in done.entries} == {
        (str(made[n]), "r", "F") for n in ("whole", "packed")
    }
    assert [refused.path for refused in done.refused] == [str(made["changed"])]
    assert made["changed"].exists()


@pytest.mark.parametrize("text", ["[]", "{}", '{"hits": [{}]}', '{"hits": 3}'])
def test_what_is_no_scan_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "scan.json").write_text(text)
    with pytest.raises(SourceError, match="not what"):
        quarantining.found_by(tmp_path / "scan.json")
