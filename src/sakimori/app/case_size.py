"""How large a case's botnet is, from the calls that its sinkhole logged."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sakimori.app import sizing
from sakimori.app.case_sinkhole import names_of
from sakimori.app.files import write_whole
from sakimori.errors import SourceError

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from sakimori.app.cases import Case
    from sakimori.app.sizing import Sized

HITS = "hits.csv"
_QUERY = """
SELECT ts AS time, src_ip AS ip, src_port AS port, bot_id, service, established, ja4
FROM sinkhole WHERE src_ip IS NOT NULL AND (name IS NULL OR {names}) ORDER BY ts, src_ip, src_port
"""


def size(case: Case, second: Path | None = None, asn: Path | None = None) -> Sized:
    """Estimate the size from the lake's sinkhole hits; hits and result go on record.

    `second`: another sinkhole's hits as a CSV; `asn`: a table of address ranges and AS numbers.
    Raises SourceError when no hit counts.
    """
    import pyarrow.csv  # noqa: PLC0415 - slow to import

    hits = _hits(case, asn)
    if not hits.num_rows:
        raise SourceError("no sinkhole hit of this case is in the lake", where=case.name,
                          hint="sakimori import SINKHOLE-LOG, then again")  # fmt: skip
    path = case.folder / HITS
    aside = path.with_name(f".{HITS}")
    pyarrow.csv.write_csv(hits, aside)
    aside.replace(path)
    sized = sizing.size_files(path, second)
    result = case.folder / "size.json"
    told = sizing.as_object(sized)
    write_whole(result, json.dumps(told, indent=1, default=str) + "\n")
    case.evidence.record(
        "note",
        {"what": "size estimated", **{name: told[name] for name in sizing.QUANTITIES}},
        [path, *([second] if second else []), result],
    )  # fmt: skip
    return sized


def _hits(case: Case, asn: Path | None) -> pa.Table:
    import pyarrow as pa  # noqa: PLC0415

    names = names_of(case)
    below = " OR ".join(f"name = {_text(n)} OR ends_with(name, {_text('.' + n)})" for n in names)
    rows = case.ws.sql(_QUERY.format(names=below or "false"))
    numbers: Any = pa.nulls(rows.num_rows, pa.int64())
    if asn is not None:
        from sakimori.intel.asn import load  # noqa: PLC0415 - only when a table is given

        table = load(asn)
        coded = rows["ip"].combine_chunks().dictionary_encode()
        found = table.find_all(coded.dictionary.to_pylist())
        known = pa.array([None if f is None else int(f.asn) for f in found], pa.int64())
        numbers = known.take(coded.indices)
    return rows.append_column("asn", numbers)


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
