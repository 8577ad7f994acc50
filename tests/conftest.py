from __future__ import annotations

import os
import random
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

import sakimori

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sakimori.app.workspace import Workspace

# Machines are shared and slow at times: how long an example takes says nothing here.
settings.register_profile(
    "sakimori", deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("sakimori")

CONN = (
    "ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto", "service", "duration",
    "orig_bytes", "resp_bytes", "conn_state", "orig_pkts", "resp_pkts",
)  # fmt: skip
BEGIN = 1_700_000_000  # 2023-11-14 22:13:20 UTC
HOSTILE = "evil\x1b[31m\u202egpj\u2066.example"  # a colour, and two marks that turn the direction


class Zeek:
    """Writes Zeek's tab-separated logs."""

    fields = CONN
    begin = BEGIN
    hostile = HOSTILE

    def conn(self, number: int, **changes: Any) -> dict[str, Any]:
        """Return a row of conn, different for each number; `orig_h=` and such change a field."""
        row = {
            "ts": BEGIN + number, "uid": f"C{number}", "id.orig_h": "10.0.0.1",
            "id.orig_p": 1024 + number % 60_000, "id.resp_h": "198.51.100.1", "id.resp_p": 443,
            "proto": "tcp", "service": "ssl", "duration": 1.5, "orig_bytes": 10, "resp_bytes": 20,
            "conn_state": "SF", "orig_pkts": 3, "resp_pkts": 4,
        }  # fmt: skip
        return row | {self._dotted(name): value for name, value in changes.items()}

    def _dotted(self, name: str) -> str:
        return f"id.{name}" if name in ("orig_h", "orig_p", "resp_h", "resp_p") else name

    def head(self, path: str = "conn", fields: Iterable[str] = CONN) -> str:
        """Return the comment lines at the top."""
        return "".join(
            f"{line}\n"
            for line in (
                r"#separator \x09", "#set_separator\t,", "#empty_field\t(empty)",
                "#unset_field\t-", f"#path\t{path}", "#fields\t" + "\t".join(fields),
            )
        )  # fmt: skip

    def line(self, row: Mapping[str, Any], fields: Iterable[str] = CONN) -> str:
        """Return a row as a line."""
        return "\t".join(str(row.get(name, "-")) for name in fields) + "\n"

    def text(
        self,
        rows: Iterable[Mapping[str, Any]],
        path: str = "conn",
        fields: Iterable[str] | None = None,
    ) -> str:
        """Return a whole log; without `fields` it has those of the first row."""
        rows = list(rows)
        fields = tuple(fields or (rows[0] if rows else CONN))
        return self.head(path, fields) + "".join(self.line(row, fields) for row in rows)


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the developer's own settings out of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("SAKIMORI_")]:
            patch.delenv(name)
        patch.setenv("COLUMNS", "200")
        # One for all workers of a run: a detector's SQL is written once.
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp().parent / "caches"))
        yield


@pytest.fixture(scope="session")
def zeek() -> Zeek:
    """Write Zeek logs."""
    return Zeek()


@pytest.fixture
def ws(tmp_path: Path) -> Iterator[Workspace]:
    """Give an empty workspace beside which a test may write its logs."""
    with sakimori.open(tmp_path / "ws") as workspace:
        yield workspace


@pytest.fixture(scope="session")
def _hunted_once(zeek: Zeek, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("network")
    write_network(zeek, folder / "logs")
    with sakimori.open(folder / "ws") as workspace:
        workspace.import_([str(folder / "logs")])
        workspace.hunt()
    return folder


@pytest.fixture
def hunted(_hunted_once: Path, tmp_path: Path) -> Path:
    """Give a workspace of one's own in which a hunt was run on such logs as `network`."""
    return Path(shutil.copytree(_hunted_once / "ws", tmp_path / "ws"))


@pytest.fixture
def network(zeek: Zeek, tmp_path: Path) -> Path:
    """Give a folder of logs with a beacon, a scanner and hostile names among quiet hosts."""
    write_network(zeek, tmp_path / "logs")
    return tmp_path / "logs"


def write_network(zeek: Zeek, folder: Path) -> None:
    """Write conn, http and dns logs: 10.0.0.5 calls home, 10.0.0.6 scans, the others browse."""
    folder.mkdir()
    chance = random.Random(7)
    conn = [
        zeek.conn(
            number, ts=BEGIN + chance.uniform(0, 7200), orig_h=f"10.0.0.{10 + number % 25}",
            resp_h=f"198.51.100.{chance.randrange(1, 40)}",
        )
        for number in range(500)
    ]  # fmt: skip
    conn += [
        zeek.conn(1000 + n, ts=BEGIN + 60 * n, orig_h="10.0.0.5", resp_h="203.0.113.9", resp_p=4444)
        for n in range(100)
    ]
    conn += [
        zeek.conn(
            2000 + n, ts=BEGIN + n, orig_h="10.0.0.6", resp_h=f"192.0.2.{n}", resp_p=23,
            conn_state="S0", resp_pkts=0, service="-",
        )
        for n in range(1, 200)
    ]  # fmt: skip
    http = [
        {
            **{key: row[key] for key in CONN[:6]}, "method": "GET", "host": zeek.hostile,
            "uri": "/=cmd", "user_agent": f"=cmd|'{zeek.hostile}'!A1", "status_code": 200,
        }
        for row in (
            zeek.conn(3000 + n, ts=BEGIN + 60 * n, orig_h="10.0.0.5", resp_h="203.0.113.8", resp_p=80)
            for n in range(100)
        )
    ]  # fmt: skip
    (folder / "conn.log").write_text(zeek.text(conn))
    (folder / "http.log").write_text(zeek.text(http, "http"))
