"""Every action that changes rows, by name: carried out in the transaction of the step."""

from __future__ import annotations

from collections.abc import Mapping

from mailcrm.builtin import activities, deals, documents, fields, flows, letters, notices, tags
from mailcrm.builtin.hands import Change

CHANGES: Mapping[str, Change] = {
    "tag.add": tags.tag_add,
    "tag.remove": tags.tag_remove,
    "field.set": fields.field_set,
    "activity.create": activities.activity_create,
    "activity.complete": activities.activity_complete,
    "deal.create": deals.deal_create,
    "deal.move": deals.deal_move,
    "document.create": documents.document_create,
    "sequence.enroll": flows.sequence_enroll,
    "sequence.leave": flows.sequence_leave,
    "workflow.join": flows.workflow_join,
    "workflow.leave": flows.workflow_leave,
    "workflow.move": flows.workflow_move,
    "notify": notices.notify,
    "mail.send": letters.mail_send,
    "draft.create": letters.draft_create,
}

WAITING = frozenset({"mail.send", "draft.create"})
"""Those that end when somebody settles them: the mail was accepted, the rep has sent his draft."""
