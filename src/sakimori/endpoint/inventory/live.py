"""This machine, or the image of one under a folder."""

from __future__ import annotations

import platform
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sakimori.endpoint.inventory import linux
from sakimori.endpoint.inventory.readers import dpkg, rpm
from sakimori.endpoint.inventory.record import Record, note
from sakimori.endpoint.inventory.source import load, of_bytes
from sakimori.endpoint.run import run
from sakimori.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sakimori.endpoint.inventory.record import Note, Product
    from sakimori.endpoint.registry.model import Key
    from sakimori.endpoint.run import Ran

LIVE = "live"
_DPKG = (
    "Package: ${Package}\\nStatus: ${Status}\\nVersion: ${Version}\\nArchitecture: ${Architecture}\\n"
    "Maintainer: ${Maintainer}\\n\\n"
)
_RPM = "%{NAME}\\t%{EPOCH}\\t%{VERSION}\\t%{RELEASE}\\t%{ARCH}\\n"


@dataclass(frozen=True, slots=True)
class Facts:
    """What the running system says of itself. `system` is Linux or Windows, as platform names them."""

    system: str
    machine: str
    kernel: str
    processor: str


def facts() -> Facts:
    """Ask the running system."""
    return Facts(platform.system(), platform.node(), platform.release(), platform.machine())


def this_machine(
    here: Facts, *, root: Path = Path("/"), start: Callable[..., Ran] = run,
    keys: Callable[[], Iterable[Key]] | None = None,
) -> Record:  # fmt: skip
    """Return the record of the running machine. Raises SourceError on a system that is neither.

    `root`, `start` and `keys` (of the live registry) stand for the machine in tests.
    """
    if here.system == "Windows":
        return _windows(here, keys or _live_keys)
    if here.system == "Linux":
        return _linux(here, root, start)
    raise SourceError(f"{here.system or 'this system'} is not read live", hint="name files instead")


def _linux(here: Facts, root: Path, start: Callable[..., Ran]) -> Record:
    record = _system(root, LIVE)
    products, notes = _packages(start, _id(root))
    return replace(
        record,
        architecture=linux.machine_of(here.processor),
        machine=here.machine or None,
        kernel=here.kernel or None,
        products=products,
        assumed=tuple(n for n in (*record.assumed, *notes) if n.code != "type-unknown"),
    )


def _packages(
    start: Callable[..., Ran], distribution: str
) -> tuple[tuple[Product, ...], list[Note]]:
    """Ask dpkg, then rpm; a machine may have both."""
    products: list[Product] = []
    notes: list[Note] = []
    asked = (
        ("dpkg-query", ["dpkg-query", "-W", "-f", _DPKG]),
        ("rpm", ["rpm", "-qa", "--qf", _RPM]),
    )
    for name, argv in asked:
        ran = start(argv, seconds=120.0)
        if not ran.ok:
            if ran.code is not None:
                notes.append(note("program-failed", name=name, ended=ran.code))
            continue
        source = of_bytes(name, ran.out)
        if not ran.out.strip():
            continue
        reader = dpkg if name == "dpkg-query" else rpm
        told = reader.read(source, distribution)[0]
        products += told.products
        notes += [n for n in told.assumed if n.code in ("packages-left", "keys", "lines-left")]
    if not products:
        notes.append(note("no-packages"))
    return tuple(products), notes


def image(root: Path, hives: Callable[[dict[str, Path]], Record | None]) -> Record:
    """Return the record of a system's image: os-release and dpkg's status, or the hives of Windows.

    An RPM database is not read: `rpm --root DIR -qa` gives a list that is. Raises SourceError where the
    folder holds no system that is known.
    """
    if not root.is_dir():
        raise SourceError("this is no folder", where=str(root))
    found = _hives_of(root)
    if found:
        told = hives(found)
        if told is not None:
            return replace(told, source=str(root))
    if not _release_file(root):
        raise SourceError(
            "no os-release and no hives of Windows are below it", where=str(root),
            hint="name the top folder of the image",
        )  # fmt: skip
    record = _system(root, str(root))
    status = root / "var/lib/dpkg/status"
    if status.is_file():
        told = dpkg.read(load(status), _id(root))[0]
        kept = [n for n in told.assumed if n.code in ("type", "packages-left")]
        assumed = tuple(n for n in record.assumed if n.code != "type-unknown")
        record = replace(
            record,
            products=told.products,
            architecture=told.architecture,
            assumed=(*assumed, *kept),
        )
    elif (root / "var/lib/rpm").is_dir() or (root / "usr/lib/sysimage/rpm").is_dir():
        record = replace(record, assumed=(*record.assumed, note("rpm-database")))
    return record


def _release_file(root: Path) -> Path | None:
    for name in ("etc/os-release", "usr/lib/os-release"):
        if (root / name).is_file():
            return root / name
    return None


def _values(root: Path) -> dict[str, str]:
    file = _release_file(root)
    return linux.os_release(load(file).text) if file else {}


def _id(root: Path) -> str:
    found = _values(root).get("ID", "")
    return {"rhel": "redhat"}.get(found, found)


def _system(root: Path, source: str) -> Record:
    values = _values(root)
    return Record(
        source=source,
        reader=LIVE if source == LIVE else "image",
        os=linux.name_of(values),
        version=values.get("VERSION_ID") or None,
        build=values.get("BUILD_ID") or None,
        release=values.get("VERSION_CODENAME") or None,
        assumed=(note("type-unknown"),),
    )


def _hives_of(root: Path) -> dict[str, Path]:
    """The hives of a Windows image; names in any case."""
    folder = root
    for name in ("windows", "system32", "config"):
        below = [p for p in folder.iterdir() if p.name.lower() == name] if folder.is_dir() else []
        if not below:
            return {}
        folder = below[0]
    wanted = ("software", "system")
    return {p.name.upper(): p for p in folder.iterdir() if p.name.lower() in wanted}


def _windows(here: Facts, keys: Callable[[], Iterable[Key]]) -> Record:
    from sakimori.endpoint.inventory.registry import record_of  # noqa: PLC0415

    told = record_of(LIVE, LIVE, keys())
    if told is None:
        raise SourceError("the registry gives nothing of this machine", where=LIVE)
    return replace(told, machine=told.machine or here.machine or None)


def _live_keys() -> Iterable[Key]:
    from sakimori.endpoint.inventory.walk import keys  # noqa: PLC0415 - on Windows only
    from sakimori.endpoint.registry.live import LiveRegistry  # noqa: PLC0415
    from sakimori.endpoint.registry.windows import api  # noqa: PLC0415

    return keys(LiveRegistry(api()))
