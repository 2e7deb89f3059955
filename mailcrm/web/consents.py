"""``/api/consents``: a user's consent that a flow sends mail in his name, given and withdrawn by a program (SEQ-21).

Either he himself does it, by his name and password, or the operator, by a signed body. No browser can be made to: it is
never asked for a password, so it has none to send along, and other sites' requests are refused.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from litestar import Request, Response, get, post
from litestar.datastructures import State
from litestar.params import QueryParameter
from msgspec import Meta

from mailcrm.app import consenting
from mailcrm.app.acting import Actor
from mailcrm.app.context import Context
from mailcrm.errors import MailcrmError, NotFound, Refused, Temporary
from mailcrm.store import consents, flows, users
from mailcrm.web.signatures import NO_NUL

_Name = Annotated[str, Meta(min_length=1, max_length=320, pattern=NO_NUL)]


class Word(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is said.

    Args:
        user: key, e-mail or id; None: who is logged in.
        at: when, with a zone; needed with a signature, which is good for that moment alone.
    """

    flow: _Name
    granted: bool
    user: _Name | None = None
    at: Annotated[datetime, Meta(tz=True)] | None = None


class _Unwelcome(Exception):
    """Who asks is not to be answered."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@post("/api/consents", status_code=200)
async def say(request: Request[object, object, State], state: State) -> Response[dict[str, Any]]:
    """Note a word: 201, or 200 if it is what was said last. 401, 403: not by him; 409: something was said since."""
    context: Context = state.context
    body = await request.body()
    try:
        _refuse_other_sites(request, context)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise _Unwelcome(415, "send application/json")
        signature = request.headers.get("x-mailcrm-signature", "")
        if signature and not state.key.signed(body, signature):
            raise _Unwelcome(
                401, "the signature is wrong; it is sha256=HEX, the HMAC-SHA256 of the body with web.secret"
            )
        actor = Actor() if signature else await _login(request, state)
        word = msgspec.json.decode(body, type=Word)
        if signature and (word.at is None or word.user is None):
            raise _Unwelcome(400, "a signed body names user and at")
        new = await asyncio.to_thread(
            consenting.say,
            context,
            actor,
            word.flow,
            word.user,
            granted=word.granted,
            via="api",
            said_at=word.at if signature else None,
        )
    except _Unwelcome as error:
        return _refused(error.status, str(error))
    except msgspec.MsgspecError as error:
        return _refused(400, f"{error}; send JSON: flow, granted, user, at")
    except consenting.Overtaken as error:
        return _refused(409, str(error))
    except MailcrmError as error:
        return _refused(
            404 if isinstance(error, NotFound) else 503 if isinstance(error, Temporary) else 403, str(error)
        )
    return Response({"flow": word.flow, "granted": word.granted, "noted": new}, status_code=201 if new else 200)


@get("/api/consents")
async def listed(
    request: Request[object, object, State],
    state: State,
    flow: Annotated[str, QueryParameter(min_length=1, max_length=320, pattern=NO_NUL)],
) -> Response[Any]:
    """All that was said about a flow, the newest first, for a user of ours."""
    try:
        await _login(request, state)
        found = await asyncio.to_thread(_history, state.context, flow)
    except _Unwelcome as error:
        return _refused(error.status, str(error))
    except NotFound as error:
        return _refused(404, str(error))
    except Refused as error:  # several campaigns may have one name
        return _refused(409, str(error))
    return Response(found)


def _history(context: Context, flow: str) -> list[consents.Consent]:
    with context.db.read() as connection:
        return consents.history(connection, flows.find(connection, flow, consenting.KINDS).id)


def _refuse_other_sites(request: Request[object, object, State], context: Context) -> None:
    """A page of another site may send requests, too (CSRF); a program sends none of these fields."""
    origin = request.headers.get("origin")
    own = urlsplit(context.config.web.base_url)
    if request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin") or (
        origin is not None and origin != f"{own.scheme}://{own.netloc}"
    ):
        raise _Unwelcome(403, "this is for programs, not for pages of other sites")


async def _login(request: Request[object, object, State], state: State) -> Actor:
    """Who he is by name and password (RFC 7617). Guessing is slow: one try at a time, and few a minute."""
    client = f"login {request.client.host if request.client else ''}"
    if state.guesses.too_many(client):
        raise _Unwelcome(429, "too many wrong passwords; try again in a minute")
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    name, colon, password = "", "", ""
    if scheme.lower() == "basic":
        try:
            name, colon, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            colon = ""
    if not colon:
        raise _Unwelcome(401, "send X-Mailcrm-Signature, or Authorization: Basic with a user's name and password")
    login = await asyncio.to_thread(state.logins.quickly, name, password)
    if login is None:
        async with state.one_login:
            login = await asyncio.to_thread(state.logins.check, name, password)
    if login is None:
        state.guesses.wrong(client)
        raise _Unwelcome(401, "wrong name or password; `mailcrm user password USER` sets one")
    return Actor(await asyncio.to_thread(_user, state.context, login.key))


def _user(context: Context, key: str) -> users.StoredUser:
    with context.db.read() as connection:
        return users.find(connection, key)


def _refused(status: int, why: str) -> Response[dict[str, Any]]:
    return Response({"error": why}, status_code=status)
