"""What ``mailcrm check`` looks at. Each probe says what it found; a fault's text says how to mend it."""

from __future__ import annotations

import ipaddress
import socket
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from mailcrm.app.handover import SMARTHOST
from mailcrm.builtin import parties
from mailcrm.config import Config, Mailbox, Submission
from mailcrm.core.documents import Kind
from mailcrm.errors import ConfigError, MailcrmError, Permanent
from mailcrm.mail import dkim, dkim_record, relay_server
from mailcrm.mail.dkim_record import Lookup
from mailcrm.mail.imap_folders import chosen, list_folders
from mailcrm.mail.imap_session import Dialer
from mailcrm.mail.smtp_out import SmtpTransport
from mailcrm.main import load_plugins
from mailcrm.store import mailboxes, migrate, places, sender_holds, snapshot, standstill
from mailcrm.store.db import Database

_SECONDS = 15.0
_RESERVED = (".example", ".test", ".invalid", ".localhost")  # RFC 6761: such names never resolve


@dataclass(frozen=True, slots=True)
class Finding:
    """What a probe found. ``note`` is no fault: something that is not used, or could not be told."""

    check: str
    state: Literal["ok", "note", "fault"]
    text: str = ""


def examine(
    config: Config, lookup: Lookup = dkim_record.looked_up, *, now: datetime | None = None
) -> Iterator[Finding]:
    """Every probe, the quick ones first. Reads no mail and changes nothing but what the first use would."""
    yield from _users(config)
    yield from _folder(config.data)
    yield from _guarded("web.secret", lambda: _secret(config))
    yield from _database(config, now or datetime.now(UTC))
    problems = load_plugins(config).problems()
    yield from [Finding("plugins", "fault", problem) for problem in problems] or [Finding("plugins", "ok")]
    yield from _name(config)
    yield from _smarthost(config)
    for name, each in config.mailboxes.items():
        if each.submission is not None:
            yield from _submission(config, name, each.submission)
    yield from _dkim(config, lookup)
    yield from _drop_box(config)
    yield from _relay(config)
    yield from _documents(config)
    watched = [(key, each) for key, each in config.mailboxes.items() if each.host]
    if not watched:
        yield Finding("mailboxes", "note", "none is watched; add [mailboxes.NAME] with host, login and password")
    dialer = Dialer(config, timeout=_SECONDS)
    with ThreadPoolExecutor(8) as pool:
        for findings in pool.map(lambda item: list(_mailbox(dialer, *item)), watched):
            yield from findings


def _users(config: Config) -> Iterator[Finding]:
    if config.users:
        yield Finding("users", "ok", ", ".join(config.users))
    else:
        yield Finding("users", "fault", "there is nobody; add [users.NAME] with an email for each of you")
    if not config.domains:
        yield Finding("domains", "fault", 'none is ours, so colleagues become persons; set domains = ["firma.example"]')


def _folder(folder: Path) -> Iterator[Finding]:
    try:
        places.see_to_data(folder)
    except ConfigError as error:
        yield Finding("data_dir", "fault", str(error))
        return
    if folder.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield Finding("data_dir", "note", f"others may look into {folder}; `chmod 700 {folder}` keeps them out")
    else:
        yield Finding("data_dir", "ok", str(folder))


def _secret(config: Config) -> str:
    if config.web.secret is None:
        return "kept in data_dir"
    length = len(config.secret(config.web.secret, "web.secret"))
    if length < 16:
        raise MailcrmError(f"web.secret has {length} characters; take 32 random ones, as `mailcrm init` does")
    return ""


def _database(config: Config, now: datetime) -> Iterator[Finding]:
    database = Database(config.database_url())
    try:
        places.see_to_file(database)
        with database.read() as connection:
            migrate.is_current(connection)
            states = mailboxes.every(connection) if database.engine.dialect.has_table(connection, "mailbox") else []
            made = database.engine.dialect.has_table(connection, "sender_hold")
            held = list(_held(connection, now)) if made else []
    except Permanent as error:
        yield Finding("database", "fault", str(error))
        return
    except (MailcrmError, SQLAlchemyError) as error:
        reason = str(error).strip().splitlines()[0]
        yield Finding("database", "fault", f"{reason}; see the key database, and that its server runs")
        return
    finally:
        database.close()
    file = snapshot.file_of(database)
    if file is not None and file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield Finding("database", "fault", f"others may read {file}, and it holds mail; `chmod 600 {file}`")
    else:
        yield Finding("database", "ok", "SQLite" if database.is_sqlite else "PostgreSQL")
    yield from held
    for state in states:
        if state.state in ("paused", "waiting"):
            because = f" ({state.reason})" if state.reason else ""
            mend = f"`mailcrm mailbox resume {state.key}`"
            yield Finding(f"mailbox {state.key}", "fault", f"is {state.state}{because}, so it is not read; {mend}")


def _held(connection: Connection, now: datetime) -> Iterator[Finding]:
    """What stands still until somebody releases it."""
    if everything := standstill.of(connection):
        mend = "`mailcrm outbox release`, after a look at `mailcrm outbox list`"
        yield Finding("outbox", "fault", f"everything is held: {everything.reason}; {mend}")
    for each in sender_holds.every(connection, now):
        mend = f"mend that, then `mailcrm outbox release --sender {each.user}`"
        yield Finding("outbox", "fault", f"the mail of {each.user} is held: {each.reason}; {mend}")


def _name(config: Config) -> Iterator[Finding]:
    """The host of ``web.base_url``: it stands in links that reps open."""
    host = urlsplit(config.web.base_url).hostname
    if not host:
        yield Finding("DNS", "fault", f"web.base_url {config.web.base_url!r} names no host; write it as https://HOST")
        return
    if _is_loopback(host):
        yield Finding("DNS", "note", f"web.base_url names {host}: links in questions open on this machine alone")
        return
    try:
        socket.getaddrinfo(host, None)
    except socket.gaierror as error:
        sure = error.errno == socket.EAI_NONAME and not host.endswith(_RESERVED)
        mend = f"{host} of web.base_url can't be found: {error.strerror}; make it a name in DNS, or name another"
        yield Finding("DNS", "fault" if sure else "note", mend)
    else:
        yield Finding("DNS", "ok", host)


def _smarthost(config: Config) -> Iterator[Finding]:
    if config.smarthost is None:
        yield Finding("smarthost", "note", "none, so questions to reps wait in the outbox; set smarthost.host")
        return
    yield from _clear_text("smarthost", config.smarthost)
    yield from _guarded("smarthost", lambda: _sending(config, SMARTHOST))


def _submission(config: Config, key: str, server: Submission) -> Iterator[Finding]:
    yield from _clear_text(f"mailboxes.{key}.submission", server)
    yield from _guarded(f"submission {key}", lambda: _sending(config, key))


def _sending(config: Config, route: str) -> str:
    SmtpTransport(config).probe(route)
    return ""


def _dkim(config: Config, lookup: Lookup) -> Iterator[Finding]:
    for domain, settings in config.dkim.items():
        try:
            key = dkim.load(config, domain, settings)
        except MailcrmError as error:
            yield Finding(f"DKIM {domain}", "fault", str(error))
        else:
            yield Finding(f"DKIM {domain}", *dkim_record.published(key, lookup))


def _drop_box(config: Config) -> Iterator[Finding]:
    if config.lmtp is not None:
        yield from _listening("drop-box", "lmtp.listen", config.lmtp.listen, "127.0.0.1:5524")


def _relay(config: Config) -> Iterator[Finding]:
    if config.relay is None:
        yield Finding("relay", "note", "none, so nobody hands in mail here; add [relay]")
        return
    try:
        relay_server.rules(config.relay, config.path, lambda: datetime.now(UTC), "")
    except ConfigError as error:
        yield Finding("relay", "fault", str(error))
        return
    yield from _listening("relay", "relay.listen", config.relay.listen, "127.0.0.1:5587")


def _documents(config: Config) -> Iterator[Finding]:
    given = config.documents
    if missing := parties.unset(given, Kind.INVOICE, parties.seller(given), exempt=False) if given.name else ():
        yield Finding("documents", "note", f"no invoice can be issued without {'; '.join(missing)}")
    if given.font is not None:
        yield from _guarded("documents.font", lambda: _font(config))


def _font(config: Config) -> str:
    from mailcrm.app.document_fonts import fonts

    found = fonts(config)
    return ", ".join(dict.fromkeys(face.whole.name for face in (found.regular, found.bold)))


def _listening(check: str, key: str, listen: str, example: str) -> Iterator[Finding]:
    host, _, port = listen.rpartition(":")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.create_server((host.strip("[]"), int(port)), family=family):
            pass
    except ValueError:
        yield Finding(check, "fault", f"{key} {listen!r} is no ADDRESS:PORT; write {example}")
    except OSError:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=2).close()
        except OSError as error:
            mend = "name an address of this machine and a free port"
            yield Finding(check, "fault", f"{key} {listen} can't be used: {error}; {mend}")
        else:
            yield Finding(check, "ok", f"somebody listens at {listen}")
    else:
        yield Finding(check, "note", f"nobody listens at {listen} now; `mailcrm run` does")


def _mailbox(dialer: Dialer, key: str, mailbox: Mailbox) -> Iterator[Finding]:
    yield from _clear_text(f"mailboxes.{key}", mailbox)

    def connect() -> str:
        talk = dialer.connect(key, mailbox)
        try:
            return f"{len(chosen(list_folders(talk), mailbox))} folders are read"
        finally:
            talk.wire.close()

    yield from _guarded(f"mailbox {key}", connect)


def _clear_text(name: str, server: Mailbox | Submission) -> Iterator[Finding]:
    if server.tls == "none" and server.login and not _is_loopback(server.host or ""):
        mend = 'set tls = "starttls" or "implicit"'
        yield Finding(name, "fault", f"{name}.tls is none, so the password crosses the network in clear text; {mend}")


def _guarded(check: str, probe: Callable[[], str]) -> Iterator[Finding]:
    try:
        yield Finding(check, "ok", probe())
    except MailcrmError as error:
        yield Finding(check, "fault", str(error))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
