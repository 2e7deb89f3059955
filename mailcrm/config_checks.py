"""What the types of the configuration can't say."""

from __future__ import annotations

import difflib
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from mailcrm import config_documents
from mailcrm.core import spans
from mailcrm.core.addresses import domain_of, normalise
from mailcrm.core.nearest import nearest
from mailcrm.errors import ConfigError

if TYPE_CHECKING:
    from mailcrm.config import Config

PERMISSIONS: Final = ("bulk", "admin")
"""What ``users.NAME.permissions`` may hold."""


def check(config: Config, source: str) -> None:
    """See that the sections make sense. Raises ConfigError; the text names ``source`` and the key."""
    if not config.database.startswith(("sqlite:///", "postgresql+psycopg://")):
        raise ConfigError(
            f"{source}: database is neither SQLite nor PostgreSQL; write sqlite:///mailcrm.db or "
            "postgresql+psycopg://USER@HOST/NAME"
        )
    for key, user in config.users.items():
        if not user.email.rpartition("@")[0]:
            raise ConfigError(f"{source}: users.{key}.email: {user.email!r} is no e-mail address")
        for name in user.permissions:
            if name not in PERMISSIONS:
                hint = nearest(name, PERMISSIONS)
                raise ConfigError(f"{source}: users.{key}.permissions: there is no permission {name!r}; {hint}")
        try:
            ZoneInfo(user.time_zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ConfigError(
                f"{source}: users.{key}.time_zone: there is no time zone {user.time_zone!r}; write it as Europe/Warsaw"
            ) from None
        try:
            user.hours()
        except ValueError as error:
            raise ConfigError(f"{source}: users.{key}.working_hours: {error}") from None
    try:
        _ = config.outside.networks
    except ValueError as error:
        raise ConfigError(f"{source}: outside.allow: {error}; write 10.1.0.7 or 10.1.0.0/16") from None
    try:
        _ = config.tracking.networks
    except ValueError as error:
        raise ConfigError(f"{source}: tracking.scanners: {error}; write 192.0.2.7 or 192.0.2.0/24") from None
    if not 0 < config.outside.seconds <= 60:
        raise ConfigError(f"{source}: outside.seconds must be more than 0 and at most 60")
    if fault := config_documents.faults(config.documents):
        raise ConfigError(f"{source}: documents.{fault}")
    for key, span in msgspec.structs.asdict(config.retention).items():
        if span is not None:
            _span(span, f"retention.{key}", source)
    for key, mailbox in config.mailboxes.items():
        if mailbox.user and mailbox.members:
            raise ConfigError(f"{source}: mailboxes.{key} has both user and members; keep one")
        if not mailbox.people:
            raise ConfigError(f"{source}: mailboxes.{key} has no owner; set user (or members for a shared one)")
        for name in mailbox.people:
            if name not in config.users:
                near = difflib.get_close_matches(name, list(config.users), n=1)
                hint = f"; did you mean {near[0]}?" if near else f"; add [users.{name}]"
                raise ConfigError(f"{source}: mailboxes.{key} names the user {name!r}, who is not configured{hint}")
        if mailbox.host and not mailbox.login:
            raise ConfigError(
                f"{source}: mailboxes.{key}.login is missing; it is the account's user name at {mailbox.host}"
            )
        if mailbox.host and mailbox.password is None and mailbox.oauth is None:
            raise ConfigError(f'{source}: mailboxes.{key} has no password; set password = {{env = "…"}} or oauth')
    for key, mailbox in config.mailboxes.items():
        _span(mailbox.backfill_since, f"mailboxes.{key}.backfill_since", source)
        _span(mailbox.poll, f"mailboxes.{key}.poll", source)
    for key, most in msgspec.structs.asdict(config.limits).items():
        if most is not None and most < 1:
            raise ConfigError(f"{source}: limits.{key} must be 1 or more; leave it out for no limit")
    returns = config.returns
    for name in ("gone", "full", "full_within", "away"):
        _span(getattr(returns, name), f"returns.{name}", source)
    if returns.full_times < 1:
        raise ConfigError(f"{source}: returns.full_times must be 1 or more")
    if returns.bounces is not None and not domain_of(normalise(returns.bounces)):
        raise ConfigError(f"{source}: returns.bounces: {returns.bounces!r} is no e-mail address")
    _sending(config, source)
    _relay(config, source)
    _drop_box(config, source)
    if not _is_page(base_url := config.web.base_url):
        meant = f"http://{base_url.rpartition('//')[2]}"
        hint = f"did you mean {meant}?" if _is_page(meant) else "write https://crm.firma.example"
        raise ConfigError(f"{source}: web.base_url: {base_url!r} is no http:// or https:// address; {hint}")


def _drop_box(config: Config, source: str) -> None:
    if config.lmtp is None:
        return
    address = config.lmtp.drop_box
    if address is None and not config.domains:
        raise ConfigError(f"{source}: lmtp.drop_box is missing; it is the address that mail to the CRM is sent to")
    if address is not None and not normalise(address):
        domain = next(iter(config.domains), "firma.example")
        near = f"{address.strip().strip('@')}@{domain}"
        hint = f"did you mean {near}?" if normalise(near) and "@" not in address[:-1] else f"write crm@{domain}"
        raise ConfigError(f"{source}: lmtp.drop_box: {address!r} is no e-mail address; {hint}")


def _is_page(address: str) -> bool:
    """Whether links can be made of it: http or https, a host, perhaps a port and a path, and nothing else."""
    try:
        split = urlsplit(address)
        _ = split.port
    except ValueError:
        return False
    plain = address.isprintable() and " " not in address and not {"?", "#", "@"} & set(address)
    return split.scheme in ("http", "https") and bool(split.hostname) and plain


def _sending(config: Config, source: str) -> None:
    if (named := config.mailboxes.get("smarthost")) is not None and named.submission is not None:
        raise ConfigError(f"{source}: mailboxes.smarthost.submission: give the mailbox another name than smarthost")
    servers = {f"mailboxes.{key}.submission": each.submission for key, each in config.mailboxes.items()}
    for key, server in {"smarthost": config.smarthost, **servers}.items():
        for name in ("connections", "per_connection"):
            if server is not None and getattr(server, name) < 1:
                raise ConfigError(f"{source}: {key}.{name} must be 1 or more")


def _relay(config: Config, source: str) -> None:
    relay = config.relay
    if relay is None:
        return
    host, _, port = relay.listen.rpartition(":")
    if not host or not port.isdecimal():
        raise ConfigError(f"{source}: relay.listen: {relay.listen!r} is no ADDRESS:PORT; write 127.0.0.1:5587")
    if relay.tls == "none" and not is_loopback(host.strip("[]")):
        raise ConfigError(
            f"{source}: relay.tls is none, but {relay.listen} is reached by others, and passwords would cross the"
            ' network in clear text; set tls = "starttls" or "implicit" with cert and key, or listen on 127.0.0.1'
        )
    if relay.tls != "none" and not (relay.cert and relay.key):
        raise ConfigError(f"{source}: relay.tls is {relay.tls}; set relay.cert and relay.key to the files of both")
    for next_ in filter(None, (config.smarthost, *(mailbox.submission for mailbox in config.mailboxes.values()))):
        if next_.port == int(port) != 0 and is_loopback(next_.host) and is_loopback(host.strip("[]")):
            raise ConfigError(f"{source}: relay.listen: mail from {relay.listen} would go to {relay.listen} again")


def is_loopback(host: str) -> bool:
    """True for an address of this machine that no other reaches."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _span(span: str, key: str, source: str) -> None:
    try:
        spans.before(datetime(2026, 1, 1, tzinfo=UTC), span)
    except ValueError as error:
        raise ConfigError(f"{source}: {key}: {error}") from None
