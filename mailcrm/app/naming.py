"""What a definition names that is not in it, and that must be there: users, templates, stages, series."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection

from mailcrm.builtin import parties, variables, writing
from mailcrm.config import Config, Documents
from mailcrm.core.definitions import (
    PURPOSES,
    ActivityStep,
    CampaignDefinition,
    CampaignState,
    CampaignType,
    Definition,
    SequenceDefinition,
    item_of,
    templates_named,
)
from mailcrm.core.documents import Kind
from mailcrm.core.nearest import nearest
from mailcrm.core.validation import Path, Problem
from mailcrm.errors import NotFound, Refused
from mailcrm.store import find, templates, users
from mailcrm.store.templates import NewTemplate

OWNER, CONTACT_OWNER = "owner", "contact-owner"
_DOCUMENTS = {CampaignType.INVOICES: Kind.INVOICE, CampaignType.OFFERS: Kind.OFFER}


def unknown(connection: Connection, config: Config, definition: Definition) -> Iterator[Problem]:
    """The owner, a sequence's users and any templates that there are none of, or that are for something else."""
    for path, name in _users(definition):
        try:
            users.find(connection, name)
        except NotFound as error:
            yield _problem(path, error)
    yield from _templates(connection, definition)
    if isinstance(definition, CampaignDefinition):
        yield from _stage(connection, definition)
        yield from _documents(config.documents, definition)


def _users(definition: Definition) -> Iterator[tuple[Path, str]]:
    if definition.owner is not None:
        yield ("owner",), definition.owner
    if not isinstance(definition, SequenceDefinition):
        return
    for index, step in enumerate(definition.steps):
        key = "assignee" if isinstance(step, ActivityStep) else "sender"
        name = step.assignee if isinstance(step, ActivityStep) else step.sender
        if name and name not in (OWNER, CONTACT_OWNER):
            yield ("step", index, key), name


def _templates(connection: Connection, definition: Definition) -> Iterator[Problem]:
    """Those that there are none of, that are for something else, or speak of what such a flow can't know."""
    item = item_of(definition)
    for path, name in templates_named(definition):
        try:
            new = _template(connection, definition, name)
            for part in (new.subject, new.text, new.html or ""):
                variables.check(part, item)
        except (Refused, NotFound) as error:
            yield _problem(path, error)


def _template(connection: Connection, definition: Definition, name: str) -> NewTemplate:
    """Raises NotFound: there is none of that name. Refused: it is for something else."""
    if not isinstance(definition, CampaignDefinition):
        return writing.mail_template(connection, name).new
    new, wanted = templates.get(connection, name).new, PURPOSES[definition.type]
    if new.purpose not in wanted:
        words = " or ".join(f'for = "{each}"' for each in wanted)
        raise Refused(f'the template {name!r} has for = "{new.purpose}"; name one that has {words}')
    return new


def _stage(connection: Connection, campaign: CampaignDefinition) -> Iterator[Problem]:
    if campaign.stage is None:
        return
    try:
        find.stage_id(connection, campaign.stage)
    except (Refused, NotFound) as error:
        yield _problem(("stage",), error)


def _documents(given: Documents, campaign: CampaignDefinition) -> Iterator[Problem]:
    """A series that there is none of; once it is ready, what of the configuration would be missing in each document."""
    kind = _DOCUMENTS.get(campaign.type)
    if kind is None:
        return
    if campaign.series is not None:
        known = given.series.get(campaign.series)
        if known is None:
            mend = nearest(campaign.series, given.series, "series")
            yield Problem(("series",), f"there is no series {campaign.series!r} of documents", mend)
        elif known.kind != kind:
            yield Problem(("series",), f"the series {campaign.series!r} is of {known.kind}s", "name another")
    if campaign.state is CampaignState.READY:
        exempt = any(line.tax == "exempt" for line in campaign.lines)
        for what in parties.unset(given, kind, parties.seller(given), exempt=exempt):
            yield Problem(("state",), f"is ready, but each {kind} would lack {what}", "write it there")


def _problem(path: Path, error: Refused | NotFound) -> Problem:
    what, _, mend = str(error).partition("; ")
    return Problem(path, what, mend or "name another")
