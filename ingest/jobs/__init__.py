"""Scheduled work. A job is a command of `ingest` with its arguments and its times, read from the home's settings.

`settings` reads the jobs, `times` says when they are due, `running` runs one once and writes it down, `child` is the process
in which its command runs, `scheduler` runs all of them when they are due, each by `ingest jobs once`. Nothing here loads a
model: what does, is a process of its own, which ends.
"""

from datetime import datetime


def local(moment: datetime) -> str:
    """A moment as it is shown: by the clock of this machine."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"
