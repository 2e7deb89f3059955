"""The peer of the pipeline: what a competent developer writes in an afternoon, with a well-kept library for each task.

imapclient fetches, mail-parser reads, mail-parser-reply trims the quoted text, SQLAlchemy Core stores.
``python -m tests.bench.peer_loop PORT USER PASSWORD FOLDER COUNT`` reads so many messages of INBOX and Sent into FOLDER
and prints the seconds and the number of messages.
For each message: fetch, parse, classify, thread, link persons, write attachments, insert, commit with the cursor.
"""

from __future__ import annotations

import base64
import hashlib
import re
import sys
import time
from pathlib import Path
from typing import Any

import mailparser
from imapclient import IMAPClient
from mailparser_reply import EmailReplyParser
from sqlalchemy import (
    Column,
    Connection,
    DateTime,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
    select,
)
from sqlalchemy.dialects.sqlite import insert

metadata = MetaData()
message = Table(
    "message", metadata, Column("id", Integer, primary_key=True), Column("message_id", String, index=True),
    Column("folder", String), Column("uid", Integer), Column("thread_id", Integer, index=True), Column("kind", String),
    Column("direction", String), Column("subject", Text), Column("date", DateTime), Column("sender", String),
    Column("size", Integer), Column("text", Text), Column("reply_text", Text),
)  # fmt: skip
reference = Table("reference", metadata, Column("message_id", String, primary_key=True), Column("thread_id", Integer))
thread = Table("thread", metadata, Column("id", Integer, primary_key=True), Column("subject", Text))
person = Table(
    "person", metadata, Column("id", Integer, primary_key=True), Column("email", String, unique=True),
    Column("name", String),
)  # fmt: skip
deal = Table(
    "deal", metadata, Column("id", Integer, primary_key=True), Column("person_id", Integer, index=True),
    Column("status", String),
)  # fmt: skip
link = Table(
    "link", metadata, Column("message_id", Integer, primary_key=True), Column("person_id", Integer, primary_key=True),
    Column("rule", String),
)  # fmt: skip
attachment = Table(
    "attachment", metadata, Column("id", Integer, primary_key=True), Column("message_id", Integer, index=True),
    Column("name", String), Column("type", String), Column("size", Integer), Column("sha256", String),
)  # fmt: skip
cursor = Table("cursor", metadata, Column("folder", String, primary_key=True), Column("last_uid", Integer))

_ID = re.compile(r"<([^<>\s]+)>")
_OURS = "@firma.example"
_replies = EmailReplyParser(languages=["en", "pl", "de"])


def main() -> None:
    port, user, password, folder, limit = (
        int(sys.argv[1]),
        sys.argv[2],
        sys.argv[3],
        Path(sys.argv[4]),
        int(sys.argv[5]),
    )
    files = folder / "files"
    files.mkdir()
    engine = create_engine(f"sqlite:///{folder}/peer.db")

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    metadata.create_all(engine)
    count = 0
    start = time.perf_counter()
    with IMAPClient("127.0.0.1", port, ssl=False) as client, engine.connect() as connection:
        client.login(user, password)
        for name in ("Sent", "INBOX"):
            client.select_folder(name, readonly=True)
            for uid in client.search("ALL")[: limit // 3 if name == "Sent" else limit - count]:
                raw = client.fetch([uid], ["BODY.PEEK[]"])[uid][b"BODY[]"]
                store(connection, files, name, uid, raw)
                moved = insert(cursor).values(folder=name, last_uid=uid)
                connection.execute(moved.on_conflict_do_update(index_elements=["folder"], set_={"last_uid": uid}))
                connection.commit()
                count += 1
    print(time.perf_counter() - start, count)


def store(connection: Connection, files: Path, folder: str, uid: int, raw: bytes) -> None:
    """Put one message into the database."""
    mail = mailparser.parse_from_bytes(raw)
    found = _ID.findall(str(mail.message_id))
    message_id = found[0] if found else None
    known = _ID.findall(str(mail.headers.get("References", ""))) + _ID.findall(str(mail.headers.get("In-Reply-To", "")))
    kind = classify(mail)
    sender = mail.from_[0][1].lower() if mail.from_ else ""
    outgoing = sender.endswith(_OURS)
    text = "\n".join(mail.text_plain) or re.sub(r"<[^>]+>", " ", "\n".join(mail.text_html))
    row = connection.execute(
        insert(message).values(
            message_id=message_id,
            folder=folder,
            uid=uid,
            thread_id=thread_of(connection, mail.subject, [each for each in (*known, message_id) if each]),
            kind=kind,
            direction="out" if outgoing else "in",
            subject=mail.subject,
            date=mail.date,
            sender=sender,
            size=len(raw),
            text=text,
            reply_text=_replies.parse_reply(text) if kind == "human" else None,
        )
    ).inserted_primary_key
    assert row is not None
    for name, address in (*mail.to, *mail.cc) if outgoing else mail.from_:
        found_person = person_of(connection, name, address.lower(), create=kind == "human")
        if found_person is not None:
            connection.execute(select(deal.c.id).where(deal.c.person_id == found_person, deal.c.status == "open")).all()
            values = {"message_id": row[0], "person_id": found_person, "rule": "address"}
            connection.execute(insert(link).values(values).on_conflict_do_nothing())
    for part in mail.attachments:
        keep(connection, files, row[0], part)


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


def thread_of(connection: Connection, subject: str, known: list[str]) -> int:
    """The thread that any of the ids belongs to, or a new one."""
    query = select(reference.c.thread_id).where(reference.c.message_id.in_(known)).limit(1)
    found = connection.execute(query).scalar()
    if found is None:
        made = connection.execute(insert(thread).values(subject=subject)).inserted_primary_key
        assert made is not None
        found = made[0]
    if known:
        rows = [{"message_id": each, "thread_id": found} for each in known]
        connection.execute(insert(reference).on_conflict_do_nothing(), rows)
    return int(found)


def person_of(connection: Connection, name: str, email: str, *, create: bool) -> int | None:
    """The person with that address, made if need be."""
    if email.endswith(_OURS):
        return None
    found = connection.execute(select(person.c.id).where(person.c.email == email)).scalar()
    if found is None and create:
        made = connection.execute(insert(person).values(email=email, name=name)).inserted_primary_key
        assert made is not None
        found = made[0]
    return found


def keep(connection: Connection, files: Path, message_row: int, part: dict[str, Any]) -> None:
    """Write an attachment to a file and note it."""
    content = base64.b64decode(part["payload"]) if part["binary"] else part["payload"].encode()
    digest = hashlib.sha256(content).hexdigest()
    path = files / digest
    if not path.exists():
        path.write_bytes(content)
    connection.execute(
        insert(attachment).values(
            message_id=message_row,
            name=part["filename"],
            type=part["mail_content_type"],
            size=len(content),
            sha256=digest,
        )
    )


if __name__ == "__main__":
    main()
