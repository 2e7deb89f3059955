"""Which flows use a template, and what it has to be for them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from mailcrm.core.definitions import PURPOSES, CampaignType, Purpose, templates_in
from mailcrm.core.flow import FlowKind
from mailcrm.store import campaigns, flows
from mailcrm.store.flows import StoredFlow

MAIL = tuple(purpose for purpose in Purpose if purpose is not Purpose.CALL)
"""What the template of a letter may be for."""


@dataclass(frozen=True, slots=True)
class Use:
    """A flow that uses a template.

    Args:
        item: what its letters are about: ``core.definitions.item_of``.
        purposes: what the template may be for.
    """

    flow: StoredFlow
    item: str
    purposes: tuple[Purpose, ...]


def used_by(connection: Connection, name: str) -> list[Use]:
    """The flows that use a template: in their current version, or in an older one that somebody still walks.

    A sequence is always walked in its current one. A campaign uses it until it is over.
    """
    current = {stored.id: (stored, text) for stored, text in flows.current(connection, tuple(FlowKind))}
    for number, course in campaigns.courses(connection, current).items():
        if course.stopped_at is not None or course.ended_at is not None:
            del current[number]
    texts = list(current.values())
    for number, version in flows.walked(connection):
        stored, _ = current.get(number, (None, ""))
        if stored is not None and stored.version != version and stored.kind is not FlowKind.SEQUENCE:
            texts.append((stored, flows.text(connection, number, version)))
    read = ((stored, tomllib.loads(text)) for stored, text in texts)
    return list({stored.id: _use(stored, data) for stored, data in read if name in templates_in(data)}.values())


def _use(stored: StoredFlow, data: Mapping[str, Any]) -> Use:
    if stored.kind is FlowKind.CAMPAIGN:
        kind = CampaignType(data["type"])
        return Use(stored, kind.value, PURPOSES[kind])
    return Use(stored, stored.item, MAIL)
