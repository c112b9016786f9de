"""The cross-encoder as a PyTorch network: the body of multilingual-e5-small, read as transformers' BERT, with five heads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import BertConfig, BertModel

from ragbot.models.bundled.e5 import SHAPE
from ragbot.models.bundled.minilm import LINEAR

LAYERS, HEADS, DIM = SHAPE.layers, SHAPE.heads, SHAPE.dim
HEAD_SIZES = {"answers": 1, "span": 2, "claim": 3, "needed": 1, "complete": 1}
"""Does a passage answer; where its answer begins and ends; is a claim supported, contradicted or neither; is a word needed; does
a complete answer say a sentence."""
QUESTION, CLAIM, TURN, PASSAGE, COMPLETE = range(5)
"""Tasks of rows, by number. A passage is a question too, but nobody marked the words of its answer; where the answer is complete,
whole sentences are marked."""
NOT_SUPPORTED = 3
"""The label of a claim of which it is known only that it is not supported (0), be it contradicted (1) or neither (2)."""
SPAN, TURNS, SAID = 0.5, 1.0, 1.0
"""What the loss of a span, of the words that a question needs, and of the sentences that are said, counts beside that of an
answer or a claim."""
NEEDED = 2.0
"""What a word that is needed counts beside one that is not."""
MASKED = -1e4


class CrossEncoder(nn.Module):
    """Reads vectors of tokens; of its layers the last ones are trained."""

    def __init__(self, body: Mapping[str, np.ndarray[Any, Any]], trained: int) -> None:
        super().__init__()
        sizes: dict[str, Any] = {"hidden_size": DIM, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS}
        config = BertConfig(
            vocab_size=8,
            max_position_embeddings=512,
            intermediate_size=4 * DIM,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            **sizes,
        )
        self.bert = BertModel(config, add_pooling_layer=False)
        found = self.bert.load_state_dict({name: torch.tensor(value) for name, value in body.items()}, strict=False)
        assert found.missing_keys == ["embeddings.word_embeddings.weight"] and not found.unexpected_keys
        self.heads = nn.ModuleDict({name: _head(many) for name, many in HEAD_SIZES.items()})
        for parameter in self.bert.embeddings.parameters():
            parameter.requires_grad = False
        for layer in list(self.bert.encoder.layer)[: LAYERS - trained]:
            for parameter in layer.parameters():
                parameter.requires_grad = False

    def trained(self) -> dict[str, Tensor]:
        """The weights that training changes."""
        names = {name for name, parameter in self.named_parameters() if parameter.requires_grad}
        return {name: value for name, value in self.state_dict().items() if name in names}

    def forward(self, words: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """Vectors (rows, tokens, dim) and mask (rows, tokens) → what each head says."""
        states = self.bert(inputs_embeds=words, attention_mask=mask).last_hidden_state
        first = states[:, 0]
        return {
            "answers": self.heads["answers"](first)[:, 0].float(),
            "claim": self.heads["claim"](first).float(),
            "span": self.heads["span"](states).float(),
            "needed": self.heads["needed"](states)[..., 0].float(),
            "complete": self.heads["complete"](states)[..., 0].float(),
        }


def quick_in_16_bits() -> bool:
    """Whether this processor multiplies in bfloat16 faster than in float32; without AVX-512 it is forty times slower."""
    return torch.backends.cpu.get_cpu_capability() == "AVX512"


def _head(many: int) -> nn.Linear:
    head = nn.Linear(DIM, many)
    nn.init.normal_(head.weight, std=0.02)
    nn.init.zeros_(head.bias)
    return head


def body_of(weights: Any) -> dict[str, np.ndarray[Any, Any]]:  # noqa: ANN401 (ragbot's Weights)
    """The weights of the body under the names that transformers has for them."""
    state = {
        "embeddings.position_embeddings.weight": weights.places,
        "embeddings.token_type_embeddings.weight": np.zeros((2, DIM), np.float32),
    }

    def put(name: str, pair: Any) -> None:  # noqa: ANN401
        state[f"{name}.weight"], state[f"{name}.bias"] = (np.array(part, np.float32) for part in pair)

    put("embeddings.LayerNorm", weights.norm)
    scale = (DIM // HEADS) ** 0.5
    for (i, name), (weight, bias) in weights.linear.items():
        put(f"encoder.layer.{i}.{LINEAR[name]}", (weight * scale, bias * scale) if name == "q" else (weight, bias))
    for i, (first, second) in enumerate(weights.norms):
        put(f"encoder.layer.{i}.attention.output.LayerNorm", first)
        put(f"encoder.layer.{i}.output.LayerNorm", second)
    return state


def loss(said: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The loss of each head, as a sum over the rows that teach it."""
    task, label, marked, second, mask = (batch[name] for name in ("task", "label", "marked", "second", "mask"))
    found = {}
    asks = task == QUESTION
    each = F.binary_cross_entropy_with_logits(said["answers"], label.clamp(max=1).float(), reduction="none")
    found["answers"] = (each * (asks | (task == PASSAGE) | (task == COMPLETE))).sum()
    found["span"] = SPAN * _span_loss(said["span"], asks, label, marked, second, mask)
    claims = task == CLAIM
    chances = F.log_softmax(said["claim"], -1)
    not_supported = torch.logsumexp(chances[:, 1:], -1)
    known = chances.gather(1, label.clamp(max=2)[:, None])[:, 0]
    found["claim"] = -(torch.where(label == NOT_SUPPORTED, not_supported, known) * claims).sum()
    place = torch.arange(mask.shape[1], device=mask.device)[None]
    turns = (task == TURN)[:, None] & (place > 0) & (place < second[:, None] - 2)
    each = F.binary_cross_entropy_with_logits(
        said["needed"], marked.float(), torch.where(marked > 0, NEEDED, 1.0), reduction="none"
    )
    found["needed"] = TURNS * ((each * turns).sum(1) / turns.sum(1).clamp(min=1)).sum()
    inside = (task == COMPLETE)[:, None] & (place >= second[:, None]) & (place < mask.sum(1, keepdim=True) - 1)
    each = F.binary_cross_entropy_with_logits(said["complete"], marked.float(), reduction="none")
    found["complete"] = SAID * ((each * inside).sum(1) / inside.sum(1).clamp(min=1)).sum()
    return found


def _span_loss(span: Tensor, asks: Tensor, label: Tensor, marked: Tensor, second: Tensor, mask: Tensor) -> Tensor:
    """Cross-entropy of where the first answer begins and ends; of the first token, where there is none."""
    place = torch.arange(mask.shape[1], device=mask.device)[None]
    inside = (place >= second[:, None]) & (place < mask.sum(1, keepdim=True) - 1) | (place == 0)
    marked = (marked > 0) & inside & asks[:, None]
    start = marked.float().argmax(1)
    gap = (~marked) & (place > start[:, None])
    end = torch.where(gap.any(1), gap.float().argmax(1) - 1, mask.sum(1) - 2)
    answered = marked.any(1)
    taught = asks & (answered | (label == 0))
    start, end = start * answered, end * answered
    scores = span.masked_fill(~inside[..., None], MASKED)
    both = F.cross_entropy(scores[..., 0], start, reduction="none") + F.cross_entropy(scores[..., 1], end, reduction="none")
    return (both * taught).sum() / 2
