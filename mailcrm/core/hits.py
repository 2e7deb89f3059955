"""Who opened, who clicked: a human, a machine, or nobody can say. From evidence alone, each piece with its words.

Mail servers, scanners and proxies load images and follow links that nobody has looked at. Where a request comes from
is read at once (``signs``, so that no IP address is kept); the rest is told by who asked, and by what happened to the
same mail within the next seconds (``judge``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Literal

from mailcrm.core.tracked import TrackKind

Grade = Literal["human", "machine", "unknown"]
Network = IPv4Network | IPv6Network

DELIVERY = timedelta(seconds=2)
"""Nobody reads a mail so soon after it was handed over."""

TOGETHER = timedelta(seconds=10)
"""Nobody follows all links of a mail within this time."""

SETTLES = TOGETHER + timedelta(seconds=1)
"""When a hit can be judged: what happened together with it has been stored by then."""

LONGEST_AGENT = 300

PERSON = "a browser or mail program"
PROGRAM = "the agent names a program"
SILENT = "no agent is named"
STRANGE = "the agent is not known"
OLD = "a browser that nobody uses any more"
APPLE = "Apple's proxy loads the images of every mail"
GMAIL = "Gmail's proxy asks for somebody who is not shown"
GMAIL_EARLY = "Gmail loads images before the mail is shown"
YAHOO = "Yahoo's proxy asks for somebody who is not shown"
SCANNER = "the address belongs to a scanner of mail"
AT_ONCE = "within 2 s of delivery"
UNSENT = "the mail is not known to be delivered"
ALL_LINKS = "all links within 10 s"
HIDDEN = "the hidden link was followed"

SPEAKS_FOR: Mapping[str, Grade] = {
    PERSON: "human",
    STRANGE: "unknown",
    GMAIL: "unknown",
    YAHOO: "unknown",
    UNSENT: "unknown",
    PROGRAM: "machine",
    SILENT: "machine",
    OLD: "machine",
    APPLE: "machine",
    GMAIL_EARLY: "machine",
    SCANNER: "machine",
    AT_ONCE: "machine",
    ALL_LINKS: "machine",
    HIDDEN: "machine",
}
"""Each reason, and what it is evidence of. A machine's outweighs a doubt, and a doubt a human's."""

RANGES: tuple[Network, ...] = tuple(
    ip_network(each)
    for each in (
        *("40.92.0.0/15", "40.107.0.0/16", "52.100.0.0/14", "104.47.0.0/17"),  # Microsoft's mail protection, as it
        *("2a01:111:f400::/48", "2a01:111:f403::/48"),  # names it in the SPF record of spf.protection.outlook.com
        *("64.235.144.0/20", "209.222.80.0/21"),  # Barracuda
        *("67.231.144.0/20", "148.163.128.0/19"),  # Proofpoint
    )
)
"""Where scanners of mail ask from, as they publish it; ``tracking.scanners`` adds to them."""

_APPLES = ip_network("17.0.0.0/8")
_PERSON = re.compile(
    r"Mozilla/5\.0 \([^)]{3,}\) \S|Mozilla/4\.0 \(compatible; (?:ms-office|MSIE)|Opera/\d|Microsoft (?:Office|Outlook)"
    r"|Outlook|Thunderbird/|AppleMail|Apple Mail|Evolution/|Airmail|Spark/|BlueMail|eM ?Client|Lotus-Notes"
)
_PROGRAM = re.compile(
    r"bot\b|bot[/;_-]|crawl|spider|\bscan|scanner|slurp|preview|monitor|checker|headless|phantomjs|puppeteer"
    r"|playwright|selenium|curl/|wget/|python|aiohttp|httpx|libwww|java/|okhttp|apache-httpclient|go-http-client"
    r"|node-fetch|axios|\bruby\b|\bperl\b|winhttp|facebookexternalhit|whatsapp/|slack-"
    r"|barracuda|proofpoint|mimecast|ironport|ciscosecure|symantec|messagelabs|trend ?micro|\btmes\b|sophos|fortinet"
    r"|fireeye|trellix|forcepoint|mcafee|kaspersky|bitdefender|clamav|zscaler|checkpoint|safelinks|urldefense|vadesecure",
    re.IGNORECASE,
)
_OLD = re.compile(r"(?:Chrome|Firefox)/[1-5]?\d\.")  # older than 2018


@dataclass(frozen=True, slots=True)
class Hit:
    """One request for something of a mail.

    Args:
        position, hidden: of the link, as in ``Track``.
        agent: the header User-Agent.
        signs: what its address told.
    """

    id: int
    kind: TrackKind
    position: int
    hidden: bool
    at: datetime
    agent: str
    signs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """Who it was, and why we think so: the reasons that speak for it, or all where nothing does."""

    grade: Grade
    reasons: tuple[str, ...]


def signs(address: str, scanners: Iterable[Network] = ()) -> tuple[str, ...]:
    """What a client's IP address tells of who asks; nothing, if it is none.

    Args:
        scanners: networks of scanners, beside ``RANGES``.
    """
    try:
        ip = ip_address(address)
    except ValueError:
        return ()
    if mapped := getattr(ip, "ipv4_mapped", None):
        ip = mapped
    found = [APPLE] if ip in _APPLES else []
    return (*found, SCANNER) if any(ip in network for network in (*RANGES, *scanners)) else tuple(found)


def asker(agent: str) -> str:
    """What the header User-Agent tells of who asks."""
    agent = agent.strip()[:LONGEST_AGENT]
    if not agent:
        return SILENT
    if agent == "Mozilla/5.0":
        return APPLE
    if "GoogleImageProxy" in agent:
        return GMAIL
    if "YahooMailProxy" in agent:
        return YAHOO
    if agent.endswith(" Edge/12.246 Mozilla/5.0"):
        return GMAIL_EARLY
    if _PROGRAM.search(agent):
        return PROGRAM
    if _OLD.search(agent):
        return OLD
    return PERSON if _PERSON.match(agent) else STRANGE


def judge(hit: Hit, others: Sequence[Hit], links: int, sent_at: datetime | None) -> Verdict:
    """Who made a hit.

    Args:
        others: all hits of the same mail, itself included or not.
        links: how many links of the mail lead over us, the hidden one apart.
        sent_at: when the mail server took the mail; None: that is not known.
    """
    found = [asker(hit.agent), *hit.signs]
    if sent_at is None:
        found.append(UNSENT)
    elif hit.at < sent_at + DELIVERY:
        found.append(AT_ONCE)
    near = [each for each in (*others, hit) if each.kind == "click" and abs(each.at - hit.at) <= TOGETHER]
    if any(each.hidden for each in near):
        found.append(HIDDEN)
    if links > 1 and _all_links(near, hit.at, links):
        found.append(ALL_LINKS)
    for grade in ("machine", "unknown", "human"):
        reasons = tuple(each for each in dict.fromkeys(found) if SPEAKS_FOR.get(each) == grade)
        if reasons:
            return Verdict(grade, reasons)
    return Verdict("unknown", tuple(found))


def _all_links(near: Sequence[Hit], at: datetime, links: int) -> bool:
    """Whether there are ten seconds, ``at`` among them, in which each link was followed."""
    clicks = [each for each in near if not each.hidden]
    for first in sorted({at, *(each.at for each in clicks)}):
        if first <= at <= first + TOGETHER:
            together = {each.position for each in clicks if first <= each.at <= first + TOGETHER}
            if len(together) >= links:
                return True
    return False
