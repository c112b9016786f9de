"""Settings: where they come from, what a mistake in them says, and what reading them costs."""

import subprocess
import sys
from dataclasses import FrozenInstanceError, dataclass, fields, replace
from pathlib import Path

import pytest

from ragbot import settings
from ragbot.errors import ConfigError
from ragbot.validation import MAX_SHOWN_CHARS, validated

ROOT = Path(__file__).parent.parent

KUBERNETES = {
    "RAGBOT_SERVICE_HOST": "10.0.171.239",
    "RAGBOT_SERVICE_PORT": "80",
    "RAGBOT_SERVICE_PORT_HTTP": "80",
    "RAGBOT_PORT": "tcp://10.0.171.239:80",
    "RAGBOT_PORT_80_TCP": "tcp://10.0.171.239:80",
    "RAGBOT_PORT_80_TCP_PROTO": "tcp",
    "RAGBOT_PORT_80_TCP_PORT": "80",
    "RAGBOT_PORT_80_TCP_ADDR": "10.0.171.239",
    "RAGBOT_PORT_53_UDP": "udp://10.0.171.239:53",
    "RAGBOT_PORT_53_UDP_PROTO": "udp",
    "RAGBOT_PORT_53_UDP_PORT": "53",
    "RAGBOT_PORT_53_UDP_ADDR": "10.0.171.239",
    "RAGBOT_WEB_UI_SERVICE_HOST": "fd00::1",
    "RAGBOT_WEB_UI_SERVICE_PORT": "8080",
    "RAGBOT_WEB_UI_SERVICE_PORT_METRICS_V2": "9090",
    "RAGBOT_WEB_UI_PORT": "tcp://[fd00::1]:8080",
    "RAGBOT_WEB_UI_PORT_8080_TCP": "tcp://[fd00::1]:8080",
    "RAGBOT_WEB_UI_PORT_8080_TCP_ADDR": "fd00::1",
}
"""The variables that a pod has of a service called `ragbot`, and of one called `ragbot-web-ui`."""


def test_the_variables_of_a_kubernetes_service_called_ragbot_are_no_settings(tmp_path):
    assert settings.load(tmp_path, KUBERNETES) == settings.Settings()
    assert settings.load(tmp_path, {**KUBERNETES, "RAGBOT_PASSAGES": "7"}) == settings.Settings(passages=7)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("RAGBOT_PORT", "8080"),  # a person's: Kubernetes gives an address
        ("RAGBOT_API_PORT", "8080"),
        ("RAGBOT_HOST", "10.0.0.1"),
        ("RAGBOT_SERVICE", "10.0.0.1"),
        ("RAGBOT_SERVICE_HOSTS", "10.0.0.1"),
        ("RAGBOT_PORT_HTTP_TCP", "tcp://10.0.0.1:80"),
        ("RAGBOT_PORT_80_TCP_HOST", "10.0.0.1"),
        ("RAGBOT_PORT_80_HTTP", "http://10.0.0.1:80"),
        ("RAGBOT_PASSAGE", "7"),
        ("RAGBOT_", "7"),
    ],
)
def test_any_other_unknown_variable_is_an_error(tmp_path, name, text):
    with pytest.raises(
        ConfigError, match=rf"environment \({name}\): unknown setting '.*'; known are answers, authority, embedder, generator, "
    ):
        settings.load(tmp_path, {**KUBERNETES, name: text})


def test_texts_are_trimmed_and_a_number_may_stand_between_quotation_marks(tmp_path):
    (tmp_path / settings.FILE).write_text('recall = " fast "\npassages = "3"\n')
    found = settings.load(tmp_path, {"RAGBOT_MAX_TOKENS": " 50 ", "RAGBOT_GENERATOR": "some/model "})
    assert found == settings.Settings(recall="fast", passages=3, max_tokens=50, generator="some/model")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("passages = 3.0", "passages takes a whole number from 1 up, not 3.0"),
        ("passages = true", "passages takes a whole number from 1 up, not True"),
        ("generator = 3", "generator takes a text, not 3"),
        ("generator = '  '", "generator takes a text, not ''"),
        ("reader = 'other'", "reader takes 'bundled' or 'none', not 'other'"),
        ("jobs = 3", "jobs takes a table for each job, headed [jobs.NAME], not 3"),
        ("jobs = 'x'", "jobs takes a table for each job, headed [jobs.NAME], not 'x'"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_file_key_and_what_is_right(tmp_path, line, said):
    (tmp_path / settings.FILE).write_text(line)
    with pytest.raises(ConfigError) as raised:
        settings.load(tmp_path, {})
    assert str(raised.value) == f"{tmp_path / settings.FILE}: {said}"


def test_the_home_of_a_user_who_is_not_there_is_named():
    with pytest.raises(ConfigError, match="~nobody-of-this-name/x: there is no such user"):
        settings.home_folder("~nobody-of-this-name/x")


def test_settings_are_frozen_and_can_be_replaced():
    found = settings.Settings()
    with pytest.raises(FrozenInstanceError):
        found.passages = 7
    assert replace(found, passages=7) == settings.Settings(passages=7)
    assert len({found, replace(found, passages=5)}) == 1


@dataclass(frozen=True)
class Plain:
    """A dataclass that leaves the words to pydantic."""

    size: int
    name: str
    names: tuple[str, ...] = ()


def test_all_that_is_wrong_is_said_at_once_in_one_line():
    with pytest.raises(ConfigError) as raised:
        validated(Plain, {"size": "x\ny", "names": ["a", 3]}, "file")
    assert str(raised.value) == (
        "file: lacks name; add it; size takes a valid integer, unable to parse string as an integer, not 'x\\ny'; "
        "names.1 takes a valid string, not 3"
    )
    with pytest.raises(ConfigError) as raised:
        validated(Plain, {"size": 1, "name": ["long"] * 1000}, "file")
    assert len(str(raised.value)) < MAX_SHOWN_CHARS + 50


@pytest.mark.parametrize("module", ["ragbot", "ragbot.chat", "ragbot.memory", "ragbot.cli.main", "ingest.cli.main"])
def test_importing_does_not_wait_for_pydantic(module, tmp_path):
    code = f"""
import sys, pathlib, {module}
from ragbot import settings
settings.load(pathlib.Path({str(tmp_path)!r}), {{}})
print("pydantic" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "False", done.stderr


def test_the_readme_has_every_setting_with_its_default():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for field in fields(settings.Settings):
        if field.name not in ("jobs", "server"):
            assert f"| `{field.name}` | `RAGBOT_{field.name.upper()}` | `{field.default}` | " in readme, field.name
