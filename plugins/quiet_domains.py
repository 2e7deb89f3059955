"""Keeps mail from and to certain domains unlinked: the lawyers', the doctor's, the bank's.

[plugins.config.quiet_domains]
domains = ["lawyers.example", "bank.example"]    # their subdomains are meant too
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import idna

from mailcrm import Message, hookimpl


@dataclass(frozen=True)
class Settings:
    """Without ``domains`` the plugin is idle."""

    domains: tuple[str, ...]

    def __post_init__(self) -> None:
        _ = self.quiet  # a wrong one is refused at the start

    @cached_property
    def quiet(self) -> frozenset[str]:
        """The domains as they stand in addresses: lower-case, in ASCII (IDNA)."""
        return frozenset(_ascii(domain) for domain in self.domains)


@hookimpl
def register_config() -> type:
    return Settings


@hookimpl
def veto_link(message: Message, config: Settings) -> str | None:
    """Refuses if anybody on the message is at a quiet domain."""
    for email in _emails(message):
        domain = email.rpartition("@")[2]
        while domain:
            if domain in config.quiet:
                return f"{domain} is a quiet domain"
            domain = domain.partition(".")[2]
    return None


def _emails(message: Message) -> Iterator[str]:
    for address in (message.from_, *message.reply_to, *message.to, *message.cc, *message.bcc):
        if address is not None:
            yield address.email


def _ascii(domain: str) -> str:
    """Raises ValueError for what is no domain (idna's own error is one)."""
    return idna.encode(domain.strip().removeprefix("@").rstrip("."), uts46=True).decode("ascii")
