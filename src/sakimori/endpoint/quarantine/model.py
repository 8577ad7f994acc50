"""What the quarantine says about a file that it holds or held."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

TAKEN, RESTORED, DELETED = "taken", "restored", "deleted"
PROPOSED = "proposed"  # of an entry that is only shown
TAKING, RESTORING = "taking", "restoring"  # begun, and not ended: a crash was in between
STATES = (TAKING, TAKEN, RESTORING, RESTORED, DELETED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """All of a file but its bytes.

    `kind` is file or symlink. Times are nanoseconds since 1970 in UTC. `xattrs` maps names to raw
    bytes, POSIX ACLs among them (`system.posix_acl_access`). `sddl` is Windows' security
    descriptor, "" elsewhere. `unread` names attributes that could not be read, with the reason.
    `ctime`, `inode`, `device`, `links` and `blocks` (of 512 bytes) are recorded, not put back.
    """

    kind: str
    size: int
    mode: int
    uid: int
    gid: int
    owner: str
    group: str
    atime: int
    mtime: int
    ctime: int
    inode: int
    device: int
    links: int
    blocks: int
    xattrs: Mapping[str, bytes]
    sddl: str = ""
    unread: tuple[str, ...] = ()

    @property
    def acl(self) -> bytes | None:
        """The access ACL as the system stores it; None where the mode says all."""
        return self.xattrs.get("system.posix_acl_access")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file that was taken. `path` keeps bytes that are no UTF-8 as surrogates (`os.fsdecode`).

    `state` is taken, restored or deleted; taking or restoring after a crash, until `recover`.
    `changed` is when the state became so, `restored_to` where it was put back, and `lacking` says in
    words what could not be put back exactly.
    """

    id: str
    path: str
    sha256: str
    attributes: Attributes
    rule: str
    family: str
    definitions: str
    reason: str
    taken: datetime
    state: str
    changed: datetime
    restored_to: str = ""
    lacking: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of content."""
        return self.attributes.size


@dataclass(frozen=True, slots=True)
class Fault:
    """Something in the store that is not as it was written. `id` is "" where no entry is known."""

    id: str
    file: str  # in the store's folder
    reason: str


@dataclass(frozen=True, slots=True)
class Recovered:
    """What became of an act that a crash had interrupted.

    `outcome`: taken (the take was finished), in place (it was rolled back), restored, still taken
    (the restore was rolled back), deleted, or tidied (left-over scratch; `id` is "").
    """

    id: str
    path: str
    outcome: str


_ENTRY = tuple(f.name for f in fields(Entry))
_ATTRIBUTES = tuple(f.name for f in fields(Attributes))


def as_plain(entry: Entry) -> dict[str, Any]:
    """Return an entry as JSON values, from which `from_plain` makes the same entry."""
    plain = {name: getattr(entry, name) for name in _ENTRY}
    plain["taken"], plain["changed"] = entry.taken.isoformat(), entry.changed.isoformat()
    attrs = {name: getattr(entry.attributes, name) for name in _ATTRIBUTES}
    attrs["xattrs"] = {k: v.hex() for k, v in entry.attributes.xattrs.items()}
    return plain | {"attributes": attrs}


def from_plain(plain: Mapping[str, Any]) -> Entry:
    """Return the entry. Raises KeyError, TypeError or ValueError for what is none."""
    given = dict(plain["attributes"])
    given["xattrs"] = {str(k): bytes.fromhex(v) for k, v in given["xattrs"].items()}
    given["unread"] = tuple(given["unread"])
    values = {name: plain[name] for name in _ENTRY}
    values["attributes"] = Attributes(**given)
    values["taken"] = datetime.fromisoformat(plain["taken"])
    values["changed"] = datetime.fromisoformat(plain["changed"])
    values["lacking"] = tuple(plain["lacking"])
    return Entry(**values)
