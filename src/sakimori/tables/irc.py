"""IRC commands."""

from __future__ import annotations

from sakimori.tables._schema import SIDES, SOURCE_ID, TEXT, Column, Table, endpoints

IRC = Table(
    "irc",
    "IRC commands seen",
    "one row per command",
    (
        *endpoints("the command"),
        Column("nick", TEXT, "nickname", trap="hostile text", names={"zeek": "nick"}),
        Column("user", TEXT, "user name", trap="hostile text", names={"zeek": "user"}),
        Column("command", TEXT, "NICK, JOIN, PRIVMSG, ...", names={"zeek": "command"}),
        Column(
            "value",
            TEXT,
            "its argument, such as the channel",
            trap="hostile text",
            names={"zeek": "value"},
        ),
        Column("extra", TEXT, "further arguments", trap="hostile text", names={"zeek": "addl"}),
        SOURCE_ID,
        *SIDES,
    ),
)
