"""About a hundred rounds of `crash.py`: `make crash ROUNDS=1000` is the long run."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def run(*arguments):
    return subprocess.run(
        [sys.executable, HERE / "crash.py", *arguments], capture_output=True, text=True, cwd=HERE.parent, timeout=1500
    )


def test_killed_at_any_step_nothing_is_lost_or_half_there():
    done = run("--sweep", "66", "--storms", "34")
    assert done.returncode == 0, done.stdout + done.stderr[-5000:]


def test_the_judge_sees_what_is_wrong(tmp_path):
    """A store that forgets to retire what a new version replaced does not pass."""
    broken = tmp_path / "broken.py"
    broken.write_text(
        f"import sys; sys.path.insert(0, {str(HERE)!r}); sys.path.insert(0, {str(HERE.parent)!r})\n"
        "from ragbot.store import Transaction\n"
        "Transaction._retire = lambda self, gone, at, by: None\n"
        "import crash; crash.main()\n"
    )
    command = [sys.executable, broken, "--sweep", "1", "--storms", "2"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parent, timeout=600)
    assert done.returncode != 0
    assert "FAILED new version" in done.stdout
    assert "FAILED storm" in done.stdout
