"""A few rounds of `crash.py`, other ones each day: `make crash ROUNDS=1000` is the long run."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import crash
import pytest

HERE = Path(__file__).parent
SEED = datetime.now(UTC).date().toordinal()


@pytest.mark.parametrize(
    "rounds",
    [
        ("--sweep", "10", "--storms", "0"),
        ("--sweep", "0", "--storms", "3"),
        pytest.param(("--sweep", "40", "--storms", "20"), marks=pytest.mark.nightly),
    ],
)
def test_killed_at_any_step_nothing_is_lost_or_half_there(rounds):
    command = ["tests/crash.py", *rounds, "--seed", str(SEED)]
    done = run(*command)
    assert done.returncode == 0, f"again: python {' '.join(command)}\n{done.stdout}{done.stderr[-5000:]}"


@pytest.mark.parametrize(("kills", "steps"), [(20, 37), (666, 400), (20, 3)])
def test_runs_one_after_the_other_kill_before_each_step(kills, steps):
    runs = -(-steps * len(crash.WAYS) // kills) + 1
    for way in crash.WAYS:
        tried = [crash.chosen(way, steps, kills, seed) for seed in range(SEED, SEED + runs)]
        assert set().union(*tried) == set(range(1, steps + 1))
    in_a_run = sum(len(crash.chosen(way, 1000, kills, SEED)) for way in crash.WAYS)
    assert in_a_run == kills
    assert crash.chosen("retire", steps, None, SEED) == list(range(1, steps + 1))


def run(*command):
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, cwd=HERE.parent, timeout=1500)


def test_the_judge_sees_what_is_wrong(tmp_path):
    """A store that forgets to retire what a new version replaced does not pass."""
    broken = tmp_path / "broken.py"
    broken.write_text(
        f"import sys; sys.path.insert(0, {str(HERE)!r}); sys.path.insert(0, {str(HERE.parent)!r})\n"
        "from ragbot.store import Transaction\n"
        "Transaction._retire = lambda self, gone, at, by: None\n"
        "import crash; crash.main()\n"
    )
    done = run(broken, "--sweep", "1", "--storms", "2")
    assert done.returncode != 0
    assert "FAILED new version" in done.stdout
    assert "FAILED storm" in done.stdout
