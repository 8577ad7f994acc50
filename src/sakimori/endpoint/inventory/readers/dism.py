"""Packages of a Windows image: `dism /online /get-packages` as list or table."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sakimori.endpoint.inventory import dates, windows
from sakimori.endpoint.inventory.record import Record, note
from sakimori.endpoint.inventory.servicing import IDENTITY, Package, installed_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sakimori.endpoint.inventory.source import Source

NAME = "dism"
TITLE = "dism /get-packages"

_PENDING = re.compile(r"(?i)\b(staged|uninstall|superseded|pending|partially|not present|absent)")
_INSTALLED = re.compile(r"(?i)\binstall(ed|iert|é|ato|ado)\b|установлен|インストール済み|已安装")


def sniff(source: Source) -> bool:
    """Whether it lists identities of packages with their state."""
    return len(IDENTITY.findall(source.head)) >= 1 and not source.head.lstrip().startswith(
        ("Windows Registry", "REGEDIT", "<", "{", "[")
    )


def read(source: Source) -> list[Record]:
    """Return one record: the KB packages that are installed, and the revision of the roll-up."""
    packages = tuple(_packages(source.text))
    order = dates.order_of(p.text for p in packages)
    updates, revision, notes = installed_of(packages, order)
    processors = [p.processor for p in packages if p.processor not in ("", "neutral", "wow64")]
    common = max(set(processors), key=processors.count) if processors else ""
    architecture = windows.architecture_of(common)
    build = revision[0] if revision else None
    name, names = windows.name_of("", build)
    return [
        Record(
            source=source.name,
            reader=NAME,
            os=name,
            version=f"10.0.{build}" if build else None,
            build=build,
            ubr=revision[1] if revision else None,
            release=windows.release_of(name, build),
            architecture=architecture,
            encoding=source.encoding,
            updates=updates,
            assumed=(
                *source.notes(),
                *names,
                *([note("type", architecture=architecture, label="package identities")]
                  if architecture else []),
                *notes,
            ),
        )
    ]  # fmt: skip


def _packages(text: str) -> Iterable[Package]:
    """Each identity with what is written after it, up to the next."""
    found = list(IDENTITY.finditer(text))
    for one, following in zip(found, [*found[1:], None], strict=True):
        end = following.start() if following else len(text)
        said = text[one.end() : min(end, one.end() + 400)]
        state = said.split("\n", 2)
        line = state[0] if state[0].strip() else "".join(state[1:2])
        installed = bool(_INSTALLED.search(line)) and not _PENDING.search(line)
        yield Package(one[1], one[2], one[4], said, installed)
