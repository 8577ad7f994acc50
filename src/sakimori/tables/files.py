"""Files that crossed the wire."""

from __future__ import annotations

from sakimori.tables._schema import LONG, SIDES, SOURCE_ID, TEXT, Column, Table, endpoints

FILES = Table(
    "files",
    "Files that crossed the wire",
    "one row per file and transfer",
    (
        *(column for column in endpoints("the file") if column.name in ("ts", "uid")),
        Column(
            "src_ip",
            TEXT,
            "address that sent the file",
            trap="the sender, not the side that opened the connection",
            names={"zeek": "tx_hosts[0] or id.orig_h/id.resp_h by is_orig", "ecs": "source.ip"},
        ),
        Column(
            "dst_ip",
            TEXT,
            "address that received it",
            names={"zeek": "rx_hosts[0]", "ecs": "destination.ip"},
        ),
        Column("file_id", TEXT, "the sensor's id of the file", names={"zeek": "fuid"}),
        Column(
            "service",
            TEXT,
            "protocol that carried it, lower case",
            names={"zeek": "source", "eve": "app_proto"},
        ),
        Column(
            "mime",
            TEXT,
            "type, from its content",
            names={"zeek": "mime_type", "eve": "fileinfo.magic", "ecs": "file.mime_type"},
        ),
        Column(
            "name",
            TEXT,
            "file name",
            trap="hostile text",
            names={"zeek": "filename", "eve": "fileinfo.filename", "ecs": "file.name"},
        ),
        Column(
            "bytes",
            LONG,
            "size seen",
            unit="byte",
            names={"zeek": "seen_bytes", "eve": "fileinfo.size", "ecs": "file.size"},
        ),
        Column(
            "md5",
            TEXT,
            "lower hex",
            names={"zeek": "md5", "eve": "fileinfo.md5", "ecs": "file.hash.md5"},
        ),
        Column(
            "sha1",
            TEXT,
            "lower hex",
            names={"zeek": "sha1", "eve": "fileinfo.sha1", "ecs": "file.hash.sha1"},
        ),
        Column(
            "sha256",
            TEXT,
            "lower hex",
            names={"zeek": "sha256", "eve": "fileinfo.sha256", "ecs": "file.hash.sha256"},
        ),
        SOURCE_ID,
        *SIDES,
    ),
    key=("file_id",),
)
