"""Components of a bill of materials -> a record, whichever format they were in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sakimori.endpoint.inventory import jsontext
from sakimori.endpoint.inventory.purl import checked
from sakimori.endpoint.inventory.record import Note, Product, Record, note

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sakimori.endpoint.inventory.source import Source

Component = dict[str, Any]


def sbom_record(
    source: Source, reader: str, components: list[Component], subject: Component
) -> Record:
    """Return the record of components: objects with type, name, version, publisher, purl."""
    systems = [c for c in components if c.get("type") == "operating-system"]
    system = systems[0] if systems else {}
    if not system and subject.get("type") == "operating-system":
        system = subject
    products, notes = _products(c for c in components if c not in systems)
    return Record(
        source=source.name,
        reader=reader,
        os=jsontext.text(system.get("name")) or None,
        version=jsontext.text(system.get("version")) or None,
        machine=jsontext.text(subject.get("name")) or None
        if subject.get("type") == "device"
        else None,
        encoding=source.encoding,
        products=products,
        assumed=(
            *source.notes(),
            *([] if system else [note("sbom-no-os")]),
            *([note("sbom-systems", count=len(systems))] if len(systems) > 1 else []),
            *notes,
        ),
    )


def _products(components: Iterable[Component]) -> tuple[tuple[Product, ...], list[Note]]:
    products: list[Product] = []
    broken = unnamed = 0
    for one in components:
        written = jsontext.text(one.get("purl"))
        purl = checked(written) if written else ""
        broken += bool(written and not purl)
        name = jsontext.text(one.get("name"))
        unnamed += not name
        if name:
            products.append(
                Product(
                    name="/".join(p for p in (jsontext.text(one.get("group")), name) if p),
                    version=jsontext.text(one.get("version")),
                    vendor=_vendor(one),
                    purl=purl,
                )
            )
    notes = [note("purl-broken", count=broken)] if broken else []
    if unnamed:
        notes.append(note("unnamed", count=unnamed))
    return tuple(products), notes


def _vendor(one: Component) -> str:
    """The publisher, else the supplier, manufacturer or author."""
    for value in (
        one.get("publisher"),
        jsontext.part(one, "supplier", "name"),
        jsontext.part(one, "manufacturer", "name"),
        one.get("author"),
    ):
        if jsontext.text(value):
            return jsontext.text(value)
    return ""
