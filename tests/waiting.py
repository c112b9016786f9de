"""Waiting for what another thread or process does: until its sign is there, with a deadline, never for a fixed time."""

import time

DEADLINE_S = 120
"""Long enough for a machine that is busy with other things; nothing takes so long that goes well."""


def until(true, what, within_s=DEADLINE_S):
    """What `true` returns as soon as that is true. Fails with `what` was waited for after `within_s` seconds."""
    end = time.monotonic() + within_s
    while not (found := true()):
        assert time.monotonic() < end, f"not in {within_s} s: {what}"
        time.sleep(0.02)
    return found


def stays(true, what, for_s=0.5):
    """Fail as soon as `true` is not true any more. For what must not happen, where nothing would tell that it never will."""
    end = time.monotonic() + for_s
    while time.monotonic() < end:
        assert true(), f"no longer: {what}"
        time.sleep(0.02)
