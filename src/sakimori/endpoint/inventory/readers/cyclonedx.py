"""CycloneDX bills of materials, JSON and XML. Source: ECMA-424 (CycloneDX 1.6) and earlier versions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from sakimori.endpoint.inventory import jsontext
from sakimori.endpoint.inventory.sbom import Component, sbom_record
from sakimori.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sakimori.endpoint.inventory.record import Record
    from sakimori.endpoint.inventory.source import Source

NAME = "cyclonedx"
TITLE = "CycloneDX as JSON or XML"

_JSON = re.compile(r'"bomFormat"\s*:\s*"CycloneDX"')
_XML = re.compile(r"<(?:\w+:)?bom\b[^>]*cyclonedx\.org/schema/bom")
_DEEPEST = 60  # components inside components


def sniff(source: Source) -> bool:
    """Whether it says that it is a CycloneDX document."""
    return bool(_XML.search(source.head) or (
        source.head.lstrip()[:1] == "{" and _JSON.search(source.text)
    ))  # fmt: skip


def read(source: Source) -> list[Record]:
    """Return one record: the operating system component, and all other components as products."""
    bom = _of_xml(source) if _XML.search(source.head) else jsontext.parsed(source)
    subject = jsontext.part(bom, "metadata", "component")
    components = list(_flat(jsontext.part(bom, "components")))
    return [sbom_record(source, NAME, components, subject if isinstance(subject, dict) else {})]


def _flat(components: Any, depth: int = 0) -> Iterator[Component]:
    """Components and those inside them; files are left out, for they are no products."""
    for one in jsontext.objects(components):
        if one.get("type") != "file":
            yield one
        if depth < _DEEPEST:
            yield from _flat(one.get("components"), depth + 1)


def _of_xml(source: Source) -> dict[str, Any]:
    """The parts of an XML document that are read, in the shape of the JSON one."""
    if re.search(r"<!(?:DOCTYPE|ENTITY)", source.text):
        raise SourceError(
            "it declares a document type or entities", where=source.name,
            hint="no CycloneDX document needs them: it is not read",
        )  # fmt: skip
    try:
        root = ET.fromstring(source.text.encode("utf-8"), ET.XMLParser(encoding="utf-8"))  # noqa: S314 - as above
    except (ET.ParseError, ValueError) as error:
        raise SourceError(f"this is no XML: {error}", where=source.name) from error
    subject = root.find("{*}metadata/{*}component")
    return {
        "metadata": {"component": _component(subject) if subject is not None else None},
        "components": _children(root),
    }


def _children(element: ET.Element, depth: int = 0) -> list[Component]:
    if depth > _DEEPEST:
        return []
    return [
        {**_component(one), "components": _children(one, depth + 1)}
        for one in element.findall("{*}components/{*}component")
    ]


def _component(element: ET.Element) -> Component:
    found: Component = {"type": element.get("type", "")}
    for name in ("group", "name", "version", "publisher", "author", "purl"):
        found[name] = element.findtext(f"{{*}}{name}", "")
    found["supplier"] = {"name": element.findtext("{*}supplier/{*}name", "")}
    return found
