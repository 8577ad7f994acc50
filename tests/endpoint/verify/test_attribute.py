from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.app.family_facts import shipped_facts
from sakimori.endpoint.changes import Change
from sakimori.endpoint.verify.actions._record import Action
from sakimori.endpoint.verify.attribute import Material
from sakimori.endpoint.verify.model import (
    FileClaim,
    Manifest,
    ObjectClaim,
    RegistryClaim,
    Window,
)
from sakimori.endpoint.verify.registry_names import registry_key
from sakimori.endpoint.verify.result import by_name, verify
from sakimori.endpoint.verify.statement import statement
from sakimori.i18n import Translator

KEY = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon"
NOON = datetime(2009, 11, 25, 12, tzinfo=UTC)
ALL = frozenset({"files", "registry", "packages", "acl"})


def text(value: str, *, ended: bool = True) -> dict[str, Any]:
    raw = (value + "\0" * ended).encode("utf-16-le")
    return {"type": "REG_SZ", "data": raw.hex(), "text": value}


def value(name: str, after: dict[str, Any] | None, *layers: str, key: str = KEY) -> Change:
    before = None if "added" in layers else text("before")
    return Change(object="registry", key=key, name=name, layers=layers, before=before, after=after)


def at_key(*layers: str, key: str = KEY, dacl: str = "D:(A;;KA;;;WD)", time: str = "") -> Change:
    before = None if "added" in layers else {"dacl": "D:(A;;KA;;;BA)", "owner": "BA"}
    after = None if "removed" in layers else {"dacl": dacl, "owner": "BA", "key_time": time}
    return Change(object="registry", key=key, name=None, layers=layers, before=before, after=after)


def file(key: str, *layers: str, **after: Any) -> Change:
    before = None if "added" in layers else {"sha256": "0" * 64}
    there = None if "removed" in layers else {"type": "file", **after}
    return Change(object="file", key=key, name=None, layers=layers, before=before, after=there)


def declared(
    name: str | None, data: str | None = None, key: str = KEY, **more: Any
) -> RegistryClaim:
    raw = () if data is None else ((data + "\0").encode("utf-16-le"),)
    return RegistryClaim(key=registry_key(key), name=name, where="m:1", data=raw, **more)


def shipped(path: str, **more: Any) -> FileClaim:
    return FileClaim(path=path, where="m:2", **more)


def manifest(*claims: Any, complete: frozenset[str] = frozenset(), declares: frozenset[str] = ALL,
             windows: tuple[Window, ...] = ()) -> Manifest:  # fmt: skip
    return Manifest(
        name="KB1", source="m", format="test", declares=declares, complete=complete, windows=windows,
        files=tuple(c for c in claims if isinstance(c, FileClaim)),
        registry=tuple(c for c in claims if isinstance(c, RegistryClaim)),
        objects=tuple(c for c in claims if isinstance(c, ObjectClaim)),
    )  # fmt: skip


def outcome(change: Change, *claims: Any, **more: Any) -> tuple[str, set[str]]:
    """Who one change is put down to, and the codes of the evidence."""
    (one,) = verify([change], Material(updates=[manifest(*claims, **more)])).attributions
    return one.to, {note.code for note in one.notes}


HASH, OTHER = "a" * 64, "b" * 64

REGISTRY = [
    ("the declared data", value("V", text("x"), "added"), declared("V", "x"), "update", "reg-match"),
    ("names without regard to case", value("v", text("x"), "added"), declared("V", "x"), "update", "reg-match"),
    ("other data", value("V", text("y"), "bytes"), declared("V", "x"), "unknown", "reg-data"),
    ("more behind the NUL", value("V", text("x\0y"), "bytes"), declared("V", "x"), "unknown", "reg-data"),
    ("the terminator lost", value("V", text("x", ended=False), "terminator"), declared("V", "x"), "unknown",
     "reg-terminator"),
    ("the terminator lost, data not declared", value("V", text("x", ended=False), "bytes"), declared("V"),
     "unknown", "reg-terminator"),
    ("data not declared", value("V", text("x"), "added"), declared("V"), "update", "reg-named"),
    ("another type", value("V", text("x"), "type"), declared("V", "x", type="REG_EXPAND_SZ"), "unknown",
     "reg-type"),
    ("another value of the key", value("W", text("x"), "added"), declared("V", "x"), "unknown", "reg-others"),
    ("a deletion", value("V", None, "removed"), declared("V", action="delete"), "update", "reg-deleted"),
    ("a deletion that did not happen", value("V", text("x"), "bytes"), declared("V", action="delete"),
     "unknown", "reg-not-deleted"),
    ("a value that is gone", value("V", None, "removed"), declared("V", "x"), "unknown", "reg-missing"),
    ("a value in a deleted key", value("V", None, "removed", key=KEY + r"\Sub"),
     declared(None, action="delete", whole=True), "update", "reg-deleted"),
    ("a whole key", value("V", text("x"), "added", key=KEY + r"\Sub"), declared(None, whole=True), "update",
     "reg-named"),
    ("the default value", value("", text("x"), "added"), declared("", "x"), "update", "reg-match"),
    ("permissions of a key with declared values", at_key("acl"), declared("V", "x"), "unknown",
     "reg-acl-undeclared"),
    ("permissions as declared", at_key("acl"), declared(None, security={"dacl": "D:AI(A;;KA;;;WD)"}), "update",
     "reg-acl"),
    ("permissions other than declared", at_key("acl"), declared(None, security={"dacl": "D:(A;;KR;;;WD)"}),
     "unknown", "reg-acl-differs"),
    ("a new key with declared values", at_key("added"), declared("V", "x"), "update", "reg-key"),
    ("a new key above a declared one", at_key("added"), declared("V", "x", key=KEY + r"\Sub"), "update",
     "reg-below"),
    ("a new key beside", at_key("added", key=KEY + "2"), declared("V", "x"), "unknown", "undeclared"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("why", "change", "claim", "to", "code"), REGISTRY, ids=[r[0] for r in REGISTRY]
)
def test_registry(why: str, change: Change, claim: RegistryClaim, to: str, code: str) -> None:
    found, codes = outcome(change, claim)
    assert (found, code in codes) == (to, True), (why, codes)


FILES = [
    ("the same hash", file("/usr/bin/x", "bytes", sha256=HASH), shipped("/usr/bin/x", hashes={"sha256": HASH}),
     "update", "match"),
    ("another hash", file("/usr/bin/x", "bytes", sha256=OTHER), shipped("/usr/bin/x", hashes={"sha256": HASH}),
     "unknown", "differs"),
    ("before /usr was merged", file("/usr/bin/x", "bytes", sha256=HASH),
     shipped("/bin/x", hashes={"sha256": HASH}), "update", "match"),
    ("case counts on Linux", file("/usr/bin/X", "bytes", sha256=HASH),
     shipped("/usr/bin/x", hashes={"sha256": HASH}), "unknown", "undeclared"),
    ("case does not on Windows", file("/WINDOWS/System32/Quartz.dll", "bytes", size=7, version="6.5.1.2"),
     shipped(r"%SystemRoot%\system32\quartz.dll", size=7, version="6.5.1.2"), "update", "match"),
    ("a bare name with size and version", file(r"C:\WINDOWS\system32\quartz.dll", "bytes", size=7,
     version="6.5.1.2 (xpsp)"), shipped("Quartz.dll", size=7, version="6.5.1.2"), "update", "match"),
    ("a bare name with another version", file(r"C:\x\quartz.dll", "bytes", size=7, version="6.5.1.3"),
     shipped("Quartz.dll", size=7, version="6.5.1.2"), "unknown", "differs"),
    ("size alone is said to be weak", file(r"C:\x\quartz.dll", "bytes", size=7), shipped("Quartz.dll", size=7),
     "update", "by-size"),
    ("a path with nothing to compare", file("/usr/bin/x", "bytes", sha256=HASH), shipped("/usr/bin/x"),
     "update", "named"),
    ("setuid beside good content", file("/usr/bin/x", "mode", "bytes", sha256=HASH, mode="4755"),
     shipped("/usr/bin/x", hashes={"sha256": HASH}), "unknown", "uncovered"),
    ("setuid on a new file", file("/usr/bin/x", "added", sha256=HASH, mode="4755"),
     shipped("/usr/bin/x", hashes={"sha256": HASH}), "unknown", "special-mode"),
    ("a declared setuid", file("/usr/bin/x", "added", sha256=HASH, mode="4755"),
     shipped("/usr/bin/x", hashes={"sha256": HASH}, mode=0o4755), "update", "match"),
    ("another mode", file("/usr/bin/x", "mode", sha256=HASH, mode="0777"),
     shipped("/usr/bin/x", hashes={"sha256": HASH}, mode=0o755), "unknown", "differs"),
    ("a link to elsewhere", file("/usr/lib/l", "bytes", target="/opt/evil"), shipped("/usr/lib/l", kind="link",
     target="l.so.1"), "unknown", "differs"),
    ("a removal", file("/usr/bin/x", "removed"), shipped("/usr/bin/x", action="removed"), "update", "removal"),
    ("gone though declared", file("/usr/bin/x", "removed"), shipped("/usr/bin/x"), "unknown", "gone"),
    ("there though removed", file("/usr/bin/x", "bytes", sha256=HASH), shipped("/usr/bin/x", action="removed"),
     "unknown", "still-there"),
    ("a new folder of declared files", file("/opt/x", "added"), shipped("/opt/x/y", hashes={"sha256": HASH}),
     "update", "below"),
]  # fmt: skip


@pytest.mark.parametrize(("why", "change", "claim", "to", "code"), FILES, ids=[f[0] for f in FILES])
def test_files(why: str, change: Change, claim: FileClaim, to: str, code: str) -> None:
    found, codes = outcome(change, claim)
    assert (found, code in codes) == (to, True), (why, codes)


def test_of_several_branches_of_one_file_the_one_that_is_there_counts() -> None:
    branches = [shipped("q.dll", size=7, version=v) for v in ("6.5.1.2", "6.5.1.9")]
    change = file(r"C:\WINDOWS\q.dll", "bytes", size=7, version="6.5.1.9")
    assert outcome(change, *branches)[0] == "update"


@pytest.mark.parametrize(
    ("after", "to"), [("2.10-3", "update"), ("2.10-4", "unknown"), (None, "unknown")]
)
def test_a_package_is_the_updates_in_the_version_it_declares(after: str | None, to: str) -> None:
    change = Change(object="package", key="hello:amd64", name=None, layers=("bytes",),
                    before={"version": "2.10-2"}, after={"version": after} if after else None)  # fmt: skip
    claims = [
        ObjectClaim(object="package", name="hello", where="m:1", version=v)
        for v in ("2.10-2", "2.10-3")
    ]
    assert outcome(change, *claims)[0] == to


def test_only_a_complete_manifest_excludes_anything() -> None:
    change = value("V", text("x"), "added")
    cannot = frozenset({"files"})
    assert "cannot" in outcome(change, declares=cannot)[1]
    assert "undeclared" in outcome(change, declares=ALL)[1]
    found = verify([change], Material(updates=[manifest(complete=frozenset({"registry"}))]))
    (account,) = found.accounts
    assert (account.could, account.could_not, account.silent) == ((), (0,), ())


# Installers' logs


def window(hours: int = 0) -> Window:
    start = NOON + timedelta(hours=hours)
    return Window(start=start, end=start + timedelta(minutes=1), title="msi", where="log:1")


@pytest.mark.parametrize(
    ("claims", "hours", "to", "code"),
    [
        ((), 0, "unknown", "coincidence"),
        ((shipped("/opt/x"),), 0, "installer", "in-window"),
        ((shipped("/opt/x"),), 5, "unknown", "out-of-window"),
        ((shipped("/opt/x", hashes={"sha256": HASH}),), 5, "installer", "match"),
    ],
)
def test_an_installers_log_needs_the_object_and_the_time_or_the_content(
    claims: tuple[FileClaim, ...], hours: int, to: str, code: str
) -> None:
    change = file("/opt/x", "added", sha256=HASH, mtime="2009-11-25T12:00:30.123456789Z")
    log = manifest(*claims, windows=(window(hours),))
    (one,) = verify([change], Material(installers=[log])).attributions
    assert one.to == to
    assert code in {note.code for note in one.notes}


# Families


def test_a_familys_value_is_the_familys_and_its_removal_is_not() -> None:
    drivers = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\Drivers32"
    bad = text(r"C:\WINDOWS\system32\..\vqfasf.tmp wqerkjla")
    facts = shipped_facts()
    for name, after, to in [
        ("midi9", bad, "family"),
        ("aux", bad, "family"),
        ("aux", text("wdmaud.drv"), "unknown"),
        ("wave", text("wdmaud.drv"), "unknown"),
    ]:
        (one,) = verify(
            [value(name, after, "added", key=drivers)], Material(families=facts)
        ).attributions
        assert one.to == to, name
    gone = Change(
        object="registry", key=drivers, name="midi9", layers=("removed",), before=bad, after=None
    )
    (one,) = verify([gone], Material(families=facts)).attributions
    assert one.to == "unknown"
    assert "family-gone" in {note.code for note in one.notes}


def test_a_lost_terminator_alone_names_no_family() -> None:
    change = value("Shell", text("Explorer.exe", ended=False), "terminator")
    (one,) = verify([change], Material(families=shipped_facts())).attributions
    assert one.to == "unknown"


def test_what_the_update_declares_is_not_blamed_on_a_family() -> None:
    drivers = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\Drivers32"
    path = r"C:\Program Files\..\x.dll aaaa"
    claim = declared("midi9", path, key=drivers)
    material = Material(updates=[manifest(claim)], families=shipped_facts())
    (one,) = verify([value("midi9", text(path), "added", key=drivers)], material).attributions
    assert one.to == "update"


# Persons


def act(what: str = "", minutes: float = 0, **more: Any) -> Action:
    return Action(
        time=NOON + timedelta(minutes=minutes), who="alice", what=what, where="log:9", **more
    )


PERSONS = [
    ("a command that names the file", act("vi /etc/hosts", -3), "person"),
    ("a command that names another", act("vi /etc/hostname", -3), "unknown"),
    ("much earlier", act("vi /etc/hosts", -90), "unknown"),
    ("later", act("vi /etc/hosts", 10), "unknown"),
    ("an audit record", act("vi", -0.1, target="/etc/hosts"), "person"),
]


@pytest.mark.parametrize(("why", "action", "to"), PERSONS, ids=[p[0] for p in PERSONS])
def test_a_person_is_named_by_the_object_and_the_time(why: str, action: Action, to: str) -> None:
    change = file("/etc/hosts", "bytes", sha256=HASH, mtime="2009-11-25T12:00:00Z")
    (one,) = verify([change], Material(actions=[action])).attributions
    assert one.to == to, why


REGISTRY_ACTS = [
    (act('reg add "HKLM\\' + KEY + '" /v Shell /d x.exe /f'), value("Shell", text("x.exe"), "bytes"), "person"),
    (act('reg add "HKLM\\' + KEY + '" /v Other /d x.exe /f'), value("Shell", text("x.exe"), "bytes"), "unknown"),
    (act("4657 value", target="\\REGISTRY\\MACHINE\\" + KEY, value="Shell"), value("Shell", text("x"), "bytes"),
     "person"),
    (act("4657 value", target="\\REGISTRY\\MACHINE\\" + KEY, value="Shell"), at_key("acl"), "unknown"),
    (act("4670 permissions changed", target="\\REGISTRY\\MACHINE\\" + KEY), at_key("acl"), "person"),
    (act("4670 permissions changed", target="\\REGISTRY\\MACHINE\\" + KEY), value("Shell", text("x"), "bytes"),
     "unknown"),
]  # fmt: skip


@pytest.mark.parametrize(("action", "change", "to"), REGISTRY_ACTS)
def test_a_person_at_the_registry(action: Action, change: Change, to: str) -> None:
    (one,) = verify([change], Material(actions=[action])).attributions
    assert one.to == to


def test_an_act_outside_the_two_snapshots_explains_nothing() -> None:
    change = file("/etc/hosts", "bytes", sha256=HASH)
    span = (NOON + timedelta(hours=1), NOON + timedelta(hours=2))
    (one,) = verify([change], Material(actions=[act("vi /etc/hosts")], span=span)).attributions
    assert one.to == "unknown"


# Consequences


def test_the_time_of_a_key_goes_with_its_one_cause_and_is_unknown_with_two() -> None:
    time = at_key("time", time="2009-11-25T12:00:00Z")
    good, bad = value("V", text("x"), "added"), value("W", text("y"), "added")
    material = Material(updates=[manifest(declared("V", "x"))])
    assert [a.to for a in verify([time, good], material).attributions] == ["update", "update"]
    assert [a.to for a in verify([time, good, bad], material).attributions] == [
        "unknown",
        "update",
        "unknown",
    ]


def test_a_folders_time_is_not_moved_by_a_file_whose_owner_changed() -> None:
    folder = Change(object="file", key="/etc", name=None, layers=("time",), before={}, after={})
    changes = [folder, file("/etc/a", "added", sha256=HASH), file("/etc/b", "owner", sha256=HASH)]
    material = Material(updates=[manifest(shipped("/etc/a", hashes={"sha256": HASH}))])
    assert [a.to for a in verify(changes, material).attributions] == ["update", "update", "unknown"]


def test_dpkgs_records_follow_a_package_but_its_scripts_must_be_compared() -> None:
    package = Change(object="package", key="hello", name=None, layers=("bytes",), before={"version": "1"},
                     after={"version": "2"})  # fmt: skip
    info = "/var/lib/dpkg/info/hello."
    changes = [package, file("/var/lib/dpkg/status", "bytes"), file(info + "md5sums", "bytes"),
               file(info + "postinst", "bytes")]  # fmt: skip
    claim = ObjectClaim(object="package", name="hello", where="m:1", version="2")
    tos = [a.to for a in verify(changes, Material(updates=[manifest(claim)])).attributions]
    assert tos == ["update", "update", "update", "unknown"]
    nothing = [a.to for a in verify(changes[1:], Material(updates=[manifest(claim)])).attributions]
    assert nothing == ["unknown"] * 3


CHANGES = st.sampled_from(
    [
        *(row[1] for row in REGISTRY),
        *(row[1] for row in FILES),
        at_key("time"),
        file("/etc", "time"),
    ]
)
CLAIMS = st.sampled_from([*(row[2] for row in REGISTRY), *(row[2] for row in FILES)])


@given(st.lists(CHANGES, max_size=8), st.lists(CLAIMS, max_size=6), st.booleans())
@settings(max_examples=30, deadline=None)
def test_every_change_is_counted_once_and_every_update_accounts_for_all(
    changes: list[Change], claims: list[Any], complete: bool
) -> None:
    said = frozenset({"registry", "acl", "files"}) if complete else frozenset[str]()
    found = verify(changes, Material(updates=[manifest(*claims, complete=said), manifest()]))
    assert found.count("update", "installer", "family", "person", "unknown") == len(changes)
    for one in found.accounts:
        sides = (*one.could, *one.differs, *one.could_not, *one.silent)
        assert sorted(sides) == list(range(len(changes)))
    assert all(a.notes for a in found.attributions)


def test_two_lists_of_one_update_are_spoken_of_as_one() -> None:
    files = manifest(shipped("C:\\a.dll"), declares=frozenset({"files"}))
    values = manifest(declared("Shell", "explorer.exe"), declares=frozenset({"registry"}))
    changes = [value("Shell", text("explorer.exe"), "bytes"), value("Other", text("x"), "added")]
    found = verify(changes, Material(updates=[files, values]))
    (one,) = by_name(found.accounts)
    assert (one.could, one.silent) == ((0,), (1,))
    said = statement(found, Translator("en")).splitlines()
    assert len([line for line in said if "could have made 1 of the 2" in line]) == 1
    assert not [line for line in said if "says nothing at all" in line]  # the other list does
