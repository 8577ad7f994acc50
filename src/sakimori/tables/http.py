"""HTTP requests and the answers to them."""

from __future__ import annotations

from sakimori.tables._schema import (
    INT,
    LONG,
    SIDES,
    SOURCE_ID,
    TEXT,
    TEXTS,
    Column,
    Table,
    endpoints,
)

HTTP = Table(
    "http",
    "HTTP requests with their answers",
    "one row per request",
    (
        *endpoints("the request"),
        Column(
            "method",
            TEXT,
            "GET, POST, CONNECT, ...",
            names={
                "zeek": "method",
                "eve": "http.http_method",
                "ocsf": "http_request.http_method",
                "ecs": "http.request.method",
            },
        ),
        Column(
            "host",
            TEXT,
            "the Host header, lower case, without port",
            trap="the client's claim: it may name any host",
            names={
                "zeek": "host",
                "eve": "http.hostname",
                "ocsf": "http_request.url.hostname",
                "ecs": "url.domain",
            },
        ),
        Column(
            "uri",
            TEXT,
            "path and query as sent",
            names={
                "zeek": "uri",
                "eve": "http.url",
                "ocsf": "http_request.url.path",
                "ecs": "url.original",
            },
        ),
        Column(
            "referrer",
            TEXT,
            "the Referer header",
            names={
                "zeek": "referrer",
                "eve": "http.http_refer",
                "ocsf": "http_request.referrer",
                "ecs": "http.request.referrer",
            },
        ),
        Column(
            "user_agent",
            TEXT,
            "the User-Agent header",
            trap="hostile text, often faked",
            names={
                "zeek": "user_agent",
                "eve": "http.http_user_agent",
                "ocsf": "http_request.user_agent",
                "ecs": "user_agent.original",
            },
        ),
        Column(
            "status",
            INT,
            "answer code, 200, 404, ...",
            names={
                "zeek": "status_code",
                "eve": "http.status",
                "ocsf": "http_response.code",
                "ecs": "http.response.status_code",
            },
        ),
        Column(
            "req_bytes",
            LONG,
            "request body",
            unit="byte",
            names={"zeek": "request_body_len", "ecs": "http.request.body.bytes"},
        ),
        Column(
            "resp_bytes",
            LONG,
            "answer body",
            unit="byte",
            names={
                "zeek": "response_body_len",
                "eve": "http.length",
                "ecs": "http.response.body.bytes",
            },
        ),
        Column(
            "mime",
            TEXT,
            "type of the answer's body, from its content where the sensor looks",
            names={
                "zeek": "resp_mime_types[0]",
                "eve": "http.http_content_type",
                "ecs": "http.response.mime_type",
            },
        ),
        Column(
            "file_ids",
            TEXTS,
            "joins to files.file_id, answer bodies first",
            names={"zeek": "resp_fuids + orig_fuids"},
        ),
        SOURCE_ID,
        *SIDES,
    ),
)
