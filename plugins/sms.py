"""SMS: the action ``sms.send { text = "{{ person.first_name }}, the webinar begins in an hour" }``.

It is handed to a gateway that takes JSON over HTTPS; what it calls things can be configured. The flow's key goes along
as ``Idempotency-Key``, by which the gateway knows a message that it has taken already; with one that can't tell, a
message may arrive twice after a crash.

[plugins.config.sms]
url = "https://sms.example/messages"
token = { env = "SMS_TOKEN" }      # sent as Authorization: Bearer
sender = "Firma"
country = "+48"                    # stands before numbers that are written without one
to_field = "to"                    # the names of the three fields in the gateway's JSON
text_field = "message"
sender_field = "from"
"""

import re
from dataclasses import dataclass
from functools import partial

from mailcrm import ActionType, Effect, Permanent, Reach, hookimpl

_LONGEST = 1530  # characters: ten messages joined


@dataclass(frozen=True)
class Settings:
    """Without ``url`` the plugin is idle."""

    url: str
    token: str = ""
    sender: str = ""
    country: str = ""
    to_field: str = "to"
    text_field: str = "message"
    sender_field: str = "from"

    def __post_init__(self) -> None:
        if self.country and not re.fullmatch(r"\+[1-9][0-9]{0,3}", self.country):
            raise ValueError(f"{self.country!r} is no country's prefix; write it as +48")


@hookimpl
def register_config() -> type:
    return Settings


@hookimpl
def register_actions(config: Settings) -> list[ActionType]:
    return [ActionType("sms.send", {"text": str}, partial(send, config=config), "Send an SMS")]


async def send(hands: Reach, effect: Effect, *, config: Settings) -> None:
    """One message to the person's first telephone number. Raises Permanent: he has none, or it is none."""
    if hands.phone is None:
        raise Permanent("the person has no telephone number; `mailcrm person edit` gives one")
    text = hands.render(effect.args["text"]).strip()
    if not 0 < len(text) <= _LONGEST:
        raise Permanent(f"the text has {len(text)} characters; an SMS has 1 to {_LONGEST}")
    body = {config.to_field: number(hands.phone, config.country), config.text_field: text}
    if config.sender:
        body[config.sender_field] = config.sender
    headers = {"Authorization": f"Bearer {config.token}"} if config.token else {}
    await hands.request("POST", config.url, body=body, headers=headers)


def number(written: str, country: str) -> str:
    """A number as gateways want it (E.164). Raises Permanent for what is none."""
    digits = re.sub(r"[\s().\-/]", "", written)
    digits = "+" + digits[2:] if digits.startswith("00") else digits
    if not digits.startswith("+") and country:
        digits = country + digits.removeprefix("0")
    if not re.fullmatch(r"\+[1-9][0-9]{6,14}", digits):
        raise Permanent(f"{written!r} is no number that can be dialled from abroad; write it as +48 600 100 200")
    return digits
