from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.endpoint.verify import actions
from sakimori.endpoint.verify.actions import BUILTIN, read_actions
from sakimori.endpoint.verify.manifests._source import Source
from sakimori.errors import SourceError

WINLOGON = r"\REGISTRY\MACHINE\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon"
AUDIT = (
    'type=SYSCALL msg=audit(1259150400.123:42): arch=c000003e syscall=257 success=yes exit=3 ppid=1 pid=2 '
    'auid=1000 uid=0 exe="/usr/bin/vim.basic" key="etc" AUID="alice" UID="root"\n'
    'type=CWD msg=audit(1259150400.123:42): cwd="/etc"\n'
    'type=PATH msg=audit(1259150400.123:42): item=0 name="/etc/" nametype=PARENT\n'
    'type=PATH msg=audit(1259150400.123:42): item=1 name="hosts" nametype=NORMAL\n'
    'type=PROCTITLE msg=audit(1259150400.123:42): proctitle=766900686F737473\n----\n'
    'type=SYSCALL msg=audit(1259150401.000:43): success=yes auid=4294967295 exe="/usr/bin/dpkg" AUID="unset"\n'
    'type=PATH msg=audit(1259150401.000:43): name="/etc/passwd" nametype=NORMAL\nnoise\n'
)  # fmt: skip


def event(number: str, user: str, name: str, **data: str) -> str:
    fields = {"SubjectUserName": user, "SubjectDomainName": "PC", "ObjectName": name, **data}
    inside = "".join(f'<Data Name="{k}">{v}</Data>' for k, v in fields.items())
    return (
        f'<Event xmlns="http://schemas.microsoft.com/win/2004/08/events/event"><System><EventID>{number}</EventID>'
        f'<TimeCreated SystemTime="2009-11-25T12:00:00.1234567Z"/></System><EventData>{inside}</EventData></Event>'
    )


XML = (
    "<Events>"
    + event(
        "4657", "alice", WINLOGON, ObjectValueName="Shell", ProcessName=r"C:\Windows\regedit.exe"
    )
    + event("4657", "PC$", WINLOGON, ObjectValueName="Userinit")
    + event("4663", "alice", r"C:\x &amp; y.txt", AccessList="%%4416")
    + event("4663", "alice", r"C:\x &amp; y.txt", AccessList="%%4417")
    + event("4624", "alice", "logon")
    + "</Events>"
)
EVENT = {"Event": {"System": {"EventID": 4670, "TimeCreated": {"#attributes": {"SystemTime": "2009-11-25T12:00:00Z"}}},
         "EventData": {"SubjectUserName": "alice", "ObjectName": WINLOGON}}}  # fmt: skip
BEATS = {"@timestamp": "2009-11-25T12:00:00Z", "winlog": {"event_id": 4657, "event_data": {
    "SubjectUserName": "alice", "ObjectName": WINLOGON, "ObjectValueName": "Shell"}}}  # fmt: skip
SUDO = (
    "2009-11-25T12:00:00+00:00 pc sudo: alice : TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/usr/bin/vi /etc/hosts\n"
    "2009-11-25T12:00:01+00:00 pc sudo: mallory : command not allowed ; TTY=pts/0 ; USER=root ; COMMAND=/bin/sh\n"
    "2009-11-25T12:00:02+00:00 pc sshd[1]: Accepted password for alice\n"
)  # fmt: skip
BASH = "echo untimed\n#1259150400\nvi /etc/hosts\n#1259150500\nls\n"
ZSH = ": 1259150400:0;vi /etc/hosts\n"
CSV = (
    "time,who,what,target\n2009-11-25T12:00:00Z,alice,edited,/etc/hosts\n"
    "when?,alice,edited,/etc/hosts\n2009-11-25T12:00:00Z,SYSTEM,edited,/etc/hosts\n"
)
WINDOWS_CSV = (
    "EventID,TimeCreated,SubjectUserName,ObjectName,ObjectValueName\n"
    f"4657,2009-11-25T12:00:00Z,alice,{WINLOGON},Shell\n"
)

LOGS = [
    ("audit.log", AUDIT, [("alice", "/etc/hosts", None)], 1),
    ("events.xml", XML, [("PC\\alice", WINLOGON, "Shell"), ("PC\\alice", r"C:\x & y.txt", None)], 0),
    ("events.json", json.dumps([BEATS]), [("alice", WINLOGON, "Shell")], 0),
    ("events.jsonl", json.dumps(BEATS) + "\n{broken\n" + json.dumps(BEATS), [("alice", WINLOGON, "Shell")] * 2, 1),
    ("events.csv", WINDOWS_CSV, [("alice", WINLOGON, "Shell")], 0),
    ("auth.log", SUDO, [("alice", "", None)], 0),
    ("home/alice/.bash_history", BASH, [("alice", "", None)] * 2, 1),
    ("home/alice/.zsh_history", ZSH, [("alice", "", None)], 0),
    ("acts.csv", CSV, [("alice", "/etc/hosts", None)], 2),
]  # fmt: skip


def test_every_reader_is_listed() -> None:
    home = Path(actions.__file__).parent
    files = {path.stem for path in home.glob("*.py") if not path.stem.startswith("_")}
    assert files == {reader.__name__.rpartition(".")[2] for reader in BUILTIN}  # type: ignore[attr-defined]


@pytest.mark.parametrize(("name", "text", "acts", "aside"), LOGS, ids=[log[0] for log in LOGS])
def test_every_log_is_read_and_only_persons_are_kept(
    name: str, text: str, acts: list[tuple[str, str, str | None]], aside: int
) -> None:
    found, left = read_actions(Source(Path(name), text.encode()))
    assert [(a.who, a.target, a.value) for a in found] == acts
    assert len(left) == aside
    assert {str(a.time)[:16] for a in found} <= {"2009-11-25 12:00", "2009-11-25 12:01"}
    assert all(a.where.startswith(name) for a in found)


def test_a_command_in_hexadecimal_is_shown_as_text() -> None:
    ((act,), _) = read_actions(Source(Path("audit.log"), AUDIT.encode()))
    assert (act.what, act.program) == ("vi hosts", "/usr/bin/vim.basic")


def test_sudo_lines_without_a_year_take_the_one_of_the_file(tmp_path: Path) -> None:
    log = tmp_path / "auth.log"
    log.write_text(
        "Jan  2 10:00:00 pc sudo[12]:   alice : TTY=pts/0 ; USER=root ; COMMAND=/usr/bin/id\n"
    )
    ((act,), _) = read_actions(Source(log, log.read_bytes()))
    assert act.time is not None
    assert (act.time.month, act.time.day) == (1, 2)
    assert act.time.timestamp() <= log.stat().st_mtime + 86_400


def test_a_nested_export_of_events_is_read() -> None:
    ((act,), left) = read_actions(Source(Path("e.json"), json.dumps([EVENT]).encode()))
    assert (act.who, act.target, str(act.time)[:16], left) == (
        "alice",
        WINLOGON,
        "2009-11-25 12:00",
        [],
    )


@given(st.sampled_from(LOGS), st.data())
@settings(max_examples=30, deadline=None)
def test_a_damaged_log_is_read_or_refused_but_never_anything_else(
    log: tuple[str, str, list[tuple[str, str, str | None]], int], data: st.DataObject
) -> None:
    text = log[1]
    at = data.draw(st.integers(0, len(text)))
    junk = data.draw(st.text(st.characters(codec="utf-8"), max_size=8))
    with suppress(SourceError):
        read_actions(Source(Path(log[0]), (text[:at] + junk + text[at + 9 :]).encode()))
