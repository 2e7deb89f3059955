"""The sections of the configuration that are about mail on its way out."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Literal

from mailcrm.config_types import Secret, Struct, Tls


class OAuth(Struct, frozen=True):
    """XOAUTH2 or OAUTHBEARER. Either a command that prints an access token, or a refresh token and where to use it."""

    mechanism: Literal["xoauth2", "oauthbearer"] = "xoauth2"
    command: tuple[str, ...] = ()
    refresh_token: str | Secret | None = None
    client_id: str = ""
    client_secret: str | Secret | None = None
    token_url: str = ""
    device_url: str = ""
    scope: str = ""


class Submission(Struct, frozen=True):
    """A server that takes outgoing mail (RFC 6409), or the smarthost.

    Args:
        sent_copy: who puts a copy of a user's mail into his Sent folder; ``auto`` finds out whether the server does.
        connections: most at once.
        per_connection: how many mails one connection takes before it is closed.
    """

    host: str
    port: int = 587
    tls: Tls = "starttls"
    tls_ca: str | None = None
    login: str | None = None
    password: str | Secret | None = None
    oauth: OAuth | None = None
    sent_copy: Literal["auto", "append", "server"] = "auto"
    connections: int = 5
    per_connection: int = 500


class Dkim(Struct, frozen=True):
    """How mail from one domain of ours is signed (RFC 6376, RFC 8463).

    Args:
        selector: the name before ``._domainkey`` in DNS.
        key: the private key in PEM, RSA of 2,048 bits or more, or Ed25519.
    """

    selector: str
    key: str | Secret


class Relay(Struct, frozen=True):
    """Where our users' own mail programs, and programs that write in their name, hand in mail (RFC 6409).

    Args:
        tls: none only on this machine's own addresses; else with ``cert`` and ``key``, files in PEM.
        max_bytes: size of the largest message.
    """

    listen: str = "127.0.0.1:5587"
    tls: Tls = "none"
    cert: str | None = None
    key: str | None = None
    max_bytes: int = 50_000_000


class Limits(Struct, frozen=True):
    """Most automatic mails; absent is no limit. See docs/sending.md.

    Args:
        warm_up: in a new sender's name on the first day, and as many more on each further day.
        colleague_days: so long after somebody else of us has written to a person, nothing goes to him by itself.
    """

    per_person_day: int | None = None
    per_person_week: int | None = None
    per_sender_day: int | None = None
    per_domain_hour: int | None = None
    warm_up: int | None = None
    colleague_days: int | None = None


class Returns(Struct, frozen=True):
    """What comes back, and for how long it keeps automatic mail from an address.

    Args:
        bounces: an address of ours whose plus-tags tell which mail came back (VERP); mail to it reaches us by LMTP, or
            in a mailbox that is read. None: bounces go to the sender himself.
        gone: after the server said that the address does not exist or takes no mail.
        full: after ``full_times`` failures of a passing kind within ``full_within``.
        away: how long an automatic reply without a date holds automatic mail.
    """

    bounces: str | None = None
    gone: str = "1y"
    full: str = "1w"
    full_times: int = 3
    full_within: str = "2w"
    away: str = "3d"


class Tracking(Struct, frozen=True):
    """Whether openings and clicks of automatic mail are told, and of whom.

    Args:
        when: ``permission``: of those whose recorded permission covers it; ``always``: of everybody, which the operator
            answers for; ``never``: of nobody.
        hidden_link: whether a link goes in that no human sees, to tell machines by.
        scanners: networks that scanners of mail ask from, beside those that we know.
    """

    when: Literal["permission", "always", "never"] = "permission"
    hidden_link: bool = True
    scanners: tuple[str, ...] = ()

    @property
    def networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """``scanners``, read. Raises ValueError for what is no address or network."""
        return tuple(ip_network(each) for each in self.scanners)
