"""Abuse events per CPU-second and memory, on a Shadowserver report of a million rows.

    python bench/feeds.py [--rows 1000000] [--intelmq VENV]

A report of type event4_sinkhole_http is made up: the 39 published columns, 371 bytes a row. Measured
are the reader alone, and the whole of `sakimori import` (parse, normalise, check against the ledger,
hash, zstd Parquet, records). With --intelmq or SAKIMORI_BENCH_INTELMQ naming a virtual environment
that holds IntelMQ 3.5.0, its parser runs on part of the same file in library mode: no broker, every
event made and dropped. Each run is a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TYPE = "event4_sinkhole_http"
COLUMNS = (  # noqa: SIM905 - 39 quoted words are harder to read
    "timestamp protocol src_ip src_port src_asn src_geo src_region src_city src_hostname src_naics"
    " src_sector device_vendor device_type device_model severity dst_ip dst_port dst_asn dst_geo"
    " dst_region dst_city dst_hostname dst_naics dst_sector public_source infection family tag"
    " application version event_id http_url http_host http_agent forwarded_by ssl_cipher"
    " http_referer ssl_servername machine_name"
).split()
FAMILIES = ("andromeda", "avalanche", "conficker", "necurs", "ranbyus", "sality", "virut")
AGENTS = (
    "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Trident/4.0)",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36",
    "",
)
INTELMQ_ROWS = 20_000
INTELMQ = """
import csv, io, json, resource, sys, time
from intelmq.bots.parsers.shadowserver import _config
from intelmq.lib.message import Report
path, columns = sys.argv[1], json.loads(sys.argv[2])
plain = {"dst_ip": "destination.ip", "dst_port": "destination.port", "dst_asn": "destination.asn",
         "dst_geo": "destination.geolocation.cc", "src_asn": "source.asn",
         "src_geo": "source.geolocation.cc", "src_hostname": "source.reverse_dns",
         "src_port": "source.port", "protocol": "protocol.transport", "infection": "malware.name",
         "http_host": "destination.fqdn"}
checks = {"dst_ip": "validate_ip", "dst_port": "convert_int", "src_port": "convert_int",
          "src_asn": "invalidate_zero", "dst_asn": "invalidate_zero", "http_host": "validate_fqdn"}
optional = [[plain.get(c, "extra."), c, *([checks[c]] if c in checks else ["validate_to_none"] if c not in plain else [])]
            for c in columns if c not in ("timestamp", "src_ip")]
entry = {"constant_fields": {"classification.identifier": "sinkhole-http",
         "classification.taxonomy": "malicious-code", "classification.type": "infected-system"},
         "feed_name": "Sinkhole-Events-HTTP IPv4", "file_name": "event4_sinkhole_http",
         "required_fields": [["time.source", "timestamp", "add_UTC_to_timestamp"],
                             ["source.ip", "src_ip", "validate_ip"]], "optional_fields": optional,
         "url": "https://www.shadowserver.org/what-we-do/network-reporting/sinkhole-http-events-report/"}
schema = path + ".schema"
json.dump({"event4_sinkhole_http": entry}, open(schema, "w"))
inner = vars(_config)["__config"]
inner.schema_active = inner.schema_file = schema
from intelmq.bots.parsers.shadowserver.parser import ShadowserverParserBot
from intelmq.lib.bot import BotLibSettings
bot = ShadowserverParserBot("bench", settings=BotLibSettings | {"feedname": entry["feed_name"], "logging_level": "ERROR"})
report = Report()
report.add("raw", open(path, encoding="utf-8").read())
report.add("feed.name", entry["feed_name"])
begun, cpu = time.perf_counter(), time.process_time()
events = len(bot.process_message(report)["output"])
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"rows": events, "seconds": time.perf_counter() - begun,
                  "cpu": time.process_time() - cpu, "peak MB": used.ru_maxrss / 1024}))
"""


def make(path: Path, rows: int) -> None:
    """Write the report; addresses are of ranges that nobody uses."""
    chance = random.Random(7)
    with path.open("w", newline="", encoding="utf-8") as file:
        file.write(",".join(f'"{name}"' for name in COLUMNS) + "\n")
        for number in range(rows):
            second = number * 86_400 // rows
            family = chance.choice(FAMILIES)
            row = {
                "timestamp": f"2026-01-31 {second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}",
                "protocol": "tcp",
                "src_ip": f"198.{18 + chance.randrange(2)}.{chance.randrange(256)}.{chance.randrange(256)}",
                "src_port": chance.randrange(1024, 65536), "src_asn": 64496 + chance.randrange(16),
                "src_geo": chance.choice(("JP", "US", "DE", "BR")), "src_region": "EXAMPLE REGION",
                "src_city": "EXAMPLE CITY", "src_hostname": f"host-{number % 65536}.isp.example",
                "src_naics": 517311, "src_sector": "Communications, Service Provider",
                "severity": "critical", "dst_ip": f"203.0.113.{chance.randrange(256)}",
                "dst_port": 80, "dst_asn": 64511, "dst_geo": "US", "dst_region": "EXAMPLE",
                "dst_city": "SINKHOLE CITY", "dst_naics": 518210, "infection": family,
                "tag": f"{family};sinkhole",
                "http_url": f"/gate.php?id={chance.getrandbits(64):016x}",
                "http_host": f"{chance.getrandbits(40):010x}.example",
                "http_agent": chance.choice(AGENTS),
            }  # fmt: skip
            cells = (row.get(name, "") for name in COLUMNS)
            file.write(",".join(f'"{cell}"' if isinstance(cell, str) and cell else str(cell)
                                for cell in cells) + "\n")  # fmt: skip


def parse(path: Path) -> dict[str, float]:
    """Read every row to Arrow and drop it."""
    from sakimori.readers import Options, Rows, Source, shadowserver

    begun = time.perf_counter()
    rows = sum(
        item.batch.num_rows
        for item in shadowserver.read(Source(path), Options())
        if isinstance(item, Rows)
    )
    return {"rows": rows, "seconds": time.perf_counter() - begun, **usage()}


def whole(path: Path) -> dict[str, float]:
    """Import into a new workspace, as the command does."""
    import sakimori

    begun = time.perf_counter()
    with sakimori.open() as workspace:
        (outcome,) = workspace.import_([str(path)])
    return {"rows": sum(outcome.added.values()), "seconds": time.perf_counter() - begun, **usage()}


def usage() -> dict[str, float]:
    """Return this process's CPU seconds, start-up included, and its peak memory."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {"cpu": used.ru_utime + used.ru_stime, "peak MB": used.ru_maxrss / 1024}


def measured(command: list[str]) -> dict[str, float]:
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def show(name: str, run: dict[str, float], size: float) -> None:
    print(f"{name:<34}{run['rows']:>10,.0f}{size / 1e6:>8,.0f}{run['seconds']:>9.1f}"
          f"{run['cpu']:>9.1f}{run['rows'] / run['seconds']:>12,.0f}{run['rows'] / run['cpu']:>14,.0f}"
          f"{run['peak MB']:>9,.0f}", flush=True)  # fmt: skip


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--intelmq", default=os.environ.get("SAKIMORI_BENCH_INTELMQ", ""))
    options.add_argument("--one", default="", help=argparse.SUPPRESS)
    options.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.one:
        print(json.dumps({"parse": parse, "whole": whole}[given.one](given.file)))
        return
    print(f"{'':<34}{'events':>10}{'MB':>8}{'seconds':>9}{'CPU s':>9}{'events/s':>12}"
          f"{'events/CPU-s':>14}{'peak MB':>9}")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"2026-01-31-{TYPE}-example-asn.csv"
        make(path, given.rows)
        for one, name in (("parse", "sakimori, reader"), ("whole", "sakimori import")):
            command = [sys.executable, __file__, "--one", one, "--file", str(path)]
            show(name, measured(command), path.stat().st_size)
        python = Path(given.intelmq) / "bin/python"
        if not given.intelmq or not python.exists():
            print("IntelMQ 3.5.0: skipped, --intelmq names no virtual environment that holds it")
            return
        part = Path(folder) / "part.csv"
        make(part, min(given.rows, INTELMQ_ROWS))
        command = [str(python), "-c", INTELMQ, str(part), json.dumps(COLUMNS)]
        show("IntelMQ 3.5.0, parser, library mode", measured(command), part.stat().st_size)


if __name__ == "__main__":
    main()
