"""Names taken apart: the registered name, and what stands before it. No detector.

An expression, because names come in millions: the last two labels are the registered name, three
where the second last is one that registries of countries hand names out under (`example.co.jp`).
The full public suffix list would be finer; grouping needs no more.
"""

from __future__ import annotations

from typing import Any

import ibis
from ibis import _

# Second-level labels under which registries of countries hand out names.
SHARED_SECOND = ("co", "com", "net", "org", "ac", "ne", "or", "go", "gov", "edu", "gr", "ad", "ed",
                 "lg", "gob", "gouv", "mil", "nom", "id", "asn", "sch", "nhs", "plc", "ltd", "info",
                 "firm", "gen", "ind", "web", "in", "biz", "art", "blog", "eco")  # fmt: skip
# Endings that no registry sells: names of this network, and addresses written as names.
LOCAL = ("local", "lan", "home", "internal", "localdomain", "arpa", "corp", "intra", "localhost",
         "workgroup", "invalid", "onion", "private", "domain", "belkin", "dlink", "router",
         "intranet", "fritz")  # fmt: skip
# Four numbers in a row (dynamic host names, block lists) or nibbles of an IPv6 address.
ADDRESS_IN_NAME = r"(^|[^0-9])[0-9]{1,3}([.x_-][0-9]{1,3}){3}([^0-9]|$)|([0-9a-f]\.){15}[0-9a-f]"
SERVICE_LABEL = r"(^|\.)_[a-z][a-z0-9-]{0,18}(\.|$)"  # _dmarc, _domainkey, _tcp: RFC 8552


def split(names: ibis.Table) -> ibis.Table:
    """Return the names (column query) of registered domains: query, zone, stem, below.

    zone is the registered name, stem what stands before it ("": nothing), below the stem's last
    label. Names without a dot, and those of LOCAL endings, are left out.
    """
    parts = names.filter(_.query.contains(".")).mutate(labels=_.query.split("."))
    parts = parts.mutate(size=_.labels.length())
    ended: Any = parts.mutate(tld=_.labels[_.size - 1], second=_.labels[_.size - 2])
    ended = ended.filter(~_.tld.isin(LOCAL), ~_.tld.re_search("^[0-9]"), _.second != "")
    deep = (_.tld.length() == 2) & _.second.isin(SHARED_SECOND) & (_.size > 2)
    taken = ended.mutate(deep=deep).mutate(width=_.deep.ifelse(3, 2))
    taken = taken.mutate(
        zone=_.deep.ifelse(
            _.labels[_.size - 3].concat(".", _.second, ".", _.tld), _.second.concat(".", _.tld)
        ),
        below=(_.size > _.width).ifelse(_.labels[ibis.greatest(_.size - _.width - 1, 0)], ""),
    )
    before = _.query.length() - _.zone.length() - 1
    return taken.mutate(stem=_.query.substr(0, ibis.greatest(before, 0))).select(
        "query", "zone", "stem", "below"
    )
