"""``mailcrm plugin``: list, new, test, parked, retry."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from mailcrm import config as configuration
from mailcrm import testing
from mailcrm.cli.context import context, invocation
from mailcrm.cli.options import Json
from mailcrm.cli.output import emit, say
from mailcrm.cli.skeleton import PLUGIN, TEST
from mailcrm.core.plural import counted
from mailcrm.errors import NotFound, Refused
from mailcrm.plugins.find import Found, find, from_file
from mailcrm.store import events, faults
from mailcrm.store.events import Backlog

app = typer.Typer(no_args_is_help=True, help="Plugins: list, new, test, parked, retry.")
Name = Annotated[str, typer.Argument(metavar="NAME", help="The plugin's name.")]


@app.command("list")
def list_(ctx: typer.Context, as_json: Json = False) -> None:
    """List the plugins, those kept out too: what each brings, the events that wait for it, how often it failed."""
    built = context(ctx)
    with built.db.read() as connection:
        backlogs, failed = events.backlogs(connection), faults.known(connection)
    listing = built.plugins.listing()
    rows = [
        {
            "name": listed.name,
            "state": listed.state,
            "place": str(listed.place),
            "hooks": listed.hooks,
            "brings": listed.brings,
            "waiting": backlogs.get(listed.name, Backlog()).waiting,
            "parked": backlogs.get(listed.name, Backlog()).parked,
            "failures": failed[listed.name].count if listed.name in failed else 0,
            "reason": listed.reason,
            "error": failed[listed.name].error if listed.name in failed else "",
            "failed_at": failed[listed.name].at if listed.name in failed else None,
            "where": listed.where,
        }
        for listed in listing
    ]
    for name in sorted(backlogs.keys() - {listed.name for listed in listing}):
        backlog = backlogs[name]
        reason = "it is not here any more; its events wait for it"
        rows.append(
            {"name": name, "state": "gone", "waiting": backlog.waiting, "parked": backlog.parked, "reason": reason}
        )
    emit(rows, as_json, ["name", "state", "place", "hooks", "brings", "waiting", "parked", "failures", "reason"])


@app.command()
def new(
    ctx: typer.Context,
    name: Name,
    folder: Annotated[Path | None, typer.Option(help="Where to; absent: the configured plugins.folder.")] = None,
) -> None:
    """Write the skeleton of a plugin and its test."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,99}", name):
        raise Refused(f"{name!r} can't be the name of a plugin; use lower-case letters, digits and _")
    folder = folder or _folder(_config(ctx))
    if folder is None:
        raise Refused("no folder for plugins is configured; set plugins.folder, or give --folder")
    files = {folder / f"{name}.py": PLUGIN, folder / f"test_{name}.py": TEST}
    for file in files:
        if file.exists():
            raise Refused(f"{file} exists; take another name")
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in files.items():
        file.write_text(text.replace("NAME", name), encoding="utf-8")
        typer.echo(file)
    say(f"try it: `mailcrm plugin test {folder / name}.py`, `pytest {folder}/test_{name}.py`")


@app.command("test")
def try_(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The plugin's name, or its file.")],
    as_json: Json = False,
) -> None:
    """Load one plugin strictly and call its hooks with samples; on_start and on_event really do what they do."""
    config = _config(ctx)
    found = _found(name, _folder(config))
    host = testing.only(found, config.plugins.config.get(found.name), base=Path(config.base))
    with tempfile.TemporaryDirectory(prefix="mailcrm-plugin-") as folder:
        rows = [
            {"hook": trial.hook, "sample": trial.sample, "answer": trial.said, "failed": trial.failed}
            for trial in testing.trials(host, Path(folder))
        ]
    emit(rows, as_json, ["hook", "sample", "answer", "failed"])
    failed = sum(bool(row["failed"]) for row in rows)
    if failed:
        raise Refused(f"{found.name} failed {failed} of {counted(len(rows), 'call')}; see the column `failed`")
    say(f"{found.name} stood {counted(len(rows), 'call')}")


@app.command()
def parked(ctx: typer.Context, name: Name, as_json: Json = False) -> None:
    """List the events that a plugin failed three times, each with the last error."""
    with context(ctx).db.read() as connection:
        rows = [
            {"id": event.id, "at": event.at, "kind": event.kind, "person": event.person, "error": error}
            for event, error in events.parked(connection, name)
        ]
    emit(rows, as_json, ["id", "at", "kind", "person", "error"])


@app.command()
def retry(ctx: typer.Context, name: Name) -> None:
    """Take up a plugin's parked events again."""
    built = context(ctx)
    with built.db.write() as connection:
        known = {listed.name for listed in built.plugins.listing()} | events.backlogs(connection).keys()
        if name not in known:
            raise NotFound(f"there is no plugin {name!r}; `mailcrm plugin list` shows them")
        count = events.retry(connection, name, built.clock())
    if count:
        built.changed()
    say(f"{name} will be told {counted(count, 'event')} again" if count else f"{name} has no parked events")


def _config(ctx: typer.Context) -> configuration.Config:
    """The configuration; a plugin can be written and tried before there is one."""
    file = invocation(ctx).config
    return configuration.load(file) if file.exists() else configuration.Config()


def _folder(config: configuration.Config) -> Path | None:
    return config.path(config.plugins.folder) if config.plugins.folder else None


def _found(name: str, folder: Path | None) -> Found:
    if name.endswith(".py"):
        if not Path(name).is_file():
            raise NotFound(f"there is no file {name}")
        return from_file(Path(name))
    plugins = {found.name: found for found in find(folder)}
    if name not in plugins:
        raise NotFound(f"there is no plugin {name!r}; there are: {', '.join(sorted(plugins)) or 'none'}")
    return plugins[name]
