from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import pytest

from sakimori.cli import main
from sakimori.endpoint.snapshot import Record, write_snapshot
from sakimori.endpoint.snapshot.model import Gap, Header, Scope, place

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from syrupy.assertion import SnapshotAssertion

OLD, NEW = "2009-11-10T00:00:00Z", "2009-11-25T00:00:00Z"
WINLOGON = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon"
HOSTILE = "evil\x1b[31m\u202egpj"
SHELL = "Explorer.exe".encode("utf-16-le").hex()
FILE = {"type": "file", "mode": "0755", "uid": 0, "gid": 0, "owner": "root", "group": "root",
        "mtime": OLD, "size": 3, "sha256": "a" * 64}  # fmt: skip
KEY = {
    "key_time": OLD,
    "owner": "BA",
    "group": "SY",
    "dacl": "D:P(A;CI;KA;;;BA)(A;CI;KR;;;BU)",
    "sacl": "",
}


class Ended(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Ended]:
    """Run `sakimori snapshot` in this process, in a folder of its own with two snapshots."""
    monkeypatch.chdir(tmp_path)
    both(tmp_path)

    def run(*words: object) -> Ended:
        monkeypatch.setattr("sys.argv", ["sakimori", "snapshot", *map(str, words)])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        printed = capsys.readouterr()
        return Ended(code, printed.out, printed.err)

    return run


def both(folder: Path) -> None:
    """Write a.snap and b.snap, in which each layer differs once."""
    a = [
        Record("file", "/etc/ld.so.preload", None, FILE),
        Record("file", "/usr/bin/ping", None, FILE),
        Record("file", "/usr/bin/su", None, FILE),
        Record("file", "/usr/bin/timed", None, FILE),
        Record("file", "/usr/bin/gone", None, FILE | {"sha256": "c" * 64}),
        Record("package", "bash", None, {"manager": "dpkg", "version": "5.2-1", "status": "ok"}),
        Record("registry", WINLOGON, None, KEY),
        Record("registry", WINLOGON, "Shell", {"type": 1, "data": SHELL + "0000", "key_time": OLD}),
        Record("registry", WINLOGON, "", {"type": 4, "data": "01000000", "key_time": OLD}),
        Record("registry", WINLOGON + "\\Notify", None, KEY),
        Record("user", "group:sudo", None, {"gid": 27, "members": ["alice"]}),
        Record("socket", "tcp 0.0.0.0:22", None, {"programs": None}),
        Record("job", "/root/x: x", None, {"source": "/root/x", "command": "x"}),
    ]
    b = [
        Record("file", "/etc/ld.so.preload", None, FILE | {"sha256": "b" * 64, "runs": ["/opt/evil.so"]}),
        Record("file", "/usr/bin/ping", None, FILE | {"capabilities": "cap_net_raw+ep"}),
        Record("file", "/usr/bin/su", None, FILE | {"mode": "4755", "uid": 1000, "owner": "bob"}),
        Record("file", "/usr/bin/timed", None, FILE | {"mtime": NEW}),
        Record("file", f"/usr/bin/{HOSTILE}", None, FILE | {"sha256": "c" * 64}),
        Record("package", "bash", None, {"manager": "dpkg", "version": "5.2-2", "status": "ok"}),
        Record("registry", WINLOGON, None, KEY | {"dacl": "D:P(A;CI;KA;;;BA)(A;;KA;;;WD)", "key_time": NEW}),
        Record("registry", WINLOGON, "Shell", {"type": 1, "data": SHELL, "key_time": NEW}),
        Record("registry", WINLOGON, "", {"type": 3, "data": "01000000", "key_time": NEW}),
        Record("registry", WINLOGON + "\\Notify", None, KEY | {"key_time": NEW}),
        Record("user", "group:sudo", None, {"gid": 27, "members": ["alice", "bob"]}),
    ]  # fmt: skip
    gap = Gap("job", "/root", "Permission denied")
    kinds = ["file", "job", "package", "registry", "user"]
    write(folder / "a.snap", a, OLD, [*kinds, "socket"], [])
    write(folder / "b.snap", b, NEW, kinds, [gap])


def write(path: Path, records: list[Record], time: str, kinds: list[str], gaps: list[Gap]) -> None:
    header = Header(tool="sakimori test", machine="pc1", taken=time)
    scopes = [Scope(kind) for kind in kinds]
    write_snapshot(path, header, sorted(records, key=place), lambda: (scopes, gaps))


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_a_difference_in_words(
    run: Callable[..., Ended], snapshot: SnapshotAssertion, lang: str
) -> None:
    ended = run("diff", "a.snap", "b.snap", "--lang", lang)
    assert ended.code == 0
    assert "\x1b" not in ended.out
    assert "\u202e" not in ended.out
    assert "\n".join(line.rstrip() for line in ended.out.splitlines()) == snapshot


def test_a_difference_for_programs(run: Callable[..., Ended]) -> None:
    made = json.loads(run("diff", "a.snap", "b.snap", "--format", "json").out)
    assert set(made) == {"changes", "a", "b", "troubles", "not_compared"}
    shell = next(one for one in made["changes"] if one["name"] == "Shell")
    assert shell["layers"] == ["terminator"]
    assert f"/usr/bin/{HOSTILE}" in [one["key"] for one in made["changes"]]
    rows = run("diff", "a.snap", "b.snap", "--format", "csv", "--only", "registry").out.splitlines()
    assert rows[0] == "object,key,name,layers,what"
    assert len(rows) == 5


def test_only_what_starts_by_itself(run: Callable[..., Ended]) -> None:
    out = run("diff", "a.snap", "b.snap", "--autoruns").out
    assert "/etc/ld.so.preload" in out
    assert "ping" not in out


def test_long_tables_say_that_there_is_more(run: Callable[..., Ended]) -> None:
    out = run("diff", "a.snap", "b.snap", "--limit", "2", "--only", "file").out
    assert "... and 4 more: --format json" in out


def test_show_tells_what_is_in_a_snapshot(run: Callable[..., Ended]) -> None:
    out = run("show", "b.snap").out
    assert "pc1" in out
    assert "Permission denied" in out
    assert "ssh" not in run("show", "b.snap", "--only", "user").out
    found = json.loads(run("show", "b.snap", "--key", "*/ping", "--format", "json").out)
    assert [one["key"] for one in found["records"]] == ["/usr/bin/ping"]
    assert found["counts"]["file"] == 5


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("diff", "a.snap", "missing"), 3, "No such file"),
        (("diff", "a.snap", "."), 3, "Is a directory"),
        (("diff", "a.snap", "bad"), 3, "is no snapshot"),
        (("show", "bad"), 3, "is no snapshot"),
        (("show", "a.snap", "--only", "files"), 2, "no object is named"),
        (("take", "--hive", "SYSTEM", "--out", "x"), 2, "is not NAME=FILE"),
        (("take", "--hive", "SYSTEM=bad", "--out", "x"), 3, "bad"),
        (("take", "--root", "missing", "--out", "x"), 3, "is no folder"),
        (("take", "--root", ".", "--out", "no/where"), 3, "cannot be written"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line_with_a_next_step(
    run: Callable[..., Ended], tmp_path: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    (tmp_path / "bad").write_bytes(b"nonsense")
    ended = run(*words)
    assert (ended.code, ended.out) == (code, "")
    assert said in ended.err
    assert "Traceback" not in ended.err
    assert not (tmp_path / "x").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="a tree of a Unix machine")
def test_take_says_what_it_took_on_stderr(run: Callable[..., Ended], tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "file").touch()
    before = datetime.now(UTC).isoformat()
    ended = run("take", "--root", "root", "--out", "x.snap", "--machine", "pc9")
    assert (ended.code, ended.out) == (0, "")
    assert "2 records written to x.snap" in ended.err
    found = json.loads(run("show", "x.snap", "--format", "json").out)
    assert found["header"]["machine"] == "pc9"
    assert found["header"]["taken"] >= before[:19]
    ended = run("take", "--root", "root", "--out", "x.snap", "--format", "json")
    assert json.loads(ended.out)[0]["counts"] == {"file": 2}
