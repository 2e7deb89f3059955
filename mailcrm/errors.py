"""Every error of ours says whether trying again may help.

The message is for the person who has to act on it: what failed, where, and what to do.
"""


class MailcrmError(Exception):
    """Something was refused or failed; the text says what, why and what to do."""


class Temporary(MailcrmError):
    """May succeed later without anybody changing anything (network, lock, throttling)."""


class Permanent(MailcrmError):
    """Will fail again until somebody changes something."""


class ConfigError(Permanent):
    """The configuration is wrong; the text names the key."""


class NotFound(Permanent):
    """No such record."""


class Refused(Permanent):
    """A rule forbids it; the text names the rule's reason."""


class LoginFailed(Permanent):
    """A server refused our name or password; the text names the account."""
