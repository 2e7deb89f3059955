"""The peer of the pipeline: what a competent developer writes in an afternoon with imapclient and mail-parser.

``python -m tests.bench.peer_loop PORT USER PASSWORD FOLDER`` reads INBOX and Sent into FOLDER and prints the seconds.
For each message: fetch, parse, classify, thread, link persons, write attachments, insert, commit with the cursor.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
import sys
import time
from email.utils import getaddresses
from pathlib import Path
from typing import Any

import mailparser
from imapclient import IMAPClient

_SCHEMA = """
CREATE TABLE message (id INTEGER PRIMARY KEY, message_id TEXT, folder TEXT, uid INT, thread_id INT, kind TEXT,
    direction TEXT, subject TEXT, date TEXT, sender TEXT, recipients TEXT, size INT, body TEXT, UNIQUE (folder, uid));
CREATE INDEX message_message_id ON message (message_id);
CREATE TABLE reference (message_id TEXT PRIMARY KEY, thread_id INT);
CREATE TABLE thread (id INTEGER PRIMARY KEY, subject TEXT, last_at TEXT);
CREATE TABLE person (id INTEGER PRIMARY KEY, email TEXT UNIQUE, name TEXT);
CREATE TABLE deal (id INTEGER PRIMARY KEY, person_id INT, status TEXT);
CREATE TABLE link (message_id INT, person_id INT, rule TEXT, PRIMARY KEY (message_id, person_id));
CREATE TABLE attachment (id INTEGER PRIMARY KEY, message_id INT, name TEXT, type TEXT, size INT, sha256 TEXT);
CREATE TABLE folder (name TEXT PRIMARY KEY, uidvalidity INT, last_uid INT);
"""
_ID = re.compile(r"<([^<>\s]+)>")
_OURS = "@firma.example"


def main() -> None:
    port, user, password, folder = int(sys.argv[1]), sys.argv[2], sys.argv[3], Path(sys.argv[4])
    database = sqlite3.connect(folder / "peer.db")
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=NORMAL")
    database.executescript(_SCHEMA)
    files = folder / "files"
    files.mkdir()
    count = 0
    start = time.perf_counter()
    with IMAPClient("127.0.0.1", port, ssl=False) as client:
        client.login(user, password)
        for name in ("INBOX", "Sent"):
            state = client.select_folder(name, readonly=True)
            for uid in client.search("ALL"):
                raw = client.fetch([uid], ["BODY.PEEK[]"])[uid][b"BODY[]"]
                store(database, files, name, uid, raw)
                database.execute(
                    "INSERT INTO folder VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET last_uid = excluded.last_uid",
                    (name, state[b"UIDVALIDITY"], uid),
                )
                database.commit()
                count += 1
    print(time.perf_counter() - start, count)


def store(database: sqlite3.Connection, files: Path, folder: str, uid: int, raw: bytes) -> None:
    """Put one message into the database."""
    mail = mailparser.parse_from_bytes(raw)
    message_id = (_ID.findall(str(mail.message_id)) or [None])[0]
    known = _ID.findall(str(mail.headers.get("References", ""))) + _ID.findall(str(mail.headers.get("In-Reply-To", "")))
    kind = classify(mail)
    sender = mail.from_[0][1].lower() if mail.from_ else ""
    outgoing = sender.endswith(_OURS)
    body = "\n".join(mail.text_plain) or re.sub(r"<[^>]+>", " ", "\n".join(mail.text_html))
    thread = thread_of(database, mail, [each for each in (*known, message_id) if each])
    recipients = [address.lower() for _, address in (*mail.to, *mail.cc)]
    row = database.execute(
        "INSERT INTO message (message_id, folder, uid, thread_id, kind, direction, subject, date, sender, recipients,"
        " size, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            message_id, folder, uid, thread, kind, "out" if outgoing else "in", mail.subject, str(mail.date), sender,
            ",".join(recipients), len(raw), body,
        ),
    ).lastrowid  # fmt: skip
    parties = getaddresses(
        [f"{name} <{address}>" for name, address in (mail.from_ if not outgoing else (*mail.to, *mail.cc))]
    )
    for name, address in parties:
        person = person_of(database, name, address.lower(), create=kind == "human")
        if person is not None:
            database.execute("SELECT id FROM deal WHERE person_id = ? AND status = 'open'", (person,)).fetchall()
            database.execute("INSERT OR IGNORE INTO link VALUES (?, ?, 'address')", (row, person))
    for attachment in mail.attachments:
        keep(database, files, row, attachment)


def classify(mail: Any) -> str:
    """A crude guess at the kind of message."""
    headers = mail.headers
    if "report-type=delivery-status" in str(headers.get("Content-Type", "")).lower():
        return "bounce"
    if str(headers.get("Auto-Submitted", "no")).lower() != "no":
        return "auto_reply"
    if "List-Unsubscribe" in headers or str(headers.get("Precedence", "")).lower() in ("bulk", "list", "junk"):
        return "bulk"
    return "human"


def thread_of(database: sqlite3.Connection, mail: Any, known: list[str]) -> int:
    """The thread that any of the ids belongs to, or a new one."""
    marks = ",".join("?" * len(known))
    found = database.execute(f"SELECT thread_id FROM reference WHERE message_id IN ({marks})", known).fetchone()
    if found:
        thread = int(found[0])
        database.execute("UPDATE thread SET last_at = ? WHERE id = ?", (str(mail.date), thread))
    else:
        thread = (
            database.execute(
                "INSERT INTO thread (subject, last_at) VALUES (?, ?)", (mail.subject, str(mail.date))
            ).lastrowid
            or 0
        )
    database.executemany("INSERT OR IGNORE INTO reference VALUES (?, ?)", [(each, thread) for each in known])
    return thread


def person_of(database: sqlite3.Connection, name: str, email: str, *, create: bool) -> int | None:
    """The person with that address, made if need be."""
    if email.endswith(_OURS):
        return None
    found = database.execute("SELECT id FROM person WHERE email = ?", (email,)).fetchone()
    if found:
        return int(found[0])
    if not create:
        return None
    return database.execute("INSERT INTO person (email, name) VALUES (?, ?)", (email, name)).lastrowid


def keep(database: sqlite3.Connection, files: Path, message: int | None, attachment: dict[str, Any]) -> None:
    """Write an attachment to a file and note it."""
    from base64 import b64decode

    payload = attachment["payload"]
    content = b64decode(payload) if attachment["binary"] else payload.encode()
    digest = hashlib.sha256(content).hexdigest()
    path = files / digest
    if not path.exists():
        path.write_bytes(content)
    database.execute(
        "INSERT INTO attachment (message_id, name, type, size, sha256) VALUES (?, ?, ?, ?, ?)",
        (message, attachment["filename"], attachment["mail_content_type"], len(content), digest),
    )


if __name__ == "__main__":
    main()
