from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from sakimori.endpoint.recipes.processes import Process

if TYPE_CHECKING:
    from collections.abc import Callable

WINLOGON = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon"
RUN_KEY = r"SOFTWARE\Microsoft\Windows\CurrentVersion\Run"
TASKS = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\Schedule\TaskCache"
IDENT = "{11111111-2222-3333-4444-555555555555}"
UNIT = "[Service]\nExecStart=/opt/badthing\n"


@dataclass(frozen=True)
class Case:
    """A machine with one thing that is bad; `left` are files as they are after cleaning."""

    name: str
    items: str
    make: Callable[[Any], None]
    deed: str
    left: dict[str, str | bytes | None] = field(default_factory=dict)  # None: gone
    values: dict[tuple[str, str], bytes | None] = field(default_factory=dict)
    undo: str = "exact"


def _bad_file(box: Any) -> None:
    box.put("/opt/badthing", "has the MARKER-of-it", mode=0o4755)
    box.put("/opt/badthing2", "an innocent one")


def _systemd(box: Any) -> None:
    box.put("/etc/systemd/system/bad.service", UNIT)
    box.put("/etc/systemd/system/bad.service.d/more.conf", "[Service]\nRestart=always\n")
    box.link("/etc/systemd/system/multi-user.target.wants/bad.service", "../bad.service")
    box.link("/etc/systemd/system/alias.service", "/etc/systemd/system/bad.service")
    box.link("/etc/systemd/system/multi-user.target.wants/good.service", "../good.service")


def _user_unit(box: Any) -> None:
    box.put("/home/u/.config/systemd/user/bad.timer", "[Timer]\nUnit=badthing.service\n")
    box.link("/home/u/.config/systemd/user/timers.target.wants/bad.timer", "../bad.timer")


def _sysv(box: Any) -> None:
    box.put("/etc/init.d/bad", "#!/bin/sh\n/opt/badthing &\n", mode=0o755)
    for level in "2345":
        box.link(f"/etc/rc{level}.d/S20bad", "../init.d/bad")
    box.link("/etc/rc0.d/K80bad", "../init.d/bad")
    box.link("/etc/rc2.d/S20badly", "../init.d/badly")


def _task(box: Any) -> None:
    box.put("/Windows/System32/x", "")
    box.put("/Windows/System32/Tasks/Bad/Job", "<Exec>bad.exe</Exec>".encode("utf-16"))
    box.value(rf"{TASKS}\Tree\Bad\Job", "Id", IDENT)
    box.value(rf"{TASKS}\Tasks\{IDENT}", "Path", r"\Bad\Job")
    box.value(rf"{TASKS}\Tasks\{{other}}", "Path", r"\Other")


def _unterminated(box: Any) -> None:
    box.value(WINLOGON, "Shell", "Explorer.exe".encode("utf-16-le"))


ENDED = "Explorer.exe".encode("utf-16-le") + b"\0\0"
GOOD = "explorer.exe".encode("utf-16-le") + b"\0\0"
CASES = [
    Case("file by marker", "- {file: '/opt/bad*', contains: MARKER-of-it, source: s}", _bad_file,
         "quarantine", {"/opt/badthing": None, "/opt/badthing2": "an innocent one"}),
    Case("file by hash and size",
         "- {file: /opt/badthing, source: s, size: {from: 1, to: 99}, sha256: "
         "[57ac3bb13d6ef9b9c5ac30ee4b9fc5eb97d3d8b7a36d3ef7b3e3f4e3a9ad0d0c, "
         "3d0d0e1a5a8d1b4c1de8b8d84ac4b1f3f6c1a6ce6f4f4cf0f0b4a7b2c8d9e0f1], contains: MARKER-of-it}",
         lambda box: box.put("/opt/badthing", "has no marker"), "", {"/opt/badthing": "has no marker"}),
    Case("systemd service", "- {service: bad.service, contains: /opt/badthing, source: s}", _systemd,
         "disable", {
             "/etc/systemd/system/bad.service": None,
             "/etc/systemd/system/bad.service.d/more.conf": None,
             "/etc/systemd/system/multi-user.target.wants/bad.service": None,
             "/etc/systemd/system/alias.service": None,
         }),
    Case("a person's timer", "- {service: bad.timer, contains: badthing, source: s}", _user_unit,
         "disable", {"/home/u/.config/systemd/user/timers.target.wants/bad.timer": None}),
    Case("SysV service", "- {service: bad, manager: sysv, contains: /opt/badthing, source: s}", _sysv,
         "disable", {"/etc/rc2.d/S20bad": None, "/etc/rc0.d/K80bad": None, "/etc/init.d/bad": None}),
    Case("cron line", "- {job: cron, contains: /opt/badthing, source: s}",
         lambda box: box.put("/var/spool/cron/crontabs/u",
                             b"# /opt/badthing is fine here\r\n* * * * * /opt/badthing\n\xff 1\n@daily x",
                             mode=0o600),
         "remove job", {"/var/spool/cron/crontabs/u": b"# /opt/badthing is fine here\r\n\xff 1\n@daily x"}),
    Case("a cron line at the end, without an end", "- {job: cron, contains: /opt/badthing, source: s}",
         lambda box: box.put("/etc/cron.d/x", "1 1 * * * root true\n* * * * * root /opt/badthing"),
         "remove job", {"/etc/cron.d/x": "1 1 * * * root true\n"}),
    Case("at job", "- {job: at, contains: /opt/badthing, source: s}",
         lambda box: box.put("/var/spool/cron/atjobs/a0001", "#!/bin/sh\n/opt/badthing\n", mode=0o700),
         "remove job", {"/var/spool/cron/atjobs/a0001": None}),
    Case("Windows task", r"- {job: task, name: \Bad\Job, contains: bad.exe, source: s}", _task,
         "remove job", {"/Windows/System32/Tasks/Bad/Job": None},
         {(rf"{TASKS}\Tree\Bad\Job", "Id"): None, (rf"{TASKS}\Tasks\{IDENT}", "Path"): None},
         undo="values only"),
    Case("hosts line", "- {hosts: [Evil.example], source: s}",
         lambda box: box.put("/etc/hosts", b"127.0.0.1 localhost\n192.0.2.1\tEVIL.example. # \xff\n::1 x"),
         "remove line", {"/etc/hosts": b"127.0.0.1 localhost\n::1 x"}),
    Case("one name of a hosts line", "- {hosts: [evil.example], source: s}",
         lambda box: box.put("/etc/hosts", "192.0.2.1\tgood.example  evil.example other.example # c\r\n"),
         "change line", {"/etc/hosts": "192.0.2.1\tgood.example other.example # c\r\n"}),
    Case("hosts of another address", "- {hosts: [evil.example], address: 192.0.2.9, source: s}",
         lambda box: box.put("/etc/hosts", "192.0.2.1 evil.example\n"), "",
         {"/etc/hosts": "192.0.2.1 evil.example\n"}),
    Case("hosts of Windows", "- {hosts: [evil.example], source: s}",
         lambda box: box.put("/WINDOWS/system32/DRIVERS/etc/HOSTS", "192.0.2.1 evil.example\r\n"),
         "remove line", {"/WINDOWS/system32/DRIVERS/etc/HOSTS": ""}),
    Case("XDG autostart", "- {autorun: xdg, name: bad.desktop, contains: /opt/badthing, source: s}",
         lambda box: box.put("/home/u/.config/autostart/bad.desktop", "Exec=/opt/badthing\n"),
         "quarantine", {"/home/u/.config/autostart/bad.desktop": None}),
    Case("rc.local", "- {autorun: rc-local, contains: /opt/badthing, source: s}",
         lambda box: box.put("/etc/rc.local", "#!/bin/sh\n/opt/badthing &\nexit 0\n", mode=0o755),
         "remove line", {"/etc/rc.local": "#!/bin/sh\nexit 0\n"}),
    Case("ld.so.preload", "- {autorun: preload, contains: /opt/badthing, source: s}",
         lambda box: box.put("/etc/ld.so.preload", "/opt/badthing.so\n/opt/good.so\n"),
         "remove line", {"/etc/ld.so.preload": "/opt/good.so\n"}),
    Case("a person's profile", "- {autorun: profile, contains: /opt/badthing, source: s}",
         lambda box: box.put("/home/u/.bashrc", "alias a=b\n(/opt/badthing &)\n"),
         "remove line", {"/home/u/.bashrc": "alias a=b\n"}),
    Case("Startup folder", "- {autorun: startup, contains: bad.exe, source: s}",
         lambda box: [box.put("/Windows/System32/x"), box.put(
             "/Users/u/AppData/Roaming/Microsoft/Windows/Start Menu/Programs/Startup/a.lnk",
             b"L\0" + "C:\\bad.exe".encode("utf-16-le"))],
         "quarantine",
         {"/Users/u/AppData/Roaming/Microsoft/Windows/Start Menu/Programs/Startup/a.lnk": None}),
    Case("autorun.inf", "- {autorun: autorun-inf, contains: bad.exe, source: s}",
         lambda box: box.put("/AutoRun.inf", "[autorun]\r\nopen=bad.exe\r\n"),
         "quarantine", {"/AutoRun.inf": None}),
    Case("Run value", "- {autorun: run-key, name: Bad, contains: bad.exe, source: s}",
         lambda box: box.value(RUN_KEY, "bad", r"C:\x\BAD.exe"),
         "delete value", {}, {(RUN_KEY, "Bad"): None}),
    Case("registry value that contains", f"- {{registry: '{WINLOGON}', name: Shell, source: s, "
         "bad: {contains: bad.exe}, good: [explorer.exe]}",
         lambda box: box.value(WINLOGON, "Shell", "explorer.exe,bad.exe"),
         "put back", {}, {(WINLOGON, "Shell"): GOOD}),
    Case("registry text behind a NUL", f"- {{registry: '{WINLOGON}', name: Shell, source: s, "
         "bad: {contains: bad.exe}, good: [explorer.exe]}",
         lambda box: box.value(WINLOGON, "Shell", "explorer.exe\0bad.exe"),
         "put back", {}, {(WINLOGON, "Shell"): GOOD}),
    Case("any but good", f"- {{registry: '{WINLOGON}', name: Shell, source: s, "
         "bad: {any-but: [explorer.exe]}, good: [explorer.exe]}",
         lambda box: box.value(WINLOGON, "Shell", "x"),
         "put back", {}, {(WINLOGON, "Shell"): GOOD}),
    Case("any but good leaves the good one", f"- {{registry: '{WINLOGON}', name: Shell, source: s, "
         "bad: {any-but: [explorer.exe]}, good: [explorer.exe]}",
         lambda box: box.value(WINLOGON, "Shell", "Explorer.EXE"), "",
         {}, {(WINLOGON, "Shell"): "Explorer.EXE".encode("utf-16-le") + b"\0\0"}),
    Case("missing terminator", f"- {{registry: '{WINLOGON}', name: Shell, unterminated: true, source: s}}",
         _unterminated, "put back", {}, {(WINLOGON, "Shell"): ENDED}),
    Case("number", "- {registry: 'SOFTWARE\\A\\B', name: N, source: s, bad: {exact: '4'}, "
         "good: {type: REG_DWORD, number: 2}}",
         lambda box: box.value("SOFTWARE\\A\\B", "N", b"\4\0\0\0", 4),
         "put back", {}, {("SOFTWARE\\A\\B", "N"): b"\2\0\0\0"}),
    Case("key to delete", "- {registry: 'SOFTWARE\\A\\B\\C', name: P, delete-key: true, source: s, "
         "bad: {matches: '.*bad\\.exe'}}",
         lambda box: [box.value("SOFTWARE\\A\\B\\C", "P", "C:\\bad.exe"),
                      box.value("SOFTWARE\\A\\B\\C\\D\\E", "", b"\1\2", 3)],
         "delete key", {}, {("SOFTWARE\\A\\B\\C", "P"): None, ("SOFTWARE\\A\\B\\C\\D\\E", ""): None},
         undo="values only"),
    Case("Windows service", "- {service: Bad, manager: windows, contains: bad.sys, source: s}",
         lambda box: [box.value("SYSTEM\\Select", "Current", b"\2\0\0\0", 4),
                      box.value("SYSTEM\\ControlSet002\\Services\\Bad", "ImagePath", "x\\BAD.sys"),
                      box.value("SYSTEM\\ControlSet002\\Services\\Bad", "Start", b"\1\0\0\0", 4)],
         "disable", {}, {("SYSTEM\\ControlSet002\\Services\\Bad", "Start"): b"\4\0\0\0"}),
    Case("service that is gone", "- {service: BFE, manager: windows, missing: true, beside: mpsdrv, source: s}",
         lambda box: box.value("SYSTEM\\CurrentControlSet\\Services\\mpsdrv", "Start", b"\3\0\0\0", 4),
         "report", undo="nothing to undo"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_kind_is_found_put_right_and_undone_byte_for_byte(box: Any, case: Case) -> None:
    case.make(box)
    before = box.state()
    found = box.find(case.items)
    assert [f.deed for f in found.findings] == ([case.deed] if case.deed else [])
    assert box.state() == before, "a dry run changes nothing"
    assert all(f.source == "o: t" for f in found.findings)
    outcomes = box.clean(case.items)
    expected = {"": [], "report": ["reported"]}.get(case.deed, ["done"])
    assert [o.outcome for o in outcomes] == expected, [o.reason for o in outcomes]
    _check_left(box, case)
    assert not box.find(case.items).findings or case.deed == "report", "nothing is left to do"
    undone = box.undo()
    assert {u.outcome for u in undone} <= {"undone", "already"}, [u.reason for u in undone]
    assert box.state() == before
    assert [f.undo for f in found.findings] == ([case.undo] if case.deed else [])
    assert {u.outcome for u in box.undo()} <= {"already"}, "undoing again does nothing"
    assert box.state() == before


def _check_left(box: Any, case: Case) -> None:
    for path, content in case.left.items():
        file = box.root / path.lstrip("/")
        if content is None:
            assert not file.is_symlink()
            assert not file.exists()
        else:
            data = content.encode() if isinstance(content, str) else content
            assert file.read_bytes() == data
    for (key, name), data in case.values.items():
        value = box.registry.get(key, name)
        assert (value.data if value else None) == data


# Programs


class Programs:
    """Programs that can be stopped."""

    def __init__(self, *running: Process, stubborn: str = "") -> None:
        self.running, self.stubborn = list(running), stubborn

    def all(self) -> list[Process]:
        return list(self.running)

    def stop(self, process: Process) -> str:
        if not self.stubborn:
            self.running.remove(process)
        return self.stubborn


BAD = Process(10, "111", "/opt/badthing", False, ("/opt/badthing", "-d"))
GONE = Process(11, "112", "/opt/x", True, ("x",))
GOOD_ONE = Process(12, "113", "/bin/sh", False, ("sh", "-c", "true"))


@pytest.mark.parametrize(
    ("items", "stopped"),
    [
        ("- {process: badthing, command: '/opt/badthing', source: s}", [BAD]),
        ("- {process: /opt/badthing, command: '/opt/badthing', source: s}", [BAD]),
        ("- {process: x, deleted: true, source: s}", [GONE]),
        ("- {process: /opt/x, deleted: true, source: s}", [GONE]),
        ("- {process: /bin/sh, deleted: true, source: s}", []),
        ("- {process: badthing, always-bad: true, source: s}", [BAD]),
        (
            "- {file: /opt/badthing, contains: MARKER-of-it, source: s}\n- {process: '', of-file: true, source: s}",
            [BAD],
        ),
    ],
)  # fmt: skip
def test_programs_are_stopped_first_and_only_those_meant(
    box: Any, items: str, stopped: list[Process]
) -> None:
    box.put("/opt/badthing", "has the MARKER-of-it")
    programs = Programs(BAD, GONE, GOOD_ONE)
    box.parts["processes"] = programs
    outcomes = box.clean(items)
    assert [o.finding.where for o in outcomes if o.finding.kind == "process"] == [
        f"{p.pid} {p.exe}" for p in stopped
    ]
    assert outcomes == sorted(outcomes, key=lambda o: o.finding.kind != "process")
    assert set(programs.running) == {BAD, GONE, GOOD_ONE} - set(stopped)
    undone = box.undo()
    assert {u.outcome for u in undone if u.act.word == "stop"} == (
        {"impossible"} if stopped else set()
    )


def test_a_program_that_does_not_end_is_told(box: Any) -> None:
    box.parts["processes"] = Programs(BAD, stubborn="did not end")
    outcomes = box.clean("- {process: badthing, always-bad: true, source: s}")
    assert [(o.outcome, o.reason) for o in outcomes] == [("refused", "process 10: did not end")]


def test_without_a_live_machine_programs_are_told_as_not_looked_at(box: Any) -> None:
    found = box.find("- {process: badthing, always-bad: true, source: s}")
    assert [u.reason for u in found.unseen] == ["not a live machine: no programs are looked at"]


class Manager:
    """A service manager that notes what it is asked."""

    def __init__(self, reason: str = "") -> None:
        self.asked: list[str] = []
        self.reason = reason

    def settle(self, unit: str, manager: str) -> str:
        self.asked.append(f"settle {manager} {unit}")
        return self.reason

    def reload(self) -> str:
        self.asked.append("reload")
        return ""


def test_a_live_unit_is_settled_after_its_files_are_gone_and_reloaded_when_undone(box: Any) -> None:
    _systemd(box)
    manager = box.parts["units"] = Manager()
    assert [o.outcome for o in box.clean(CASES[2].items)] == ["done"]
    assert manager.asked == ["settle systemd bad.service"]
    box.undo()
    assert manager.asked[1:] == ["reload"]


def test_a_manager_that_refuses_is_told(box: Any) -> None:
    _systemd(box)
    box.parts["units"] = Manager("no bus")
    assert [(o.outcome, o.reason) for o in box.clean(CASES[2].items)] == [
        ("refused", "bad.service: no bus")
    ]


# What must not be done


def test_a_path_alone_takes_a_file_only_where_the_source_says_so(box: Any) -> None:
    box.put("/opt/badthing", "anything")
    assert len(box.find("- {file: /opt/badthing, always-bad: true, source: s}").findings) == 1


def test_a_link_is_removed_and_what_it_leads_to_stays_unless_its_bytes_are_bad(box: Any) -> None:
    box.put("/bin/tool", "innocent")
    box.link("/opt/badthing", "/bin/tool")
    assert [
        o.outcome for o in box.clean("- {file: /opt/badthing, always-bad: true, source: s}")
    ] == ["done"]
    assert (box.root / "bin/tool").exists()
    assert not (box.root / "opt/badthing").is_symlink()
    box.undo()
    assert (box.root / "opt/badthing").readlink().as_posix() == "/bin/tool"


def test_a_rule_is_asked_where_there_is_a_scanner_and_told_where_there_is_none(box: Any) -> None:
    box.put("/opt/badthing", "x")
    items = "- {file: /opt/badthing, rule: Bad_Rule, source: s}"
    found = box.find(items)
    assert not found.findings
    assert "needs a scan with rule Bad_Rule" in found.unseen[0].reason
    box.parts["rules"] = lambda path: frozenset({"Bad_Rule"} if path.name == "badthing" else ())
    assert len(box.find(items).findings) == 1
    box.parts["rules"] = lambda _path: frozenset()
    assert not box.find(items).findings


def test_what_changed_since_it_was_found_is_left_and_the_others_go_on(box: Any) -> None:
    items = (
        "- {file: /opt/one, contains: MARKER-of-it, source: s}\n"
        "- {file: /opt/two, contains: MARKER-of-it, source: s}\n"
        "- {job: cron, contains: /opt/badthing, source: s}\n"
    )
    box.put("/opt/one", "MARKER-of-it")
    box.put("/opt/two", "MARKER-of-it")
    box.put("/etc/crontab", "* * * * * root /opt/badthing\n")
    box.plan(box.find(items))
    box.put("/opt/one", "MARKER-of-it, and more")
    box.put("/etc/crontab", "1 * * * * root /opt/badthing\n")
    outcomes = {o.finding.where: o.outcome for o in box.act()}
    assert outcomes == {"/etc/crontab": "refused", "/opt/one": "refused", "/opt/two": "done"}
    assert (box.root / "opt/one").exists()


def test_undo_leaves_what_changed_since_shows_it_and_can_be_forced(box: Any) -> None:
    box.put("/etc/hosts", "192.0.2.1 evil.example\n127.0.0.1 localhost\n")
    before = box.state()["etc/hosts"]
    box.clean("- {hosts: [evil.example], source: s}")
    box.put("/etc/hosts", "127.0.0.1 localhost\n192.0.2.7 new.example\n")
    undone = box.undo()
    assert [(u.outcome, u.difference) for u in undone] == [
        ("refused", ("@@ -1,0 +2 @@", "+192.0.2.7 new.example"))
    ]
    assert box.journal.progress().state == "half-undone"
    assert [u.outcome for u in box.undo(force=True)] == ["forced"]
    assert box.state()["etc/hosts"] == before
    kept = [p.read_bytes() for p in box.journal.blobs.folder.iterdir()]
    assert b"127.0.0.1 localhost\n192.0.2.7 new.example\n" in kept, "nothing is lost"


def test_undo_does_not_put_a_file_over_another(box: Any) -> None:
    box.put("/opt/badthing", "has the MARKER-of-it")
    box.clean("- {file: /opt/badthing, contains: MARKER-of-it, source: s}")
    box.put("/opt/badthing", "something new")
    assert [u.outcome for u in box.undo()] == ["refused"]
    assert (box.root / "opt/badthing").read_text() == "something new"
    assert [u.outcome for u in box.undo(force=True)] == ["forced"]
    assert (box.root / "opt/badthing").read_text() == "has the MARKER-of-it"


def test_a_value_that_changed_since_is_not_overwritten(box: Any) -> None:
    box.value(WINLOGON, "Shell", "explorer.exe,bad.exe")
    items = (
        f"- {{registry: '{WINLOGON}', name: Shell, source: s, bad: {{contains: bad.exe}}, "
        "good: [explorer.exe]}"
    )
    box.clean(items)
    box.value(WINLOGON, "Shell", "mine.exe")
    assert [u.outcome for u in box.undo()] == ["refused"]
    assert box.registry.get(WINLOGON, "Shell").data == "mine.exe".encode("utf-16-le") + b"\0\0"


def test_the_good_value_is_the_one_of_this_windows(box: Any) -> None:
    bad = r"C:\WINNT\system32\userinit.exe,C:\WINNT\system32\sdra64.exe,"
    box.value(WINLOGON, "Userinit", bad)
    items = (
        f"- {{registry: '{WINLOGON}', name: Userinit, source: s, bad: {{contains: sdra64.exe}}, "
        r"good: ['C:\Windows\system32\userinit.exe,', 'C:\WINNT\system32\userinit.exe,']}"
    )
    assert box.find(items).findings[0].good == r"REG_SZ C:\WINNT\system32\userinit.exe,"


def test_only_reported_things_stay(box: Any) -> None:
    box.put("/opt/badthing", "has the MARKER-of-it")
    items = "- {file: /opt/badthing, contains: MARKER-of-it, action: report, source: s}"
    assert [o.outcome for o in box.clean(items)] == ["reported"]
    assert (box.root / "opt/badthing").exists()


def test_two_items_that_find_one_thing_give_one_finding(box: Any) -> None:
    box.put("/etc/crontab", "* * * * * root /opt/badthing\n* * * * * root /opt/badthing\n")
    items = "- {job: cron, contains: /opt/badthing, source: s}\n"
    items += "- {job: cron, contains: root /opt/bad, source: s}\n"
    assert len(box.find(items).findings) == 1
    assert [o.outcome for o in box.clean(items)] == ["done"]
    assert (box.root / "etc/crontab").read_text() == ""


def test_a_program_that_renames_itself_is_still_the_one_that_was_found(box: Any) -> None:
    programs = box.parts["processes"] = Programs(BAD, stubborn="did not end")
    box.plan(box.find("- {process: badthing, always-bad: true, source: s}"))
    programs.running[0] = replace(BAD, command=("innocent",))
    assert [o.outcome for o in box.act()] == ["refused"], "it still runs"


def test_what_was_refused_is_nothing_to_undo(box: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that goes just before it is taken: nothing was done, so undoing has nothing to say."""
    box.put("/opt/badthing", "has the MARKER-of-it")
    box.plan(box.find("- {file: /opt/badthing, contains: MARKER-of-it, source: s}"))

    def gone(step: str) -> None:
        if step == "begun take":
            (box.root / "opt/badthing").unlink()

    box.hook = gone
    assert [o.outcome for o in box.act()] == ["refused"]
    box.hook = lambda _step: None
    assert box.undo() == []
    assert box.journal.progress().state == "undone"
