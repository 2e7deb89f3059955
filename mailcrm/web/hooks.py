"""The delivery hook: a mail server says that mail has arrived, and the mailbox is looked into at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Self

import msgspec
from litestar import Request, Response, route
from litestar.datastructures import State
from litestar.enums import MediaType

from mailcrm.app.context import Context
from mailcrm.core.addresses import normalise
from mailcrm.web.signatures import Key


class Notice(msgspec.Struct):
    """What may come: ours, or what Dovecot's push notification sends (RFC 5423 events); other keys are passed over."""

    mailbox: str | None = None
    user: str | None = None
    event: str | None = None


@dataclass(frozen=True, slots=True)
class Doorbell:
    """Who may ring, and which mailboxes a name stands for.

    Args:
        boxes: the keys of all mailboxes.
        names: a mailbox's key, login or owner's address, case-folded -> the keys of the mailboxes.
    """

    key: Key
    boxes: Collection[str]
    names: Mapping[str, tuple[str, ...]]
    wake: Callable[[str], bool]

    @classmethod
    def of(cls, context: Context, wake: Callable[[str], bool]) -> Self:
        """As configured."""
        config = context.config
        names: dict[str, tuple[str, ...]] = {}
        for key, mailbox in config.mailboxes.items():
            known = {key.casefold(), mailbox.login.casefold(), normalise(mailbox.login)}
            if mailbox.user:
                owner = config.users[mailbox.user]
                known |= {normalise(address) for address in (owner.email, *owner.aliases)}
            for name in known - {""}:
                names[name] = (*names.get(name, ()), key)
        return cls(Key.of(context), config.mailboxes.keys(), names, wake)

    def ring(self, name: str) -> bool:
        """Wake the mailboxes of that name; False if there are none.

        One that this process does not watch is there all the same: whoever reads it finds the mail by himself.
        """
        keys = self.names.get(name.casefold(), (name,))
        woken = [self.wake(key) for key in keys]
        return any(woken) or any(key in self.boxes for key in keys)


@route("/hooks/delivery", http_method=["POST", "PUT"])
async def delivery(request: Request[object, object, State], state: State) -> Response[str]:
    """``{"mailbox": M}`` or Dovecot's ``{"user": U, "event": "messageNew", …}``; 202 when the mailbox is woken."""
    doorbell: Doorbell = state.hooks
    body = await request.body()
    headers = request.headers
    if not doorbell.key.admits(body, headers.get("x-mailcrm-signature", ""), headers.get("authorization", "")):
        return _said(401, "not signed with web.secret: send X-Mailcrm-Signature, or Authorization")
    try:
        notice = msgspec.json.decode(body, type=Notice)
    except msgspec.MsgspecError:
        return _said(400, 'send JSON: {"mailbox": "NAME"}')
    name = notice.mailbox or notice.user
    if not name:
        return _said(400, "the JSON names neither a mailbox nor a user")
    return _said(202, "looking") if doorbell.ring(name) else _said(404, "there is no such mailbox")


def _said(status: int, text: str) -> Response[str]:
    return Response(text + "\n", status_code=status, media_type=MediaType.TEXT)
