"""Right answers about the kind of mail: bounces, people, forwards. flufl.bounce's own samples come from its sdist."""

from __future__ import annotations

import ast
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from importlib.metadata import version
from pathlib import Path

from flufl.bounce import scan_message

from mailcrm import config
from mailcrm.core.addresses import normalise
from mailcrm.core.classify import classify
from mailcrm.core.model import Kind, Message, Reading
from mailcrm.mail import odd_bounces
from mailcrm.mail.parse import parse
from tests import bounce_mails, forward_mails, human_mails
from tests.bench.rows import Row, Scale
from tests.servers.process import Missing

_PEOPLE = {"small": 5_000, "full": 50_000}


def rows(scale: Scale) -> Iterator[Row]:
    """Measure."""
    yield _their_bounces()
    yield from _our_bounces()
    yield from _people(_PEOPLE[scale])
    yield _forwards()


class _Nowhere:
    """Takes attachments and forgets them."""

    def put(self, content: object) -> tuple[str, int]:
        return "0", 0


def _parsed(raw: bytes) -> Message:
    return parse(raw, _Nowhere(), config.Parsing())


def _read(raw: bytes) -> Reading:
    return odd_bounces.read(raw, _parsed(raw))


def _theirs(raw: bytes) -> set[str]:
    return {normalise(address.decode("ascii", "replace")) for address in scan_message(message_from_bytes(raw))}


def _row(name: str, right: int, total: int, peer: str, target: float) -> Row:
    return Row(f"answers: {name}", f"{right} of {total}", peer, 100 * right / total, target, "more", "%")


def _their_bounces() -> Row:
    """Recipients as flufl.bounce's tests expect them; where they expect no failure, anything but a bounce."""
    right = theirs = total = 0
    for raw, failed in _sdist_samples():
        reading = _read(raw)
        found = reading.bounce.recipient if reading.bounce else None
        total += 1
        right += (found in failed) if failed else reading.kind is not Kind.BOUNCE
        theirs += _theirs(raw) == failed
    return _row("bounces among flufl.bounce's samples", right, total, f"flufl.bounce {theirs}", 97)


def _sdist_samples() -> Iterator[tuple[bytes, set[str]]]:
    """Raw samples and the addresses that failed for good, from the sdist of the installed version."""
    wanted = f"flufl.bounce=={version('flufl.bounce')}"
    with tempfile.TemporaryDirectory(prefix="mailcrm-bench-") as folder:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--no-binary",
            ":all:",
            "--dest",
            folder,
        ]
        done = subprocess.run([*command, wanted], capture_output=True, text=True, check=False)
        if done.returncode:
            raise Missing(f"the source of {wanted} cannot be downloaded: {done.stderr.strip()[-300:]}")
        with tarfile.open(next(Path(folder).glob("*.tar.gz"))) as archive:
            files = {
                Path(member.name).name: stream.read()
                for member in archive.getmembers()
                if "/tests/" in member.name and (stream := archive.extractfile(member)) is not None
            }
    for name, failed in _expected(files["test_detectors.py"].decode()).items():
        yield files[name], failed


def _expected(source: str) -> dict[str, set[str]]:
    """The table ``(detector, file, addresses, temporary)`` of their tests, by file."""
    table: dict[str, set[str]] = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Tuple) and len(node.elts) == 4 and isinstance(node.elts[2], ast.List):
            _, name, addresses, temporary = ast.literal_eval(node)
            failed = set() if temporary else {normalise(address.decode()) for address in addresses}
            table[name] = table.get(name, set()) | failed
    return table


def _our_bounces() -> Iterator[Row]:
    samples = list(bounce_mails.samples())
    found = lasting = theirs = 0
    for sample in samples:
        bounce = _read(sample.raw).bounce
        found += bounce is not None and bounce.recipient == sample.recipient
        lasting += bounce is not None and bounce.permanent == sample.permanent
        theirs += sample.recipient in _theirs(sample.raw)
    yield _row("bounces of many mail systems", found, len(samples), f"flufl.bounce {theirs}", 97)
    yield _row("bounces: is the address gone?", lasting, len(samples), "no library tells", 97)
    harmless = [raw for _, raw in bounce_mails.harmless()]
    kept = sum(_read(raw).kind is not Kind.BOUNCE for raw in harmless)
    yield _row("delays and other reports are no bounces", kept, len(harmless), "all", 100)


def _people(count: int) -> Iterator[Row]:
    """Letters full of words that machines use."""
    letters = list(human_mails.messages(count))
    start = time.process_time()
    kinds = [classify(letter).kind for letter in letters]
    each = 1e6 * (time.process_time() - start) / count
    wrong = sum(kind in (Kind.BOUNCE, Kind.AUTO_REPLY) for kind in kinds)
    name = "answers: people's mail called a bounce or automatic"
    yield Row(name, f"{wrong} of {count:,}", "every letter a trap", 100 * wrong / count, 0.2, "less", "%")
    yield Row(
        "answers: time to classify one letter", f"{each:.0f} µs", "CPU, with its new text", each, 100, "less", "µs"
    )


def _forwards() -> Row:
    right = total = 0
    clients = set()
    for sample in forward_mails.samples():
        mail = EmailMessage()
        mail["From"], mail["Subject"], mail["Date"] = (
            "anna@firma.example",
            sample.subject,
            "Tue, 03 Nov 2026 15:00:00 +0100",
        )
        mail.set_content(sample.html or sample.text, subtype="html" if sample.html else "plain")
        forward = classify(_parsed(mail.as_bytes())).forward
        author = forward.author if forward else None
        right += author is not None and (author.email, author.name) == (sample.email, sample.name)
        total += 1
        clients.add(sample.client.partition("(")[0].partition(",")[0].strip())
    return _row(f"original sender of forwards, {len(clients)} clients", right, total, "no library reads them", 90)
