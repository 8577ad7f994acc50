"""Changes as a `.reg` file of version 5, which regedit can import."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sakimori.endpoint.registry.names import display
from sakimori.errors import RefusedError
from sakimori.hostile import is_unsafe, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sakimori.endpoint.registry.model import Value

_WIDE = 76  # characters of a line with bytes, as regedit breaks it


def reg_bytes(steps: Iterable[tuple[str, Sequence[Value | str] | None]]) -> bytes:
    """Return a file with these steps: (key, values to set and names to remove), None: the whole key goes.

    An empty list makes the key. Values are written so that the import gives the same bytes. Raises RefusedError
    for names that a `.reg` file cannot hold (line breaks, NUL).
    """
    lines = ["Windows Registry Editor Version 5.00"]
    for key, items in steps:
        name = _one_line(display(key))
        lines += ["", f"[-{name}]" if items is None else f"[{name}]"]
        lines += [_line(item) for item in items or ()]
    return b"\xff\xfe" + ("\r\n".join(lines) + "\r\n").encode("utf-16-le", "surrogatepass")


def _line(item: Value | str) -> str:
    if isinstance(item, str):
        return f"{_name(item)}=-"
    head = f"{_name(item.name)}="
    if item.type == 4 and len(item.data) == 4:
        return f"{head}dword:{int.from_bytes(item.data, 'little'):08x}"
    if item.type == 1 and (text := _plain(item.data)) is not None:
        return f'{head}"{_escaped(text)}"'
    return _hex(f"{head}hex{'' if item.type == 3 else f'({item.type:x})'}:", item.data)


def _plain(data: bytes) -> str | None:
    """Return text that can stand in quotes and comes back as these bytes, else None."""
    if len(data) < 2 or len(data) & 1 or data[-2:] != b"\0\0":
        return None
    try:
        text = data[:-2].decode("utf-16-le")
    except UnicodeDecodeError:
        return None
    return None if any(is_unsafe(char) for char in text) else text


def _hex(head: str, data: bytes) -> str:
    lines, line = [], head
    for at, byte in enumerate(data):
        piece = f"{byte:02x}" + ("," if at + 1 < len(data) else "")
        if len(line) + len(piece) > _WIDE and not line.isspace() and line != head:
            lines.append(line + "\\")
            line = "  "
        line += piece
    return "\r\n".join([*lines, line])


def _name(name: str) -> str:
    return f'"{_escaped(_one_line(name))}"' if name else "@"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _one_line(name: str) -> str:
    if any(char in name for char in "\r\n\0"):
        raise RefusedError(f"a .reg file cannot hold the name {visible(name)}")
    return name
