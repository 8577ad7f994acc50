from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from sakimori.endpoint.recipes import sign
from sakimori.errors import ConfigError, SakimoriError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DATA = b"recipe: 1\nname: made-up\n"


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "made-up.yaml"
    path.write_bytes(DATA)
    sign.new_key(tmp_path / "team.pem")
    sign.sign(path, DATA, tmp_path / "team.pem")
    sign.trust(tmp_path / "team.pem.pub", tmp_path / "keys")
    return path


def test_what_a_trusted_key_signed_is_good(recipe: Path) -> None:
    verdict = sign.verify(recipe, DATA, recipe.parent / "keys")
    assert verdict.good
    assert [p.stem for p in sign.trusted(recipe.parent / "keys")] == [verdict.key]


def _flip(text: str) -> str:
    return ("B" if text[0] == "A" else "A") + text[1:]


def _changed(path: Path, **changes: object) -> None:
    signature = sign.signature_path(path)
    plain = json.loads(signature.read_text()) | changes
    signature.write_text(json.dumps(plain))


TAMPERED: dict[str, tuple[Callable[[Path], object], bytes, str]] = {
    "another byte": (lambda _: None, DATA + b"\n", "the recipe was changed"),
    "no signature": (lambda p: sign.signature_path(p).unlink(), DATA, "not signed"),
    "a signature of nothing": (lambda p: _changed(p, signature=""), DATA, "does not fit"),
    "a signature that is no text": (lambda p: _changed(p, signature=5), DATA, "cannot be read"),
    "no base64": (lambda p: _changed(p, signature="***"), DATA, "cannot be read"),
    "another format": (lambda p: _changed(p, format="x"), DATA, "cannot be read"),
    "another key": (lambda p: _changed(p, key="0" * 64), DATA, "not trusted"),
    "a key that climbs": (lambda p: _changed(p, key="../../x"), DATA, "not trusted"),
    "no JSON": (lambda p: sign.signature_path(p).write_text("{"), DATA, "cannot be read"),
    "no mapping": (lambda p: sign.signature_path(p).write_text("[]"), DATA, "cannot be read"),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_anything_else_is_not(recipe: Path, name: str) -> None:
    change, data, words = TAMPERED[name]
    change(recipe)
    verdict = sign.verify(recipe, data, recipe.parent / "keys")
    assert not verdict.good
    assert words in verdict.reason


def test_a_flipped_bit_in_the_signature_is_seen(recipe: Path) -> None:
    plain = json.loads(sign.signature_path(recipe).read_text())
    _changed(recipe, signature=_flip(plain["signature"]))
    assert not sign.verify(recipe, DATA, recipe.parent / "keys").good


def test_a_signature_over_the_same_bytes_for_something_else_is_not_one_for_a_recipe(
    recipe: Path,
) -> None:
    import base64  # noqa: PLC0415 - only here

    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        load_pem_private_key,
    )

    key = load_pem_private_key((recipe.parent / "team.pem").read_bytes(), None)
    _changed(recipe, signature=base64.b64encode(key.sign(DATA)).decode())  # type: ignore[union-attr,call-arg]
    assert not sign.verify(recipe, DATA, recipe.parent / "keys").good


def test_a_key_under_another_ones_name_is_seen(recipe: Path, tmp_path: Path) -> None:
    sign.new_key(tmp_path / "other.pem")
    ident = json.loads(sign.signature_path(recipe).read_text())["key"]
    (tmp_path / "keys/trusted" / f"{ident}.pem").write_bytes(
        (tmp_path / "other.pem.pub").read_bytes()
    )
    assert "not the one its name says" in sign.verify(recipe, DATA, tmp_path / "keys").reason


def test_trust_can_be_taken_back(recipe: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    ident = sign.trusted(keys)[0].stem
    with pytest.raises(ConfigError):
        sign.distrust(ident[:4], keys)
    assert sign.distrust(ident[:10], keys) == ident
    assert "not trusted" in sign.verify(recipe, DATA, keys).reason


def test_a_private_key_is_private(tmp_path: Path) -> None:
    key = tmp_path / "deep" / "team.pem"
    sign.new_key(key)
    assert key.stat().st_mode & 0o777 == 0o600
    with pytest.raises(ConfigError, match="there is a file already"):
        sign.new_key(key)
    key.chmod(0o644)
    with pytest.raises(ConfigError, match="others can read"):
        sign.sign(tmp_path / "x.yaml", DATA, key)


@pytest.mark.parametrize("content", [b"", b"not PEM", b"-----BEGIN PUBLIC KEY-----\nAAAA\n"])
def test_a_file_that_is_no_key_is_told(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "key"
    file.write_bytes(content)
    file.chmod(0o600)
    with pytest.raises(SakimoriError, match="not a public key"):
        sign.trust(file, tmp_path / "keys")
    with pytest.raises(SakimoriError, match="not a private key"):
        sign.sign(tmp_path / "x.yaml", DATA, file)


def test_a_key_of_another_kind_is_told(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization as form  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ec import (  # noqa: PLC0415
        SECP256R1,
        generate_private_key,
    )

    public = generate_private_key(SECP256R1()).public_key()
    file = tmp_path / "key.pub"
    file.write_bytes(public.public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(ConfigError, match="not an Ed25519 key"):
        sign.trust(file, tmp_path / "keys")
