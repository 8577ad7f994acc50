"""A notice as a mail: text in the provider's language, CSV and XARF attached."""

from __future__ import annotations

from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from hashlib import sha256
from typing import TYPE_CHECKING

from sakimori.errors import ConfigError
from sakimori.hostile import defanged, visible
from sakimori.i18n import Translator
from sakimori.intel.contacts import mail_address
from sakimori.takedown.notify import words
from sakimori.takedown.notify.attachments import csv_of, packed, xarf_json
from sakimori.takedown.notify.events import TLP
from sakimori.takedown.notify.words import Occasion

if TYPE_CHECKING:
    from datetime import datetime

    from sakimori.intel.contacts import Contact
    from sakimori.takedown.notify.events import VictimEvent
    from sakimori.takedown.notify.group import Group

# 7bit: every server takes it. A header line never grows past 78 characters.
POLICY = SMTP.clone(cte_type="7bit")
FIRST = Occasion()


@dataclass(frozen=True, slots=True)
class Sender:
    """Who writes. Raises ConfigError when the mail address is none."""

    mail: str
    organisation: str
    about: str = ""  # where to ask: a telephone number or a page

    def __post_init__(self) -> None:
        try:
            mail_address(self.mail)
        except ValueError as error:
            raise ConfigError(f"the sender is no mail address: {self.mail[:80]!r}",
                              hint="set sender in section [mail] of the settings") from error  # fmt: skip
        if not self.organisation.strip():
            raise ConfigError("the sender has no name",
                              hint="set organisation in section [mail] of the settings")  # fmt: skip

    @property
    def domain(self) -> str:
        """The part of the address after the @."""
        return self.mail.rpartition("@")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One message to one mailbox, not yet sealed and not sent."""

    digest: str  # 64 hex digits of what is told to whom; the same in every run
    provider: str
    contact: Contact
    mail: EmailMessage
    events: tuple[VictimEvent, ...]
    tlp: str
    occasion: Occasion = FIRST

    @property
    def message_id(self) -> str:
        """The Message-ID with its angle brackets."""
        return str(self.mail["Message-ID"])

    @property
    def reference(self) -> str:
        """What an answer should quote."""
        return reference_of(self.digest)


def reference_of(digest: str) -> str:
    """Return the reference that stands in the text and the subject of answers."""
    return f"SAKIMORI-{digest[:12].upper()}"


def compose(
    group: Group, contact: Contact, sender: Sender, now: datetime, occasion: Occasion = FIRST
) -> Notice:
    """Return the one message that tells a provider all of its events.

    Everything but the Date is the same for the same events, contact, sender and occasion. Raises
    ConfigError when the contact has no mailbox or the sender makes no valid XARF report.
    """
    if not contact.mail:
        raise ConfigError(f"{group.provider} has no mailbox", hint=contact.why)
    if not group.events:
        raise ConfigError(f"there is nothing to tell {group.provider}")
    digest = digest_of(group, contact, sender, occasion)
    tlp = max((e.tlp for e in group.events), key=TLP.index)
    say = Translator(contact.lang)
    mail = _headed(contact, sender, digest, occasion)
    mail["Date"] = format_datetime(now)
    mail["Subject"] = visible(words.subject(say, group.events, occasion, tlp))
    mail["X-XARF"] = "PLAIN" if len(group.events) == 1 else "BULK"
    mail.set_content("\n".join(_text(say, group, contact, sender, (digest, tlp, occasion))) + "\n")
    _attach(mail, group, sender)
    return Notice(
        digest=digest, provider=group.provider, contact=contact, mail=mail, events=group.events,
        tlp=tlp, occasion=occasion,
    )  # fmt: skip


def digest_of(group: Group, contact: Contact, sender: Sender, occasion: Occasion) -> str:
    """Return 64 hex digits of who tells whom what, without the time of writing."""
    told = [occasion.kind, str(occasion.number), sender.mail, contact.mail.lower(), contact.lang]
    told += [contact.key, *(event.id for event in group.events)]
    return sha256("\x1f".join(told).encode("utf-8", "surrogatepass")).hexdigest()


def _headed(contact: Contact, sender: Sender, digest: str, occasion: Occasion) -> EmailMessage:
    mail = EmailMessage(policy=POLICY)
    mail["From"] = _mailbox(sender.organisation, sender.mail)
    mail["To"] = _mailbox(contact.name, contact.mail)
    mail["Message-ID"] = f"<{digest[:40]}@{sender.domain}>"
    if occasion.answers_to:
        mail["In-Reply-To"] = visible(occasion.answers_to, 250)
        mail["References"] = visible(occasion.answers_to, 250)
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
    mail["X-Sakimori-Reference"] = reference_of(digest)
    return mail


def _mailbox(name: str, mail: str) -> Address:
    """A name in a header is another's text: no line ends, no control or direction marks."""
    return Address(display_name=visible(name, 100), addr_spec=mail_address(mail))


def _text(
    say: Translator, group: Group, contact: Contact, sender: Sender, of: tuple[str, str, Occasion]
) -> list[str]:
    digest, tlp, occasion = of
    return [
        *words.opening(say, contact.name or contact.mail, occasion),
        *words.what_was_seen(say, group.events),
        *words.what_to_do(say, reference_of(digest)),
        *words.limits(say, group.events),
        *words.table(say, group.events),
        *words.closing(say, tlp, sender.organisation, sender.about),
    ]


def _attach(mail: EmailMessage, group: Group, sender: Sender) -> None:
    files = (
        packed("events.csv", csv_of(group.events)),
        packed("xarf.json", xarf_json(group.events, sender)),
    )
    for name, kind, data in files:
        main, _, sub = kind.partition("/")
        mail.add_attachment(data, maintype=main, subtype=sub, filename=name)
    _fix_boundary(mail)


def _fix_boundary(mail: EmailMessage) -> None:
    """Name the boundary after the message: the standard library draws one at random."""
    mail.set_boundary(f"=_{str(mail['Message-ID']).strip('<>').partition('@')[0]}_=")


def shown(notice: Notice) -> str:
    """Return the text part, as a person may look at it before approving."""
    body = notice.mail.get_body(("plain",))
    return body.get_content() if body is not None else defanged(notice.provider)
