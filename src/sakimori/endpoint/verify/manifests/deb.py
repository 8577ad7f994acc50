"""A Debian package itself: every file with its SHA-256, mode and owner, and dpkg's records of it.

This says most: what is on the machine is compared with what the package ships. Files below
/var/lib/dpkg/info that the control archive becomes are compared as well. Unpacked here, in memory and
within limits, without running anything of the package. Source: deb(5), deb-control(5).
"""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from typing import TYPE_CHECKING, BinaryIO

from sakimori.endpoint.verify.model import FileClaim, Manifest, ObjectClaim
from sakimori.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sakimori.endpoint.verify.manifests._source import Source

NAME = "deb"
TITLE = "Debian package (.deb)"

_LARGEST = 2 * 1024**3  # bytes unpacked
_MOST = 500_000  # members
_ENABLED = re.compile(r"deb-systemd-helper\s+(?:--\S+\s+)*enable\s+'?([\w@.:\\-]+)'?")
_UNIT = re.compile(
    r"^/(?:usr/)?lib/systemd/system/([^/]+\.(?:service|timer|socket|path|mount|target))$"
)


def recognises(source: Source) -> bool:
    """Whether it is an ar archive whose first member is `debian-binary`."""
    return source.data.startswith(b"!<arch>\ndebian-binary")


def read(source: Source) -> Manifest:
    """Read control and data. Raises SourceError for a package that is cut, bombs or is damaged."""
    try:
        members = dict(_ar(source.data))
        control = _tar(next(v for k, v in members.items() if k.startswith("control.tar")))
        data = _tar(next(v for k, v in members.items() if k.startswith("data.tar")))
        scripts = dict(_small(control))
        files = list(_claims(data, str(source.path)))
    except StopIteration as error:
        raise SourceError("it has no control or data archive", where=str(source.path)) from error
    except (tarfile.TarError, OSError, EOFError, ValueError, KeyError) as error:
        raise SourceError(f"the package is damaged: {error}", where=str(source.path)) from error
    fields = _fields(scripts.get("control", b"").decode("utf-8", "replace"))
    name, version = fields.get("Package", source.path.stem), fields.get("Version", "")
    units = [ObjectClaim(object="service", name=m[1], where=f.where)
             for f in files if (m := _UNIT.match(f.path))]  # fmt: skip
    files += [
        *_records(scripts, name, fields, str(source.path)),
        *_links(scripts, str(source.path)),
    ]
    package = ObjectClaim(object="package", name=name, where=str(source.path), version=version)
    return Manifest(
        name=f"{name} {version}".strip(), source=str(source.path), format=NAME,
        declares=frozenset({"files", "packages", "services"}), files=tuple(files), objects=(package, *units),
    )  # fmt: skip


def _ar(data: bytes) -> Iterator[tuple[str, bytes]]:
    at = 8
    while at + 60 <= len(data):
        head = data[at : at + 60]
        name = head[:16].decode("ascii", "replace").strip().rstrip("/")
        size = int(head[48:58].decode("ascii", "replace"))
        if size < 0 or at + 60 + size > len(data):
            raise ValueError("cut short")
        yield name, data[at + 60 : at + 60 + size]
        at += 60 + size + size % 2


def _tar(packed: bytes) -> tarfile.TarFile:
    if packed.startswith(b"\x28\xb5\x2f\xfd"):
        import zstandard  # noqa: PLC0415 - slow to import

        opened: BinaryIO = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(packed))
        return tarfile.open(fileobj=opened, mode="r|")
    return tarfile.open(fileobj=io.BytesIO(packed), mode="r|*")


def _small(archive: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    for count, member in enumerate(archive):
        if count > 1000 or member.size > 16 * 1024**2:
            raise ValueError("the control archive is too large")
        file = archive.extractfile(member) if member.isreg() else None
        if file is not None:
            yield member.name.removeprefix("./"), file.read()


def _claims(archive: tarfile.TarFile, where: str) -> Iterator[FileClaim]:
    total = 0
    for count, member in enumerate(archive):
        total += member.size
        if total > _LARGEST or count > _MOST:
            raise ValueError("more than 2 GiB or 500,000 files")
        path = "/" + member.name.removeprefix("./").strip("/")
        kind = "directory" if member.isdir() else "link" if member.issym() else "file"
        file = archive.extractfile(member) if member.isreg() else None
        hashes = _hashes(file) if file is not None else {}
        yield FileClaim(
            path=path, where=f"{where}:{path}", kind=kind, hashes=hashes,
            size=member.size if member.isreg() else None,
            mode=None if member.issym() else member.mode & 0o7777,
            target=member.linkname if member.issym() else None, owner=member.uname or None,
        )  # fmt: skip


def _hashes(file: object) -> dict[str, str]:
    sums = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    while block := file.read(1 << 20):  # type: ignore[attr-defined]
        for one in sums:
            one.update(block)
    return {"sha256": sums[0].hexdigest(), "md5": sums[1].hexdigest()}


def _fields(control: str) -> dict[str, str]:
    return dict(re.findall(r"(?m)^([A-Z][\w-]*):[ \t]*(.*)$", control))


def _records(
    scripts: dict[str, bytes], name: str, fields: dict[str, str], where: str
) -> Iterator[FileClaim]:
    """Give dpkg's own files about the package: those of the control archive can be compared."""
    multi = fields.get("Multi-Arch") == "same"
    stem = f"{name}:{fields.get('Architecture', '')}" if multi else name
    for member, text in scripts.items():
        if member != "control":
            yield FileClaim(
                path=f"/var/lib/dpkg/info/{stem}.{member}", where=f"{where}:{member}", size=len(text),
                hashes={"sha256": hashlib.sha256(text).hexdigest(),
                        "md5": hashlib.md5(text, usedforsecurity=False).hexdigest()},
            )  # fmt: skip
    yield FileClaim(path=f"/var/lib/dpkg/info/{stem}.list", where=where, follows=True)


def _links(scripts: dict[str, bytes], where: str) -> Iterator[FileClaim]:
    """Links that the package's own script makes when it enables its units."""
    text = scripts.get("postinst", b"").decode("utf-8", "replace")
    for unit in dict.fromkeys(_ENABLED.findall(text)):
        yield FileClaim(
            path=f"/etc/systemd/system/*.wants/{unit}",
            where=f"{where}:postinst",
            kind="link",
            follows=True,
        )
