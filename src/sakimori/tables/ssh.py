"""SSH sessions and log-on attempts."""

from __future__ import annotations

from sakimori.tables._schema import FLAG, INT, SIDES, SOURCE_ID, TEXT, Column, Table, endpoints

SSH = Table(
    "ssh",
    "SSH sessions",
    "one row per connection",
    (
        *endpoints("the session"),
        Column(
            "auth_success",
            FLAG,
            "somebody got in",
            trap="guessed from packet sizes by Zeek",
            names={"zeek": "auth_success"},
        ),
        Column("auth_attempts", INT, "tries seen", names={"zeek": "auth_attempts"}),
        Column(
            "client",
            TEXT,
            "client's software string",
            trap="hostile text",
            names={"zeek": "client", "eve": "ssh.client.software_version"},
        ),
        Column(
            "server",
            TEXT,
            "server's software string",
            trap="hostile text",
            names={"zeek": "server", "eve": "ssh.server.software_version"},
        ),
        Column(
            "hassh",
            TEXT,
            "MD5 of the client's key exchange offer",
            names={"zeek": "hassh", "eve": "ssh.client.hassh.hash"},
        ),
        SOURCE_ID,
        *SIDES,
    ),
)
