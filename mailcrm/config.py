"""config.toml -> frozen structs. An unknown key is an error that names the nearest known one."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec

from mailcrm import config_checks
from mailcrm.config_documents import Documents as Documents
from mailcrm.config_documents import Series as Series
from mailcrm.config_sending import Dkim as Dkim
from mailcrm.config_sending import Limits as Limits
from mailcrm.config_sending import OAuth as OAuth
from mailcrm.config_sending import Relay as Relay
from mailcrm.config_sending import Returns as Returns
from mailcrm.config_sending import Submission as Submission
from mailcrm.config_sending import Tracking as Tracking
from mailcrm.config_types import Secret as Secret
from mailcrm.config_types import Struct as Struct
from mailcrm.config_types import Tls as Tls
from mailcrm.core import calendar, config_keys
from mailcrm.errors import ConfigError


class Hours(Struct, frozen=True):
    """When a rep works; see ``core.calendar.week``. ``holidays`` is whose public holidays are free: PL, DE-BY."""

    hours: str | Mapping[str, str]
    days: tuple[str, ...] | None = None
    holidays: str = ""


class User(Struct, frozen=True):
    """One of ours: a sales rep.

    Args:
        language: what he is written in; None goes by his time zone.
        tracking: false: openings and clicks of his mail are never told, whatever ``[tracking]`` says.
        track_by_hand: true: also those of mail that he hands in at the relay himself, where ``[tracking]`` allows it.
    """

    email: str
    name: str = ""
    aliases: tuple[str, ...] = ()
    time_zone: str = "Europe/Warsaw"
    language: Literal["en", "pl"] | None = None
    signature: str = ""
    permissions: tuple[str, ...] = ()
    working_hours: Hours | None = None
    tracking: bool = True
    track_by_hand: bool = False

    @property
    def zone(self) -> ZoneInfo:
        """His time zone."""
        return ZoneInfo(self.time_zone)

    def hours(self) -> calendar.WorkingHours | None:
        """When he works; None: always. Raises ValueError for what are no hours, days or country."""
        if (given := self.working_hours) is None:
            return None
        if given.holidays:
            calendar.check_holidays(given.holidays)
        return calendar.WorkingHours(calendar.week(given.hours, given.days), self.zone, given.holidays)


class Mailbox(Struct, frozen=True):
    """An existing mail account that is watched, or one without a server (``host`` absent) fed by files or LMTP.

    ``include`` and ``exclude`` are folder names or patterns (``Archive/*``). ``daily_megabytes`` paces the first
    pass (0 is no pacing; Gmail is paced at 500 by itself).
    """

    user: str | None = None
    members: tuple[str, ...] = ()
    host: str | None = None
    port: int = 993
    tls: Tls = "implicit"
    tls_ca: str | None = None
    login: str = ""
    password: str | Secret | None = None
    oauth: OAuth | None = None
    create_persons: Literal["received+sent", "sent", "none"] = "received+sent"
    backfill_since: str = "1y"
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    choice_folders: bool = False
    choice_keywords: bool = True
    shared: bool = False
    drop_box: bool = False
    poll: str = "5m"
    daily_megabytes: int = 0
    submission: Submission | None = None

    @property
    def people(self) -> tuple[str, ...]:
        """Keys of the users whose mailbox it is."""
        return (self.user,) if self.user else self.members


class Server(Struct, frozen=True, kw_only=True):
    """All mailboxes of one Dovecot server by its master user: one mailbox for each user of ours, named after him.

    ``login`` is the account's name there, made of ``{email}``, ``{local}`` (what stands before the @) or ``{key}``.
    ``users`` are keys of ours; without any, everybody.
    """

    host: str
    port: int = 993
    tls: Tls = "implicit"
    tls_ca: str | None = None
    master: str
    password: str | Secret
    separator: str = "*"
    login: str = "{email}"
    users: tuple[str, ...] = ()


class Lmtp(Struct, frozen=True):
    """Where mail is handed in by LMTP: the drop-box and answers to questions."""

    listen: str = "127.0.0.1:5524"
    drop_box: str | None = None


class Web(Struct, frozen=True):
    """The web app: choice pages, the delivery hook, health."""

    listen: str = "127.0.0.1:8080"
    base_url: str = "http://127.0.0.1:8080"
    secret: str | Secret | None = None


class Linking(Struct, frozen=True):
    """The settings of linking; see docs/linking.md."""

    gmail_dots: bool = False
    organization_deals: bool = True
    blocklist: tuple[str, ...] = ()
    authserv_id: str | None = None
    require_dmarc: bool = True
    questions_a_day: int = 3
    history_days: int = 7
    first_sight: int = 1000


class Sequences(Struct, frozen=True):
    """The limits of one sequence: its steps, and its items, those who are through included."""

    max_steps: int = 10
    max_items: int = 250


class Outside(Struct, frozen=True):
    """Requests that flows and plugins make of other programs.

    Args:
        allow: addresses and networks that may be asked though they are not public, and over plain HTTP.
        seconds: how long a request may take.
    """

    allow: tuple[str, ...] = ()
    seconds: float = 10.0

    @property
    def networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """``allow``, read. Raises ValueError for what is no address or network."""
        return tuple(ip_network(each) for each in self.allow)


class Retention(Struct, frozen=True):
    """How long things are kept; absent is for ever, but for the history of flows (WF-15)."""

    history: str = "1mo"
    unlinked_bodies: str | None = None
    quarantine: str | None = None
    expunged: str | None = None
    hits: str | None = None
    letters: str | None = None


class Plugins(Struct, frozen=True):
    """Which plugins run and what they are told."""

    folder: str | None = None
    block: tuple[str, ...] = ()
    config: Mapping[str, Mapping[str, Any]] = {}


class Parsing(Struct, frozen=True):
    """Bounds on one message; beyond them it goes to quarantine."""

    seconds: float = 20.0
    max_bytes: int = 200_000_000
    max_parts: int = 2_000
    max_depth: int = 50


class Config(Struct, frozen=True):
    """The whole file. ``base`` is the folder that relative paths are relative to."""

    database: str = "sqlite:///mailcrm.db"
    data_dir: str = "data"
    domains: tuple[str, ...] = ()
    require_permission: bool = False
    users: Mapping[str, User] = {}
    mailboxes: Mapping[str, Mailbox] = {}
    servers: Mapping[str, Server] = {}
    smarthost: Submission | None = None
    dkim: Mapping[str, Dkim] = {}
    relay: Relay | None = None
    lmtp: Lmtp | None = None
    web: Web = Web()
    linking: Linking = Linking()
    parsing: Parsing = Parsing()
    limits: Limits = Limits()
    returns: Returns = Returns()
    tracking: Tracking = Tracking()
    sequences: Sequences = Sequences()
    documents: Documents = Documents()
    outside: Outside = Outside()
    retention: Retention = Retention()
    plugins: Plugins = Plugins()
    base: str = "."

    def path(self, relative: str) -> Path:
        """A configured path, made absolute."""
        return (Path(self.base) / relative).absolute()

    @property
    def data(self) -> Path:
        """The folder for attachments and quarantined mail."""
        return self.path(self.data_dir)

    def secret(self, value: str | Secret, key: str) -> str:
        """The text of a password or token. Raises ConfigError naming ``key``."""
        return value if isinstance(value, str) else value.reveal(Path(self.base), key)

    def database_url(self) -> str:
        """The database URL with a relative SQLite path made absolute."""
        prefix = "sqlite:///"
        if self.database.startswith(prefix) and not self.database.startswith("sqlite:////"):
            return prefix + str(self.path(self.database.removeprefix(prefix)))
        return self.database


def load(path: Path) -> Config:
    """Read and check a configuration file.

    Raises:
        ConfigError: it can't be read, is not TOML, has an unknown key or a wrong value; the text names the key.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist; `mailcrm init` writes one, `--config FILE` names another") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"can't read {path}: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None
    if "base" in data:
        raise ConfigError(f"{path}: unknown key base")
    return parse(data, base=path.parent, source=str(path))


def parse(data: dict[str, Any], *, base: Path, source: str = "config.toml") -> Config:
    """Turn the tables of a TOML file into a checked Config.

    Raises:
        ConfigError: see ``load``.
    """
    config_keys.refuse_unknown(data, Config, "", source)
    try:
        config = msgspec.convert({**data, "base": str(base)}, Config)
    except msgspec.ValidationError:
        raise ConfigError(f"{source}: {config_keys.misfit(data, Config)}") from None
    config = msgspec.structs.replace(config, mailboxes={**config.mailboxes, **_served(config, source)})
    config_checks.check(config, source)
    return config


def _served(config: Config, source: str) -> dict[str, Mailbox]:
    """The mailboxes that master users open."""
    found: dict[str, Mailbox] = {}
    for name, server in config.servers.items():
        for key in server.users or tuple(config.users):
            if key not in config.users:
                raise ConfigError(
                    f"{source}: servers.{name}.users names {key!r}, who is not configured; add [users.{key}]"
                )
            if key in config.mailboxes or key in found:
                raise ConfigError(f"{source}: servers.{name} and another section both have a mailbox {key}; keep one")
            email = config.users[key].email
            account = server.login.format(email=email, local=email.partition("@")[0], key=key)
            found[key] = Mailbox(
                user=key,
                host=server.host,
                port=server.port,
                tls=server.tls,
                tls_ca=server.tls_ca,
                login=f"{account}{server.separator}{server.master}",
                password=server.password,
            )
    return found
