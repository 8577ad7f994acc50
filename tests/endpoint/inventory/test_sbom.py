from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.contact import OrganizationalEntity
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

from sakimori.endpoint.inventory.collect import read_source
from sakimori.endpoint.inventory.source import of_bytes
from sakimori.errors import SourceError

if TYPE_CHECKING:
    from sakimori.endpoint.inventory.record import Record

VERSIONS = [v for v in SchemaVersion if v >= SchemaVersion.V1_2]


def told(text: str, name: str = "sbom") -> Record:
    (record,) = read_source(of_bytes(name, text.encode()))
    return record


def bom() -> Bom:
    inner = Component(name="inner", version="0.1", purl=PackageURL("pypi", None, "inner", "0.1"))
    outer = Component(
        name="bash", version="5.2", type=ComponentType.LIBRARY, components=[inner],
        supplier=OrganizationalEntity(name="Example Makers"),
        purl=PackageURL("deb", "debian", "bash", "5.2", {"arch": "amd64"}),
    )  # fmt: skip
    system = Component(name="debian", version="12", type=ComponentType.OPERATING_SYSTEM)
    return Bom(components=[outer, system])


@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: v.name)
@pytest.mark.parametrize("form", [OutputFormat.JSON, OutputFormat.XML], ids=lambda f: f.name)
def test_what_the_library_writes_is_read(version: SchemaVersion, form: OutputFormat) -> None:
    record = told(make_outputter(bom(), form, version).output_as_string(indent=1))
    assert (record.os, record.version) == ("debian", "12")
    assert [(p.name, p.version, p.purl) for p in record.products] == [
        ("bash", "5.2", "pkg:deb/debian/bash@5.2?arch=amd64"),
        ("inner", "0.1", "pkg:pypi/inner@0.1"),
    ]
    assert record.products[0].vendor == "Example Makers"


def test_a_document_type_is_refused() -> None:
    text = (
        '<?xml version="1.0"?><!DOCTYPE bom [<!ENTITY a "aaaa">]>'
        '<bom xmlns="http://cyclonedx.org/schema/bom/1.4"><components/></bom>'
    )
    with pytest.raises(SourceError, match="sbom: it declares a document type"):
        told(text)


def test_broken_package_urls_and_nameless_components_are_counted() -> None:
    document = {
        "bomFormat": "CycloneDX", "specVersion": "1.5",
        "components": [{"type": "library", "name": "x", "purl": "no purl"}, {"type": "library"}, 7],
    }  # fmt: skip
    record = told(json.dumps(document))
    assert [(p.name, p.purl) for p in record.products] == [("x", "")]
    assert {n.code for n in record.assumed} == {"sbom-no-os", "purl-broken", "unnamed"}


SPDX: dict[str, Any] = {
    "spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "name": "image",
    "packages": [
        {"name": "debian", "versionInfo": "12", "primaryPackagePurpose": "OPERATING-SYSTEM"},
        {
            "name": "bash", "versionInfo": "5.2",
            "supplier": "Organization: Example Makers (makers@example.org)",
            "externalRefs": [
                {"referenceCategory": "SECURITY", "referenceType": "cpe23Type", "referenceLocator": "c"},
                {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                 "referenceLocator": "pkg:deb/debian/bash@5.2"},
            ],
        },
    ],
}  # fmt: skip
TAGS = """SPDXVersion: SPDX-2.3
DocumentName: image
PackageName: debian
PackageVersion: 12
PrimaryPackagePurpose: OPERATING-SYSTEM
PackageName: bash
PackageVersion: 5.2
PackageSupplier: Organization: Example Makers (makers@example.org)
PackageComment: <text>
PackageName: not one
</text>
ExternalRef: SECURITY cpe23Type c
ExternalRef: PACKAGE-MANAGER purl pkg:deb/debian/bash@5.2
"""
GRAPH = {
    "@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld",
    "@graph": [
        {"type": "CreationInfo"},
        {"type": "software_Package", "name": "debian", "software_packageVersion": "12",
         "software_primaryPurpose": "operatingSystem"},
        {"type": "software_Package", "name": "bash", "software_packageVersion": "5.2",
         "software_packageUrl": "pkg:deb/debian/bash@5.2"},
    ],
}  # fmt: skip
DOCUMENTS = {"json": json.dumps(SPDX), "tag-value": TAGS, "json-ld": json.dumps(GRAPH)}


@pytest.mark.parametrize("form", DOCUMENTS)
def test_every_form_of_spdx_says_the_same(form: str) -> None:
    record = told(DOCUMENTS[form])
    assert (record.os, record.version) == ("debian", "12")
    (bash,) = record.products
    assert (bash.name, bash.version, bash.purl) == ("bash", "5.2", "pkg:deb/debian/bash@5.2")
    assert bash.vendor == ("" if form == "json-ld" else "Example Makers")


# osquery

WINDOWS = {
    "os_version": [{"name": "Microsoft Windows 10 Pro", "version": "10.0.19045", "build": "19045",
                    "platform": "windows", "arch": "64-bit", "install_date": "1647000000"}],
    "system_info": [{"hostname": "PC-01", "cpu_brand": "x", "cpu_type": "x86_64"}],
    "patches": [{"csname": "PC-01", "hotfix_id": "KB5012117", "description": "Update",
                 "installed_on": "4/13/2022"}],
    "programs": [{"name": "Example", "version": "1.0", "publisher": "Example Makers",
                  "install_date": "20220413"}],
}  # fmt: skip


def test_named_results_of_osquery_are_read() -> None:
    record = told(json.dumps(WINDOWS))
    assert (record.os, record.version, record.release) == ("Windows 10 Pro", "10.0.19045", "22H2")
    assert (record.machine, record.architecture) == ("PC-01", "x64")
    assert [(u.id, u.installed) for u in record.updates] == [("KB5012117", "2022-04-13")]
    assert [(p.name, p.vendor, p.installed) for p in record.products] == [
        ("Example", "Example Makers", "2022-04-13")
    ]


@pytest.mark.parametrize("table", WINDOWS)
def test_an_array_alone_is_known_by_its_columns(table: str) -> None:
    record = told(json.dumps(WINDOWS[table]))
    found = (record.os, record.machine, bool(record.updates), bool(record.products))
    assert found == {
        "os_version": ("Windows 10 Pro", None, False, False),
        "system_info": (None, "PC-01", False, False),
        "patches": (None, "PC-01", True, False),
        "programs": (None, None, False, True),
    }[table]  # fmt: skip


DEB = {"name": "bash", "version": "5.2", "source": "", "arch": "amd64", "status": "install ok installed",
       "maintainer": "Example <a@example.org>"}  # fmt: skip
OLD = {**DEB, "version": "5.1"}
LINUX = {"name": "Debian GNU/Linux", "version": "12 (bookworm)", "codename": "bookworm",
         "platform": "debian", "arch": "x86_64"}  # fmt: skip


def test_a_log_of_osquery_gives_what_is_there_at_its_end() -> None:
    lines = [
        {"name": "pack_it_os_version", "hostIdentifier": "srv-1", "snapshot": [LINUX]},
        {"name": "deb_packages", "hostIdentifier": "srv-1", "columns": OLD, "action": "added"},
        {"name": "deb_packages", "hostIdentifier": "srv-1", "diffResults": {"added": [DEB], "removed": [OLD]}},
        {"name": "deb_packages", "hostIdentifier": "srv-2", "columns": OLD, "action": "added"},
    ]  # fmt: skip
    text = "\n".join(map(json.dumps, lines)) + '\n{"cut": '
    first, second = read_source(of_bytes("osqueryd.results.log", text.encode()))
    assert (first.machine, first.os, first.version) == ("srv-1", "Debian GNU/Linux", "12")
    assert [p.purl for p in first.products] == ["pkg:deb/debian/bash@5.2?arch=amd64"]
    assert [p.version for p in second.products] == ["5.1"]
    assert "osquery-removed" in {n.code for n in first.assumed}
