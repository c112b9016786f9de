"""What the routes of the OpenAI protocol take and give. Fields that mean nothing here are taken and left alone."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ragbot.errors import InputError
from ragbot.server.footnotes import without_footnotes
from ragbot.server.schema import MAX_HISTORY, MAX_MESSAGE, MAX_NAME

MAX_INPUTS = 256
ModelName = Annotated[str, Field(min_length=1, max_length=MAX_NAME, examples=["ragbot"])]
Session = Annotated[str, Field(min_length=1, max_length=MAX_NAME, pattern=r"\S")]


class Lenient(BaseModel):
    """A body of the protocol; what it does not name is left alone."""

    model_config = ConfigDict(extra="allow", json_schema_serialization_defaults_required=True)


class TextPart(Lenient):
    """A part of a message. Only texts are read."""

    type: str
    text: str | None = None


class ChatMessage(Lenient):
    """A message of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | Annotated[list[TextPart], Field(max_length=50)] | None = None

    def read(self) -> str:
        """Its text, without the footnotes of an answer. Raises InputError for a part that is no text."""
        return without_footnotes(text_of(self.content)) if self.role == "assistant" else text_of(self.content)


class Metadata(BaseModel):
    """What belongs to a request. `session` says which conversation it is part of."""

    model_config = ConfigDict(extra="allow")
    session: Session | None = None


class StreamOptions(Lenient):
    """Options of a stream."""

    include_usage: bool | None = None


class ChatRequest(Lenient):
    """A chat completion."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [{"model": "ragbot", "messages": [{"role": "user", "content": "When does the lab open?"}]}]
        },
    )
    model: ModelName
    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[int, Field(ge=1, le=1)] | None = None
    metadata: Metadata | None = None
    footnotes: bool = True
    """Whether the sources stand behind the answer too, and not only in `annotations`."""


class ResponseItem(Lenient):
    """An item of the input of a response."""

    type: str | None = None
    role: str | None = None
    content: str | Annotated[list[TextPart], Field(max_length=50)] | None = None


class Conversation(Lenient):
    """A conversation by its id."""

    id: Session


class ResponseRequest(Lenient):
    """A response."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"examples": [{"model": "ragbot", "input": "When does it open?"}]})
    model: ModelName
    input: str | list[ResponseItem]
    stream: bool | None = None
    previous_response_id: Annotated[str, Field(max_length=MAX_NAME)] | None = None
    conversation: Session | Conversation | None = None
    metadata: Metadata | None = None
    footnotes: bool = False


class EmbeddingRequest(Lenient):
    """Texts to embed."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"examples": [{"model": "ragbot", "input": ["lab hours"]}]})
    model: ModelName
    input: (
        Annotated[str, Field(min_length=1, max_length=MAX_MESSAGE)]
        | Annotated[list[Annotated[str, Field(min_length=1, max_length=MAX_MESSAGE)]], Field(min_length=1, max_length=MAX_INPUTS)]
    )
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = None
    input_type: Literal["passage", "query"] = "passage"
    """A question is embedded as a question, a passage as a passage."""


class ModelObject(Lenient):
    """A persona in a scope."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: Literal["ragbot"] = "ragbot"


class ModelList(Lenient):
    """The models that a key can talk to."""

    object: Literal["list"] = "list"
    data: list[ModelObject]


class Answer(Lenient):
    """A chat completion, a response or embeddings, as the protocol has them."""

    id: str
    object: str
    model: str


class EmbeddingObject(Lenient):
    """One embedding: numbers, or base64 of little-endian float32."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class EmbeddingUsage(Lenient):
    """About how many tokens were read."""

    prompt_tokens: int
    total_tokens: int


class Embeddings(Lenient):
    """Embeddings, in the order of the texts."""

    object: Literal["list"] = "list"
    model: str
    data: list[EmbeddingObject]
    usage: EmbeddingUsage


def text_of(content: str | list[TextPart] | None) -> str:
    """The text of a message. Raises InputError for a part that is no text: nothing is left out silently."""
    if content is None or isinstance(content, str):
        return content or ""
    for part in content:
        if part.type not in ("text", "input_text", "output_text", "refusal"):
            raise InputError(f"content of the type {part.type[:50]!r} is not read; send text, or upload the file to the memory")
    return "\n".join(part.text or "" for part in content)


def conversation_of(messages: list[ChatMessage]) -> tuple[str, list[tuple[str, str]]]:
    """The message to answer, which is the last one of the user, and (role, text) of what was said before. Raises InputError."""
    said = [(one.role, one.read()) for one in messages if one.role in ("user", "assistant")]
    said = [(role, text) for role, text in said if text.strip()]
    if not said or said[-1][0] != "user":
        raise InputError("messages has no message of the user at its end; add the question with the role `user`")
    question = said[-1][1]
    if len(question) > MAX_MESSAGE:
        raise InputError(
            f"the message has {len(question)} characters; it takes {MAX_MESSAGE}: upload what is longer, and ask about it"
        )
    return question, [(role, text[:MAX_MESSAGE]) for role, text in said[-MAX_HISTORY - 1 : -1]]


def messages_of(given: str | list[ResponseItem]) -> list[ChatMessage]:
    """The input of a response as messages. Items that are none, such as calls of tools, are left out."""
    if isinstance(given, str):
        return [ChatMessage(role="user", content=given)]
    roles: Any = ("user", "assistant", "system", "developer")
    return [
        ChatMessage(role=one.role, content=one.content)  # type: ignore[arg-type]
        for one in given
        if one.type in (None, "message") and one.role in roles
    ]
