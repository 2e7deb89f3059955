"""One message read: parsed and classified, or kept as it came with the reason why not."""

from __future__ import annotations

from mailcrm import config
from mailcrm.errors import Temporary
from mailcrm.mail import odd_bounces
from mailcrm.mail.content import Content, Sink, unreadable
from mailcrm.mail.headers import Buffer
from mailcrm.mail.parse import Unparsable, parse

_CLASSIFIED = 1 << 20  # bytes that the bounce detectors may look at


def read(raw: Buffer, blobs: Sink, limits: config.Parsing, mail_from: str | None = None) -> Content:
    """Parse and classify. No content makes this raise: what can't be read is put into ``blobs`` as it is.

    Args:
        raw: the message as it came.
        blobs: where attachments, and unreadable messages, are put.
        limits: bounds on bytes, parts and depth. (The bound on time is kept by ``readers``.)
        mail_from: the envelope sender where known; "" is the null sender.

    Raises:
        Temporary: ``blobs`` takes nothing (disk full, no permission).
    """
    try:
        try:
            message = parse(raw, blobs, limits)
            return message, odd_bounces.read(raw[:_CLASSIFIED], message, mail_from)
        except OSError:
            raise
        except Unparsable as error:
            reason = str(error)
        except MemoryError:
            reason = "needs more memory than a message may"
        except Exception as error:  # noqa: BLE001  one message must not stop a mailbox, whatever it found
            reason = f"{type(error).__name__}: {error}"[:500]
        return unreadable(raw, blobs, reason)
    except OSError as error:
        raise Temporary(f"can't store attachments: {error}; make room or mend the permissions of data_dir") from error
