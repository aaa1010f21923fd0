#!/usr/bin/env python3
"""Tiny text models of every decoder family, by transformers.

    models_decoder.py DIR [NAME...]     write DIR/NAME, all or those named

Versions: README.md.  Read next: reference.py, which says what is in a
folder; ../unit/test_families.c, which compares.
"""

import pathlib
import sys

from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    PhiConfig,
    PhiForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from reference import first, pick, spread, write

SIZES = {
    "vocab_size": 96,
    "hidden_size": 32,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "tie_word_embeddings": False,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": None,
}


PADDING = pick(3, SIZES["vocab_size"])[-1]  # an id of every prompt


def llama(scaling=None, **other):
    values = SIZES | {"rope_scaling": scaling} | other
    return LlamaForCausalLM(LlamaConfig(**values))


def stretched(kind, factor, **other):
    return {"rope_type": kind, "factor": factor} | other


def phi3(**other):
    return Phi3ForCausalLM(Phi3Config(**(SIZES | other)))


def longrope():
    """rope_scaling of Phi-3-mini-128k, for four pairs.

    Without a window: where the text runs anew, generate of transformers
    4.57.1 makes the window's mask for the last token alone.
    """
    scaling = {
        "type": "longrope",
        "short_factor": [1.0, 1.05, 1.1, 1.3],
        "long_factor": [1.1, 1.6, 3.0, 7.5],
    }
    return phi3(
        rope_scaling=scaling,
        max_position_embeddings=96,
        original_max_position_embeddings=24,
    )


# name: model, ids of the prompt
MODELS = {
    "llama2": (lambda: llama(num_key_value_heads=4), 20),
    "llama": (
        lambda: llama(
            stretched(
                "llama3",
                4.0,
                low_freq_factor=1.0,
                high_freq_factor=4.0,
                original_max_position_embeddings=16,
            ),
            vocab_size=71,
            hidden_size=36,
            intermediate_size=50,
            num_attention_heads=6,
            head_dim=20,
            max_position_embeddings=64,
            rms_norm_eps=1e-5,
            rope_theta=500.0,
        ),
        40,
    ),
    "llama_linear": (lambda: llama(stretched("linear", 3.0)), 40),
    # The prompt is inside the first length, or beyond it.
    "llama_dynamic": (
        lambda: llama(stretched("dynamic", 2.0), max_position_embeddings=32),
        28,
    ),
    "llama_dynamic_long": (
        lambda: llama(stretched("dynamic", 4.0), max_position_embeddings=24),
        40,
    ),
    "llama_yarn": (
        lambda: llama(
            stretched("yarn", 4.0, original_max_position_embeddings=32),
            attention_bias=True,
            mlp_bias=True,
        ),
        40,
    ),
    # More than a page of keys.
    "mistral": (
        lambda: MistralForCausalLM(
            MistralConfig(**(SIZES | {"sliding_window": 12}))
        ),
        90,
    ),
    "yi": (
        lambda: llama(
            rope_theta=5e6,
            intermediate_size=56,
            num_key_value_heads=1,
            pad_token_id=PADDING,
        ),
        20,
    ),
    "qwen2": (lambda: Qwen2ForCausalLM(Qwen2Config(**SIZES)), 20),
    "qwen2_tied": (
        lambda: Qwen2ForCausalLM(
            Qwen2Config(
                **(
                    SIZES
                    | {"tie_word_embeddings": True, "pad_token_id": PADDING}
                )
            )
        ),
        20,
    ),
    "qwen2_window": (
        lambda: Qwen2ForCausalLM(
            Qwen2Config(
                **(SIZES | {"num_hidden_layers": 3}),
                use_sliding_window=True,
                sliding_window=9,
                max_window_layers=1,
            )
        ),
        40,
    ),
    "qwen3": (
        lambda: Qwen3ForCausalLM(Qwen3Config(**SIZES, head_dim=12)),
        20,
    ),
    "phi": (
        lambda: PhiForCausalLM(
            PhiConfig(
                **(SIZES | {"num_key_value_heads": 4}),
                partial_rotary_factor=0.5,
            )
        ),
        20,
    ),
    "phi3": (lambda: phi3(sliding_window=14), 30),
    # Prompts before the longer factors begin, and after.
    "phi3_longrope": (longrope, 20),
    "phi3_longrope_long": (longrope, 40),
    # Its other ways to attend leave out the scaling by layer.
    "gpt2": (
        lambda: GPT2LMHeadModel(
            GPT2Config(
                vocab_size=96,
                n_positions=64,
                n_embd=32,
                n_layer=2,
                n_head=4,
                n_inner=40,
                scale_attn_by_inverse_layer_idx=True,
                bos_token_id=1,
                eos_token_id=2,
                attn_implementation="eager",
            )
        ),
        20,
    ),
}


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    for name in sys.argv[2:] or MODELS:
        make, count = MODELS[name]
        folder = pathlib.Path(sys.argv[1]) / name

        def attempt(seed):
            model = spread(make(), seed=seed)
            write(folder, model, pick(count, model.config.vocab_size))

        first(attempt)


if __name__ == "__main__":
    main()
