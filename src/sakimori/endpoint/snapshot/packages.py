"""Installed packages: dpkg, rpm, apk and pacman, from their own databases.

Only rpm's is asked through its program; the others are plain text. Sources: deb-control(5), dpkg(1),
Alpine's apk-tools format of `installed`, pacman's `local` database.
"""

from __future__ import annotations

import hashlib
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from sakimori.endpoint.run import run
from sakimori.endpoint.snapshot.rows import numbered

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sakimori.endpoint.snapshot.ground import Ground
    from sakimori.endpoint.snapshot.model import Record

_RPM = ("/usr/lib/sysimage/rpm", "/var/lib/rpm")
_QUERY = "%{NAME}\\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}\\t%{ARCH}\\t%{SIGMD5}\\n"
Row = tuple[str, dict[str, Any]]


def collect(ground: Ground) -> Iterator[Record]:
    """Yield a record for each package; the key is its name, with `:arch` for foreign architectures."""
    found = [*_dpkg(ground), *_rpm(ground), *_apk(ground), *_pacman(ground)]
    yield from numbered("package", found)


def _dpkg(ground: Ground) -> list[Row]:
    base = "/var/lib/dpkg"
    text = ground.text("package", f"{base}/status") or ""
    parts = [
        ground.text("package", path) or ""
        for path in ground.within("package", f"{base}/status.d")
        if not path.endswith(".md5sums")
    ]
    packages = [one for part in (text, *parts) for one in paragraphs(part) if "Package" in one]
    native = _native(ground, packages)
    return [_dpkg_row(ground, one, native) for one in packages]


def _native(ground: Ground, packages: Iterable[dict[str, str]]) -> str:
    listed = ground.lines("package", "/var/lib/dpkg/arch")
    own = (one.get("Architecture", "") for one in packages if one["Package"] == "dpkg")
    return listed[0] if listed else next(own, "")


def _dpkg_row(ground: Ground, package: dict[str, str], native: str) -> Row:
    name, arch = package["Package"], package.get("Architecture", "")
    key = f"{name}:{arch}" if native and arch not in {native, "all", ""} else name
    state: dict[str, Any] = {
        "manager": "dpkg",
        "version": package.get("Version", ""),
        "architecture": arch,
        "status": package.get("Status", ""),
    }
    sums = _sums(ground, name, arch)
    if sums is not None:
        state["md5sums"] = hashlib.sha256(sums).hexdigest()
    return key, state


def _sums(ground: Ground, name: str, arch: str) -> bytes | None:
    """Return a package's list of its files' MD5 sums, None where it has none."""
    if "/" in name or "/" in arch:
        return None
    for stem in (f"{name}:{arch}", name):
        data = ground.read("package", f"/var/lib/dpkg/info/{stem}.md5sums")
        if data is not None:
            return data
    return None


def paragraphs(text: str) -> Iterator[dict[str, str]]:
    """Yield the paragraphs of a control file; continued lines are left out."""
    fields: dict[str, str] = {}
    for line in [*text.split("\n"), ""]:
        if not line.strip():
            if fields:
                yield fields
            fields = {}
        elif not line.startswith((" ", "\t")):
            name, _, value = line.partition(":")
            fields[name] = value.strip()


def _rpm(ground: Ground) -> list[Row]:
    where = next(
        (path for path in _RPM if ground.has(path) and ground.names("package", path)), None
    )
    if where is None:
        return []
    place = ground.at(ground.real(where) or where)
    ended = run(["rpm", "--dbpath", place, "-qa", "--qf", _QUERY], seconds=120)
    if not ended.ok:
        said = ended.reason or ended.err.decode("utf-8", "replace").strip()[:200]
        ground.miss("package", "/var/lib/rpm", f"rpm: {said}")
        return []
    rows = [line.split("\t") for line in ended.out.decode("utf-8", "replace").splitlines()]
    return [_rpm_row(row) for row in sorted(rows) if len(row) == 4]


def _rpm_row(row: list[str]) -> Row:
    name, version, arch, digest = row
    return name, {"manager": "rpm", "version": version.removeprefix("0:"), "architecture": arch,
                  "status": "installed", "digest": digest}  # fmt: skip


def _apk(ground: Ground) -> Iterator[Row]:
    for path in ("/lib/apk/db/installed", "/usr/lib/apk/db/installed"):
        for one in paragraphs(ground.text("package", path) or ""):
            if "P" in one:
                yield one["P"], {
                    "manager": "apk", "version": one.get("V", ""), "architecture": one.get("A", ""),
                    "status": "installed", "digest": one.get("C", ""),
                }  # fmt: skip


def _pacman(ground: Ground) -> Iterator[Row]:
    for folder in ground.within("package", "/var/lib/pacman/local"):
        text = ground.text("package", f"{folder}/desc")
        if text is None:
            continue
        lines = text.splitlines()
        held = {
            line.strip("%"): after for line, after in pairwise(lines)
            if line.startswith("%")
        }  # fmt: skip
        if "NAME" in held:
            yield held["NAME"], {
                "manager": "pacman", "version": held.get("VERSION", ""),
                "architecture": held.get("ARCH", ""), "status": "installed",
            }  # fmt: skip
