"""Mail: every attempt to hand a message over, delivered or not."""

from __future__ import annotations

from sakimori.tables._schema import LONG, SIDES, SOURCE_ID, TEXT, TEXTS, Column, Table, endpoints

MAIL = Table(
    "mail",
    "Mail transactions from SMTP sensors and mail servers' own logs",
    "one row per message and outcome: a message to three recipients in one SMTP transaction is"
    " one row, each refused recipient is one row",
    (
        *endpoints("the transaction"),
        Column(
            "helo", TEXT, "how the client named itself", names={"zeek": "helo", "eve": "smtp.helo"}
        ),
        Column(
            "sender",
            TEXT,
            "envelope sender, lower case, without brackets",
            trap="often faked",
            names={
                "zeek": "mailfrom",
                "eve": "smtp.mail_from",
                "ocsf": "email.smtp_from",
                "ecs": "email.from.address",
            },
        ),
        Column(
            "recipients",
            TEXTS,
            "envelope recipients, lower case, without brackets",
            names={
                "zeek": "rcptto",
                "eve": "smtp.rcpt_to",
                "ocsf": "email.smtp_to",
                "ecs": "email.to.address",
            },
        ),
        Column(
            "subject",
            TEXT,
            "subject line",
            trap="hostile text",
            names={"zeek": "subject", "ecs": "email.subject"},
        ),
        Column(
            "message_id",
            TEXT,
            "Message-ID header or the server's queue id",
            names={"zeek": "msg_id", "ecs": "email.message_id"},
        ),
        Column("size", LONG, "message size", unit="byte"),
        Column("status", TEXT, "sent, rejected, deferred, bounced, or null when not known"),
        Column(
            "reason",
            TEXT,
            "the server's words for it",
            trap="hostile text",
            names={"zeek": "last_reply"},
        ),
        Column(
            "mailer",
            TEXT,
            "program that wrote it",
            names={"zeek": "user_agent", "ecs": "email.x_mailer"},
        ),
        Column("login", TEXT, "user that logged on to send, where the server says so"),
        SOURCE_ID,
        *SIDES,
    ),
)
