"""Who we are: whose mail is ours, and which addresses never become persons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from mailcrm.core.addresses import domain_of, is_role, parent_domains


@dataclass(frozen=True, slots=True)
class Ours:
    """Our users and domains, and what the operator keeps out.

    Args:
        users: normalised address or alias -> user key.
        domains: our own domains; nobody there is a person.
        addresses: other addresses of the CRM itself (drop-box).
        blocklist: addresses, and domains written as ``@firma.example`` or ``firma.example``.
    """

    users: Mapping[str, str] = field(default_factory=dict)
    domains: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()
    blocklist: frozenset[str] = frozenset()

    def user(self, email: str) -> str | None:
        """The key of the user whose address or alias this is."""
        return self.users.get(email)

    def is_ours(self, email: str) -> bool:
        """True for our users, our domains and the CRM's own addresses."""
        if email in self.users or email in self.addresses:
            return True
        return _is_within(domain_of(email), self.domains)

    def is_outside_party(self, email: str) -> bool:
        """True for an address that may be a customer's: a real one, not ours, not technical, not blocked."""
        return bool(email) and not self.is_ours(email) and not is_role(email) and not self.is_blocked(email)

    def is_blocked(self, email: str) -> bool:
        """True if the operator's blocklist names the address or its domain."""
        domain = domain_of(email)
        return email in self.blocklist or domain in self.blocklist or f"@{domain}" in self.blocklist


@lru_cache(20_000)
def _is_within(domain: str, domains: frozenset[str]) -> bool:
    """True if the domain or one that it is part of is among these."""
    return domain in domains or any(parent in domains for parent in parent_domains(domain))
