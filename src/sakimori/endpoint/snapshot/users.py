"""Accounts, groups, who may become root, and whose keys open a door. Secrets are never stored.

Keys: a user's name; `group:NAME`; `sudoers:FILE: RULE`; `ssh:FILE: FINGERPRINT`.
Sources: passwd(5), shadow(5), group(5), sudoers(5), sshd(8).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import TYPE_CHECKING, Any

from sakimori.endpoint.snapshot.files import Owners
from sakimori.endpoint.snapshot.places import IN_HOME
from sakimori.endpoint.snapshot.rows import numbered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sakimori.endpoint.snapshot.ground import Ground
    from sakimori.endpoint.snapshot.model import Record

_KEY = re.compile(
    r"\b((?:ssh|ecdsa|sk-ssh|sk-ecdsa)-[\w@.-]+)[ \t]+([A-Za-z0-9+/=]+)(?:[ \t]+(.*))?"
)
_INCLUDE = re.compile(r"[@#]include(?:dir)?\s+(\S+)")


def collect(ground: Ground) -> Iterator[Record]:
    """Yield users, groups, rules of sudo and keys for SSH."""
    found = [*_users(ground), *_groups(ground), *_sudoers(ground), *_keys(ground)]
    yield from numbered("user", found)


def owners(ground: Ground) -> Owners:
    """Return the names of accounts by number, as the machine's own files have them."""
    users = {int(row[2]): row[0] for row in _rows(ground, "/etc/passwd", 7) if row[2].isdecimal()}
    groups = {int(row[2]): row[0] for row in _rows(ground, "/etc/group", 4) if row[2].isdecimal()}
    return Owners(users, groups)


def homes(ground: Ground) -> list[tuple[str, str]]:
    """Return (user, home) of all accounts that have a home which is there."""
    rows = _rows(ground, "/etc/passwd", 7)
    return [(row[0], row[5]) for row in rows if row[5].startswith("/") and row[5] != "/"]


def unusual_homes(ground: Ground) -> tuple[str, ...]:
    """Return where keys for SSH and start-up files of accounts lie that live elsewhere than in /home."""
    elsewhere = sorted({home for _, home in homes(ground)} - {"/root"})
    kept = [home for home in elsewhere if not home.startswith("/home/")]
    return tuple(f"{home.rstrip('/')}/{part}" for home in kept for part in IN_HOME if part != "bin")


def _rows(ground: Ground, path: str, fields: int) -> list[list[str]]:
    rows = (line.split(":") for line in ground.lines("user", path))
    return [row for row in rows if len(row) == fields]


def _users(ground: Ground) -> Iterator[tuple[str, dict[str, Any]]]:
    text = ground.text("user", "/etc/shadow")
    unread = any(gap.key == "/etc/shadow" for gap in ground.gaps)
    shadow = dict(_shadow(text)) if text is not None else {}
    for name, password, uid, gid, about, home, shell in _rows(ground, "/etc/passwd", 7):
        state: dict[str, Any] = {
            "uid": _number(uid), "gid": _number(gid), "about": about, "home": home, "shell": shell,
        }  # fmt: skip
        if unread:
            state |= {"password": None, "password_changed": None, "expires": None}
        else:
            state |= shadow.get(name) or {"password": _password(name, password)}
        yield name, state


def _shadow(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for line in text.split("\n"):
        row = line.split(":")
        if len(row) == 9:
            name, password, changed, expires = row[0], row[1], row[2], row[7]
            yield (
                name,
                {
                    "password": _password(name, password),
                    "password_changed": _number(changed),
                    "expires": _number(expires),
                },
            )


def _password(name: str, field: str) -> str:
    """Return what a password field is, so that a change shows and nothing can be guessed from it.

    A set password becomes a slow digest (scrypt, salted with the account's name) of its hash, which
    is itself salted: comparable between snapshots, of no use to whoever steals one.
    """
    if field in {"", "x"}:
        return "empty" if not field else "elsewhere"
    bare = field.lstrip("!")
    locked = "locked" if bare != field else "set"
    if not bare or bare.startswith("*"):
        return "none"
    digest = hashlib.scrypt(
        bare.encode(errors="surrogateescape"),
        salt=b"sakimori-snapshot " + name.encode(errors="surrogateescape"),
        n=4096,
        r=8,
        p=1,
        dklen=16,
    )
    return f"{locked} {digest.hex()}"


def _number(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else text


def _groups(ground: Ground) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, _, gid, members in _rows(ground, "/etc/group", 4):
        held = sorted(one for one in members.split(",") if one)
        yield f"group:{name}", {"gid": _number(gid), "members": held}


def _sudoers(ground: Ground) -> Iterator[tuple[str, dict[str, Any]]]:
    files = ["/etc/sudoers", *ground.within("user", "/etc/sudoers.d")]
    seen: set[str] = set()
    while files:
        path = files.pop(0)
        name = path.rpartition("/")[2]
        if path in seen or "~" in name or ("sudoers.d" in path and "." in name):
            continue  # sudo itself leaves such names out
        seen.add(path)
        text = (ground.text("user", path) or "").replace("\\\n", " ")
        for line in map(str.strip, text.split("\n")):
            included = _INCLUDE.match(line)
            if included:
                files += _included(ground, included[1])
            elif line and not line.startswith("#"):
                yield f"sudoers:{path}: {line}", {"source": path, "rule": line}


def _included(ground: Ground, path: str) -> list[str]:
    full = path if path.startswith("/") else f"/etc/{path}"
    return [full] if ground.is_file(full) else list(ground.within("user", full))


def _keys(ground: Ground) -> Iterator[tuple[str, dict[str, Any]]]:
    for user, home in sorted(set(homes(ground))):
        for name in ("authorized_keys", "authorized_keys2"):
            path = f"{home}/.ssh/{name}"
            for line in ground.lines("user", path):
                key, state = _key(line)
                yield f"ssh:{path}: {key}", {"user": user, "source": path, **state}


def _key(line: str) -> tuple[str, dict[str, Any]]:
    """Return a key's fingerprint as ssh-keygen shows it, and its options, type and comment."""
    match = _KEY.search(line)
    try:
        raw = base64.b64decode(match[2], validate=True) if match else None
    except binascii.Error:
        raw = None
    if match is None or raw is None:
        return (
            f"unreadable {hashlib.sha256(line.encode(errors='surrogateescape')).hexdigest()[:16]}",
            {},
        )
    digest = base64.b64encode(hashlib.sha256(raw).digest()).decode().rstrip("=")
    options = line[: match.start()].strip()
    return f"SHA256:{digest}", {"type": match[1], "options": options, "comment": match[3] or ""}
