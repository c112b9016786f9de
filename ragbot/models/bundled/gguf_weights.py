"""Weights of the bundled generator as OpenVINO GenAI reads them rightly: a GGUF file in 8 bits.

From a file in 4 bits (Q4_1) GenAI makes a network that writes other and worse sentences than the same weights on torch do;
from 8 bits it writes the same ones (`benchmarks/same_text.py`, decision 0001).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np


def write(base: Path, out: Path, adapter: Path | None = None) -> None:
    """A GGUF file of the Llama family with its linear layers in 8 bits; those of a `peft` folder are added if one is given."""
    import gguf
    from safetensors.numpy import load_file

    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8")) if adapter else {}
    beside = load_file(str(adapter / "adapter_model.safetensors")) if adapter else {}
    source = gguf.GGUFReader(base)
    writer = gguf.GGUFWriter(out, "llama")
    numbers = {}
    for field in source.fields.values():
        if not field.name.startswith("GGUF.") and field.name != "general.architecture":
            kind = field.types[0]
            writer.add_key_value(
                field.name, field.contents(), kind, field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
            )
            numbers[field.name] = field.contents()
    heads = {"q": numbers["llama.attention.head_count"], "k": numbers["llama.attention.head_count_kv"]}
    for tensor in source.tensors:
        name = _peft_name(tensor.name)
        if name is None:
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
            continue
        weight = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        if beside:
            down, up = (beside[f"base_model.model.{name}.lora_{part}.weight"].astype(np.float32) for part in "AB")
            more = up @ down * (config["lora_alpha"] / config["r"])
            if (part := name[-6:-5]) in heads and "self_attn" in name:
                more = _halves(more, heads[part])
            weight = weight + more
        bits = gguf.GGMLQuantizationType.Q8_0
        writer.add_tensor(tensor.name, gguf.quants.quantize(weight, bits), raw_dtype=bits)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


_NAMES = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
}
_NAMES |= {"ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}


def _peft_name(name: str) -> str | None:
    parts = name.split(".")
    return f"model.layers.{parts[1]}.{_NAMES[parts[2]]}" if len(parts) == 4 and parts[2] in _NAMES else None


def _halves(weight: Any, heads: int) -> Any:  # noqa: ANN401 (arrays)
    """The rows of a query or key as GGUF has them: of each head, the two halves that turn together side by side."""
    return weight.reshape(heads, 2, -1, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)
