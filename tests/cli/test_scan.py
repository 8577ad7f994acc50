"""`sakimori scan` and `infection-rates` as a person uses them."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess  # noqa: TID251 - a scan that is stopped by Ctrl-C is a process of its own
import sys
import time
import zipfile
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from sakimori.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-" + b"ANTIVIRUS-TEST-FILE!$H+H*"


def schema(name: str) -> Any:
    return json.loads(files("sakimori").joinpath(f"schemas/{name}.schema.json").read_text("utf-8"))


@pytest.fixture
def run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SAKIMORI_STORE", str(tmp_path / "store"))

    def ran(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["sakimori", *words])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return ran


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with the harmless test file under a hostile name, a clean file and a FIFO."""
    folder = tmp_path / "place"
    folder.mkdir()
    (folder / os.fsdecode(b"e\xff\n\x1b[31m.com")).write_bytes(EICAR)
    (folder / "clean").write_text("clean")
    os.mkfifo(folder / "fifo")
    old = time.time() - 100
    for file in folder.iterdir():
        os.utime(file, (old, old))
    return folder


def test_json_is_what_its_schema_says_and_keeps_names_of_any_bytes(
    run: Callable[..., tuple[int, str, str]], place: Path
) -> None:
    code, out, err = run("scan", "place", "--format", "json")
    told = json.loads(out)
    jsonschema.validate(told, schema("scan"))
    assert code == 0
    assert set(told) == {"scanned", "bytes", "hits", "errors", "seconds"}
    assert (told["scanned"], told["bytes"]) == (2, 73)
    (hit,) = told["hits"]
    assert os.fsencode(hit["path"]) == b"place/e\xff\n\x1b[31m.com"
    assert (hit["member"], hit["kind"], hit["family"]) == (None, "yara", "EICAR")
    assert told["errors"] == [{"path": "place/fifo", "reason": "a FIFO is not opened"}]
    out.encode("utf-8")
    assert "\x1b" not in out
    assert "which know no malware" in err


def test_a_part_that_was_left_out_is_told_with_its_file(
    run: Callable[..., tuple[int, str, str]], place: Path
) -> None:
    with zipfile.ZipFile(place / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("zeros", bytes(32 << 20))
    told = json.loads(run("scan", "place/bomb.zip", "--format", "json")[1])
    jsonschema.validate(told, schema("scan"))
    (error,) = told["errors"]
    assert error["path"] == "place/bomb.zip"
    assert error["reason"].startswith("zeros: a decompression bomb")


@pytest.mark.parametrize(
    ("words", "code"), [([], 0), (["--exit-code"], 10)], ids=["plain", "asked for"]
)
def test_what_was_found_is_in_the_exit_code_only_where_asked(
    run: Callable[..., tuple[int, str, str]], place: Path, words: list[str], code: int
) -> None:
    assert run("scan", "place", *words)[0] == code


def test_what_could_not_be_looked_at_is_in_the_exit_code_where_nothing_was_found(
    run: Callable[..., tuple[int, str, str]], place: Path
) -> None:
    assert run("scan", "place/fifo", "--exit-code")[0] == 6
    assert run("scan", "place/clean", "--exit-code")[0] == 0


def test_the_table_is_safe_to_look_at(
    run: Callable[..., tuple[int, str, str]], place: Path
) -> None:
    _, out, err = run("scan", "place")
    assert "EICAR_test_file" in out
    assert "\x1b" not in out + err
    assert "Looked at 2 files" in err
    assert "place/fifo" in err
    _, out, _ = run("scan", "place", "--format", "csv")
    (row,) = csv.DictReader(out.splitlines())
    assert row["rule"] == "EICAR_test_file"


def test_words_are_japanese_where_asked(
    run: Callable[..., tuple[int, str, str]], place: Path
) -> None:
    _, _, err = run("scan", "place", "--lang", "ja")
    assert "2 個のファイル" in err
    assert "マルウェアを検出できません" in err


def test_rules_and_hashes_are_used_and_bad_lines_told(
    run: Callable[..., tuple[int, str, str]], place: Path, tmp_path: Path
) -> None:
    (tmp_path / "r.yar").write_text('rule c { strings: $a = "clean" condition: $a }\nrule bad {')
    (tmp_path / "l.hdb").write_text("44d88612fea8a8f36de82e1278abb02f:68:Eicar\nnonsense\n")
    _, out, err = run("scan", "place", "--rules", "r.yar", "--hashes", "l.hdb", "--format", "json")
    kinds = {(hit["rule"], hit["kind"]) for hit in json.loads(out)["hits"]}
    assert kinds == {("c", "yara"), ("Eicar", "hash"), ("EICAR_test_file", "yara")}
    assert "l.hdb:2" in err
    assert "r.yar:2" in err
    assert "which know no malware" not in err


def test_rules_of_the_settings_are_used_where_none_are_named(
    run: Callable[..., tuple[int, str, str]], place: Path, tmp_path: Path
) -> None:
    (tmp_path / "r.yar").write_text('rule c { strings: $a = "clean" condition: $a }')
    (tmp_path / "sakimori.toml").write_text('[machine]\nrules = ["r.yar"]\n')
    _, out, _ = run("scan", "place", "--config", "sakimori.toml", "--format", "json")
    assert {hit["rule"] for hit in json.loads(out)["hits"]} == {"c", "EICAR_test_file"}


def test_a_second_scan_reads_nothing_again(
    run: Callable[..., tuple[int, str, str]], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sakimori.endpoint.scan.cache._RACY", 0)  # the files were made just now
    first = json.loads(run("scan", "place", "--format", "json")[1])
    code, out, err = run("scan", "place", "--format", "json")
    again = json.loads(out)
    assert {**again, "seconds": 0} == {**first, "seconds": 0}
    assert "2 unchanged" in err
    (place / "clean").write_bytes(EICAR)
    assert len(json.loads(run("scan", "place", "--format", "json")[1])["hits"]) == 2
    assert "0 unchanged" in run("scan", "place", "--no-cache")[2]
    assert code == 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["scan"], 2, "PATH"),
        (["scan", "none"], 3, "none: is not there"),
        (["scan", "place", "--rules", "none"], 3, "none: is not there"),
        (["scan", "place", "--rules", "place/clean"], 3, "place/clean:1"),
        (["scan", "place", "--workers", "-1"], 2, "--workers"),
        (["scan", "place", "--tool-run", "place/clean"], 2, "no table of runs"),
    ],
)
def test_mistakes_are_one_line_with_a_next_step(
    run: Callable[..., tuple[int, str, str]], place: Path, words: list[str], code: int, said: str
) -> None:
    ended = run(*words)
    assert ended[0] == code
    assert said in ended[2]
    assert "Traceback" not in ended[2]


def test_runs_are_recorded_and_become_rates(
    run: Callable[..., tuple[int, str, str]], place: Path, tmp_path: Path
) -> None:
    for name, path in (("a", "place"), ("b", "place/clean")):
        toml = f'[machine]\nname = "{name}"\ncountry = "JP"\nmanaged = "home"\n'
        (tmp_path / "sakimori.toml").write_text(toml)
        words = ("--config", "sakimori.toml", "--tool-run", "runs.csv", "-w", f"ws-{name}")
        assert run("scan", path, *words)[0] == 0
    rows = list(csv.DictReader((tmp_path / "runs.csv").read_text().splitlines()))
    assert [(r["machine"], r["country"], r["managed"], r["found"]) for r in rows] == [
        ("a", "JP", "home", "1"), ("b", "JP", "home", "0"),
    ]  # fmt: skip
    assert [r["families"] for r in rows] == ["EICAR", ""]
    assert run("import", "runs.csv", "-w", "ws-a")[0] == 0  # holds a's run twice now
    code, out, _ = run("infection-rates", "-w", "ws-a", "--by", "country", "--format", "json")
    told = json.loads(out)
    jsonschema.validate(told, schema("infection-rates"))
    (rate,) = told["rates"]
    assert code == 0
    assert (rate["country"], rate["runs"], rate["machines"], rate["infected"]) == ("JP", 2, 2, 1)
    assert rate["ccm"] == 500
    assert rate["ccm_low"] == pytest.approx(94.5, abs=0.1)  # Wilson's interval of 1 in 2
    _, out, _ = run("infection-rates", "-w", "ws-a", "--lang", "ja")
    assert "CCM" in out
    assert run("infection-rates", "-w", "ws-a", "--by", "colour")[0] == 2


def test_no_record_is_told(run: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    import sakimori  # noqa: PLC0415

    with sakimori.open(tmp_path / "ws") as workspace:
        workspace.sources()
    code, out, err = run("infection-rates", "-w", "ws", "--format", "json")
    assert (code, json.loads(out)) == (0, {"rates": []})
    assert "No run is recorded" in err


@pytest.mark.slow
def test_ctrl_c_shows_what_was_found_so_far(place: Path, tmp_path: Path) -> None:
    (tmp_path / "r.yar").write_text(
        'rule slow { condition: filename == "clean" and for all i in (0..9000000) :'
        " ( for all k in (0..90000) : ( uint8(0) == 0x63 ) ) }"
    )
    (place / "z").write_bytes(b"z")
    scan = subprocess.Popen(
        [sys.executable, "-m", "sakimori", "scan", ".", "--rules", "../r.yar", "--format", "json",
         "--workers", "1", "--cache", "../cache"],
        cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "SAKIMORI_STORE": str(tmp_path / "store")},
    )  # fmt: skip
    for _ in range(600):
        if (tmp_path / "cache").exists():
            break
        time.sleep(0.05)
    time.sleep(1)
    scan.send_signal(signal.SIGINT)
    out, err = scan.communicate(timeout=20)
    assert scan.returncode == 130
    assert "incomplete" in err.decode()
    assert "Traceback" not in err.decode()
    jsonschema.validate(json.loads(out), schema("scan"))
