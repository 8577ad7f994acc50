"""The largest free rule set: it compiles, runs, and finds nothing where nothing is."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from sakimori.endpoint.scan import Scanner, load

ROOT = Path(__file__).parents[3]
PACKED = next(
    (
        place
        for place in (
            folder / "shared/data/exposure/yara/signature-base.tar.xz"
            for folder in (ROOT.parent, *ROOT.parents)
        )
        if place.is_file()
    ),
    None,
)


@pytest.mark.slow
@pytest.mark.skipif(PACKED is None, reason="signature-base.tar.xz is not beside the checkout")
def test_signature_base_compiles_runs_and_names_its_licence(tmp_path: Path, eicar: bytes) -> None:
    assert PACKED
    with tarfile.open(PACKED) as packed:
        packed.extractall(tmp_path, filter="data")
    definitions = load([tmp_path / "yara"])
    assert definitions.warnings == ()
    assert definitions.rules > 5800
    scanner = Scanner(definitions)
    hits = {hit.rule: hit for hit in scanner.data("e.com", eicar).hits}
    assert hits["SUSP_Just_EICAR"].licence == "Detection Rule License (LICENSE)"
    shell = b"<?php @ev" + b"al($_PO" + b"ST['pass']); ?>"  # in pieces: this file is no hit
    assert scanner.data("a.php", shell).hits
    for file in (Path(__file__), Path("/bin/sh")):
        assert scanner.file(file.resolve()).hits == ()
