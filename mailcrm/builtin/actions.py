"""Every action that comes with us, and what it is told in a definition (``with``)."""

from __future__ import annotations

from collections.abc import Mapping

from mailcrm.builtin import documents, webhook
from mailcrm.core.registry import ActionType, Params, Span

_TEXT = str | None
_AMOUNT = str | int | float | None
_LETTER: Params = {
    "template": _TEXT,
    "subject": _TEXT,
    "body": _TEXT,
    "html": _TEXT,
    "sender": _TEXT,
    "recipient": _TEXT,
    "in_thread": bool | None,
}
_BY_ITSELF: Params = {"after": Span | None, "track": bool | None, "attach": bool | None}
_ACTIVITY: Params = {"activity": str, "due": Span | None, "assignee": _TEXT, "priority": _TEXT, "note": _TEXT}
_DEAL: Params = {"title": str, "stage": _TEXT, "value": _AMOUNT, "currency": _TEXT, "owner": _TEXT}
_DOCUMENT: Params = {
    "kind": str,
    "lines": list[dict],  # type: ignore[type-arg]
    "series": _TEXT,
    "currency": _TEXT,
    "pay_within": Span | None,
    "note": _TEXT,
}

ACTIONS: Mapping[str, ActionType] = {
    action.name: action
    for action in (
        ActionType("tag.add", {"tag": str}, label="Put a tag on the person"),
        ActionType("tag.remove", {"tag": str}, label="Take a tag off the person"),
        ActionType(
            "field.set", {"field": str, "value": str | int | float | bool | None}, label="Set a field of the person"
        ),
        ActionType("activity.create", _ACTIVITY, label="Plan an activity"),
        ActionType("activity.complete", {"activity": _TEXT}, label="Mark activities done"),
        ActionType("deal.create", _DEAL, label="Open a deal"),
        ActionType("deal.move", {"stage": str}, label="Move the deal to another stage"),
        ActionType("document.create", _DOCUMENT, label="Issue an invoice or an offer"),
        ActionType("document.file", {}, run=documents.document_file, label="Make its PDF, and hand it over"),
        ActionType("sequence.enroll", {"sequence": str}, label="Enroll in a sequence"),
        ActionType("sequence.leave", {"sequence": str}, label="Take out of a sequence"),
        ActionType("workflow.join", {"workflow": str}, label="Put into another workflow"),
        ActionType("workflow.leave", {"workflow": str}, label="Take out of another workflow"),
        ActionType("workflow.move", {"workflow": str, "node": str}, label="Move to another node of a workflow"),
        ActionType("mail.send", {**_LETTER, **_BY_ITSELF}, label="Send a mail"),
        ActionType("draft.create", {**_LETTER, "remind": Span | None}, label="Put a mail into the rep's drafts"),
        ActionType("notify", {"user": _TEXT, "text": str}, label="Tell a user"),
        ActionType(
            "webhook.call", {"url": str, "body": str | dict | None}, run=webhook.run, label="Call another program"
        ),
    )
}
