"""Stands in for `ingest` in the tests of jobs: `jobs …` is the real thing, other commands do what `script.json` in the home says.

The n-th call does the n-th step, further ones the last: {"out": …, "err": …, "code": …, "sleep": …, "hold": …, "deaf": …,
"spawn": …, "signal": …}. Who holds on waits for a file `go` in the home.
`calls.log` in the home gets a line for each beginning and each end, and one that says OVERLAP where two are at work.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def act(home):
    def log(*words):
        with (home / "calls.log").open("a") as file:
            file.write(json.dumps(words) + "\n")

    with (home / "one-at-a-time").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log("OVERLAP")
        calls = (home / "calls.log").read_text().count('"begin"') if (home / "calls.log").exists() else 0
        steps = json.loads((home / "script.json").read_text()) if (home / "script.json").exists() else [{}]
        step = steps[min(calls, len(steps) - 1)]
        if step.get("deaf"):
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        log("begin", os.getpid(), sys.argv[1:], os.environ.get("RAGBOT_PASSWORD", ""))
        if step.get("spawn"):
            log("spawned", subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).pid)
        try:
            time.sleep(step.get("sleep", 0))
            while step.get("hold") and not (home / "go").exists():
                time.sleep(0.05)
        except KeyboardInterrupt:
            log("interrupted")
            return 130
        if "signal" in step:
            os.kill(os.getpid(), step["signal"])
        for stream, text in ((sys.stdout, step.get("out", '{"counts": {"added": 1}}')), (sys.stderr, step.get("err", ""))):
            stream.write(text)
            stream.flush()
        log("end", os.getpid())
        return step.get("code", 0)


if __name__ == "__main__":
    if sys.argv[1] == "jobs":
        from ingest.cli.main import main
        from ingest.jobs import child

        child.PROGRAM = (sys.executable, __file__)
        child.GRACE_S = 3.0
        main()
    else:
        home = next(word.removeprefix("--home=") for word in sys.argv if word.startswith("--home="))
        sys.exit(act(Path(home)))
