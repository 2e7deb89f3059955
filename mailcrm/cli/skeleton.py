"""What ``mailcrm plugin new`` writes; NAME is replaced. See docs/plugins.md for every hook."""

PLUGIN = '''\
"""NAME: links mail about a complaint to nobody's deal. (Say here what the plugin does.)

[plugins.config.NAME]
words = ["complaint", "reklamacja"]
"""

import logging
from dataclasses import dataclass

from mailcrm import Event, Message, hookimpl

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """The section [plugins.config.NAME]. A field without a default: the plugin is idle until it is configured."""

    words: tuple[str, ...] = ("complaint",)


@hookimpl
def register_config() -> type:
    return Settings


@hookimpl
def veto_link(message: Message, config: Settings) -> str | None:
    """Any text refuses, with this reason; None is no objection. Answer quickly, and do nothing else."""
    for word in config.words:
        if word.casefold() in message.subject.casefold():
            return f"the subject says {word!r}"
    return None


@hookimpl
def on_event(event: Event) -> None:
    """Told after the fact, at least once for each event. May be async, may use the network."""
    if event.kind == "deal.won":
        log.info("deal %s is won", event.data["deal"])
'''

TEST = '''\
"""Tests of NAME; run them with pytest."""

from pathlib import Path

from mailcrm import testing

FILE = Path(__file__).with_name("NAME.py")


def test_a_complaint_is_not_linked() -> None:
    host = testing.load(FILE, {"words": ["complaint"]})
    assert host.vetoes("veto_link", message=testing.message(subject="A Complaint"))
    assert not host.vetoes("veto_link", message=testing.message(subject="Offer"))


def test_it_is_told_of_a_won_deal() -> None:
    testing.load(FILE).deliver("NAME", testing.event("deal.won", deal=17))
'''
