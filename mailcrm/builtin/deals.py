"""Deals opened and moved: ``deal.create``, ``deal.move``."""

from __future__ import annotations

from mailcrm.builtin import who, whom, words
from mailcrm.builtin.hands import Hands, Outcome, Writer
from mailcrm.core.enrollment import Effect, Subject
from mailcrm.core.given import money, text
from mailcrm.errors import Refused
from mailcrm.store import deals, find, people, pipelines
from mailcrm.store.deals import AnyRow, NewDeal


def create(
    writer: Writer,
    title: str,
    *,
    created_by: str,
    person: int | None = None,
    organization: int | None = None,
    stage: str | None = None,
    owner: int | None = None,
    value: str | None = None,
    currency: str | None = None,
) -> int:
    """Open a deal with a person, an organization, or both (DATA-9); gives its id.

    Args:
        organization: without it, the person's.
        stage: by name; without it, the first of the first pipeline, which is made if there is none.

    Raises:
        Refused: neither person nor organization, no title, a wrong amount or currency.
        NotFound: no such stage.
    """
    if person is None and organization is None:
        raise Refused("a deal is with somebody; say --person or --org")
    amount, code = money(value, currency)
    pipelines.ensure_default(writer.connection)
    if organization is None and person is not None:
        organization = people.rows(writer.connection, [person])[person].organization_id
    stage_id = find.stage_id(writer.connection, stage) if stage else pipelines.first_stage(writer.connection)
    new = NewDeal(
        title=text(title, "the title"),
        stage=stage_id,
        created_by=created_by,
        person=person,
        organization=organization,
        owner=owner,
        value=amount,
        currency=code,
    )
    number = deals.add(writer.connection, new, writer.now)
    tell(writer, "deal.created", number)
    return number


def move(writer: Writer, row: AnyRow, stage: str) -> bool:
    """Move an open deal to another stage of its pipeline; False if it is there. Raises NotFound: no such stage."""
    stage_id = find.stage_id(writer.connection, stage, row.pipeline_id)
    if stage_id == row.stage_id:
        return False
    deals.move(writer.connection, row.id, stage_id, writer.now)
    tell(writer, "deal.moved", row.id)
    return True


def tell(writer: Writer, kind: str, number: int) -> None:
    """Store an event about a deal, as it is now."""
    row = deals.rows(writer.connection, [number])[number]
    writer.emit(kind, {"deal": number, "stage": row.stage}, row.person_id)


def deal_create(hands: Hands, effect: Effect, subject: Subject) -> Outcome:
    """``deal.create {title, stage, value, currency, owner}`` with the person; it is the person's owner's.

    Of a campaign with the contact, the company or both, one for each member; its title may name them (CAMP-21).
    """
    whom.once(hands, subject, lambda: f"deal:{_create(hands, effect, subject)}")
    return Outcome.DONE


def _create(hands: Hands, effect: Effect, subject: Subject) -> int:
    title = effect.args["title"]
    owner = who.user(hands, effect, subject, who.optional(effect, "owner") or "contact-owner")
    found = whom.recipient(hands.connection, subject)
    if found is not None:
        title = words.filled(hands.connection, hands.config, title, subject, owner)
    return create(
        hands,
        title,
        created_by=who.run(effect),
        person=who.person(subject) if found is None else found.person,
        organization=found.organization if found is not None else None,
        stage=who.optional(effect, "stage"),
        owner=owner,
        value=who.optional(effect, "value"),
        currency=who.optional(effect, "currency"),
    )


def deal_move(hands: Hands, effect: Effect, subject: Subject) -> Outcome:
    """``deal.move {stage}``."""
    move(hands, who.deal(hands, effect, subject), effect.args["stage"])
    return Outcome.DONE
