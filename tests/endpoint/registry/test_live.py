"""The live registry's door, with a machine of our own behind it: no Windows is needed."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import pytest

from sakimori.endpoint.registry import sddl
from sakimori.endpoint.registry.access import MemoryRegistry
from sakimori.endpoint.registry.hive_node import to_filetime
from sakimori.endpoint.registry.live import LiveRegistry, read_live
from sakimori.endpoint.registry.model import Key, Value
from sakimori.endpoint.registry.windows import api
from sakimori.errors import RefusedError, SourceError

WHEN = datetime(2009, 11, 25, tzinfo=UTC)
BARE = Value("Shell", 1, "Explorer.exe".encode("utf-16-le"))
RUN = "HKLM\\SOFTWARE\\Run"


class Fake:
    """Windows as far as `Api` asks for it; counts handles, refuses and fails on demand."""

    def __init__(self, *keys: Key) -> None:
        self.store = MemoryRegistry(keys)
        self.handles: dict[int, str] = {}
        self.next = 1
        self.denied: set[str] = set()

    def open(self, root: str, path: str, *, write: bool = False, link: bool = False) -> int:  # noqa: ARG002
        name = f"{root}\\{path}".rstrip("\\")
        if name in self.denied:
            raise PermissionError(5, "Access is denied")
        if self.store.values(name) is None and not self.store.subkeys(name):
            raise FileNotFoundError(2, "not found")
        self.next += 1
        self.handles[self.next] = name
        return self.next

    def create(self, root: str, path: str) -> int:
        name = f"{root}\\{path}"
        if self.store.values(name) is None:
            self.store.add(Key(name, None, "BA", "SY", "D:", None, ()))
        return self.open(root, path)

    def close(self, key: int) -> None:
        del self.handles[key]

    def written(self, key: int) -> int:  # noqa: ARG002
        return to_filetime(WHEN)

    def subkeys(self, key: int) -> list[str]:
        return list(self.store.subkeys(self.handles[key]))

    def values(self, key: int) -> list[Value]:
        return list(self.store.values(self.handles[key]) or ())

    def security(self, key: int) -> bytes:  # noqa: ARG002
        return sddl.to_bytes(sddl.parse("O:BAG:SYD:(A;CI;KA;;;BA)"))

    def set(self, key: int, value: Value) -> None:
        self.store.set(self.handles[key], value)

    def delete_value(self, key: int, name: str) -> None:
        if not self.store.delete(self.handles[key], name):
            raise FileNotFoundError(2, "not found")

    def delete_tree(self, root: str, path: str) -> None:
        if not self.store.delete_key(f"{root}\\{path}"):
            raise FileNotFoundError(2, "not found")


def machine() -> Fake:
    return Fake(
        Key(RUN, WHEN, "BA", "SY", "D:", None, (BARE,)),
        Key("HKLM\\SOFTWARE\\Secret", WHEN, "BA", "SY", "D:", None, ()),
    )


def test_a_live_read_keeps_raw_bytes_and_tells_what_is_refused() -> None:
    fake = machine()
    fake.denied.add("HKLM\\SOFTWARE\\Secret")
    found = read_live(fake, ["HKLM\\SOFTWARE"])
    assert found.keys[-1] == Key(RUN, WHEN, "BA", "SY", "D:(A;CI;KA;;;BA)", None, (BARE,))
    assert [(p.where, p.reason) for p in found.problems] == [
        ("HKLM\\SOFTWARE\\Secret", "Access is denied")
    ]
    assert fake.handles == {}


def test_changes_are_done_at_once_in_the_case_that_is_there() -> None:
    fake = machine()
    live = LiveRegistry(fake)
    live.set("SOFTWARE\\run", Value("SHELL", 1, b"x"))
    assert live.get(RUN, "shell") == Value("Shell", 1, b"x")
    live.set("HKLM\\SOFTWARE\\New", BARE)
    assert live.subkeys("HKLM\\SOFTWARE") == ("Run", "Secret", "New")
    assert live.delete(RUN, "Shell")
    assert not live.delete(RUN, "Shell")
    assert live.delete_key("HKLM\\SOFTWARE\\New")
    assert not live.delete_key("HKLM\\SOFTWARE\\New")
    assert live.values("HKLM\\SOFTWARE\\New") is None
    live.save()
    assert fake.handles == {}


def test_what_windows_refuses_is_one_line_with_a_next_step() -> None:
    fake = machine()
    fake.denied.add(RUN)
    with pytest.raises(RefusedError, match="Access is denied") as caught:
        LiveRegistry(fake).set(RUN, BARE)
    assert caught.value.hint == "run it as administrator"
    with pytest.raises(RefusedError, match="whole hive"):
        LiveRegistry(fake).delete_key("HKLM\\SOFTWARE")


def test_other_failures_name_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = machine()

    def broken(*_: object, **__: object) -> int:
        raise OSError(1009, "The configuration registry database is corrupt")

    monkeypatch.setattr(fake, "open", broken)
    with pytest.raises(SourceError, match=r"Run: .* corrupt"):
        LiveRegistry(fake).values(RUN)


@pytest.mark.skipif(sys.platform == "win32", reason="here it is there")
def test_elsewhere_there_is_no_live_registry() -> None:
    with pytest.raises(RefusedError, match="on Windows only"):
        api()
