"""``mailcrm mailbox``: the watched mailboxes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mailcrm.cli.context import context, invocation
from mailcrm.cli.options import Json
from mailcrm.cli.output import emit, fault, say

if TYPE_CHECKING:
    from mailcrm.config import Config, Mailbox

app = typer.Typer(no_args_is_help=True, help="The watched mailboxes.")

Name = Annotated[str, typer.Argument(metavar="MAILBOX", help="Its name in the configuration.")]


@app.command("list")
def list_(ctx: typer.Context, as_json: Json = False) -> None:
    """All mailboxes: whose, where, whether they are read, since when they are in step with their server."""
    from mailcrm.store import mailboxes

    built = context(ctx)
    with built.db.read() as connection:
        states = mailboxes.every(connection)
    rows = []
    for state in states:
        configured = built.config.mailboxes.get(state.key)
        server = f"{configured.login}@{configured.host}:{configured.port}" if configured and configured.host else None
        rows.append(
            {
                "mailbox": state.key,
                "users": list(configured.people) if configured else [],
                "server": server,
                "state": state.state,
                "alive_at": state.alive_at,
                "reason": state.reason,
                "waiting": state.waiting,
            }
        )
    emit(rows, as_json, ("mailbox", "users", "server", "state", "alive_at", "reason"))


@app.command("test")
def try_(
    ctx: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="[MAILBOX]…", help="These only; else all.")] = None,
    as_json: Json = False,
) -> None:
    """Connect and log in as the watcher does; each failure says what to do. Reads no mail, stores nothing."""
    from mailcrm import config as configuration
    from mailcrm.errors import MailcrmError
    from mailcrm.mail.imap_folders import chosen, list_folders
    from mailcrm.mail.imap_session import Dialer

    config = configuration.load(invocation(ctx).config)
    tested = names or [key for key, each in config.mailboxes.items() if each.host]
    fed = [] if names else [key for key, each in config.mailboxes.items() if not each.host]
    if fed:
        say(f"not tested: {', '.join(fed)} (no host: fed by `mailcrm ingest` or LMTP alone)")
    if not tested:
        say("no mailbox is read from a server; to have one read, set host, login and password in [mailboxes.NAME]")
        return
    dialer = Dialer(config, timeout=20.0)
    rows, faults = [], []
    for name in tested:
        row: dict[str, object] = {"mailbox": name, "ok": False, "folders": None, "read": None, "extensions": []}
        try:
            mailbox = _on_server(config, name)
            talk = dialer.connect(name, mailbox)
            try:
                folders = list_folders(talk)
                row |= {"ok": True, "folders": len(folders), "read": len(chosen(folders, mailbox))}
                row["extensions"] = [each for each in _WELCOME if each in talk.capabilities]
            finally:
                talk.wire.close()
        except MailcrmError as error:
            row["fault"] = str(error)
            faults.append(str(error))
        rows.append(row)
    emit(rows, as_json, ("mailbox", "ok", "folders", "read", "extensions"))
    for text in faults:
        fault(text)
    if faults:
        raise typer.Exit(1)


# What makes watching quicker where the server has it.
_WELCOME = ("IDLE", "NOTIFY", "CONDSTORE", "QRESYNC", "OBJECTID", "X-GM-EXT-1")


@app.command()
def folders(ctx: typer.Context, name: Name, as_json: Json = False) -> None:
    """The folders on the server: what each is for, and whether it is read (include, exclude)."""
    from mailcrm import config as configuration
    from mailcrm.mail.imap_folders import chosen, list_folders
    from mailcrm.mail.imap_session import Dialer

    config = configuration.load(invocation(ctx).config)
    mailbox = _on_server(config, name)
    talk = Dialer(config, timeout=20.0).connect(name, mailbox)
    try:
        found = list_folders(talk)
    finally:
        talk.wire.close()
    read = {folder.wire for folder in chosen(found, mailbox)}
    rows = [{"folder": each.name, "role": each.role.value, "read": each.wire in read} for each in found]
    emit(rows, as_json, ("folder", "role", "read"))


@app.command()
def pause(
    ctx: typer.Context,
    name: Name,
    reason: Annotated[str, typer.Option(help="Shown by `mailbox list`.")] = "paused by hand",
) -> None:
    """Leave a mailbox alone until it is resumed."""
    from mailcrm.app.pausing import pause as verb

    verb(context(ctx), name, reason)
    say(f"{name} is paused; `mailcrm mailbox resume {name}` goes on")


@app.command()
def resume(ctx: typer.Context, name: Name) -> None:
    """Go on with a paused mailbox, or begin with one that waits after the first look."""
    from mailcrm.app.pausing import resume as verb

    say(f"{name} is {verb(context(ctx), name)} again; it is read by `mailcrm run` or `mailcrm sync`")


@app.command()
def login(ctx: typer.Context, name: Name) -> None:
    """Log in at the mail provider with a code typed in on its page (OAuth2 device flow)."""
    from mailcrm import config as configuration
    from mailcrm.errors import Refused
    from mailcrm.mail.oauth_device import await_consent, invite

    config = configuration.load(invocation(ctx).config)
    mailbox = _on_server(config, name)
    key = f"mailboxes.{name}.oauth"
    if mailbox.oauth is None:
        raise Refused(f"mailboxes.{name} logs in by password; add [{key}] with client_id, device_url and token_url")
    if mailbox.oauth.command:
        raise Refused(f"{key}.command brings the tokens; log in with that program")
    invitation = invite(mailbox.oauth, config, key)
    say(f"Open {invitation.page} and type the code {invitation.user_code} as {mailbox.login}.")
    if invitation.direct:
        say(f"Or open {invitation.direct}")
    say(f"Waiting for up to {invitation.expires_in / 60:.0f} minutes …")
    await_consent(mailbox.oauth, config, key, invitation)
    say(f"{name} is logged in; `mailcrm mailbox test {name}` tries it")


def _on_server(config: Config, name: str) -> Mailbox:
    """A configured mailbox that lies on an IMAP server. Raises NotFound, Refused."""
    from mailcrm.errors import NotFound, Refused

    mailbox = config.mailboxes.get(name)
    if mailbox is None:
        known = ", ".join(config.mailboxes) or "none"
        raise NotFound(f"no mailbox {name!r}; configured are: {known}")
    if not mailbox.host:
        raise Refused(f"mailboxes.{name} has no host: it is fed by `mailcrm ingest` or LMTP alone")
    return mailbox
