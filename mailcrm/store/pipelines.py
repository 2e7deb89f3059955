"""Pipelines and their stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, insert, select, update

from mailcrm.errors import Refused
from mailcrm.store.db import insert_new
from mailcrm.store.tables import deal, pipeline, stage

DEFAULT_PIPELINE = "Sales"
DEFAULT_STAGES = ("New", "Contacted", "Meeting", "Offer", "Negotiation")


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A pipeline with its stages' names in order."""

    id: int
    name: str
    stages: tuple[str, ...]


def every(connection: Connection) -> list[Pipeline]:
    """All pipelines, the first one made first."""
    query = (
        select(pipeline.c.id, pipeline.c.name, stage.c.name)
        .join(stage, (stage.c.pipeline_id == pipeline.c.id) & stage.c.removed_at.is_(None), isouter=True)
        .order_by(pipeline.c.id, stage.c.position)
    )
    found: dict[tuple[int, str], list[str]] = {}
    for number, name, stage_name in connection.execute(query):
        found.setdefault((number, name), []).extend([stage_name] if stage_name else [])
    return [Pipeline(number, name, tuple(stages)) for (number, name), stages in found.items()]


def ensure_default(connection: Connection) -> None:
    """Make the first pipeline, of five stages, where there is none at all."""
    if connection.execute(select(pipeline.c.id).limit(1)).first() is None:
        number = _pipeline(connection, DEFAULT_PIPELINE)
        rows = [
            {"pipeline_id": number, "name": name, "position": place} for place, name in enumerate(DEFAULT_STAGES, 1)
        ]
        connection.execute(insert_new(connection, stage), rows)


def first_stage(connection: Connection) -> int:
    """The stage where a new deal starts: the first of the first pipeline, which is made if there is none."""
    ensure_default(connection)
    query = (
        select(stage.c.id).where(stage.c.removed_at.is_(None)).order_by(stage.c.pipeline_id, stage.c.position).limit(1)
    )
    return int(connection.execute(query).scalar_one())


def pipeline_of(connection: Connection, stage_id: int) -> int:
    """The pipeline that a stage belongs to."""
    return int(connection.execute(select(stage.c.pipeline_id).where(stage.c.id == stage_id)).scalar_one())


def apply(connection: Connection, name: str, stages: Sequence[str], now: datetime) -> None:
    """Make the pipeline of this name have exactly these stages, in this order.

    A stage that goes away stays known for the closed deals that ended there.

    Raises:
        Refused: a stage that would go away holds open deals.
    """
    number = _pipeline(connection, name)
    stored = {
        row.name: row
        for row in connection.execute(
            select(stage.c.id, stage.c.name, stage.c.removed_at).where(stage.c.pipeline_id == number)
        )
    }
    going = [row for row in stored.values() if row.name not in stages and row.removed_at is None]
    held = connection.execute(
        select(stage.c.name, func.count())
        .join(deal, deal.c.stage_id == stage.c.id)
        .where(stage.c.id.in_([row.id for row in going]), deal.c.status == "open", deal.c.removed_at.is_(None))
        .group_by(stage.c.name)
    ).all()
    if held:
        names = ", ".join(f"{row[0]} ({row[1]})" for row in held)
        raise Refused(f"stages with open deals would go away: {names}; move those deals first (`mailcrm deal move`)")
    connection.execute(update(stage).where(stage.c.id.in_([row.id for row in going])).values(removed_at=now))
    for place, stage_name in enumerate(stages, 1):
        if stage_name in stored:
            known = stage.c.id == stored[stage_name].id
            connection.execute(update(stage).where(known).values(position=place, removed_at=None))
        else:
            connection.execute(insert(stage).values(pipeline_id=number, name=stage_name, position=place))


def _pipeline(connection: Connection, name: str) -> int:
    connection.execute(insert_new(connection, pipeline).values(name=name))
    return int(connection.execute(select(pipeline.c.id).where(pipeline.c.name == name)).scalar_one())
