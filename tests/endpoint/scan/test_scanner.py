from __future__ import annotations

import bz2
import gzip
import importlib.util
import io
import lzma
import os
import tarfile
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from sakimori.endpoint.scan import Definitions, Scanner, Settings, load
from sakimori.endpoint.scan import scanner as scanning
from sakimori.endpoint.unpack import Limits
from sakimori.errors import SourceError

SAMPLES = importlib.util.spec_from_file_location(
    "unpack_samples", Path(__file__).parents[1] / "unpack" / "unpack_samples.py"
)
assert SAMPLES
assert SAMPLES.loader
samples: Any = importlib.util.module_from_spec(SAMPLES)
SAMPLES.loader.exec_module(samples)


def rules(text: str, tmp_path: Path, name: str = "r.yar", **options: Any) -> Scanner:
    (tmp_path / name).write_text(text)
    return Scanner(load([tmp_path / name], builtin=False), Settings(**options))


def zipped(name: str, data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, data)
    return out.getvalue()


def tarred(name: str, data: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as file:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        file.addfile(info, io.BytesIO(data))
    return out.getvalue()


@pytest.mark.parametrize("end", [b"", b"\r\n", b" " * 60, b"\t\n\x1a"])
def test_eicar_is_found_as_its_specification_defines_it(
    scanner: Scanner, eicar: bytes, end: bytes
) -> None:
    (hit,) = scanner.data("e.com", eicar + end).hits
    assert (hit.rule, hit.family, hit.kind) == ("EICAR_test_file", "EICAR", "yara")
    assert hit.sha256 == sha256(eicar + end).hexdigest()
    assert (hit.author, hit.licence, hit.member) == ("Sakimori", "Apache-2.0", None)


def test_what_is_nearly_eicar_is_not(scanner: Scanner, eicar: bytes) -> None:
    for data in (eicar + b"x", b" " + eicar, eicar + b" " * 61, eicar[:-1], eicar.lower(), b""):
        assert scanner.data("e.com", data).hits == ()


def test_the_test_family_is_found_and_its_own_rules_are_not(
    scanner: Scanner, marker: bytes
) -> None:
    assert [h.family for h in scanner.data("a", b"a\n" + marker + b"\n").hits] == ["SakimoriTest"]
    own = Path(scanning.__file__).with_name("builtin.yar")
    assert scanner.file(own).hits == ()


CONTAINERS = {
    "zip": lambda d: zipped("in/e.com", d),
    "tar": lambda d: tarred("in/e.com", d),
    "tar.gz": lambda d: gzip.compress(tarred("in/e.com", d)),
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zip in zip in tar": lambda d: tarred("b.zip", zipped("a.zip", zipped("in/e.com", d))),
    "7z": lambda d: samples.seven({"in/e.com": d}),
    "7z, password": lambda d: samples.seven({"in/e.com": d}, password="infected"),  # noqa: S106
    "zip, password": lambda d: samples.zip_crypto("in/e.com", d, b"infected"),
    "zstd": samples.zstd,
    "cab": lambda d: samples.cab({"in/e.com": d}),
    "iso": lambda d: samples.iso({"E.COM": d}),
    "ole": lambda d: samples.ole({"\1Ole10Native": samples.ole_native("e.com", d)}),
    "eml": lambda d: samples.eml({"e.com": d}),
    "mbox": lambda d: samples.mbox({"e.com": d}),
}


@pytest.mark.parametrize("kind", CONTAINERS)
def test_eicar_is_found_in_every_container(
    builtin: Definitions, eicar: bytes, tmp_path: Path, kind: str
) -> None:
    file = tmp_path / "container"
    file.write_bytes(CONTAINERS[kind](eicar))
    looked = Scanner(builtin, Settings(passwords=("wrong", "infected"))).file(file)
    assert looked.hits, looked.troubles
    hit = looked.hits[-1]
    assert hit.member
    assert (hit.path, hit.rule) == (str(file), "EICAR_test_file")
    assert hit.sha256 == sha256(eicar).hexdigest()
    assert looked.bytes >= file.stat().st_size + len(eicar)


def test_without_unpacking_the_inside_is_not_looked_at(builtin: Definitions, eicar: bytes) -> None:
    plain = Scanner(builtin, Settings(unpacking=False))
    assert plain.data("a.zip", zipped("e.com", eicar)).hits == ()


def test_a_bomb_is_reported_and_what_is_around_it_is_still_found(
    builtin: Definitions, marker: bytes
) -> None:
    careful = Scanner(builtin, Settings(limits=Limits(ratio=50)))
    bomb = zipped("zeros", bytes(20_000_000)) + marker
    looked = careful.data("b.zip", bomb)
    assert [trouble for trouble in looked.troubles if "bomb" in trouble.reason]
    assert [hit.member for hit in looked.hits] == [None]


def test_a_large_file_is_mapped_and_its_members_are_found(
    builtin: Definitions, eicar: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanning, "_IN_MEMORY", 10)
    file = tmp_path / "br\udcff.zip"
    file.write_bytes(zipped("e.com", eicar))
    assert [h.member for h in Scanner(builtin).file(file).hits] == ["e.com"]
    (tmp_path / "l.hdb").write_text(f"{sha256(file.read_bytes()).hexdigest()}:*:Whole\n")
    known = Scanner(load([], [tmp_path / "l.hdb"]))
    assert [h.kind for h in known.file(file).hits] == ["hash", "yara"]


@pytest.mark.parametrize(
    ("name", "text", "size"),
    [
        ("a.hdb", "{md5}:68:Win.Trojan.Zbot-1-0", 68),
        ("a.hsb", "{sha256}:*:Win.Trojan.Zbot-1-0", 68),
        ("a.txt", "{sha1},Zbot", 68),
        ("a.csv", "sha256_hash,signature\n{sha256},Zbot", 68),
    ],
)
def test_a_known_hash_is_a_hit(
    tmp_path: Path, eicar: bytes, name: str, text: str, size: int
) -> None:
    import hashlib  # noqa: PLC0415

    sums = {a: hashlib.new(a, eicar).hexdigest() for a in ("md5", "sha1", "sha256")}
    (tmp_path / name).write_text(text.format(**sums))
    known = Scanner(load([], [tmp_path / name], builtin=False))
    (hit,) = known.data("x", eicar).hits
    assert (hit.kind, hit.family, hit.sha256) == ("hash", "Zbot", sums["sha256"])
    assert hit.source.startswith(f"{tmp_path / name}:")
    assert known.data("x", eicar + b" ").hits == ()
    inside = known.data("a.zip", zipped("in", eicar)).hits
    assert [h.member for h in inside] == ["in"]


def test_a_body_signature_is_a_hit_under_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "a.ndb").write_text("Win.Trojan.Zbot-7-0:0:*:68656c6c6f\nbad line\n")
    definitions = load([], [tmp_path / "a.ndb"], builtin=False)
    (hit,) = Scanner(definitions).data("x", b"say hello").hits
    assert (hit.kind, hit.rule, hit.family) == ("ndb", "Win.Trojan.Zbot-7-0", "Zbot")
    assert [w.where for w in definitions.warnings] == [f"{tmp_path / 'a.ndb'}:2"]


def test_metadata_of_a_rule_is_told_and_made_safe(tmp_path: Path) -> None:
    (tmp_path / "LICENSE").write_text("Some Free Licence\nwords")
    told = rules(
        'rule r { meta: author = "Ann" malware_family = "Z\\x1b[31mbot" mitre_att = "see T1055.001"'
        ' reference = "a" condition: true }',
        tmp_path,
    )
    (hit,) = told.data("x", b"").hits
    assert (hit.author, hit.technique, hit.reference) == ("Ann", "T1055.001", "a")
    assert hit.family == "Z\\u{1b}[31mbot"
    assert hit.licence == "Some Free Licence (LICENSE)"
    own = rules('rule r { meta: license = "MIT" condition: true }', tmp_path).data("x", b"").hits
    assert own[0].licence == "MIT"


@pytest.mark.parametrize(
    ("condition", "data"),
    [
        ('filename == "e.com"', b""),
        ('filepath contains "/place/"', b""),
        ('extension == ".com"', b""),
        ('filetype == "EXE"', b"MZ"),
        ('md5 == "900150983cd24fb0d6963f7d28e17f72"', b"abc"),
        ('owner == "" and uint16(0) == 0x4b50', b"PK"),
    ],
)
def test_rules_may_ask_for_what_is_outside_the_content(
    tmp_path: Path, condition: str, data: bytes
) -> None:
    outside = rules(f"rule r {{ condition: {condition} }}", tmp_path)
    assert outside.data("/a/place/e.com", data).hits
    assert not outside.data("/a/else/e.txt", b"." + data).hits


def test_bad_rules_are_warnings_and_the_rest_is_used(tmp_path: Path) -> None:
    (tmp_path / "r.yar").write_text(
        "rule good { condition: true }\n"
        "rule unknown { condition: nothing.here }\n"
        "rule broken { condition: and }\n"
    )
    (tmp_path / "b.yara").write_bytes(b"// \xff\nrule latin { condition: true }")
    definitions = load([tmp_path])
    lines = sorted(w.where.rpartition("/")[2] for w in definitions.warnings)
    assert lines == ["b.yara:1", "r.yar:2", "r.yar:3"]
    hits = {hit.rule for hit in Scanner(definitions).data("x", b"").hits}
    assert hits == {"good", "latin"}


def test_definitions_that_hold_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is not there"):
        load([tmp_path / "none"])
    with pytest.raises(SourceError, match="no rule and no hash"):
        load([tmp_path])
    (tmp_path / "r.yar").write_text("\nrule x { condition: }")
    with pytest.raises(SourceError, match=r"r\.yar:2"):
        load([tmp_path])


def test_an_include_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "r.yar").write_text('include "/etc/passwd"\nrule a { condition: true }')
    assert any("include" in w.reason for w in load([tmp_path]).warnings)


def test_compiled_rules_are_kept_and_a_damaged_file_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    (tmp_path / "r/r.yar").write_text("rule r { condition: uint16(0) == 0x5a4d }")
    cache = tmp_path / "cache"
    first = load([tmp_path / "r"], cache=cache)
    (file,) = cache.iterdir()
    assert file.stat().st_mode & 0o077 == 0
    for again in (load([tmp_path / "r"], cache=cache), load([file], builtin=False)):
        assert again.rules == first.rules
        assert [h.rule for h in Scanner(again).data("x", b"MZ").hits] == ["r"]
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(SourceError, match="damaged"):
        load([file])
    assert load([tmp_path / "r"], cache=cache).version == first.version
    assert load([file], builtin=False).rules == first.rules


def test_the_version_changes_with_the_content_alone(tmp_path: Path) -> None:
    for place, text in (("a", "true"), ("b", "true"), ("c", "false")):
        (tmp_path / place).mkdir()
        (tmp_path / place / "r.yar").write_text(f"rule r {{ condition: {text} }}")
    versions = [load([tmp_path / place]).version for place in "abc"]
    assert versions[0] == versions[1] != versions[2]


def test_what_is_no_plain_file_is_never_read(scanner: Scanner, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("fifo")
    reasons = {
        name: [t.reason for t in scanner.file(tmp_path / name).troubles]
        for name in ("fifo", "link", "none", ".")
    }
    assert reasons["fifo"] == ["a FIFO is not opened"]
    assert reasons["none"] == ["vanished before it was looked at"]
    assert reasons["."] == ["is a folder"]
    assert len(reasons["link"]) == 1


def test_a_file_above_the_limit_is_reported_and_not_read(
    builtin: Definitions, tmp_path: Path
) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    looked = Scanner(builtin).file(tmp_path / "sparse")
    assert "larger than the limit" in looked.troubles[0].reason
    assert looked.bytes == 0


def test_a_rule_that_takes_too_long_is_stopped_and_told(tmp_path: Path) -> None:
    slow = rules(
        "rule slow { condition: for all i in (0..9000000) : ( for all k in (0..90000) :"
        " ( uint8(0) == 0 ) ) }",
        tmp_path,
        seconds=1,
    )
    looked = slow.data("x", bytes(10))
    assert [t.reason for t in looked.troubles] == ["the rules took longer than 1 s"]
    assert not looked.lasting
