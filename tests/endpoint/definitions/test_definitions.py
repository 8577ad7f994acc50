"""Publishing and fetching definitions: what is accepted, and every attack that is not."""

from __future__ import annotations

import json
import shutil
import zipfile
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sakimori.app import defining
from sakimori.endpoint.definitions import client
from sakimori.endpoint.definitions.keys import load_key, new_key
from sakimori.endpoint.definitions.pack import Index, Part, gather, parsed
from sakimori.endpoint.definitions.repository import Repository
from sakimori.errors import ConfigError, RefusedError, SourceError

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime.now(UTC).replace(microsecond=0)
RULE = "rule {name} {{ condition: false }}\n"


class World:
    """A publisher with three keys (two must sign), a repository, and a machine."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.served, self.home = folder, folder / "served", folder / "home"
        self.pack = folder / "pack"
        (self.pack / "rules").mkdir(parents=True)
        self.keys = {n: new_key(folder / f"{n}.pem").path for n in ("a", "b", "c", "online")}

    def signers(self, *names: str) -> defining.Signers:
        return defining.Signers([self.keys[n] for n in names], self.keys["online"])

    def begin(self, now: datetime = NOW) -> None:
        root = defining.begin(self.served, self.signers("a", "b", "c"), 2, now)
        client.trust(self.home, root.read_bytes())

    def publish(self, rule: str, *, now: datetime = NOW, by: str = "ab", ring: str = "all") -> None:
        (self.pack / "rules" / f"{rule}.yar").write_text(RULE.format(name=rule))
        defining.publish(self.served, self.pack, self.signers(*by), now)
        if ring == "all":
            defining.promote(self.served, self.signers(*by), now, timedelta(0))

    def update(self, ring: str = "all", source: Path | None = None) -> client.Updated:
        return defining.update(self.home, str(source or self.served), ring, NOW)

    def rules(self) -> list[str]:
        now_active = client.active(self.home)
        return [f.stem for f in now_active.files("rules")] if now_active else []

    def copy(self, name: str) -> Path:
        return self.folder / shutil.copytree(self.served, self.folder / name).name


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.begin()
    return made


def test_what_is_published_arrives_whole(world: World) -> None:
    world.publish("one")
    done = world.update()
    assert (done.new, done.files, done.fetched, world.rules()) == (True, 1, 1, ["one"])
    assert world.update().new is False


def test_a_new_version_fetches_only_what_is_new(world: World) -> None:
    world.publish("one")
    world.update()
    world.publish("two")
    assert world.update().fetched == 1
    assert world.rules() == ["one", "two"]


def test_one_signature_of_two_changes_nothing_for_machines(world: World) -> None:
    world.publish("one")
    world.update()
    world.publish("two", by="a", ring="canary")
    stands = defining.standing(world.served)
    assert (stands.missing, stands.rings["canary"].number) == (1, 1)
    assert world.update("canary").new is False
    defining.sign(world.served, world.signers("c"), NOW)
    assert world.update("canary").new
    assert world.rules() == ["one", "two"]


def test_the_same_person_cannot_sign_twice(world: World) -> None:
    world.publish("one", by="a", ring="canary")
    defining.sign(world.served, world.signers("a"), NOW)
    assert defining.standing(world.served).missing == 1


def test_a_second_change_waits_for_the_first(world: World) -> None:
    world.publish("one", by="a", ring="canary")
    with pytest.raises(RefusedError, match="waits for signatures"):
        world.publish("two", by="ab", ring="canary")


def test_a_key_of_somebody_else_is_refused(world: World) -> None:
    world.keys["stranger"] = new_key(world.folder / "stranger.pem").path
    (world.pack / "rules" / "x.yar").write_text(RULE.format(name="x"))
    with pytest.raises(RefusedError, match="is not of this repository"):
        defining.publish(world.served, world.pack, world.signers("stranger"), NOW)


def test_metadata_that_a_stranger_signed_is_refused(world: World) -> None:
    world.publish("one")
    world.update()
    other = World(world.folder / "other")
    other.begin()
    other.publish("evil")
    with pytest.raises(RefusedError, match="not signed by enough trusted keys"):
        world.update(source=other.served)
    assert world.rules() == ["one"]


def test_the_canary_ring_has_it_first(world: World) -> None:
    world.publish("one", ring="canary", now=NOW - timedelta(hours=30))
    with pytest.raises(SourceError, match="nothing is published"):
        world.update("all")
    assert world.update("canary").new
    defining.promote(world.served, world.signers("a", "b"), NOW, timedelta(hours=24))
    world.home = world.folder / "second"
    client.trust(world.home, (world.served / "metadata" / "1.root.json").read_bytes())
    assert world.update("all").new


def test_what_the_canary_ring_had_too_short_is_not_for_all(world: World) -> None:
    world.publish("one", ring="canary", now=NOW - timedelta(hours=2))
    with pytest.raises(RefusedError, match=r"2\.0 hours only"):
        defining.promote(world.served, world.signers("a", "b"), NOW, timedelta(hours=24))


def test_rollback_attack_older_metadata_is_refused(world: World) -> None:
    world.publish("one")
    old = world.copy("old")
    world.publish("two")
    world.update()
    with pytest.raises(RefusedError, match="older definitions than this machine has seen"):
        world.update(source=old)
    assert world.rules() == ["one", "two"]


def test_freeze_attack_metadata_that_has_expired_is_refused(tmp_path: Path) -> None:
    world = World(tmp_path)
    then = NOW - timedelta(days=20)
    world.begin(then)
    world.publish("one", now=then)
    with pytest.raises(RefusedError, match="has expired"):
        world.update()
    defining.refresh(world.served, world.keys["online"], NOW)
    assert world.update().new


def test_mix_and_match_of_two_times_is_refused(world: World) -> None:
    world.publish("one")
    old = world.copy("old")
    world.publish("two")
    for number in range(1, 9):  # newest timestamp, but targets of before under the new name
        newer = world.served / "metadata" / f"{number}.targets.json"
        older = old / "metadata" / "3.targets.json"
        if newer.exists() and number > 3:
            newer.write_bytes(older.read_bytes())
    with pytest.raises(RefusedError):
        world.update()
    assert world.rules() == []


@pytest.mark.parametrize("what", ["targets/files", "targets/rings", "metadata/timestamp.json"])
def test_an_altered_byte_is_refused(world: World, what: str) -> None:
    world.publish("one")
    place = world.served / what
    for file in [place] if place.is_file() else place.rglob("*"):
        if file.is_file():
            data = bytearray(file.read_bytes())
            data[len(data) // 2] ^= 1
            file.write_bytes(bytes(data))
    with pytest.raises(RefusedError):
        world.update()
    assert world.rules() == []


def test_a_file_longer_than_signed_is_refused(world: World) -> None:
    world.publish("one")
    for file in (world.served / "targets" / "files").rglob("*"):
        if file.is_file():
            file.write_bytes(file.read_bytes() + b"x" * 1_000_000)
    with pytest.raises(RefusedError, match="longer than was signed"):
        world.update()


def test_keys_are_replaced_and_machines_follow(world: World) -> None:
    world.publish("one")
    world.update()
    world.keys["d"] = new_key(world.folder / "d.pem").path
    new = [world.keys["c"], world.keys["d"]]
    defining.rotate(world.served, world.signers("a", "b", "c"), new, 2, NOW)
    world.publish("two", by="cd")
    assert world.update().new
    with pytest.raises(RefusedError, match="is not of this repository"):
        world.publish("three", by="ab")


def test_keys_cannot_be_replaced_by_too_few(world: World) -> None:
    world.keys["d"] = new_key(world.folder / "d.pem").path
    with pytest.raises(RefusedError, match="more signatures are needed"):
        defining.rotate(world.served, world.signers("a"), [world.keys["d"]], 1, NOW)


def test_going_back_holds_and_later_versions_still_come(world: World) -> None:
    for rule in ("one", "two"):
        world.publish(rule)
        world.update()
    back = client.rollback(world.home, "", "hits our own tool")
    assert (back.number, world.rules()) == (1, ["one"])
    again = world.update()
    assert (again.new, again.reason) == (False, "set aside: hits our own tool")
    world.publish("three")
    assert world.update().new
    assert world.rules() == ["one", "three", "two"]


def test_a_released_version_comes_again(world: World) -> None:
    for rule in ("one", "two"):
        world.publish(rule)
        last = world.update()
    client.rollback(world.home, "", "why")
    client.release(world.home, last.version)
    assert world.update().new
    with pytest.raises(ConfigError, match="not set aside"):
        client.release(world.home, last.version)


def test_there_is_no_going_back_without_an_earlier_version(world: World) -> None:
    world.publish("one")
    world.update()
    with pytest.raises(ConfigError, match="no earlier version"):
        client.rollback(world.home, "", "why")


def test_a_damaged_version_is_seen_and_mended(world: World) -> None:
    world.publish("one")
    world.update()
    now_active = client.active(world.home)
    assert now_active is not None
    (now_active.folder / "rules" / "one.yar").write_text("rule evil { condition: true }")
    assert client.damaged(now_active) == ["rules/one.yar"]
    assert world.update().new
    assert not client.damaged(now_active)


def test_what_does_not_work_never_becomes_active(world: World) -> None:
    def refuse(folder: Path) -> None:
        raise SourceError("does not compile", where=str(folder / "rules" / "two.yar"))

    world.publish("one")
    world.update()
    world.publish("two")
    source = defining.source_of(str(world.served))
    with pytest.raises(SourceError, match="does not compile"):
        client.update(world.home, source, "all", NOW, refuse)
    assert world.rules() == ["one"]
    assert len(client.installed(world.home)) == 1


def test_one_file_carries_them_to_a_machine_without_a_network(world: World) -> None:
    world.publish("one")
    file = world.folder / "carried.zip"
    defining.carry(world.home, str(world.served), "all", file, NOW)
    done = world.update(source=file)
    assert (done.new, world.rules()) == (True, ["one"])


def test_a_carried_file_that_was_altered_is_refused(world: World) -> None:
    world.publish("one")
    file = world.folder / "carried.zip"
    defining.carry(world.home, str(world.served), "all", file, NOW)
    with zipfile.ZipFile(file) as carried:
        members = {name: carried.read(name) for name in carried.namelist()}
    with zipfile.ZipFile(file, "w") as altered:
        for name, data in members.items():
            altered.writestr(name, data.replace(b"rule one", b"rule two"))
    with pytest.raises(RefusedError, match="not what the publisher signed"):
        world.update(source=file)
    assert world.rules() == []


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


def test_they_come_from_a_web_server(world: World) -> None:
    world.publish("one")
    handler = partial(_Quiet, directory=str(world.served))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        done = defining.update(world.home, f"http://127.0.0.1:{server.server_port}", "all", NOW)
        server.shutdown()
    assert (done.new, world.rules()) == (True, ["one"])


def test_a_server_in_clear_is_refused() -> None:
    with pytest.raises(ConfigError, match="no https"):
        defining.source_of("http://defs.example/")


def test_nothing_is_fetched_before_a_publisher_is_trusted(tmp_path: Path) -> None:
    world = World(tmp_path)
    defining.begin(world.served, world.signers("a", "b"), 2, NOW)
    with pytest.raises(ConfigError, match="no publisher is trusted"):
        world.update()


def test_another_root_needs_saying_so(world: World) -> None:
    other = World(world.folder / "other")
    other.begin()
    root = (other.served / "metadata" / "1.root.json").read_bytes()
    with pytest.raises(RefusedError, match="another root is trusted"):
        client.trust(world.home, root)
    assert len(client.trust(world.home, root, replace=True)) == 3


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"signed": {}, "signatures": []}'])
def test_what_is_no_root_is_not_trusted(tmp_path: Path, text: str) -> None:
    with pytest.raises(SourceError, match="no root that its own keys signed"):
        client.trust(tmp_path, text.encode())


def test_a_root_whose_signatures_do_not_suffice_is_not_trusted(world: World) -> None:
    root = json.loads((world.served / "metadata" / "1.root.json").read_bytes())
    root["signatures"] = root["signatures"][:1]
    with pytest.raises(SourceError, match="no root that its own keys signed"):
        client.trust(world.folder / "new", json.dumps(root).encode())


def test_the_list_says_how_old_they_are(world: World) -> None:
    world.publish("one", now=NOW - timedelta(days=5))
    world.update()
    listed = defining.listed(world.home, NOW + timedelta(days=4))
    assert (listed["age_days"], listed["old"], listed["checked"]) == (9.0, True, NOW)
    assert [v["rules"] for v in listed["versions"]] == [1]


def test_keys_are_for_their_owner_only_and_never_overwritten(tmp_path: Path) -> None:
    made = new_key(tmp_path / "k.pem", b"secret")
    assert made.path.stat().st_mode & 0o777 == 0o600
    assert load_key(made.path, b"secret").public_key.keyid == made.keyid
    with pytest.raises(RefusedError):
        new_key(tmp_path / "k.pem")
    with pytest.raises(SourceError, match="no private key that this passphrase opens"):
        load_key(made.path, b"wrong")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("rules/run.sh", "is no definition"),
        ("stray.yar", "is no definition"),
        ("rules/a b.yar", "its name has characters"),
        ("rules/-x.yar", "its name has characters"),
    ],
)
def test_a_pack_holds_definitions_only(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / name).write_text("x")
    with pytest.raises(SourceError, match=reason):
        gather(tmp_path)


def test_a_pack_with_a_link_out_of_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "x.yar").symlink_to("/etc/passwd")
    with pytest.raises(SourceError, match="symbolic link"):
        gather(tmp_path)


@pytest.mark.parametrize("path", ["../x", "/etc/x", "rules/../../x", "rules//x", "a\nb", ""])
def test_an_index_with_a_path_that_leads_out_is_refused(path: str) -> None:
    index = Index(1, "2026-01-01T00:00:00Z", "", (Part(path, 0, "0" * 64),))
    with pytest.raises(SourceError, match="unsafe name"):
        parsed(index.dumped(), "here")


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.binary(max_size=80) | st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["number", "published", "note", "files", "path"]), inner, max_size=5),
    max_leaves=8).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_an_index_is_read_or_refused_whatever_it_is(data: bytes) -> None:
    with pytest.raises(SourceError):
        parsed(data, "here")


def test_files_that_no_kept_version_names_leave_the_repository(world: World) -> None:
    for number in range(5):
        shutil.rmtree(world.pack / "rules")
        (world.pack / "rules").mkdir()
        world.publish(f"r{number}")
    files = [f for f in (world.served / "targets" / "files").rglob("*") if f.is_file()]
    assert 1 <= len(files) <= 3
    assert world.update().new
    assert Repository(world.served).ring("all") is not None
