"""``POST /events``: another program tells what happened; it is stored once for each id, however often it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, post
from litestar.datastructures import State
from msgspec import Meta

from mailcrm.app.context import Context
from mailcrm.app.emit import emit
from mailcrm.errors import MailcrmError, NotFound, Refused, Temporary
from mailcrm.web.signatures import NO_NUL, Key

_AHEAD = timedelta(minutes=5)  # by which the teller's clock may be fast
_FIRST = datetime(1900, 1, 1, tzinfo=UTC)  # what is earlier is a mistake, and may have no time in UTC at all


class Told(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An event as it is told.

    Args:
        id: the teller's own, a number or text; told again, it is the same event.
        person: his id, e-mail address or name; None: it is about nobody.
        data: the fields of the kind (``mailcrm event kinds``).
        at: when it happened, with a zone; None: now.
    """

    id: Annotated[int, Meta(ge=0)] | Annotated[str, Meta(min_length=1, max_length=200)]
    kind: Annotated[str, Meta(min_length=1, max_length=100)]
    person: Annotated[int, Meta(ge=1)] | Annotated[str, Meta(min_length=1, max_length=320, pattern=NO_NUL)] | None = (
        None
    )
    data: Mapping[str, Any] = {}
    at: Annotated[datetime, Meta(tz=True)] | None = None


@post("/events", status_code=200)
async def receive(request: Request[object, object, State], state: State) -> Response[dict[str, object]]:
    """Store the event.

    201 once it is stored, 200 if it was before; 400 for what is no event, 401 without the right signature, 404 for an
    unknown person, 413 for too long a body, 422 for an unknown kind or data that don't fit it, 503 while the database
    is away. What is not 2xx was not stored and may be sent again.
    """
    context: Context = state.context
    key: Key = state.key
    body = await request.body()
    if not key.signed(body, request.headers.get("x-mailcrm-signature", "")):
        return _refused(401, "send X-Mailcrm-Signature: sha256=HEX, the HMAC-SHA256 of the body with web.secret")
    try:
        told = msgspec.json.decode(body, type=Told)
    except msgspec.MsgspecError as error:
        return _refused(400, f"{error}; send JSON: id, kind, person, data, at")
    if told.at is not None and told.at > context.clock() + _AHEAD:
        return _refused(400, "at is in the future; send when it happened, with its time zone")
    if told.at is not None and told.at < _FIRST:
        return _refused(400, "at is before 1900; send when it happened, with its time zone")
    try:
        new = await asyncio.to_thread(_stored, context, told)
    except MailcrmError as error:
        return _refused(_STATUS.get(type(error), 503 if isinstance(error, Temporary) else 422), str(error))
    return Response({"id": told.id, "stored": new}, status_code=201 if new else 200)


def _stored(context: Context, told: Told) -> bool:
    """Store it for good, power cuts included: who is told so does not tell it again. See ``emit``."""
    person = None if told.person is None else str(told.person)
    new = emit(context, told.kind, told.data, source="web", person=person, key=str(told.id), at=told.at)
    context.db.settle()
    return new


_STATUS: Mapping[type[MailcrmError], int] = {NotFound: 404, Refused: 422}


def _refused(status: int, why: str) -> Response[dict[str, object]]:
    return Response({"error": why}, status_code=status)
