"""Will the address of a bounce ever take mail? Status codes (RFC 3463) weighed with what the server said.

Many servers answer 5.0.0 or 5.5.0 to everything, and some call a full mailbox "user unknown". Where code and words
disagree the words win, since an address is given up only on clear evidence.
"""

from __future__ import annotations

import re

from mailcrm.core.phrases import compiled

# The message, who sent it, or the way there is at fault: the address has no part in it.
_SENDERS = "|".join(
    (
        # too large
        r"(?:too|zu) (?:large|big|groß)|size limit|message size|zbyt duż",
        # spam, policy, permission
        r"\bspam\b|spamhaus|spamcop|barracuda|\brbl\b|dnsbl|denylist|reputation|junk mail|unsolicited|\bvirus",
        r"malware|phish|black ?list|block(?:ed)? ?list|\bblocked\b(?! by owner)|\bblocking\b|prohibited|banned",
        r"\bpolic(?:y|ies)\b|polityk\w|\bdmarc\b|\bspf\b|\bdkim\b|not authori[sz]ed|unauthenticated|restricted",
        r"authentication (?:is )?required|not permitted|relay(?:ing)? (?:access )?(?:denied|not)|unable to relay",
        r"access control|content (?:reject|filter)|rejected (?:by|due to|for) (?:content|policy|spam)|nie dozwolon",
        # the way there
        r"hop count|mail loop|loops? back|routing loop|certificate|\btls\b",
    )
)
# So is it here, or the mailbox is for now: another mail may well arrive.
_PASSING = "|".join(
    (
        # full
        r"(?:mail ?box|inbox|quota|storage|account|user|folder|skrzynk\w)[^.\n]{0,40}\b"
        r"(?:full|exceed\w*|over|limit)\b",
        r"over (?:\w{1,10} )?quota|over-?quota|out of storage|no space left",
        r"insufficient (?:system )?(?:storage|disk)",
        r"exceed\w* (?:the |its |their |his )?(?:\w{1,12} )?(?:quota|storage|limit|size|maximum)|mail ?box ?full",
        r"(?:przepełnion|zapełnion|pełn)[aey]\b|brak miejsca|przekroczon\w|postfach (?:ist )?voll|buzón lleno",
        r"boîte (?:\w{1,12} )?pleine|casella piena|переполнен",
        _SENDERS,
        # now is a bad time
        r"rate limit|too many|receiving mail at a rate|throttl|too fast|grey ?list|try again|tempor(?:ar|ał|är)",
        r"timed? ?out|connection (?:refused|reset|lost|dropped)|deferred|retry time|not yet been|unverified",
    )
)

_WHO = (
    r"(?:user|userid|recipient|mailbox|address|account|addressee|usuario|utilisateur|benutzer|empfänger|alias|inbox"
    r"|person|e-?mail)"
)
_WHAT = (
    r"(?:user|userid|recipient|mailbox|address|account|domain|host|alias|local part|destination|person|mail ?drop"
    r"|virtual|localbox|customer)"
)
# The address or its host is gone, or takes no mail at all.
_GONE = "|".join(
    (
        _WHO + r"\b[^\n]{0,90}?\b(?:unknown|unavailable|invalid|no longer|does(?:n[o'’]t| not) exist|do not exist"
        r"|doesn['’]t have|not (?:be )?(?:found|exist\w*|known|valid|listed|recogni[sz]ed|active|here|available))",
        _WHO + r"\b[^\n]{0,90}?\b(?:disabled|inactive|deactivated|suspended|discontinued|closed|terminated"
        r"|deleted|expired|rejected: (?:access denied|undeliverable|user))",
        _WHO + r"\b[^\n]{0,90}?(?:unbekannt|existiert nicht|inconnue?\b|inexistante?|n['’]existe pas|no existe"
        r"|desconocido|non esiste)",
        r"(?:unknown|no such|no|invalid(?: final delivery)?|bad|illegal|obsolete|inactive|disabled)[ -]" + _WHAT,
        r"(?:non-?exist[ea]nt|unrouteable|unroutable|undeliverable|unknown or illegal)[ -]" + _WHAT,
        r"(?:could|can)(?:n['’]t| not|not) (?:be found|find (?:any )?(?:host|domain|address|user|recipient))",
        r"(?:isn['’]t|is not) (?:a )?(?:known|valid|our customer|active)|not our customer|not a valid " + _WHAT,
        r"recipient ?not ?found|relocated|has moved|moved to (?:another|a new)|address(?: has)? changed",
        r"no longer (?:active|valid|with|work|in use|available|accept|exist)|blocked by owner",
        r"(?:host|domain)(?: name| or domain name)?\b[^\n]{0,60}?\b(?:not found|unknown|not exist|unresolvable)",
        r"nxdomain|name or service not known|no mail ?(?:server|exchanger|host)s?|non-?existent (?:hosts?|domain)",
        r"null ?mx|(?:does not|doesn['’]t|not) accept(?:ing)? (?:any )?(?:e-?)?(?:mail|messages)(?! from)",
        r"mail-?box (?:not|unavailable)|that email address couldn|account that you tried to reach",
        r"nie istnieje|nie ma takie|nieznan\w|niepoprawny adres|nieprawidłow\w adres|adresat\w{0,2} nie",
        r"(?:konto|skrzynka) (?:\w{1,12} )?(?:zablokowan|wyłączon|usunięt|nieaktywn|został)",
        r"не существует|нет такого|неизвестн\w|не найден",
    )
)
_SURE = re.compile(
    r"(?:user|recipient|mailbox|address|account)\b[^\n]{0,60}?\b(?:unknown|does(?:n[o'’]t| not) exist|not found)"
    r"|no such (?:user|mailbox|recipient)|unknown (?:user|recipient)|null ?mx|nie istnieje|нет такого",
    re.IGNORECASE,
)
_NO_DOMAIN = re.compile(r"nxdomain|name or service not known|domain (?:name )?not found|no such domain", re.IGNORECASE)

# RFC 3463, RFC 7505 (5.1.10), Exchange Online (5.1.351, 5.4.310)
_GONE_STATUSES = frozenset(
    {"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.1.351", "5.2.1", "5.4.4", "5.4.310"},
)
_PASSING_STATUSES = ("5.2.", "5.3.4", "5.6.", "5.7.")
_SENDERS_STATUS = re.compile(r"[45]\.(?:3\.4|4\.[56]|6\.\d+|7\.\d+)$")  # size, quota of ours, loop, content, policy
_FULL_STATUSES = frozenset({"4.2.2", "5.2.2"})


def is_permanent(status: str | None, words: str) -> bool:
    """True where the address or host does not exist, has moved, or accepts no mail.

    Full mailboxes, size, spam, policy and a bad moment give False, as does silence about the cause.

    Args:
        status: the enhanced status code (RFC 3463), or None.
        words: the diagnostic text.
    """
    passing = compiled(_PASSING).search(words) is not None
    if status is not None and status.startswith("4"):
        return not passing and _NO_DOMAIN.search(words) is not None
    if status in _GONE_STATUSES:
        return not passing or (status.startswith("5.1.") and _SURE.search(words) is not None)
    if status is not None and status.startswith(_PASSING_STATUSES):
        return not passing and _SURE.search(words) is not None
    return not passing and compiled(_GONE).search(words) is not None


def is_senders_fault(status: str | None, words: str) -> bool:
    """True where a failure is about the message, its sender or the way there: policy, spam, size, loops.

    Of a failure that is not permanent (``is_permanent``). Args as there.
    """
    if status in _FULL_STATUSES:
        return False
    if status is not None and _SENDERS_STATUS.match(status):
        return True
    return compiled(_SENDERS).search(words) is not None


def says_why(words: str) -> bool:
    """True if ``words`` name a cause that ``is_permanent`` can weigh."""
    return compiled(_GONE).search(words) is not None or compiled(_PASSING).search(words) is not None
