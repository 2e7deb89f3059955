"""The command line's root. What a command needs is imported when it is called: ``--help`` must stay quick."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from mailcrm.cli.context import Invocation
from mailcrm.cli.output import fault
from mailcrm.errors import MailcrmError

# name -> (the module that holds its ``app``, one line of help), in the order of ``--help``
COMMANDS = {
    "init": ("init", "Write a commented config.toml with strict defaults and fresh secrets."),
    "check": ("check", "Examine the installation; each fault with its mend."),
    "run": ("run", "Watch the mailboxes, link what comes, serve the web app."),
    "sync": ("sync", "Read every mailbox once, then exit."),
    "tick": ("tick", "Do everything that is due, once, then exit."),
    "db": ("db", "Upgrade, back up, restore the database."),
    "mailbox": ("mailbox", "Mailboxes: list, test, folders, pause, resume, login."),
    "user": ("user", "Our users: list, disable, password."),
    "ingest": ("ingest", "Take in mail from files, without a server."),
    "parse": ("parse", "Show what is seen in mail files; stores nothing."),
    "quarantine": ("quarantine", "Mail that could not be read: list, show, retry."),
    "import": ("importing", "Import persons, organizations, deals, leads from CSV or Excel."),
    "person": ("person", "Persons."),
    "org": ("org", "Organizations."),
    "deal": ("deal", "Deals."),
    "lead": ("lead", "Leads."),
    "activity": ("activity", "Activities: calls, meetings, tasks of any type."),
    "note": ("note", "Notes."),
    "document": ("document", "Invoices and offers."),
    "pipeline": ("pipeline", "Pipelines and their stages."),
    "tag": ("tag", "Tag persons."),
    "field": ("field", "Custom fields."),
    "thread": ("thread", "Threads: list, show, split, merge, share, private."),
    "message": ("message", "Messages: list, show."),
    "choice": ("choice", "Questions about which deal a thread belongs to."),
    "choose": ("choose", "Answer such a question."),
    "why": ("why", "Why a message is linked to what it is linked to."),
    "relink": ("relink", "Judge stored threads anew."),
    "sequence": ("sequence", "Sequences: steps that deals and leads go through."),
    "consent": ("consent", "A user's consent that a flow sends mail in his name: grant, revoke, list, ask."),
    "pulse": ("pulse", "What a rep is to know or do: drafts to send, mail that goes by itself."),
    "workflow": ("workflow", "Workflows and rules: what becomes of persons when something happens."),
    "campaign": ("campaign", "Campaigns: one action done for many at once, with what came of it."),
    "template": ("template", "Templates of letters: list, show, apply, preview, send-to-me, remove."),
    "outbox": ("outbox", "Outgoing mail: list, show, retry, hold, release."),
    "suppression": ("suppression", "Addresses that get no automatic mail: list, add, remove, review."),
    "permission": ("permission", "Recipients' permission to be written to: list, grant, withdraw."),
    "event": ("event", "Events: their kinds, and emitting one."),
    "plugin": ("plugin", "Plugins: list, new, test, parked, retry."),
    "stats": ("stats", "Deals, mail, flows and campaigns in figures."),
    "erase": ("erase", "Erase a person, and remember not to store him again."),
    "export": ("export", "Everything stored about a person."),
}
# faults of the machine that may meet any command
_MENDS = {
    errno.ENOSPC: "make room on that disk",
    errno.EDQUOT: "make room, or have this user's quota raised",
    errno.EACCES: "give this user the right to it",
    errno.EROFS: "make that disk writable",
}
_COMPLETION = {"install_completion", "show_completion"}


class Lazy(TyperGroup):
    """A group whose commands are known by name and help, and imported when one is called."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for name, (_, text) in COMMANDS.items():
            self.add_command(TyperCommand(name, help=text, short_help=text))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Replace the stand-in by the real command."""
        name, command, rest = super().resolve_command(ctx, args)
        if name is None or command is None:
            return name, command, rest
        module = importlib.import_module(f"mailcrm.cli.{COMMANDS[name][0]}")
        real = typer.main.get_command(module.app)
        real.params = [each for each in real.params if each.name not in _COMPLETION]  # each is a root to Typer
        _plain(real)
        return name, real, rest


def _plain(command: Any) -> None:
    """Have help and errors of a command, and of those in it, written without frames, and no line of a list cut."""
    command.rich_markup_mode = None
    for each in getattr(command, "commands", {}).values():
        each.short_help = " ".join((each.help or "").partition("\n\n")[0].split())
        _plain(each)


root = typer.Typer(
    cls=Lazy,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"mailcrm {version('mailcrm')}")
        raise typer.Exit


def _time(given: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(given) if given else None
    except ValueError:
        raise typer.BadParameter(f"{given!r} is no ISO 8601 time, such as 2026-03-01T09:00:00Z") from None


@root.callback()
def _options(
    ctx: typer.Context,
    config: Annotated[Path, typer.Option(envvar="MAILCRM_CONFIG", help="The configuration.")] = Path("config.toml"),
    as_user: Annotated[str | None, typer.Option("--as", metavar="USER", help="Who acts: key, e-mail or id.")] = None,
    now: Annotated[str | None, typer.Option(metavar="TIME", help="The clock of this command (ISO 8601).")] = None,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it.")] = False,  # noqa: ARG001
) -> None:
    """A CRM rules engine for the mail stack you already run."""
    ctx.obj = Invocation(config=config, as_user=as_user, now=_time(now))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line.

    Returns:
        The exit code: 0 done, 1 refused or failed (one line on standard error), 2 wrong usage.
    """
    os.umask(0o077)  # what we write is about people's mail
    try:
        typer.main.get_command(root).main(arguments, prog_name="mailcrm")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except MailcrmError as error:
        fault(str(error))
        code = 1
    except OSError as error:
        if error.errno not in _MENDS:
            raise
        fault(f"{error.filename or 'a file'}: {error.strerror}; {_MENDS[error.errno]}, then do it again")
        code = 1
    else:
        code = 0
    return code if _flushed() else 1


def _flushed() -> bool:
    """Whether the reader took all our output. One who left (``| head``) must not make Python complain at its end."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
