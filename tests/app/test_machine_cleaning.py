from __future__ import annotations

import csv
import json
import os
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from sakimori.app import clean_contract as contract
from sakimori.app import clean_history as history
from sakimori.app import clean_rows, deeds, scanning
from sakimori.app import machine_cleaning as cleaning
from sakimori.app.evidencing import Evidence
from sakimori.app.machine_cleaning import Place
from sakimori.app.machine_demo import MARKER, Planted, plant
from sakimori.config import Machine
from sakimori.endpoint.definitions.pack import Index, Part
from sakimori.endpoint.quarantine.lock import locked
from sakimori.endpoint.recipes import sign
from sakimori.endpoint.recipes.model import digest
from sakimori.endpoint.registry.edit import HiveRegistry
from sakimori.endpoint.registry.model import text_of
from sakimori.errors import ConfigError, PartFailedError, RefusedError, SourceError, StateError

WINLOGON = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon"
OWN = """\
recipe: 1
name: own
family: Own
version: 1
date: 2026-11-25
platforms: [linux]
about: {en: Own., ja: 独自のレシピです。}
sources: [{id: s, title: t, organisation: o}]
items:
- {file: /home/aiko/letter.txt, contains: Nothing is wrong, source: s}
"""


@pytest.fixture
def planted(tmp_path: Path) -> Planted:
    return plant(tmp_path / "demo")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def place(planted: Planted) -> Place:
    return Place(root=planted.root, hives=planted.hives)


def contents(root: Path) -> dict[str, Any]:
    return {
        str(p.relative_to(root)): (
            p.lstat().st_mode,
            None if p.is_dir() else p.lstat().st_mtime_ns,
            p.readlink() if p.is_symlink() else p.read_bytes() if p.is_file() else None,
        )
        for p in sorted(root.rglob("*"))
    }


def shell(planted: Planted) -> str | None:
    value = HiveRegistry(planted.hives, now=cleaning.now()).get(WINLOGON, "Shell")
    return text_of(value) if value else None


def check(plain: Any, name: str) -> None:
    schema = json.loads(
        files("sakimori").joinpath(f"schemas/{name}.schema.json").read_text("utf-8")
    )
    jsonschema.validate(json.loads(json.dumps(plain)), schema)


def test_the_planted_machine_is_cleaned_and_undone(planted: Planted, store: Path) -> None:
    before = contents(planted.root)
    looked = cleaning.look(store, place(planted), ["sakimori-test"])
    assert len(looked.found.findings) == planted.findings
    assert contents(planted.root) == before
    assert not store.exists(), "a dry run leaves nothing"
    check(contract.clean(looked, None), "clean")
    done = cleaning.clean(store, looked, actor="aiko")
    assert {o.outcome for o in done.outcomes} == {"done"}
    check(contract.clean(looked, done), "clean")
    cleaning.check_cleaned(done)
    assert not planted.bot.exists()
    assert shell(planted) == "explorer.exe"
    assert (planted.root / "home/aiko/letter.txt").exists()
    assert not cleaning.look(store, place(planted), ["sakimori-test"]).found.findings
    undone = cleaning.undo(store, done.run, actor="aiko")
    assert {u.outcome for u in undone} <= {"undone", "already"}
    check(contract.undo(done.run, undone), "clean-undo")
    assert contents(planted.root) == before
    assert shell(planted) == r"explorer.exe,C:\Windows\System32\sakimori-test.exe"
    again = cleaning.undo(store, done.run, actor="aiko")
    assert {u.outcome for u in again} == {"already"}


def test_the_hive_is_kept_as_it_was(planted: Planted, store: Path) -> None:
    before = planted.hive.read_bytes()
    done = cleaning.clean(store, cleaning.look(store, place(planted), ["sakimori-test"]))
    assert planted.hive.read_bytes() != before
    assert (store / "clean" / done.run / "hives" / "SOFTWARE").read_bytes() == before


def test_all_recipes_find_only_the_test_family_there(planted: Planted, store: Path) -> None:
    looked = cleaning.look(store, place(planted))
    assert {f.family for f in looked.found.findings} == {"SakimoriTest"}
    assert len(looked.chosen) == 6
    alone = cleaning.look(store, Place(root=planted.root))
    assert [c.recipe.name for c in alone.chosen] == ["sakimori-test"]
    assert set(alone.left_out) == {"daonol", "rustock", "waledac", "zeroaccess", "zeus"}


def test_only_what_was_approved_is_done(planted: Planted, store: Path) -> None:
    looked = cleaning.look(store, place(planted), ["sakimori-test"])
    hosts = [f.id for f in looked.found.findings if f.kind == "hosts"]
    done = cleaning.clean(store, looked, only=hosts)
    assert [o.finding.kind for o in done.outcomes] == ["hosts"] * 2
    assert planted.bot.exists()
    with pytest.raises(ConfigError, match="no finding has the id"):
        cleaning.clean(store, looked, only=["0" * 12])


def test_what_changed_meanwhile_is_told_as_a_part_that_failed(
    planted: Planted, store: Path
) -> None:
    looked = cleaning.look(store, place(planted), ["sakimori-test"])
    planted.bot.write_text(f"{MARKER}, but another file")
    done = cleaning.clean(store, looked)
    assert [o.finding.where for o in done.bad] == ["/var/tmp/sakimori-test-bot"]  # noqa: S108
    with pytest.raises(PartFailedError, match="not cleaned: 1"):
        cleaning.check_cleaned(done)


def test_a_run_that_was_interrupted_goes_on(planted: Planted, store: Path) -> None:
    class Killed(BaseException):
        pass

    def die(step: str) -> None:
        if step == "begun cut":
            raise Killed

    looked = cleaning.look(store, place(planted), ["sakimori-test"])
    with pytest.raises(Killed):
        cleaning.clean(store, looked, hook=die)
    assert [r.state for r in history.runs(store)] == ["half-done"]
    done = cleaning.resume(store, looked.run)
    assert {o.outcome for o in done.outcomes} == {"done"}
    check(contract.resumed(done), "clean")
    assert shell(planted) == "explorer.exe"
    with pytest.raises(RefusedError, match="is done"):
        cleaning.resume(store, looked.run)


def test_runs_and_counts_tell_what_was_done(planted: Planted, store: Path) -> None:
    done = cleaning.clean(store, cleaning.look(store, place(planted), ["sakimori-test"]))
    empty = cleaning.clean(store, cleaning.look(store, place(planted), ["sakimori-test"]))
    assert empty.outcomes == ()
    month = f"{cleaning.now():%Y-%m}"
    found = planted.findings
    row = {"month": month, "found": found, "cleaned": found, "left": 0, "undone": 0}
    assert history.counts(store) == [
        {**row, "family": "", "runs": 2},
        {**row, "family": "SakimoriTest", "runs": 1},
    ]
    cleaning.undo(store, done.run)
    assert [r["undone"] for r in history.counts(store)] == [found, found]
    runs = contract.runs(history.runs(store))
    assert [(r["state"], r["findings"]) for r in runs] == [("undone", found), ("done", 0)]
    check(runs, "clean-runs")
    check(history.counts(store), "clean-counts")


def test_each_deed_is_in_the_machines_evidence(planted: Planted, store: Path) -> None:
    done = cleaning.clean(
        store, cleaning.look(store, place(planted), ["sakimori-test"]), actor="aiko"
    )
    cleaning.undo(store, done.run, actor="aiko")
    kept = Evidence(folder=store / "evidence", keys=store / "keys", case=deeds.CASE)
    bodies = [r.body for r in kept.records() if r.kind == "act"]
    assert [b["deed"] for b in bodies].count("clean") == planted.findings
    assert "clean undo" in {b["deed"] for b in bodies}


def test_a_row_on_the_run_can_be_imported(planted: Planted, store: Path, tmp_path: Path) -> None:
    file = tmp_path / "runs.csv"
    looked = cleaning.look(store, place(planted), ["sakimori-test"])
    machine = Machine(name="pc-1", country="JP", managed="home")
    scanning.append_run(file, clean_rows.run_of(looked, None), machine)
    done = cleaning.clean(store, looked)
    scanning.append_run(file, clean_rows.run_of(looked, done), machine)
    nothing = cleaning.look(store, place(planted), ["sakimori-test"])
    scanning.append_run(file, clean_rows.run_of(nothing, None), machine)
    rows = list(csv.DictReader(file.read_text("utf-8").splitlines()))
    assert [(r["tool"], r["found"], r["cleaned"], r["families"]) for r in rows] == [
        ("clean", "10", "0", "SakimoriTest"),
        ("clean", "10", "10", "SakimoriTest"),
        ("clean", "0", "0", ""),
    ]


def test_an_unsigned_recipe_can_look_but_not_act(
    planted: Planted, store: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(OWN, "utf-8")
    looked = cleaning.look(store, place(planted), [str(own)])
    assert len(looked.found.findings) == 1
    with pytest.raises(RefusedError, match="not signed"):
        cleaning.clean(store, looked)
    sign.new_key(tmp_path / "team.pem")
    sign.sign(own, own.read_bytes(), tmp_path / "team.pem")
    with pytest.raises(RefusedError, match="not trusted"):
        cleaning.clean(store, cleaning.look(store, place(planted), [str(own)]))
    sign.trust(tmp_path / "team.pem.pub", store / "keys")
    assert not (store / "clean").exists(), "nothing was done"
    done = cleaning.clean(store, cleaning.look(store, place(planted), [str(own)]))
    assert [o.outcome for o in done.outcomes] == ["done"]


def published(store: Path, recipes: dict[str, str]) -> Path:
    """Install definitions of these recipes as an update does; gives their folder."""
    parts = tuple(
        Part(f"recipes/{name}", len(text.encode()), digest(text.encode()))
        for name, text in recipes.items()
    )
    index = Index(7, "2026-11-25T12:00:00Z", "", parts)
    folder = store / "definitions" / "versions" / index.version
    (folder / "recipes").mkdir(parents=True)
    (folder / "manifest.json").write_bytes(index.dumped())
    for name, text in recipes.items():
        (folder / "recipes" / name).write_text(text, "utf-8")
    (store / "definitions" / "active").write_text(index.version)
    return folder


def test_recipes_of_the_active_definitions_are_trusted_and_replace_older_ones(
    planted: Planted, store: Path
) -> None:
    published(store, {"own.yaml": OWN, "z.yaml": OWN.replace("name: own", "name: zeus")})
    looked = cleaning.look(store, place(planted))
    origins = {c.recipe.name: (c.origin, c.recipe.family) for c in looked.chosen}
    assert origins["own"] == ("definitions", "Own")
    assert origins["zeus"] == ("definitions", "Own")
    assert origins["daonol"] == ("shipped", "Daonol")
    assert looked.definitions == "20261125.7"


def test_a_recipe_that_was_changed_since_it_was_fetched_is_not_acted_on(
    planted: Planted, store: Path
) -> None:
    folder = published(store, {"own.yaml": OWN})
    (folder / "recipes/own.yaml").write_text(OWN + "# more\n", "utf-8")
    looked = cleaning.look(store, place(planted), ["own"])
    with pytest.raises(RefusedError, match="changed since it was fetched"):
        cleaning.clean(store, looked)


def test_exports_give_a_file_to_import_and_one_that_undoes_it(store: Path, tmp_path: Path) -> None:
    export = tmp_path / "winlogon.reg"
    export.write_bytes(
        "Windows Registry Editor Version 5.00\r\n\r\n"
        "[HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\\Winlogon]\r\n"
        '"Userinit"="C:\\\\Windows\\\\system32\\\\userinit.exe,C:\\\\x\\\\sdra64.exe,"\r\n'.encode(
            "utf-16"
        )
    )
    looked = cleaning.look(store, Place(root=None, exports=(export,)), ["zeus"])
    assert [f.kind for f in looked.found.findings] == ["registry"]
    done = cleaning.clean(store, looked)
    (written,) = cleaning.to_import(store, done.run)
    text = written.read_bytes().decode("utf-16")
    assert '"Userinit"="C:\\\\Windows\\\\system32\\\\userinit.exe,"' in text
    back = written.with_suffix(".undo.reg").read_bytes().decode("utf-16")
    assert "sdra64.exe" in back
    assert {u.outcome for u in cleaning.undo(store, done.run)} == {"already"}


@pytest.mark.parametrize(
    ("words", "wrong"),
    [(["SOFTWARE"], "no NAME=FILE"), (["=x"], "no NAME=FILE"), (["SOFTWARE="], "no NAME=FILE")],
)
def test_a_hive_without_name_or_file_is_an_error(words: list[str], wrong: str) -> None:
    with pytest.raises(ConfigError, match=wrong):
        cleaning.hives_of(words)


def test_places_that_cannot_be_read_are_errors(store: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        cleaning.look(store, Place(root=tmp_path / "gone"))
    (tmp_path / "hive").write_bytes(b"no hive")
    with pytest.raises(SourceError):
        cleaning.look(store, Place(root=None, hives={"SOFTWARE": tmp_path / "hive"}))
    with pytest.raises(ConfigError, match="no recipe is named"):
        cleaning.look(store, Place(root=tmp_path), ["zues"])
    with pytest.raises(ConfigError, match="there is no run"):
        cleaning.undo(store, "../../etc")


def test_a_plan_that_was_damaged_is_an_error(planted: Planted, store: Path) -> None:
    done = cleaning.clean(store, cleaning.look(store, place(planted), ["sakimori-test"]))
    (store / "clean" / done.run / "plan.json").write_text("{}")
    with pytest.raises(StateError, match="not a plan"):
        cleaning.undo(store, done.run)
    with pytest.raises(StateError, match="not a plan"):
        history.counts(store)
    runs = contract.runs(history.runs(store))
    assert [r["state"] for r in runs] == ["damaged"]
    check(runs, "clean-runs")


def test_hostile_names_go_through_plan_journal_and_evidence(planted: Planted, store: Path) -> None:
    name = os.fsdecode(b"var/tmp/sakimori-test-\xff\n\x1b[2J")
    (planted.root / name).write_text(MARKER)
    looked = cleaning.look(store, Place(root=planted.root), ["sakimori-test"])
    done = cleaning.clean(store, looked)
    assert {o.outcome for o in done.outcomes} == {"done"}
    assert not (planted.root / name).exists()
    assert {u.outcome for u in cleaning.undo(store, done.run)} <= {"undone", "already"}
    assert (planted.root / name).read_text() == MARKER


def test_two_cleanings_do_not_work_at_once(
    planted: Planted, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleaning, "_PATIENCE", 0.05)
    looked = cleaning.look(store, Place(root=planted.root), ["sakimori-test"])
    (store / "clean").mkdir(parents=True)
    with locked(store / "clean"), pytest.raises(StateError, match="another process"):
        cleaning.clean(store, looked)
    assert planted.bot.exists()
    assert {o.outcome for o in cleaning.resume(store, looked.run).outcomes} == {"done"}


def test_a_mounted_windows_brings_its_own_hives(store: Path, tmp_path: Path) -> None:
    planted = plant(tmp_path / "demo")
    config = planted.root / "WINDOWS/system32/config"
    config.mkdir(parents=True)
    planted.hive.rename(config / "software")
    found = cleaning.place_of(planted.root, (), ())
    assert found.hives == {"SOFTWARE": config / "software"}
    assert cleaning.place_of(planted.root, ["SYSTEM=x"], ()).hives == {"SYSTEM": Path("x")}
    looked = cleaning.look(store, found, ["sakimori-test"])
    assert [f.kind for f in looked.found.findings].count("registry") == 1
