"""The number of a deal in the subject, such as ``[D-17]``, links the message to that deal.

Nothing to configure. The number counts only if the deal is one of those that the message may belong to anyway, so a
stranger who writes a number into his subject gets nowhere.
"""

import re
from collections.abc import Sequence

from mailcrm import Message, OpenDeal, hookimpl

_TAG = re.compile(r"\[D-(\d{1,18})\]", re.IGNORECASE)


@hookimpl
def choose_deal(message: Message, deals: Sequence[OpenDeal]) -> int | None:
    """The deal that the subject names; None where it names none of them, or more than one."""
    named = {int(number) for number in _TAG.findall(message.subject)}
    found = [deal.id for deal in deals if deal.id in named]
    return found[0] if len(found) == 1 else None
