from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sakimori.endpoint.snapshot import Record, compare, diff
from sakimori.endpoint.snapshot.layers import LONGEST
from sakimori.endpoint.snapshot.model import Gap, Header, Scope, Snapshot, in_memory

if TYPE_CHECKING:
    from sakimori.endpoint.changes import Change

HEADER = Header(tool="test", machine="m", taken="2009-11-25T00:00:00Z")
OLD, NEW = "2009-11-10T00:00:00Z", "2009-11-25T00:00:00Z"
WINLOGON = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon"
EXPLORER = "Explorer.exe".encode("utf-16-le")


def taken(*records: Record, **more: Any) -> Snapshot:
    return in_memory(records, HEADER, **more)


def value(
    data: bytes,
    number: int = 1,
    *,
    key: str = WINLOGON,
    name: str = "Shell",
    time: str | None = OLD,
) -> Record:
    return Record("registry", key, name, {"type": number, "data": data.hex(), "key_time": time})


def key(path: str = WINLOGON, **changes: Any) -> Record:
    state = {"key_time": OLD, "owner": "BA", "group": "SY", "dacl": "D:P(A;;KA;;;BA)", "sacl": None}
    return Record("registry", path, None, state | changes)


def file(path: str = "/usr/bin/a", **changes: Any) -> Record:
    state = {
        "type": "file", "mode": "0755", "uid": 0, "gid": 0, "owner": "root", "group": "root",
        "mtime": OLD, "size": 3, "sha256": "a" * 64,
    }  # fmt: skip
    return Record("file", path, None, state | changes)


def multi(*strings: str, end: str = "\0\0") -> bytes:
    return ("\0".join(strings) + end).encode("utf-16-le")


@pytest.mark.parametrize(
    ("before", "after", "layers"),
    [
        (value(EXPLORER + b"\0\0"), value(EXPLORER), ["terminator"]),
        (value(EXPLORER), value(EXPLORER + b"\0\0"), ["terminator"]),
        (value(EXPLORER + b"\0\0"), value(EXPLORER + b"\0\0\0\0"), ["terminator"]),
        (value(EXPLORER + b"\0\0"), value(EXPLORER + b"\0\0\0"), ["terminator"]),
        (value(EXPLORER + b"\0\0"), value(EXPLORER + b"\0\0A"), ["terminator"]),
        (value(EXPLORER + b"\0\0"), value(EXPLORER + b"\0\0e\0"), ["bytes"]),
        (value(EXPLORER + b"\0\0"), value(EXPLORER[:-1]), ["bytes"]),
        (value(EXPLORER + b"\0\0"), value(EXPLORER.lower() + b"\0\0"), ["bytes"]),
        (value(EXPLORER, 2), value(EXPLORER + b"\0\0", 2), ["terminator"]),
        (value(multi("a", "b"), 7), value(multi("a", "b", end="\0"), 7), ["terminator"]),
        (value(multi("a", "b"), 7), value(multi("a", "b", end=""), 7), ["terminator"]),
        (value(multi("a", "b"), 7), value(multi("ab"), 7), ["bytes"]),
        (value(b"\1\0\0\0", 3), value(b"\1\0\0", 3), ["bytes"]),  # no text: every byte counts
        (value(EXPLORER + b"\0\0"), value(EXPLORER + b"\0\0", 2), ["type"]),
        (value(EXPLORER + b"\0\0"), value(EXPLORER, 2), ["terminator", "type"]),
        (value(EXPLORER), value(EXPLORER, 3), ["type"]),
        (value(b"\1", 3), value(b"\2", 4), ["bytes", "type"]),
        (key(), key(dacl="D:(A;;KA;;;WD)"), ["acl"]),
        (key(sacl="S:"), key(sacl="S:(AU;SA;KA;;;WD)"), ["acl"]),
        (key(), key(owner="S-1-5-21-1-2-3-1001"), ["owner"]),
        (key(), key(group="BU"), ["owner"]),
        (key(), key(key_time=NEW), ["time"]),
        (key(), key(key_time=NEW, dacl="D:(A;;KA;;;WD)"), ["acl"]),
        (key(), key(key_time=None, owner=None, group=None, dacl=None), None),
        (file(), file(sha256="b" * 64, mtime=NEW), ["bytes"]),
        (file(), file(sha256="b" * 64), ["bytes"]),
        (file(), file(mtime=NEW), ["time"]),
        (file(), file(mode="4755"), ["mode"]),
        (file(), file(uid=1000, owner="bob"), ["owner"]),
        (file(), file(owner="toor"), None),  # the account was renamed, the file was not touched
        (file(), file(acl={"access": "user::rwx"}), ["acl"]),
        (file(), file(capabilities="cap_net_raw+ep"), ["acl"]),
        (file(xattrs={"user.a": "00"}), file(), ["acl"]),
        (file(), file(sha256=None, unread="Permission denied"), None),
        (file(), file(linked_to="/bin/b"), ["type"]),
        (file(), file(type="symlink", size=None, sha256=None, target="/bin/b"), ["bytes", "type"]),
        (file(type="symlink", target="a"), file(type="symlink", target="b"), ["bytes"]),
        (file(mode="0644"), file(mode="0755", gid=4, sha256="b" * 64), ["bytes", "owner", "mode"]),
    ],
)  # fmt: skip
def test_each_difference_is_told_in_its_layer(
    before: Record, after: Record, layers: list[str] | None
) -> None:
    changes = diff(taken(before), taken(after))
    assert [list(one.layers) for one in changes] == ([] if layers is None else [layers])
    for one in changes:
        assert (one.object, one.key, one.name) == (before.object, before.key, before.name)


def test_a_value_says_type_text_bytes_and_when_its_key_was_written() -> None:
    (change,) = diff(taken(value(EXPLORER + b"\0\0")), taken(value(EXPLORER, time=NEW)))
    assert change.before == {
        "type": "REG_SZ", "data": (EXPLORER + b"\0\0").hex(), "text": "Explorer.exe",
        "key_time": OLD, "autorun": True,
    }  # fmt: skip
    assert change.after is not None
    assert (change.after["text"], change.after["key_time"]) == ("Explorer.exe", NEW)


def test_long_data_are_cut_and_hashed() -> None:
    (change,) = diff(taken(value(b"a" * LONGEST, 3)), taken(value(b"a" * LONGEST + b"b", 3)))
    assert change.before is not None
    assert change.after is not None
    assert "sha256" not in change.before
    assert change.after["size"] == LONGEST + 1
    assert len(change.after["data"]) == 2 * LONGEST
    assert len(change.after["sha256"]) == 64


def test_a_new_key_is_told_with_each_of_its_values() -> None:
    below = WINLOGON + r"\Notify"
    after = taken(
        key(key_time=NEW), key(below, key_time=NEW), value(b"\0\0", key=below, name="", time=NEW)
    )
    changes = diff(taken(key()), after)
    assert [(one.key, one.name, one.layers) for one in changes] == [
        (below, None, ("added",)), (below, "", ("added",)),
    ]  # fmt: skip
    assert changes[0].after is not None
    assert changes[0].after["parent_key_time"] == NEW
    back = diff(after, taken(key()))
    assert [one.layers for one in back] == [("removed",), ("removed",)]


def test_a_key_whose_time_moved_because_of_a_value_is_not_told_twice() -> None:
    before = taken(key(), value(EXPLORER + b"\0\0"), value(b"\0\0", name="b"))
    after = taken(key(key_time=NEW), value(EXPLORER, time=NEW))
    changes = diff(before, after)
    assert [(one.name, one.layers) for one in changes] == [
        ("b", ("removed",)), ("Shell", ("terminator",)),
    ]  # fmt: skip
    assert changes[0].before is not None
    assert changes[0].before["key_time_after"] == NEW


def test_a_folder_whose_time_moved_because_of_an_entry_is_not_told() -> None:
    folder = file("/usr/bin", type="directory", size=None, sha256=None)
    moved = file("/usr/bin", type="directory", size=None, sha256=None, mtime=NEW)
    assert diff(taken(folder), taken(moved)) != []
    (change,) = diff(taken(folder), taken(moved, file()))
    assert (change.key, change.layers) == ("/usr/bin/a", ("added",))
    assert len(diff(taken(folder, file()), taken(moved, file(mtime=NEW)))) == 2


def test_moved_content_is_pointed_to() -> None:
    gone, new = diff(taken(file("/a")), taken(file("/b")))
    assert gone.before is not None
    assert new.after is not None
    assert (gone.before["moved_to"], new.after["moved_from"]) == ("/b", "/a")
    assert all("moved_to" not in (one.before or {}) for one in diff(
        taken(file("/a"), file("/c")), taken(file("/b"))
    ))  # fmt: skip


def test_names_of_keys_and_values_are_compared_without_case_and_in_every_form() -> None:
    hive = taken(key("SOFTWARE\\Run"), value(EXPLORER, key="SOFTWARE\\Run", name="Evil"))
    export = taken(
        key("HKEY_LOCAL_MACHINE\\Software\\RUN", key_time=None, owner=None, group=None, dacl=None),
        value(EXPLORER, key="HKEY_LOCAL_MACHINE\\Software\\RUN", name="EVIL", time=None),
    )
    assert diff(hive, export) == []
    assert diff(export, hive) == []


def test_a_key_that_hides_behind_a_space_is_another_key() -> None:
    (change,) = diff(
        taken(key("SOFTWARE\\A\\Run")), taken(key("SOFTWARE\\A\\Run"), key("SOFTWARE\\A\\Run "))
    )
    assert (change.key, change.layers) == ("SOFTWARE\\A\\Run ", ("added",))


def compared(a: Snapshot, b: Snapshot) -> tuple[list[Change], list[tuple[str, str, int]]]:
    found = compare(a, b)
    return list(found.changes), [
        (one.why.side, one.why.kind, one.records) for one in found.not_compared
    ]


@pytest.mark.parametrize(
    ("more", "left"),
    [
        ({"scopes": [Scope("file", ("/etc",))]}, ("b", "outside", 1)),
        ({"scopes": [Scope("file", ("/usr/b*",))]}, None),
        ({"scopes": [Scope("file", (), ("/usr/*",))]}, ("b", "excluded", 1)),
        ({"scopes": [Scope("file", reason="needs root")]}, ("b", "untaken", 1)),
        ({"scopes": []}, ("b", "untaken", 1)),
        ({"gaps": [Gap("file", "/usr", "Permission denied")], "scopes": [Scope("file")]}, ("b", "unread", 1)),
        ({"gaps": [Gap("file", "/usr/bi", "Permission denied")], "scopes": [Scope("file")]}, None),
        ({"gaps": [Gap("job", "/usr", "Permission denied")], "scopes": [Scope("file")]}, None),
    ],
)  # fmt: skip
def test_what_one_side_did_not_look_at_is_not_compared(
    more: dict[str, Any], left: tuple[str, str, int] | None
) -> None:
    changes, not_compared = compared(taken(file()), taken(**more))
    assert [one.layers for one in changes] == ([] if left else [("removed",)])
    assert not_compared == ([left] if left else [])
    assert [one.layers for one in diff(taken(**more), taken(file()))] == (
        [] if left else [("added",)]
    )


def test_a_job_whose_table_could_not_be_read_is_not_gone() -> None:
    job = Record("job", "/var/spool/cron/crontabs/bob: x", None,
                 {"source": "/var/spool/cron/crontabs/bob", "command": "x"})  # fmt: skip
    gap = Gap("job", "/var/spool/cron/crontabs", "Permission denied")
    changes, left = compared(taken(job), taken(scopes=[Scope("job")], gaps=[gap]))
    assert changes == []
    assert left == [("b", "unread", 1)]


def test_an_export_covers_its_own_keys_only() -> None:
    hive = taken(key("SOFTWARE\\A"), key("SOFTWARE\\A\\B"), key("SOFTWARE\\C"))
    export = taken(
        key("HKLM\\SOFTWARE\\A", key_time=None),
        scopes=[Scope("registry", ("HKLM\\SOFTWARE\\A",))],
    )
    changes, left = compared(hive, export)
    assert [(one.key, one.layers) for one in changes] == [("SOFTWARE\\A\\B", ("removed",))]
    assert left == [("b", "outside", 1)]


@pytest.mark.parametrize(
    ("record", "autorun"),
    [
        (value(EXPLORER), True),
        (value(EXPLORER, key="NTUSER.DAT\\Software\\Microsoft\\Windows\\CurrentVersion\\Run"), True),
        (value(EXPLORER, key="SYSTEM\\ControlSet001\\Services\\evil"), True),
        (value(EXPLORER, key="SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Uninstall"), False),
        (file("/etc/ld.so.preload"), True),
        (file("/home/bob/.bashrc"), True),
        (file("/home/bob/.config/autostart/x.desktop"), True),
        (file("/etc/udev/rules.d/99.rules"), True),
        (file("/etc/hosts"), False),
        (Record("job", "x", None, {"source": "x"}), True),
        (Record("service", "a.service", None, {"enabled": ["/etc/x"]}), True),
        (Record("service", "a.service", None, {}), False),
    ],
)  # fmt: skip
def test_what_starts_by_itself_is_marked(record: Record, autorun: bool) -> None:
    (change,) = diff(taken(scopes=[Scope(record.object)]), taken(record))
    assert change.after is not None
    assert change.after.get("autorun", False) is autorun
