"""SPDX documents: JSON and tag-value of SPDX 2.x, JSON-LD of SPDX 3.0. Source: ISO/IEC 5962, SPDX 3.0.1."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sakimori.endpoint.inventory import jsontext
from sakimori.endpoint.inventory.sbom import Component, sbom_record

if TYPE_CHECKING:
    from sakimori.endpoint.inventory.record import Record
    from sakimori.endpoint.inventory.source import Source

NAME = "spdx"
TITLE = "SPDX as JSON or tag-value"

_JSON = re.compile(r'"spdxVersion"\s*:\s*"SPDX-|"@context"\s*:\s*\[?\s*"https://spdx\.org/rdf/3')
_TAGS = re.compile(r"(?m)^SPDXVersion:\s*SPDX-")
_TAG = re.compile(r"^([A-Za-z]+):\s*(.*)$")
_EMPTY = ("NOASSERTION", "NONE")


def sniff(source: Source) -> bool:
    """Whether it names a version of SPDX."""
    if source.head.lstrip()[:1] == "{":
        return bool(_JSON.search(source.text))
    return bool(_TAGS.search(source.head))


def read(source: Source) -> list[Record]:
    """Return one record of the document's packages."""
    if _TAGS.search(source.head):
        components = _of_tags(source.text)
    else:
        value = jsontext.parsed(source)
        graph = jsontext.part(value, "@graph")
        components = _of_graph(graph) if graph is not None else _of_json(value)
    return [sbom_record(source, NAME, components, {})]


def _component(name: Any, version: Any, maker: Any, purl: Any, purpose: Any) -> Component:
    """A package in the shape that sbom_record reads."""
    maker = re.sub(r"^(?:Organization|Person|Tool):\s*", "", jsontext.text(maker)[:300])
    system = re.sub(r"[-_]", "", jsontext.text(purpose)).lower() == "operatingsystem"
    return {
        "type": "operating-system" if system else "library",
        "name": _given(name),
        "version": _given(version),
        "publisher": _given(re.sub(r"\s*\([^()]*@[^()]*\)\s*$", "", maker)),
        "purl": purl,
    }


def _given(value: Any) -> str:
    text = jsontext.text(value)
    return "" if text in _EMPTY else text


def _of_json(value: Any) -> list[Component]:
    found = []
    for one in jsontext.objects(jsontext.part(value, "packages")):
        references = jsontext.objects(one.get("externalRefs"))
        purl = next(
            (r.get("referenceLocator") for r in references if r.get("referenceType") == "purl"), ""
        )
        maker = _given(one.get("supplier")) or one.get("originator")
        purpose = one.get("primaryPackagePurpose")
        found.append(_component(one.get("name"), one.get("versionInfo"), maker, purl, purpose))
    return found


def _of_graph(graph: Any) -> list[Component]:
    return [
        _component(
            one.get("name"), one.get("software_packageVersion"), "",
            one.get("software_packageUrl"), one.get("software_primaryPurpose"),
        )
        for one in jsontext.objects(graph)
        if one.get("type") == "software_Package"
    ]  # fmt: skip


def _without_texts(text: str) -> str:
    """Leave out what stands between <text> and </text>; one that does not end hides nothing."""
    parts, at = [], 0
    while (start := text.find("<text>", at)) >= 0 and (end := text.find("</text>", start)) >= 0:
        parts.append(text[at:start])
        at = end + len("</text>")
    return "".join([*parts, text[at:]])


def _of_tags(text: str) -> list[Component]:
    """Packages begin at PackageName; texts over several lines are skipped."""
    packages: list[dict[str, str]] = []
    for line in _without_texts(text).splitlines():
        found = _TAG.match(line.strip())
        if found is None:
            continue
        tag, value = found[1], found[2].strip()
        if tag == "PackageName":
            packages.append({tag: value})
        elif packages and tag in ("FileName", "SnippetSPDXID", "Relationship"):
            packages[-1].setdefault("ended", "")
        elif packages and "ended" not in packages[-1]:
            packages[-1].setdefault(tag, value)
            purl = re.match(r"PACKAGE[-_]MANAGER\s+purl\s+(\S+)", value)
            if tag == "ExternalRef" and purl:
                packages[-1].setdefault("purl", purl[1])
    return [
        _component(
            p["PackageName"], p.get("PackageVersion"), p.get("PackageSupplier"), p.get("purl"),
            p.get("PrimaryPackagePurpose"),
        )
        for p in packages
    ]  # fmt: skip
