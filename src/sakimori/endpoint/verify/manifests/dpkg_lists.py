"""dpkg's lists of a package (.list, .md5sums, .conffiles), and plain md5sum/sha256sum output.

The package is known by the file's name (`hello.md5sums`, `libc6:amd64.list`); the other lists of
the package that lie beside it are read with it. A .list names paths and no content. These lists are kept on
the machine itself, so whoever changed a file could change them too; a .deb from elsewhere says more.
Source: deb-md5sums(5), dpkg(1) FILES.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sakimori.endpoint.verify.model import Aside, FileClaim, Manifest, ObjectClaim
from sakimori.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sakimori.endpoint.verify.manifests._source import Source

NAME = "dpkg-list"
TITLE = "dpkg's lists of a package (.list, .md5sums, .conffiles), md5sum and sha256sum output"

_SUM = re.compile(
    r"^\\?([0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{128}) [ *](.+)$", re.IGNORECASE
)
_KINDS = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}
_SUFFIXES = (".list", ".md5sums", ".conffiles")


def recognises(source: Source) -> bool:
    """Whether the first lines are digests with paths, or all are absolute paths."""
    lines = [line for line in source.head.splitlines()[:50] if line.strip()]
    if not lines:
        return False
    sums = sum(bool(_SUM.match(line)) for line in lines)
    paths = sum(bool(re.match(r"^/[^\t,;|]*$", line)) for line in lines)
    return sums * 2 > len(lines) or paths == len(lines)


def read(source: Source) -> Manifest:
    """Read the list and its neighbours; a line that is neither comes aside."""
    package = source.path.stem if source.path.suffix in _SUFFIXES else ""
    claims, aside = claims_of(source)
    others = [source.beside(package + s) for s in _SUFFIXES if s != source.path.suffix and package]
    for other in others:
        if other is not None:
            more, worse = claims_of(other)
            claims, aside = merged(claims, more), [*aside, *worse]
    if not claims:
        raise SourceError("no line names a file", where=str(source.path))
    objects = package_claims(package, source.at(1)) if package else ()
    return Manifest(
        name=package or source.path.name, source=str(source.path), format=NAME,
        declares=frozenset({"files", "packages"} if package else {"files"}), files=tuple(claims),
        objects=tuple(objects), aside=tuple(aside),
    )  # fmt: skip


def package_claims(package: str, where: str, version: str | None = None) -> tuple[ObjectClaim, ...]:
    """Return the claim of a package's record."""
    return (ObjectClaim(object="package", name=package, where=where, version=version),)


def claims_of(source: Source) -> tuple[list[FileClaim], list[Aside]]:
    """Return the files that a list names, with their digests where it has them."""
    claims: list[FileClaim] = []
    aside: list[Aside] = []
    for number, line in enumerate(source.text.splitlines(), 1):
        found = _SUM.match(line)
        if found:
            path = found[2] if found[2].startswith("/") else "/" + found[2].removeprefix("./")
            hashes = {_KINDS[len(found[1])]: found[1].lower()}
            claims.append(FileClaim(path=path, where=source.at(number), hashes=hashes))
        elif line.startswith("/"):
            claims.append(FileClaim(path=line, where=source.at(number)))
        elif line.strip() and not line.startswith(("#", "remove-on-upgrade ")):
            aside.append(
                Aside(source.at(number), "neither a digest with a path nor an absolute path")
            )
    return claims, aside


def merged(one: Iterable[FileClaim], other: Iterable[FileClaim]) -> list[FileClaim]:
    """Return the claims of both; of a path in both, the one that has a digest."""
    found: dict[str, FileClaim] = {}
    for claim in (*one, *other):
        known = found.get(claim.path)
        if known is None or not known.hashes:
            found[claim.path] = claim
    return list(found.values())
