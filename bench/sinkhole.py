"""How much one core of the sinkhole takes, beside BIND, dnsmasq and nginx answering the same.

    python bench/sinkhole.py [seconds]

Each server is held on core 0, dnsperf or wrk on core 1; traffic goes to 127.0.0.1 only. For servers
that log, the hits read back are compared with the answers that the client counted. Needs dnsperf and
wrk, and shows those of named, dnsmasq and nginx that are installed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sakimori.readers import BUILTIN, Options, Rows, Source, recognise
from sakimori.takedown.sinkhole.config import settings_of
from sakimori.takedown.sinkhole.log import problems
from sakimori.takedown.sinkhole.servers import configuration

if TYPE_CHECKING:
    from collections.abc import Iterator

PATH = os.environ["PATH"] + ":/usr/sbin:/sbin"
SERVER, CLIENT = ("taskset", "-c", "0"), ("taskset", "-c", "1")
MANY = 10**7
NAMES = [f"n{n}.bad.example" for n in range(2_000)]


class Clock:
    """CPU seconds of a process and its children between two looks, as the box may be busy."""

    def __init__(self, pid: int) -> None:
        self._pid, self._begun = pid, cpu_of(pid)

    def rate(self, count: int) -> float:
        return count / max(cpu_of(self._pid) - self._begun, 1e-9)


def cpu_of(pid: int) -> float:
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text("ascii", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if pid in (int(stat.parent.name), int(fields[1])):
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def settings(folder: Path, dns: int, http: int, **ports: int) -> dict[str, Any]:
    return {
        "sinkhole": {
            "operator": "Bench", "contact": "abuse@example.net", "zones": ["bad.example"],
            "answers": ["192.0.2.1"], "approved_by": "the bench",
        },
        "ports": {"dns": dns, "http": http, **ports},
        "limits": {
            "dns_per_second": MANY, "dns_burst": MANY, "connects_per_second": MANY,
            "connects_burst": MANY, "connections_per_source": 1_000, "requests": MANY,
        },
        "log": {"folder": str(folder / "log"), "rotate_mb": 16},
    }  # fmt: skip


def toml(values: dict[str, Any]) -> str:
    return "".join(
        f"[{name}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in section.items())
        for name, section in values.items()
    )


@contextmanager
def running(*words: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [*SERVER, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env=os.environ | {"PATH": PATH},
    )  # fmt: skip
    try:
        for _ in range(300):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def spoken(port: int) -> None:
    """Wait for an answer: the port is open before the program is ready."""
    with socket.create_connection(("127.0.0.1", port), 60) as sock:
        sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert sock.recv(100)


def dnsperf(port: int, seconds: int, file: Path) -> tuple[int, float, int]:
    """Return how many questions were answered, how many a second, and how many were lost."""
    told = subprocess.run(
        [*CLIENT, "dnsperf", "-s", "127.0.0.1", "-p", str(port), "-d", str(file), "-l", str(seconds),
         "-c", "8", "-q", "200"], capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    done = int(re.search(r"Queries completed: +(\d+)", told)[1])  # type: ignore[index]
    rate = float(re.search(r"Queries per second: +([\d.]+)", told)[1])  # type: ignore[index]
    lost = int(re.search(r"Queries lost: +(\d+)", told)[1])  # type: ignore[index]
    return done, rate, lost


def wrk(port: int, seconds: int, *words: str, scheme: str = "http") -> tuple[int, float]:
    told = subprocess.run(
        [*CLIENT, "wrk", "-t1", "-c32", f"-d{seconds}s", *words, f"{scheme}://127.0.0.1:{port}/gate"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    done = int(re.search(r"(\d+) requests in", told)[1])  # type: ignore[index]
    return done, float(re.search(r"Requests/sec: +([\d.]+)", told)[1])  # type: ignore[index]


def rows(paths: list[Path], service: str) -> int:
    count = 0
    for path in paths:
        source = Source(path)
        reader = recognise(source, BUILTIN, Options())
        if reader:
            batches = (i for i in reader.read(source, Options()) if isinstance(i, Rows))
            count += sum(b.batch["service"].to_pylist().count(service) for b in batches)
    return count


def ours(folder: Path, seconds: int, names: Path) -> None:
    dns, http, https = free_port(), free_port(), free_port()
    file = folder / "s.toml"
    file.write_text(toml(settings(folder, dns, http, https=https)))
    words = (sys.executable, "-m", "sakimori", "sinkhole", "run", "--config", str(file))
    with running(*words, port=http) as process:
        spoken(http)
        clock = Clock(process.pid)
        done, rate, lost = dnsperf(dns, seconds, names)
        dns_cpu, clock = clock.rate(done), Clock(process.pid)
        short, short_rate = wrk(http, seconds, "-H", "Connection: close")
        short_cpu, clock = clock.rate(short), Clock(process.pid)
        kept, kept_rate = wrk(http, seconds)
        kept_cpu, clock = clock.rate(kept), Clock(process.pid)
        shaken, shaken_rate = wrk(https, seconds, "-H", "Connection: close", scheme="https")
        shaken_cpu = clock.rate(shaken)
        usage = Path(f"/proc/{process.pid}/status").read_text("ascii")
    memory = int(re.search(r"VmHWM:\s+(\d+)", usage)[1]) // 1024  # type: ignore[index]
    logs = sorted((folder / "log").glob("*.jsonl"))
    table("sakimori, DNS over UDP, logged", (rate, dns_cpu), done, rows(logs, "dns"), lost)
    # At its end wrk hangs up on what it had asked and not read: those were answered and logged too.
    logged = rows(logs, "http")
    table("sakimori, HTTP, a connection each", (short_rate, short_cpu), short, None, 0)
    table("sakimori, HTTP, connections kept", (kept_rate, kept_cpu), kept, None, 0)
    print(f"{'  HTTP in all':40} {'':>20} {short + kept:>9,} {logged:>9,}")
    seen = rows(logs, "https")
    table("sakimori, HTTPS, a handshake each", (shaken_rate, shaken_cpu), shaken, seen, 0)
    print(f"  memory at most {memory} MB; gaps in the log: {len(problems(folder / 'log'))}")


def bind(folder: Path, seconds: int, names: Path, *, log: bool) -> None:
    port = free_port()
    chosen = settings_of(settings(folder, port, 0))
    conf = configuration("bind", chosen, folder)
    for name, text in conf.items():
        (folder / name).write_text(text)
    text = re.sub(r"(?s)    rate-limit \{.*?    \};\n", "", conf["named.conf"])
    if not log:
        text = re.sub(r"    dnstap.*\n", "", text).replace("querylog yes", "querylog no")
    (folder / "named.conf").write_text(text)
    with running("named", "-f", "-n", "1", "-c", str(folder / "named.conf"), port=port) as process:
        clock = Clock(process.pid)
        done, rate, lost = dnsperf(port, seconds, names)
        cpu = clock.rate(done)
    seen = rows([folder / "hits.log"], "dns") if log else None
    table(
        f"BIND 9, one thread{', query log and dnstap' if log else ', no log'}",
        (rate, cpu),
        done,
        seen,
        lost,
    )


def dnsmasq(folder: Path, seconds: int, names: Path, *, log: bool) -> None:
    port = free_port()
    words = ["dnsmasq", "-k", "-C", "/dev/null", "-p", str(port), "--listen-address=127.0.0.1",
             "--bind-interfaces", "--no-resolv", "--no-hosts", "--address=/bad.example/192.0.2.1",
             f"--pid-file={folder / 'pid'}", "--user="]  # fmt: skip
    if log:
        words += ["--log-queries=extra", f"--log-facility={folder / 'dnsmasq.log'}"]
    with running(*words, port=port) as process:
        clock = Clock(process.pid)
        done, rate, lost = dnsperf(port, seconds, names)
        cpu = clock.rate(done)
    seen = None
    if log:
        told = (folder / "dnsmasq.log").read_text("utf-8", errors="replace")
        seen = told.count("query[A]")
    table(f"dnsmasq{', log-queries' if log else ', no log'}", (rate, cpu), done, seen, lost)


def nginx(folder: Path, seconds: int) -> None:
    port = free_port()
    chosen = settings_of(settings(folder, 0, port))
    text = configuration("nginx", chosen, folder)["nginx.conf"]
    text = re.sub(r"    limit_(conn|req)[ _].*\n", "", text).replace(
        "processes auto", "processes 1"
    )
    (folder / "nginx.conf").write_text(text)
    folder.chmod(0o755)
    with running("nginx", "-c", str(folder / "nginx.conf"), port=port) as process:
        clock = Clock(process.pid)
        short, short_rate = wrk(port, seconds, "-H", "Connection: close")
        short_cpu, clock = clock.rate(short), Clock(process.pid)
        kept, kept_rate = wrk(port, seconds)
        kept_cpu = clock.rate(kept)
    table("nginx, HTTP, a connection each", (short_rate, short_cpu), short, None, 0)
    table("nginx, HTTP, connections kept", (kept_rate, kept_cpu), kept, None, 0)
    seen = rows([folder / "hits.log"], "http")
    print(f"{'  HTTP in all':40} {'':>20} {short + kept:>9,} {seen:>9,}")


def table(
    what: str, rates: tuple[float, float], answered: int, logged: int | None, lost: int
) -> None:
    seen = "-" if logged is None else f"{logged:,}"
    wall, cpu = rates
    print(f"{what:40} {wall:>9,.0f} {cpu:>10,.0f} {answered:>9,} {seen:>9} {lost:>6,}", flush=True)


def main() -> None:
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    missing = [name for name in ("dnsperf", "wrk", "taskset") if not shutil.which(name, path=PATH)]
    if missing:
        sys.exit(f"not installed: {', '.join(missing)}")
    print(
        f"{'one core each':40} {'a second':>9} {'a CPU-s':>10} {'answered':>9} {'logged':>9} {'lost':>6}"
    )
    with tempfile.TemporaryDirectory(prefix="sinkhole-bench-") as name:
        base = Path(name)
        base.chmod(0o755)
        names = base / "names"
        names.write_text("".join(f"{one} A\n" for one in NAMES))
        parts = [("sakimori", lambda f: ours(f, seconds, names))]
        if shutil.which("named", path=PATH):
            parts += [("bind", lambda f: bind(f, seconds, names, log=False)),
                      ("bindlog", lambda f: bind(f, seconds, names, log=True))]  # fmt: skip
        if shutil.which("dnsmasq", path=PATH):
            parts += [("dnsmasq", lambda f: dnsmasq(f, seconds, names, log=False)),
                      ("dnsmasqlog", lambda f: dnsmasq(f, seconds, names, log=True))]  # fmt: skip
        if shutil.which("nginx", path=PATH):
            parts.append(("nginx", lambda f: nginx(f, seconds)))
        for part, measure in parts:
            (base / part).mkdir()
            measure(base / part)


if __name__ == "__main__":
    main()
