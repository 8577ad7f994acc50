"""Manifests and installer logs: one module a form, listed here.

To add one: a module with NAME, TITLE, recognises and read (see _source.ManifestReader), one line in
BUILTIN, and a sample in tests/endpoint/verify/test_manifests.py. The order is that of asking: forms that
cannot be mistaken come first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sakimori.endpoint.verify.manifests import (
    apt_history,
    deb,
    dnf_history,
    dpkg_lists,
    dpkg_log,
    file_information,
    msi_log,
    msi_tables,
    own_json,
    registry_file,
    registry_rows,
    rpm_listing,
)
from sakimori.errors import SourceError

if TYPE_CHECKING:
    from sakimori.endpoint.verify.manifests._source import ManifestReader, Source
    from sakimori.endpoint.verify.model import Manifest

BUILTIN: tuple[ManifestReader, ...] = (
    deb,
    registry_file,
    own_json,
    apt_history,
    dpkg_log,
    dnf_history,
    msi_log,
    msi_tables,
    rpm_listing,
    dpkg_lists,
    registry_rows,
    file_information,
)


def kind_of(source: Source) -> str:
    """Return the NAME of the form a file has, "" for none that is known."""
    return next((reader.NAME for reader in BUILTIN if reader.recognises(source)), "")


def read_manifest(source: Source) -> Manifest:
    """Read a manifest or log of any known form.

    Raises SourceError, naming the forms, when it has none of them or nothing in it can be used.
    """
    for reader in BUILTIN:
        if reader.recognises(source):
            return reader.read(source)
    raise SourceError(
        "this is no manifest or installer log that is known",
        where=str(source.path),
        hint="forms: " + "; ".join(reader.TITLE for reader in BUILTIN),
    )
