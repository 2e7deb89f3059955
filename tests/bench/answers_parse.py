"""Is what we read right? Sender and subject of awkward mail, against three other parsers on the same mail.

Real mail: the test data of CPython's email package and of the source packages of mail-parser and flufl.bounce, read
where Python has it or fetched with pip, never kept. What is right was told by eye where the parsers disagree, else by
their agreement; ``parse_answers.json`` holds only fingerprints of it. Made mail: ``awkward``, where what is right is
known from the making.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
import subprocess
import sys
import tarfile
import tempfile
import warnings
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from email.utils import parseaddr
from pathlib import Path

import fast_mail_parser
import mailparser

from mailcrm import config
from mailcrm.mail.counting import Counting
from mailcrm.mail.parse import parse
from tests.bench import awkward
from tests.bench.rows import Row, Scale

PACKAGES = ("mail-parser==4.8.0", "flufl.bounce==6.0.0")
DEMAND = 95.0  # percent
Seen = tuple[str, str]
Parser = Callable[[bytes], Seen]


def rows(scale: Scale) -> list[Row]:
    """Shares of mails whose sender and subject are both right."""
    answers: dict[str, str] = json.loads(Path(__file__).with_name("parse_answers.json").read_text())
    with tempfile.TemporaryDirectory() as folder:
        real = {name: raw for name, raw in _real_mails(Path(folder)) if name in answers}
    made = list(awkward.mails())
    found = []
    if real:
        found.append(
            _row("awkward real mails", len(real), lambda p: _right(p, [(r, answers[n]) for n, r in real.items()]))
        )
    expected = [(mail.raw, fingerprint((mail.sender, mail.subject))) for mail in made]
    found.append(_row("awkward made mails", len(made), lambda parser: _right(parser, expected)))
    return found


def _row(name: str, total: int, right: Callable[[Parser], int]) -> Row:
    ours = right(read_by_ours)
    peers = ", ".join(f"{peer} {right(parser)}" for peer, parser in PEERS.items())
    return Row(f"sender and subject: {name}", f"{ours} of {total}", peers, 100 * ours / total, DEMAND, unit="%")


def _right(parser: Parser, mails: list[tuple[bytes, str]]) -> int:
    logging.getLogger("mailparser").setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return sum(fingerprint(_tried(parser, raw)) == answer for raw, answer in mails)


def _tried(parser: Parser, raw: bytes) -> Seen:
    try:
        return parser(raw)
    except Exception as error:
        return type(error).__name__, ""


def fingerprint(seen: Seen) -> str:
    """Sender without case, subject without the width of its spaces."""
    sender, subject = seen
    return hashlib.sha256(
        f"{sender.casefold().strip()}\n{' '.join(subject.split())}".encode("utf-8", "replace")
    ).hexdigest()[:16]


def _real_mails(folder: Path) -> Iterator[tuple[str, bytes]]:
    spec = importlib.util.find_spec("test")
    for place in (spec.submodule_search_locations if spec else None) or ():
        for file in sorted(Path(place, "test_email", "data").glob("msg_*.txt")):
            yield f"cpython/{file.name}", file.read_bytes()
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--no-binary",
        ":all:",
    ]
    done = subprocess.run([*command, "--dest", str(folder), *PACKAGES], capture_output=True, check=False)
    if done.returncode:
        print(f"source packages with test mail are missing: {done.stderr.decode()[-300:]}", file=sys.stderr)
    for archive in sorted(folder.glob("*.tar.gz")):
        with tarfile.open(archive) as opened:
            for member in opened.getmembers():
                path = Path(member.name)
                if (
                    member.isfile()
                    and "tests" in path.parts
                    and path.parent.name in ("mails", "data")
                    and path.suffix != ".py"
                ):
                    content = opened.extractfile(member)
                    if content is not None:
                        yield f"{path.parts[0]}/{path.name}", content.read()


def read_by_ours(raw: bytes) -> Seen:
    """mailcrm."""
    message = parse(raw, Counting(), config.Parsing())
    author = message.from_
    return (author.email or author.name if author else "", message.subject)


def _mail_parser(raw: bytes) -> Seen:
    mail = mailparser.parse_from_bytes(raw)
    first = mail.from_[0] if mail.from_ else ("", "")
    return first[1] or first[0], str(mail.subject or "")  # a list where the field is repeated


def _standard_library(raw: bytes) -> Seen:
    mail = message_from_bytes(raw, policy=policy.default)
    found = mail["from"].addresses if mail["from"] is not None else ()
    sender = found[0].addr_spec.removeprefix("<>") or found[0].display_name if found else str(mail["from"] or "")
    return sender, str(mail["subject"] or "")


def _fast_mail_parser(raw: bytes) -> Seen:
    mail = fast_mail_parser.parse_email(raw)
    fields = {name.lower(): value for name, value in mail.headers.items()}
    given = fields.get("from", "")
    name, address = parseaddr(given if isinstance(given, str) else given[0])
    return address or name, mail.subject or ""


PEERS: dict[str, Parser] = {
    "mail-parser": _mail_parser,
    "stdlib": _standard_library,
    "fast-mail-parser": _fast_mail_parser,
}
