"""Tags put on persons and taken off: ``tag.add``, ``tag.remove`` (WF-7)."""

from __future__ import annotations

from mailcrm.builtin import who
from mailcrm.builtin.hands import Hands, Outcome, Writer
from mailcrm.core.enrollment import Effect, Subject
from mailcrm.core.given import text
from mailcrm.store import tags


def add(writer: Writer, name: str, person: int) -> bool:
    """Tag a person; False if he had the tag. Raises Refused for an empty name."""
    tag = text(name, "the tag")
    if not tags.add(writer.connection, tag, person, writer.now):
        return False
    writer.emit("tag.added", {"tag": tag}, person)
    return True


def remove(writer: Writer, name: str, person: int) -> bool:
    """Take a tag from a person; False if he did not have it. Raises Refused for an empty name."""
    tag = text(name, "the tag")
    if not tags.remove(writer.connection, tag, person):
        return False
    writer.emit("tag.removed", {"tag": tag}, person)
    return True


def tag_add(hands: Hands, effect: Effect, subject: Subject) -> Outcome:
    """``tag.add {tag}``."""
    add(hands, effect.args["tag"], who.person(subject))
    return Outcome.DONE


def tag_remove(hands: Hands, effect: Effect, subject: Subject) -> Outcome:
    """``tag.remove {tag}``."""
    remove(hands, effect.args["tag"], who.person(subject))
    return Outcome.DONE
