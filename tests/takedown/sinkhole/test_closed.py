"""A sinkhole has no code that calls out, starts programs, or makes a reply outside `replies`."""

from __future__ import annotations

import ast
import subprocess  # noqa: TID251 - an audit hook cannot be taken away again, so it gets a process
import sys
from pathlib import Path

import pytest

from sakimori.takedown import sinkhole

SOURCES = sorted(Path(sinkhole.__file__).parent.glob("*.py"))
NEVER_IMPORTED = {
    "subprocess", "urllib.request", "http.client", "httpx", "requests", "smtplib", "ftplib",
    "telnetlib", "xmlrpc", "pickle", "dns.query", "dns.resolver", "aiosmtplib", "multiprocessing",
}  # fmt: skip
NEVER_CALLED = {
    "connect", "connect_ex", "create_connection", "open_connection", "create_datagram_endpoint",
    "getaddrinfo", "gethostbyname", "urlopen", "eval", "exec", "system", "popen", "fork", "spawn",
    "sock_connect", "open_unix_connection", "create_unix_connection", "subprocess_exec",
    "create_subprocess_exec", "create_subprocess_shell", "__import__", "sendfile",
}  # fmt: skip
# The only places that hand bytes to a socket or a connection, and what they hand over.
SENDERS = {
    ("udp.py", "send"): {"reply"},  # `UdpPort._send`: what `Resolver` made
    ("station.py", "write"): {"reply"},  # `Outbox.flush`: what `Resolver` or `http_replies` made
    ("tls.py", "write"): {"data"},  # `TlsCall`: into TLS, and records out of it
    ("log.py", "write"): {"self._file"},  # os.write to the log's file
    ("secret.py", "write"): {"data"},  # a key's file
}


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def called(path: Path) -> list[ast.Call]:
    return [node for node in ast.walk(tree(path)) if isinstance(node, ast.Call)]


def name_of(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.stem)
def test_no_module_imports_a_way_out(path: Path) -> None:
    found = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module or "", *(f"{node.module}.{a.name}" for a in node.names)}
    assert found & NEVER_IMPORTED == set()


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.stem)
def test_no_module_calls_what_opens_a_connection_or_runs_something(path: Path) -> None:
    assert {name_of(call) for call in called(path)} & NEVER_CALLED == set()


def test_bytes_are_sent_in_known_places_only() -> None:
    found = {
        (path.name, name_of(call)): set[str]()
        for path in SOURCES
        for call in called(path)
        if name_of(call) in ("write", "send", "sendto", "sendall", "writelines", "sendmsg")
    }
    for path in SOURCES:
        for call in called(path):
            if (path.name, name_of(call)) in found:
                found[path.name, name_of(call)].add(ast.unparse(call.args[0]))
    assert {key: names for key, names in found.items() if key != ("log.py", "write")} == {
        key: names for key, names in SENDERS.items() if key != ("log.py", "write")
    }


OUT = """
import socket, sys
from sakimori.errors import RefusedError
from sakimori.takedown.sinkhole.server import seal
server = socket.create_server(("127.0.0.1", 0))
address = server.getsockname()
socket.create_connection(address).close()  # before it is sealed it works
seal()
refused = 0
def tries():
    yield lambda: socket.create_connection(address)
    yield lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(address)
    yield lambda: socket.getaddrinfo("bad.example", 80)
    yield lambda: __import__("subprocess").run(["true"])
    yield lambda: __import__("os").system("true")
    yield lambda: __import__("os").fork()
for attempt in tries():
    try:
        attempt()
    except RefusedError:
        refused += 1
print(refused)
"""


def test_a_sealed_process_cannot_call_out_or_start_a_program() -> None:
    ended = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-W", "ignore", "-c", OUT], capture_output=True, text=True, timeout=60, check=True
    )  # fmt: skip
    assert ended.stdout.split() == ["6"]
