from __future__ import annotations

import shutil
import subprocess  # noqa: TID251 - openssl is what is tested against
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from sakimori.errors import ConfigError, SourceError, StateError
from sakimori.takedown.evidence import load_key, make_key, read_public, rotate, verify
from sakimori.takedown.evidence.seal import statement_of

if TYPE_CHECKING:
    from pathlib import Path

OPENSSL = shutil.which("openssl")
needs_openssl = pytest.mark.skipif(not OPENSSL, reason="openssl is not installed")


def openssl(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - no shell, an absolute path
        [str(OPENSSL), *map(str, words)], capture_output=True, text=True, timeout=30, check=False
    )


def codes(found: Any) -> set[str]:
    return {p.code for p in found.problems}


# Keys


def test_a_key_is_readable_by_its_owner_only_and_read_back(tmp_path: Path) -> None:
    made = make_key(tmp_path / "keys")
    assert (tmp_path / "keys" / "evidence.pem").stat().st_mode & 0o777 == 0o600
    assert load_key(tmp_path / "keys").public == made.public
    public = (tmp_path / "keys" / "evidence.pub.pem").read_bytes()
    assert read_public(public) == made.public
    assert b"PRIVATE" not in public
    assert "PRIVATE" not in repr(made)


def test_a_key_is_made_only_once(tmp_path: Path) -> None:
    made = make_key(tmp_path)
    with pytest.raises(StateError, match="a key already"):
        make_key(tmp_path)
    assert load_key(tmp_path).public == made.public


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    make_key(tmp_path)
    (tmp_path / "evidence.pem").chmod(0o640)
    with pytest.raises(ConfigError, match="others can read"):
        load_key(tmp_path)


@needs_openssl
@pytest.mark.parametrize("kind", ["missing", "noise", "rsa", "public"])
def test_what_is_no_key_of_ours_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "evidence.pem"
    if kind == "rsa":
        openssl("genrsa", "-out", path, "1024")
    elif kind == "noise":
        path.write_text("x")
    elif kind == "public":
        path.write_text(make_key(tmp_path / "other").public.pem)
    if path.exists():
        path.chmod(0o600)
    with pytest.raises(SourceError, match=r"evidence\.pem"):
        load_key(tmp_path)


@needs_openssl
def test_a_public_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    openssl("genrsa", "-out", tmp_path / "a.pem", "1024")
    openssl("rsa", "-in", tmp_path / "a.pem", "-pubout", "-out", tmp_path / "a.pub")
    with pytest.raises(SourceError, match="not an Ed25519 key"):
        read_public((tmp_path / "a.pub").read_bytes(), "a.pub")


# Seals


@needs_openssl
def test_openssl_verifies_a_seal_and_refuses_another_text(case: Any, tmp_path: Path) -> None:
    pem = tmp_path / "pub.pem"
    pem.write_text(case.key.public.pem)
    text, sig = (case.chain.folder / "seals" / f"000003.{e}" for e in ("txt", "sig"))
    words = ("pkeyutl", "-verify", "-pubin", "-inkey", pem, "-rawin", "-sigfile", sig, "-in")
    assert "Verified Successfully" in openssl(*words, text).stdout
    (tmp_path / "bad.txt").write_bytes(text.read_bytes().replace(b"records 2", b"records 3"))
    assert openssl(*words, tmp_path / "bad.txt").returncode != 0


@needs_openssl
def test_openssl_prints_the_same_fingerprint(key: Any, tmp_path: Path) -> None:
    (tmp_path / "pub.pem").write_text(key.public.pem)
    openssl(
        "pkey", "-pubin", "-in", tmp_path / "pub.pem", "-outform", "DER", "-out", tmp_path / "d"
    )
    assert openssl("dgst", "-sha256", "-r", tmp_path / "d").stdout[:64] == key.public.fingerprint


def test_a_seal_covers_what_is_before_it(case: Any) -> None:
    found = verify(case.chain.folder, [case.key.public])
    assert found.ok
    (seal,) = found.seals
    assert (seal.record, seal.records, seal.holds, seal.trusted) == (3, 2, True, True)
    assert found.unsealed == 1
    assert any("not sealed" in w for w in found.warnings)


def test_an_empty_chain_cannot_be_sealed(desk: Any) -> None:
    with pytest.raises(SourceError, match="no record"):
        desk.seal()


def test_a_chain_without_seals_proves_nothing(desk: Any) -> None:
    desk.add(n=1)
    assert codes(verify(desk.chain.folder)) == {"unsigned"}


def test_a_seal_by_another_key_is_named(case: Any, other_key: Any) -> None:
    found = verify(case.chain.folder, [other_key.public])
    assert codes(found) == {"key", "unsigned"}
    message = found.problems[-1].message + found.problems[0].message
    assert case.key.public.fingerprint[:16] in message
    assert other_key.public.fingerprint[:16] in message


def test_without_a_named_key_it_is_told_whose_it_was(case: Any) -> None:
    found = verify(case.chain.folder)
    assert found.ok
    assert found.keys == (case.key.public.fingerprint,)
    assert any("not whose" in w for w in found.warnings)


def test_a_later_seal_by_a_stranger_is_a_problem(case: Any, other_key: Any) -> None:
    case.seal(other_key)
    assert codes(verify(case.chain.folder)) == {"key"}
    assert codes(verify(case.chain.folder, [case.key.public])) == {"key"}
    both = verify(case.chain.folder, [case.key.public, other_key.public])
    assert both.ok


def test_who_trusts_the_last_key_can_verify_what_others_sealed_before(
    case: Any, other_key: Any
) -> None:
    case.seal(other_key)
    found = verify(case.chain.folder, [other_key.public])
    assert found.ok
    assert [s.trusted for s in found.seals] == [False, True]


def test_a_chain_cut_before_a_seal_is_noticed(case: Any) -> None:
    lines = case.chain.path.read_bytes().splitlines(keepends=True)
    case.chain.path.write_bytes(b"".join(lines[:2]))
    assert "truncated" in codes(verify(case.chain.folder))


@pytest.mark.parametrize(
    "change",
    [
        {"statement": "sakimori evidence seal 1\n"},
        {"statement": "x"},
        {"signature": "zz"},
        {"public_key": "x"},
        {"signature": None},
    ],
)
def test_a_seal_of_another_shape_is_none(case: Any, change: dict[str, Any]) -> None:
    seal = list(case.chain.records())[2]
    with pytest.raises(SourceError):
        statement_of({**seal.body, **change})


def test_a_seal_for_another_key_than_it_names_is_none(case: Any, other_key: Any) -> None:
    seal = list(case.chain.records())[2]
    with pytest.raises(SourceError, match="does not fit"):
        statement_of({**seal.body, "public_key": other_key.public.pem})


def test_a_forged_seal_is_noticed(case: Any) -> None:
    body = dict(list(case.chain.records())[2].body)
    body["statement"] = body["statement"].replace("records 2", "records 1")
    case.chain.append(replace(case.entry("seal"), body=body))
    assert "signature" in codes(verify(case.chain.folder))


def test_a_seal_over_other_records_is_noticed(desk: Any, case: Any, tmp_path: Path) -> None:
    seal = list(case.chain.records())[2]
    case.chain.folder.rename(tmp_path / "first")
    other = type(desk)(tmp_path, desk.key)
    for n in range(3):
        other.add(n=n)
    other.chain.append(replace(other.entry("seal"), body=seal.body))
    found = verify(other.chain.folder)
    assert any("another hash" in p.message for p in found.problems)


# New keys


def test_the_old_key_hands_over_to_the_new_one(case: Any, tmp_path: Path) -> None:
    old = make_key(tmp_path / "k")
    case.seal(old)
    _record, new = rotate(case.chain, tmp_path / "k", **case.by)
    assert load_key(tmp_path / "k").public == new.public
    assert (tmp_path / "k" / "evidence.pub.pem").read_text() == new.public.pem
    case.add(n=1)
    case.seal(new)
    keys = [case.key.public, old.public]
    assert verify(case.chain.folder, keys).ok
    assert verify(case.chain.folder, [new.public]).ok
    assert verify(case.chain.folder, [case.key.public]).problems


def test_a_stranger_cannot_hand_over(case: Any, other_key: Any, tmp_path: Path) -> None:
    stranger = make_key(tmp_path / "k")
    _record, new = rotate(case.chain, tmp_path / "k", **case.by)
    case.seal(new)
    found = verify(case.chain.folder, [case.key.public])
    assert codes(found) == {"key"}
    assert stranger.public.fingerprint[:16] in str(found.problems)


def test_an_unfinished_change_of_keys_can_be_done_again(case: Any, tmp_path: Path) -> None:
    make_key(tmp_path / "k")
    make_key(tmp_path / "k", "evidence.next.pem")
    _record, new = rotate(case.chain, tmp_path / "k", **case.by)
    assert load_key(tmp_path / "k").public == new.public
