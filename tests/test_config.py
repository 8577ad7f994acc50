from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from sakimori.config import Settings, check_names, fill, load
from sakimori.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "my.toml"


def settings(file: Path, text: str = "", **more: Any) -> Settings:
    file.write_text(text)
    return load(file, more.pop("environment", {}), more)


def test_without_anything_the_defaults_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load(None, {}, {}) == Settings()


def test_the_file_in_the_current_folder_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sakimori.toml").write_text('lang = "ja"')
    assert load(None, {}, {}).lang == "ja"


def test_the_environment_may_name_the_file(file: Path) -> None:
    file.write_text('lang = "ja"')
    assert load(None, {"SAKIMORI_CONFIG": str(file)}, {}).lang == "ja"


def test_a_file_that_was_asked_for_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml") as raised:
        load(tmp_path / "nowhere.toml", {}, {})
    assert raised.value.exit_code == 2


def test_environment_beats_file_and_options_beat_both(file: Path) -> None:
    text = 'lang = "en"\nworkspace = "of-file"\ninternal = ["10.0.0.0/8"]\n[engine]\nthreads = 1'
    outside = {
        "SAKIMORI_WORKSPACE": "of-environment",
        "SAKIMORI_INTERNAL": "192.0.2.0/24, 2001:db8::/32",
        "SAKIMORI_THREADS": "2",
        "SAKIMORI_TIMEZONE": "Asia/Tokyo",
        "SAKIMORI_MEMORY": "1GB",
        "HOME": "/root",
    }
    found = settings(file, text, environment=outside, workspace="of-options", lang=None)
    assert str(found.workspace) == "of-options"
    assert found.internal == ("192.0.2.0/24", "2001:db8::/32")
    assert (found.engine.threads, found.engine.memory) == (2, "1GB")
    assert found.import_.timezone == "Asia/Tokyo"
    assert found.lang == "en"  # an option that is None was not given


def test_a_variable_leaves_the_rest_of_its_section(file: Path) -> None:
    found = settings(file, '[engine]\nmemory = "2GB"', environment={"SAKIMORI_THREADS": "3"})
    assert (found.engine.memory, found.engine.threads) == ("2GB", 3)


def test_sections_fill_their_settings(file: Path) -> None:
    found = settings(
        file,
        '[import]\nyear = 2024\n[import.columns.proxy]\nts = "when"\n[detector.beacon]\nmin_calls = 9',
    )
    assert found.import_.year == 2024
    assert found.import_.columns == {"proxy": {"ts": "when"}}
    assert found.detector == {"beacon": {"min_calls": 9}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param('langg = "en"', r"unknown key 'langg'; did you mean 'lang'", id="top"),
        pytest.param("[engine]\nthread = 1", r"\[engine\].*did you mean 'threads'", id="engine"),
        pytest.param('[import]\ntimezon = "UTC"', r"\[import\].*mean 'timezone'", id="import"),
        pytest.param('[import_]\ntimezone = "UTC"', r"mean 'import'", id="our own spelling"),
        pytest.param("[detectors.beacon]\nx = 1", r"did you mean 'detector'", id="section"),
        pytest.param("zzz = 1", r"unknown key 'zzz'; known: .*lang", id="nothing is near"),
        pytest.param('"engine.memory.x" = 1', r"unknown key 'engine.memory.x'", id="dotted"),
    ],
)
def test_an_unknown_key_is_an_error_with_the_nearest_known_one(
    file: Path, text: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said) as raised:
        settings(file, text)
    assert str(file) in raised.value.where


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        pytest.param("SAKIMORI_LANGG", "did you mean 'SAKIMORI_LANG'", id="near"),
        pytest.param("SAKIMORI_", "unknown variable SAKIMORI_", id="no name"),
    ],
)
def test_an_unknown_variable_is_an_error(file: Path, variable: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        settings(file, environment={variable: "x"})


def test_an_unknown_option_is_an_error(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"'lnag'; did you mean 'lang'"):
        settings(file, lnag="ja")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("lang = 1", "lang: 1 is not a text", id="number for text"),
        pytest.param('[engine]\nthreads = "2"', "'2' is not a whole number", id="text for number"),
        pytest.param(
            "[engine]\nthreads = true", "True is not a whole number", id="true for number"
        ),
        pytest.param("[engine]\nthreads = 1.5", "1.5 is not a whole number", id="part of a thread"),
        pytest.param('internal = "10.0.0.0/8"', "is not a list", id="text for list"),
        pytest.param("internal = [167772160]", "internal: 167772160 is not a text", id="in a list"),
        pytest.param("engine = 3", "expected a section, not 3", id="number for section"),
        pytest.param("import = []", "expected a section", id="list for section"),
        pytest.param("detector = 3", "detector: 3 is not", id="number for detectors"),
        pytest.param("[detector]\nbeacon = 3", r"detector\.beacon: 3 is not", id="for a detector"),
        pytest.param("[import]\ncolumns = {a = 1}", r"columns\.a: 1 is not", id="columns"),
        pytest.param("[import.columns]\na = {ts = 1}", r"columns\.a\.ts: 1 is not", id="column"),
        pytest.param('[import]\nyear = "2024"', "year: '2024' is not", id="optional number"),
        pytest.param("workspace = 5", "workspace: 5 is not", id="number for path"),
    ],
)
def test_a_value_of_the_wrong_kind_names_file_and_key(file: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as raised:
        settings(file, text)
    assert str(file) in str(raised.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param('internal = ["10.0.0.0/33"]', "'10.0.0.0/33' is not a network", id="too long"),
        pytest.param('internal = ["10.0.0.1/8"]', "host bits set", id="host bits"),
        pytest.param('internal = ["office"]', "'office' is not a network", id="a word"),
        pytest.param('[import]\ntimezone = "Asia/Edo"', "no time zone is named", id="zone"),
        pytest.param('[import]\ntimezone = "../etc"', "no time zone is named", id="zone as a path"),
        pytest.param('lang = "fr"', "no language is named 'fr'", id="language"),
        pytest.param("[engine]\nthreads = -1", "threads is -1", id="threads"),
        pytest.param('[engine]\nmemory = "lots"', "memory is 'lots'", id="memory"),
    ],
)
def test_a_value_that_makes_no_sense_is_an_error_with_a_hint(
    file: Path, text: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said) as raised:
        settings(file, text)
    assert raised.value.hint


@pytest.mark.parametrize("cidr", ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "0.0.0.0/0"])
def test_a_network_of_either_family_is_taken(file: Path, cidr: str) -> None:
    assert settings(file, internal=[cidr]).internal == (cidr,)


@pytest.mark.parametrize("number", ["two", "-1", "²", "", "1.5"])
def test_a_number_of_threads_in_the_environment_must_be_one(file: Path, number: str) -> None:
    with pytest.raises(ConfigError, match="SAKIMORI_THREADS"):
        settings(file, environment={"SAKIMORI_THREADS": number})


def test_a_variable_beside_a_section_that_is_none_is_an_error(file: Path) -> None:
    with pytest.raises(ConfigError, match="expected a section"):
        settings(file, "engine = 3", environment={"SAKIMORI_THREADS": "1"})


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"lang = ", id="cut short"),
        pytest.param(b'lang = "en"\nlang = "ja"', id="twice"),
        pytest.param(b"\xff\xfe", id="not UTF-8"),
    ],
)
def test_malformed_toml_names_the_file(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"my\.toml: not valid TOML"):
        load(file, {}, {})


def test_a_folder_is_no_settings_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="directory"):
        load(tmp_path, {}, {})


@dataclass(frozen=True)
class _Limits:
    share: float = 0.5
    ports: tuple[int, ...] = ()


def test_a_whole_number_will_do_for_a_number_but_true_will_not() -> None:
    assert fill(_Limits, {"share": 1, "ports": [80]}, "x") == _Limits(1.0, (80,))
    with pytest.raises(ConfigError, match="share: True is not a number"):
        fill(_Limits, {"share": True}, "x")
    with pytest.raises(ConfigError, match="ports: '80' is not a whole number"):
        fill(_Limits, {"ports": ["80"]}, "x")


def test_a_name_that_nothing_has_is_an_error() -> None:
    check_names({"beacon": {}}, {"beacon": 1, "scan": 2}, "[detector]")
    with pytest.raises(ConfigError, match=r"\[detector\]: unknown name 'beacn'.*'beacon'"):
        check_names({"beacn": {}}, {"beacon": 1, "scan": 2}, "[detector]")
