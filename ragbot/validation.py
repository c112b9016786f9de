"""TOML tables into frozen dataclasses: pydantic checks the values, and one line says what is wrong.

The dataclasses are those of the standard library. They describe their fields with type hints and `Takes`; pydantic is
imported when the first value is checked, since that takes a tenth of a second that not every command should pay for.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from ragbot.errors import ConfigError

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, TypeAdapter, ValidationError
    from pydantic_core import CoreSchema

Kind = TypeVar("Kind")

MAX_SHOWN_CHARS = 100
"""So much of a wrong value is repeated in an error."""
EXPECTED = "Input should be "
"""How pydantic begins to say what a value has to be."""


class Takes:
    """Annotates a type with what a value has to be: in the words that an error uses, and in limits of pydantic's `Field`.

    The type is taken strictly: no text is a number, and 1 is not true.
    """

    def __init__(self, words: str, **limits: Any) -> None:  # noqa: ANN401 (what `Field` takes)
        self._words, self._limits = words, limits

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401 (any type)
        """Build pydantic's schema of the annotated type. Whatever is wrong with a value is one error, in these words."""
        from pydantic import Field
        from pydantic_core.core_schema import custom_error_schema

        schema = handler(Annotated[source, Field(strict=True, **self._limits)])
        return custom_error_schema(schema, "takes", custom_error_message=EXPECTED + self._words)


def read_table(file: Path) -> dict[str, Any]:
    """Read a TOML file. Raises ConfigError if it cannot be read as one."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as cause:
        raise ConfigError(f"{file}: cannot be read as TOML ({cause}); mend or remove it") from cause


def keys_of(kind: type, *given: str) -> list[str]:
    """The fields of a dataclass that a table may set: all but those that are given otherwise."""
    return sorted({field.name for field in fields(kind)} - set(given))


def need_known(table: Mapping[str, object], where: str, known: Sequence[str], knows: str = "known are") -> None:
    """Raise ConfigError, which begins with `where` and lists what is known, if a table has any other key."""
    for key in table:
        if key not in known:
            raise ConfigError(f"{where}: unknown setting {key!r}; {knows} {', '.join(known)}")


def validated(kind: type[Kind], values: Mapping[str, object], where: str, *, context: object = None, texts: bool = False) -> Kind:
    """Build a dataclass from values, which its validators check in a context of their own. Raises ConfigError.

    With `texts`, the values are texts, as those of the environment are, and are read as numbers where a field is a number.
    `where` says what the values are of, and begins the error.
    """
    from pydantic import ValidationError

    adapter = _adapter(kind)  # type: ignore[arg-type] # a class is hashable; mypy looks at its instances
    try:
        built: Kind = adapter.validate_strings(values) if texts else adapter.validate_python(values, context=context)
        return built
    except ValidationError as cause:
        raise ConfigError(f"{where}: {one_line(cause)}") from cause


def one_line(cause: ValidationError) -> str:
    """Say in one line what pydantic found: the keys that are missing, then each wrong one, what it takes, and what was given."""
    errors = cause.errors(include_url=False, include_context=False)
    missing = [_key(error["loc"]) for error in errors if error["type"] == "missing"]
    found = [f"lacks {', '.join(missing)}; add it"] if missing else []
    for error in errors:
        if error["type"] == "missing":
            continue
        key, given, said = _key(error["loc"]), repr(error["input"]), error["msg"]
        given = given if len(given) <= MAX_SHOWN_CHARS else f"{given[:MAX_SHOWN_CHARS]}…"
        expected = said.removeprefix(EXPECTED)
        found.append(f"{key} takes {expected}, not {given}" if expected != said else f"{key} cannot be {given} ({said})")
    return "; ".join(found)


def _key(location: tuple[int | str, ...]) -> str:
    return ".".join(map(str, location))


@cache
def _adapter(kind: type) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)
