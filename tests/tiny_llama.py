"""A language model like the bundled generator, in the same file format and of the same family, but of 2 layers and 32 numbers.

Its weights are drawn by chance and it knows no English: it serves where a test is about how a model is trained or kept.
"""

import json

import gguf
import numpy as np
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

LAYERS, WIDTH, HIDDEN, HEADS, GROUPS, ROOM = 2, 32, 64, 4, 2, 1024
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
END = 2
MARKS = "<|im_start|>user assistant\nQuestion: Statement: Is the answer there? Is it said there? yes: no " * 9


def write_tiny_llama(file, text, seed=1):
    """Write the model to `file`, with a vocabulary of the words of `text` and of the prompts."""
    vocabulary, merges = _words(text + MARKS)
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_block_count(LAYERS)
    writer.add_context_length(ROOM)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(GROUPS)
    writer.add_rope_freq_base(10_000.0)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(vocabulary))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(vocabulary)
    writer.add_token_types([3 if token in SPECIAL else 1 for token in vocabulary])
    writer.add_token_merges(merges)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(END)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(END)
    rng = np.random.default_rng(seed)
    for name, shape in _shapes(len(vocabulary)).items():
        scale = 1.0 if name == "token_embd" else 1.5 / np.sqrt(shape[-1])
        weights = np.ones(shape) if "norm" in name else rng.normal(0, scale, shape)
        writer.add_tensor(f"{name}.weight", weights.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _shapes(words):
    shapes = {"token_embd": (words, WIDTH), "output_norm": (WIDTH,)}
    for layer in range(LAYERS):
        shapes |= {
            f"blk.{layer}.{name}": shape
            for name, shape in {
                "attn_norm": (WIDTH,),
                "attn_q": (WIDTH, WIDTH),
                "attn_k": (WIDTH // HEADS * GROUPS, WIDTH),
                "attn_v": (WIDTH // HEADS * GROUPS, WIDTH),
                "attn_output": (WIDTH, WIDTH),
                "ffn_norm": (WIDTH,),
                "ffn_gate": (HIDDEN, WIDTH),
                "ffn_up": (HIDDEN, WIDTH),
                "ffn_down": (WIDTH, HIDDEN),
            }.items()
        }
    return shapes


def _words(text):
    """Tokens and merges of a byte-level vocabulary, as GGUF keeps them."""
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    raw.train_from_iterator(
        [text], trainers.BpeTrainer(vocab_size=600, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False)
    )
    kept = json.loads(raw.to_str())["model"]
    return sorted(kept["vocab"], key=kept["vocab"].get), [" ".join(pair) for pair in kept["merges"]]
