"""Every error that ragbot raises on purpose.

    RagbotError
    ├── ConfigError      a setting that is unknown or has no sense
    ├── HomeError        a home (data folder) that cannot be opened
    ├── BusyError        another process held the home for too long
    ├── NotFoundError    a document or turn that is not there
    ├── InputError       a value that a call cannot take (also a ValueError)
    ├── AccessError      something that a key does not allow
    ├── ModelError       a model that is missing or does not run
    └── ReadError        a file that gives no text
        ├── UnsupportedError   of a type that no reader covers
        ├── EmptyError         with nothing in it to read
        ├── BrokenError        that is not what its name says, or is damaged
        └── LockedError        encrypted, or not ours to open

A message is one line: the thing, the cause, the mend.
"""


class RagbotError(Exception):
    """Anything that ragbot refuses to do, in one line that a person can act on."""


class ConfigError(RagbotError):
    """A setting that is unknown or has no sense."""


class HomeError(RagbotError):
    """A home that cannot be opened: no folder, no database, damaged, or too new."""


class BusyError(RagbotError):
    """Another process held the home for too long; nothing was written."""


class NotFoundError(RagbotError):
    """A document or turn that is not in the memory."""


class InputError(RagbotError, ValueError):
    """A value that a call cannot take."""


class AccessError(RagbotError):
    """Something that a key does not allow."""


class ModelError(RagbotError):
    """A model that is missing or does not run."""


class ReadError(RagbotError):
    """A file that gives no text."""


class UnsupportedError(ReadError):
    """A file of a type that no reader covers."""


class EmptyError(ReadError):
    """A file with nothing in it to read."""


class BrokenError(ReadError):
    """A file that is damaged, or is not what its name says."""


class LockedError(ReadError):
    """A file that is encrypted, or that we may not open."""
