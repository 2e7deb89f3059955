"""What a bounce says: who did not get which message, and whether he ever will (RFC 3464, RFC 3463).

Statuses are taken with the diagnostic text: many servers answer 5.0.0 or 5.5.0 to everything, and some call a full
mailbox "user unknown". Where the two disagree, the words win, since an address is given up only on clear evidence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from mailcrm.core.addresses import normalise
from mailcrm.core.model import Bounce, Message

_DSN = frozenset({"message/delivery-status", "message/global-delivery-status"})
_RETURNED = frozenset(
    {"message/rfc822", "message/global", "text/rfc822-headers", "message/rfc822-headers", "message/global-headers"}
)
_FIELD = re.compile(r"^([A-Za-z][A-Za-z0-9-]{1,60})[ \t]*:[ \t]*(.*(?:\n[ \t]+\S.*)*)", re.MULTILINE)
_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_ADDRESS = re.compile(r"[^\s<>()\[\]:;,\"'@=]{1,100}@[A-Za-z0-9\u0080-\uffff](?:[\w.-]{0,200}\w)?")
_MESSAGE_ID = re.compile(r"^(?:Original-)?Message-ID:\s{0,3}<([^<>\s]{1,500})>", re.IGNORECASE | re.MULTILINE)
_RETURNED_TEXT = re.compile(
    r"^(?:[ \t]*[-=_#*>]{2,}.{0,80}|.{0,60}\b(?:copy of (?:the|your) message|original message|message headers?"
    r"|returned message"
    r"|message follows|oryginaln\w{1,3} wiadomoś\w{1,3}|ursprüngliche nachricht|message d'origine).{0,60})$",
    re.IGNORECASE | re.MULTILINE,
)

# The mailbox or the message is at fault for now: another mail may well arrive.
_PASSING = re.compile(
    r"(?:mail ?box|inbox|quota|storage|account|user|skrzynk\w|folder)[^.\n]{0,40}\b(?:full|exceed\w*|over|limit"
    r"|przepełnion\w|pełn\w)\b"
    r"|over[ -]?quota|out of storage|quota exceeded|exceed\w* (?:the |its |their |his )?(?:\w+ )?(?:quota|storage"
    r"|limit|size|maximum)|insufficient (?:system )?(?:storage|disk)"
    r"|mail ?box ?full|no space left|\b452\b[^\n]{0,5}4\.2\.2|(?:przepełnion|zapełnion)\w|brak miejsca|przekroczon\w"
    r"|postfach (?:ist )?voll|boîte (?:\w+ )?pleine"
    r"|buzón lleno|casella piena|переполнен|(?:too|zu) (?:large|big|groß)|size limit|message size|zbyt duż|за?нимает"
    r" слишком"
    r"|\bspam\b|spamhaus|spamcop|barracuda|black ?list|block(?:ed)? ?list|\bblocked\b|\bblocking\b|\brbl\b|dnsbl"
    r"|denylist|reputation|junk mail|unsolicited|\bvirus|malware|phish"
    r"|\bpolic(?:y|ies)\b|\bdmarc\b|\bspf\b|\bdkim\b|not authori[sz]ed|unauthenticated|authentication (?:is"
    r" )?required|not permitted|relay(?:ing)? (?:access )?(?:denied|not)"
    r"|unable to relay|access control|content (?:reject|filter)|rejected (?:by|due to|for) (?:content|policy|spam)"
    r"|restricted|not accepted due to|prohibited|banned|nie dozwolon"
    r"|rate limit|too many|receiving mail at a rate|throttl|too fast|grey ?list|try again|tempor(?:ar|ał)|timed? ?out"
    r"|connection (?:refused|reset|lost|dropped)"
    r"|hop count|too many hops|mail loop|loops? back|routing loop|deferred|retry time|not yet been|unverified"
    r"|certificate|\btls\b|polityk\w",
    re.IGNORECASE,
)
# The address or its host is gone, or takes no mail at all.
_GONE = re.compile(
    r"(?:user|recipient|mailbox|address|account|addressee|usuario|utilisateur|benutzer|empfänger|e-?mail(?: address)?"
    r"|alias|inbox|person)\b[^\n]{0,90}?"
    r"\b(?:unknown|not (?:be )?(?:found|exist\w*|known|valid|listed|recogni[sz]ed|active|here|available)"
    r"|does(?:n[o'’]t| not) exist|doesn['’]t have"
    r"|do not exist|invalid|disabled|inactive|deactivated|suspended|discontinued|closed|terminated|deleted|expired|no"
    r" longer|unavailable"
    r"|unbekannt|existiert nicht|inconnue?|inexistante?|n'existe pas|no existe|desconocido|non esiste|rejected:"
    r" (?:access denied|undeliverable|user))"
    r"|(?:unknown|no such|no|invalid|bad|nonexist[ea]nt|non-exist[ea]nt|unrouteable|unroutable|undeliverable|illegal"
    r"|obsolete|inactive|disabled|old)[ -]"
    r"(?:user|recipient|mailbox|address|account|domain|host|alias|local part|destination|person|mail ?drop|virtual"
    r"|localbox|customer)"
    r"|(?:couldn['’]t|could not|unable to|cannot|can['’]t) (?:be found|find (?:any )?(?:host|domain|address|user"
    r"|recipient))|(?:isn['’]t|is not) (?:a )?(?:known|valid|our customer|active)"
    r"|not our customer|user[ _]?unknown|recipient ?not ?found|unknown (?:or illegal )?(?:alias|address)|relocated"
    r"|has moved|moved to (?:another|a new)|address(?: has)? changed|no longer (?:active|valid|with|work|in use"
    r"|available|accept|exist)"
    r"|(?:host|domain)(?: name| or domain name)?\b[^\n]{0,60}?\b(?:not found|unknown|does(?:n[o'’]t| not) exist|not"
    r" exist|nxdomain|unresolvable|invalid)"
    r"|nxdomain|name or service not known|no mail ?(?:server|exchanger|host)s?|non-?existent (?:hosts?|domain)|null"
    r" ?mx|\bnullmx\b|(?:does not|doesn['’]t|not) accept(?:ing)? (?:any )?(?:e-?)?(?:mail|messages)"
    r"|(?:mailbox|account) (?:is )?(?:currently )?(?:disabled|unavailable|inactive|blocked by owner)|not a valid"
    r" (?:mailbox|user|recipient|address)|that email address couldn"
    r"|nie istnieje|nie ma takie|nieznan\w|niepoprawny adres|nieprawidłow\w adres|adresat\w{0,2} nie|konto (?:\w+"
    r" )?(?:zablokowane|wyłączone|usunięte|nieaktywne|zostało)|skrzynka (?:\w+ )?(?:zablokowana|wyłączona|usunięta"
    r"|nieaktywna|nie istnieje)"
    r"|не существует|нет такого|неизвестн\w|не найден|invalid mailbox|account that you tried to reach|mail-?box"
    r" (?:not|unavailable)|access denied\. as\(201806281\)",
    re.IGNORECASE,
)
_SURE = re.compile(
    r"(?:user|recipient|mailbox|address|account)\b[^\n]{0,60}?\b(?:unknown|does(?:n[o'’]t| not) exist|not found)|no"
    r" such (?:user|mailbox|recipient)"
    r"|unknown (?:user|recipient)|null ?mx|nie istnieje|нет такого",
    re.IGNORECASE,
)
_GONE_STATUSES = frozenset(
    ["5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.1.351", "5.2.1", "5.4.4", "5.4.310", "5.1.1.1"]
)  # RFC 3463, RFC 7505, Exchange
_VAGUE = re.compile(r"[45]\.(?:0\.0|5\.0|3\.0|0\.\d{3})$")


def failed(message: Message) -> Bounce | None:
    """The first recipient whose RFC 3464 ``Action`` is ``failed``; None where the report says something else."""
    return next(
        (_from_fields(fields, common, message) for fields, common in _groups(message) if _has_failed(fields)), None
    )


def other_action(message: Message) -> str | None:
    """The first ``Action`` of a delivery report (``delayed``, ``relayed``, ``expanded``, ``delivered``), or None."""
    return next((_word(fields["action"]) for fields, _ in _groups(message) if "action" in fields), None)


def from_text(message: Message, recipient: str | None = None) -> Bounce:
    """What can be read out of a bounce that has no delivery report: header fields and the words of the mail system.

    Args:
        message: a message already known to be a bounce.
        recipient: the failed address where another detector found it.
    """
    text = message.text[:20_000]
    cut = _RETURNED_TEXT.search(text, min(len(text), 80))
    words = text[: cut.start()] if cut and _ADDRESS.search(text, 0, cut.start()) else text[:6000]
    recipient = recipient or _header_recipient(message) or _text_recipient(words, message)
    about = _about(words, recipient)
    status = _STATUS.search(about) or _STATUS.search(words)
    code = status[1] if status and status[1][0] != "2" else None
    reason = _one_line(about) or _one_line(message.subject)
    return Bounce(recipient, code, is_permanent(code, about), reason, _original_id(message))


def is_permanent(status: str | None, words: str) -> bool:
    """True where the address or host does not exist, has moved, or accepts no mail.

    Args:
        status: the enhanced status code (RFC 3463), or None.
        words: the diagnostic text.
    """
    passing = _PASSING.search(words) is not None
    if status is not None and status.startswith("4"):
        return (
            not passing
            and re.search(
                r"\b(?:nxdomain|name or service not known|domain (?:name )?not found|no such domain)", words, re.I
            )
            is not None
        )
    if status in _GONE_STATUSES:
        return not passing or (status.startswith("5.1.") and _SURE.search(words) is not None)
    if status is not None and status.startswith(("5.7.", "5.2.", "5.6.", "5.3.4")):
        return not passing and _SURE.search(words) is not None
    return not passing and _GONE.search(words) is not None


def _groups(message: Message) -> Iterator[tuple[Mapping[str, str], Mapping[str, str]]]:
    """Per-recipient fields of every delivery report, each with the fields that concern the whole message."""
    for part in message.embedded:
        if part.type in _DSN:
            blocks = [
                _fields(block) for block in re.split(r"\n[ \t]*\n", part.text.replace("\r\n", "\n").strip())[:200]
            ]
            common = blocks[0] if blocks else {}
            for block in blocks:
                if "action" in block or "final-recipient" in block or "original-recipient" in block:
                    yield block, common


def _fields(block: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for name, value in _FIELD.findall(block):
        fields.setdefault(name.lower(), _one_line(value, 1000))
    return fields


def _has_failed(fields: Mapping[str, str]) -> bool:
    # OpenSMTPD says "error"; some programs say nothing at all, and then the status has to do
    action = _word(fields.get("action", ""))
    return action.startswith(("fail", "error")) or (not action and fields.get("status", "").startswith("5"))


def _from_fields(fields: Mapping[str, str], common: Mapping[str, str], message: Message) -> Bounce:
    words = re.sub(r"^(?:x-)?[\w.-]{1,40}\s?;\s?", "", fields.get("diagnostic-code", ""))
    recipient = (
        _typed_address(fields.get("original-recipient", ""))
        or _typed_address(fields.get("final-recipient", ""))
        or _typed_address(fields.get("x-actual-recipient", ""))
        or _header_recipient(message)
        or _text_recipient(message.text[:6000], message)
    )
    stated = _STATUS.search(fields.get("status", ""))
    spoken = _STATUS.search(words)
    status = stated[1] if stated else None
    if spoken and (status is None or _VAGUE.match(status)):
        status = spoken[1]
    context = words
    if not words or (not _GONE.search(words) and not _PASSING.search(words)):
        # Exchange and Lotus put the cause into the first part alone
        context = f"{words}\n{_about(message.text[:4000], recipient)}"
    reason = (
        _one_line(words)
        or _one_line(fields.get("status", "").partition(" ")[2].strip("() "))
        or _one_line(_about(message.text[:4000], recipient))
    )
    original = _original_id(message) or _bare_id(common.get("x-original-message-id", ""))
    return Bounce(recipient, status, is_permanent(status, context), reason, original)


def _word(value: str) -> str:
    found = re.match(r"\s*([A-Za-z-]{1,20})", value)
    return found[1].lower() if found else ""


def _typed_address(value: str) -> str | None:
    """``rfc822;jan@klient.example`` (RFC 3464 section 2.3.1) -> the address; brackets and xtext (RFC 3461) undone."""
    kind, semicolon, address = value.partition(";")
    address = (address if semicolon else kind).replace("+2B", "+").replace("+3D", "=")
    found = _ADDRESS.search(address)
    if found is None or "\ufffd" in found[0]:
        return None
    return normalise(found[0]) or None


def _header_recipient(message: Message) -> str | None:
    for name in ("x-failed-recipients", "x-actual-recipient"):
        found = _ADDRESS.search((message.header(name) or "")[:1000])
        if found and normalise(found[0]):
            return normalise(found[0])
    return None


def _text_recipient(words: str, message: Message) -> str | None:
    """The first address in the mail system's words that is neither its own nor the sender's."""
    own = {address.email for address in (*message.to, message.from_) if address}
    for pattern in (
        r"^[ \t]*<([^<>\s]{3,320})>[:\s]",
        r"^[ \t*>-]{0,8}(?:To:\s)?<?([^<>\s,:]{3,320}@[^<>\s,:]{3,255})>?[:\s]*$",
    ):
        for found in re.finditer(pattern, words, re.MULTILINE):
            address = normalise(found[1])
            if address and address not in own:
                return address
    for found in _ADDRESS.finditer(words):
        address = normalise(found[0])
        if (
            address
            and address not in own
            and not address.startswith(("postmaster@", "mailer-daemon@", "abuse@", "support@"))
        ):
            return address
    return None


def _about(words: str, recipient: str | None) -> str:
    """The words around the failed address, else those around the first SMTP answer, else the beginning."""
    at = words.lower().find(recipient) if recipient else -1
    if at < 0:
        answer = re.search(r"\b[45]\d\d[ -][^\n]{3}|[45]\.\d{1,3}\.\d{1,3}", words)
        at = answer.start() if answer else 0
    start = words.rfind("\n\n", 0, at) + 1
    return words[start : at + 800].strip()


def _original_id(message: Message) -> str | None:
    for part in message.embedded:
        if part.type in _RETURNED and (found := _MESSAGE_ID.search(part.text, 0, 30_000)):
            return found[1]
    if found := _MESSAGE_ID.search(message.text, 0, 60_000):
        return found[1]
    return next(iter((*message.in_reply_to, *reversed(message.references))), None)


def _bare_id(value: str) -> str | None:
    return value.strip().strip("<>").strip() or None


def _one_line(text: str, most: int = 300) -> str:
    return " ".join(text[: most * 4].split())[:most]
