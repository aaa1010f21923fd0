#!/usr/bin/env python3
"""What a config.json means where it is silent, by transformers.

    config_defaults.py >config_defaults.jsonl

A line for each config.json: "config" (its text, as small as it gets: the
model_type, and what medvl would refuse otherwise) and "want": what the
configuration object of transformers then says of every field that medvl
reads, under the names of medvl's structures.  After the defaults come fields
that are null, and those that contradict each other.  Versions: README.md.
Read next: ../unit/test_config_defaults.c, which compares.
"""

import importlib
import itertools
import json

from transformers import AutoConfig, GenerationConfig

ACTS = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "quick_gelu": "quick_gelu",
    "silu": "silu",
}
# The class that turns, by the "model_type" of the text.
ROTARY = {
    "llama": "Llama",
    "mistral": "Mistral",
    "qwen2": "Qwen2",
    "qwen3": "Qwen3",
    "phi": "Phi",
    "phi3": "Phi3",
    "qwen2_vl": "Qwen2VL",
    "qwen2_5_vl": "Qwen2_5_VL",
}
TEXTS = ["llama", "mistral", "qwen2", "qwen3", "phi", "phi3", "gpt2"]


def ids(config):
    """Ids as generate has them; -1 for none."""
    made = GenerationConfig.from_model_config(config)
    return {
        name: -1 if (value := getattr(made, name + "_token_id")) is None
        else value
        for name in ("bos", "eos", "pad")
    }


def head_size(text):
    own = getattr(text, "head_dim", None)
    return own or text.hidden_size // text.num_attention_heads


def rope(text):
    """How positions turn, as the model of this type reads it."""
    kind = text.model_type.removesuffix("_text")
    if kind not in ROTARY:
        return {"rope": "none", "rotary": 0}
    module = importlib.import_module(
        f"transformers.models.{kind}.modeling_{kind}")
    turns = getattr(module, ROTARY[kind] + "RotaryEmbedding")(text)
    scaling = getattr(text, "rope_scaling", None) or {}
    # Those of a large head follow from its size and theta.
    small = len(turns.inv_freq) <= 8
    return {
        "frequencies": turns.inv_freq.tolist() if small else [],
        "rope": turns.rope_type,
        "rotary": 2 * len(turns.inv_freq),
        "rope_theta": text.rope_theta,
        "rope_scale": turns.attention_scaling,
        "mrope": scaling.get("mrope_section", [0, 0, 0]),
    }


def windows(text):
    """Runs of layers: how many, and how many keys each sees; 0 for all."""
    size = getattr(text, "sliding_window", None) or 0
    one = "sliding" if text.model_type in ("mistral", "phi3") else "full"
    types = [one] * text.num_hidden_layers
    if text.model_type.startswith("qwen"):
        types = text.layer_types
    return [
        [len(list(run)), size if name.startswith("sliding") else 0]
        for name, run in itertools.groupby(types)
    ]


def padding(text):
    """The row of nn.Embedding that does not learn; -1 for none."""
    row = None if text.model_type == "gpt2" else text.pad_token_id
    return -1 if row is None else row % text.vocab_size


def decoder(text):
    kind = text.model_type.removesuffix("_text")
    gpt2 = kind == "gpt2"
    bias = kind in ("phi", "gpt2") or bool(
        getattr(text, "attention_bias", False))
    wide = text.n_inner or 4 * text.n_embd if gpt2 else text.intermediate_size
    eps = {"phi": "layer_norm_eps", "gpt2": "layer_norm_epsilon"}
    act = text.activation_function if gpt2 else text.hidden_act
    return {
        "vocab_size": text.vocab_size,
        "hidden": text.hidden_size,
        "intermediate": wide,
        "layers": text.num_hidden_layers,
        "heads": text.num_attention_heads,
        "groups": (text.num_attention_heads if gpt2
                   else text.num_key_value_heads),
        "head_size": head_size(text),
        "max_positions": text.max_position_embeddings,
        "norm_eps": getattr(text, eps.get(kind, "rms_norm_eps")),
        "act": ACTS[act],
        "tied": bool(text.tie_word_embeddings),
        "padding": padding(text),
        "qkv_bias": bias or kind in ("qwen2", "qwen2_vl", "qwen2_5_vl"),
        "out_bias": bias,
        "mlp_bias": (kind in ("phi", "gpt2")
                     or bool(getattr(text, "mlp_bias", False))),
        "windows": windows(text),
        "scale_by_layer": bool(
            getattr(text, "scale_attn_by_inverse_layer_idx", False)),
        "init_range": text.initializer_range,
    } | rope(text)


def qwen_tower(v):
    newer = v.model_type == "qwen2_5_vl"
    return {
        "vision.hidden": v.hidden_size if newer else v.embed_dim,
        "vision.intermediate": (v.intermediate_size if newer
                                else int(v.embed_dim * v.mlp_ratio)),
        "vision.layers": v.depth,
        "vision.heads": v.num_heads,
        "vision.patch_size": v.patch_size,
        "vision.act": ACTS[v.hidden_act],
        "vision.temporal": v.temporal_patch_size,
        "vision.merge": v.spatial_merge_size,
        "vision.window": v.window_size if newer else 0,
        "vision.whole": v.fullatt_block_indexes if newer else [],
        "vision.init_range": v.initializer_range,
    }


def tower(v):
    dino = v.model_type.startswith("dinov2")
    registers = getattr(v, "num_register_tokens", 0)
    gated = dino and bool(v.use_swiglu_ffn)
    wide = int(v.hidden_size * v.mlp_ratio) if dino else v.intermediate_size
    return {
        "vision.hidden": v.hidden_size,
        "vision.intermediate": ((wide * 2 // 3 + 7) // 8 * 8 if gated
                                else wide),
        "vision.layers": v.num_hidden_layers,
        "vision.heads": v.num_attention_heads,
        "vision.image_size": v.image_size,
        "vision.patch_size": v.patch_size,
        "vision.norm_eps": v.layer_norm_eps,
        "vision.act": "silu" if gated else ACTS[v.hidden_act],
        "vision.gated": gated,
        "vision.qkv_bias": bool(v.qkv_bias) if dino else True,
        "vision.registers": registers,
        "vision.mask_token": dino and bool(
            getattr(v, "use_mask_token", True)),
        "vision.pooling_head": (v.model_type == "siglip_vision_model"
                                and bool(getattr(v, "vision_use_head",
                                                 True))),
        "vision.init_range": getattr(v, "initializer_range", 0.02),
    }


def joint(c):
    if c.model_type.startswith("qwen"):
        return {
            "image_token": c.image_token_id,
            "video_token": c.video_token_id,
        } | qwen_tower(c.vision_config)
    layers = c.vision_feature_layer
    layers = layers if isinstance(layers, list) else [layers]
    depth = c.vision_config.num_hidden_layers
    whole = c.vision_feature_select_strategy == "full"
    siglip = c.vision_config.model_type == "siglip_vision_model"
    return {
        "image_token": c.image_token_index,
        "video_token": -1,
        "vision.features": [n if n >= 0 else depth + 1 + n for n in layers],
        "vision.keep_class": whole and not siglip,
        "projector_act": ACTS[c.projector_hidden_act],
        "projector_bias": bool(c.multimodal_projector_bias),
        "pinpoints": [[w, h] for h, w in
                      getattr(c, "image_grid_pinpoints", [])],
    } | tower(c.vision_config)


def write(**fields):
    text = json.dumps(fields)
    # Afresh: what it is made of, it changes.
    config = AutoConfig.for_model(**json.loads(text))
    want = decoder(config.get_text_config(decoder=True)) | ids(config)
    if hasattr(config, "vision_config"):
        want |= joint(config)
    print(json.dumps({"config": text, "want": want}))


# ---- silence ---------------------------------------------------------------

SECTION = {"rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]}}
QWENS = {
    # The tower's default width is not that of the text.
    "qwen2_vl": SECTION | {"vision_config": {"hidden_size": 8192}},
    "qwen2_5_vl": SECTION | {"vision_config": {"out_hidden_size": 8192}},
}
# Small heads, so that lines stay short.
SMALL = {"hidden_size": 64, "num_attention_heads": 4,
         "num_key_value_heads": 2, "num_hidden_layers": 3}
TEXT = {"vocab_size": 32064}
VIEWS = {"llava": {}, "llava_next": {}}
TOWERS = ["clip_vision_model", "siglip_vision_model", "dinov2",
          "dinov2_with_registers"]


def silent():
    for name in TEXTS:
        write(model_type=name)
    for name, fields in QWENS.items():
        write(model_type=name, **fields)
        write(model_type=name, vision_config=fields["vision_config"],
              text_config=SECTION)
    for name in VIEWS:
        write(model_type=name, text_config=TEXT)
        write(model_type=name, text_config=TEXT, vision_config={})
    for name in TEXTS:
        # Phi-2's head and GPT-2's count the placeholder, too.
        write(model_type="llava", image_token_index=7,
              text_config={"model_type": name})
    for name in TOWERS:
        write(model_type="llava", text_config=TEXT,
              vision_feature_select_strategy="full",
              vision_config={"model_type": name})
    for name in TOWERS[2:]:
        write(model_type="llava", text_config=TEXT,
              vision_config={"model_type": name, "use_swiglu_ffn": True})


# ---- null ------------------------------------------------------------------


def null():
    for name in TEXTS:
        write(model_type=name, tie_word_embeddings=None, bos_token_id=None,
              eos_token_id=None, pad_token_id=None, rope_scaling=None)
    for name in ["llama", "mistral", "qwen2", "qwen3", "phi", "phi3"]:
        write(model_type=name, num_key_value_heads=None)
    for name in ["llama", "mistral"]:
        write(model_type=name, head_dim=None)
    for name in ["mistral", "phi3"]:
        write(model_type=name, sliding_window=None)
    for name in ["qwen2", "qwen3"]:
        write(model_type=name, use_sliding_window=None)
        write(model_type=name, use_sliding_window=True, sliding_window=None)
    write(model_type="llama", attention_bias=None, mlp_bias=None)
    write(model_type="qwen3", attention_bias=None)
    write(model_type="phi", qk_layernorm=None)
    write(model_type="gpt2", n_inner=None, add_cross_attention=None,
          scale_attn_by_inverse_layer_idx=None)
    for name, fields in QWENS.items():
        write(model_type=name, num_key_value_heads=None, text_config=None,
              use_sliding_window=None, **fields)
    write(model_type="llava", text_config=TEXT, bos_token_id=None,
          eos_token_id=None, pad_token_id=None,
          multimodal_projector_bias=None)
    write(model_type="llava_next", text_config=TEXT, image_grid_pinpoints=None)
    write(model_type="llava", text_config=TEXT,
          vision_config={"model_type": "dinov2", "qkv_bias": None,
                         "use_mask_token": None, "use_swiglu_ffn": None})
    write(model_type="llava", text_config=TEXT,
          vision_feature_select_strategy="full",
          vision_config={"model_type": "siglip_vision_model",
                         "vision_use_head": None})


# ---- windows, positions, and which of two names counts ---------------------


def window():
    types = ["full_attention", "sliding_attention", "full_attention"]
    for name in ["qwen2", "qwen3"]:
        write(model_type=name, use_sliding_window=True)
    for name, fields in QWENS.items():
        write(model_type=name, use_sliding_window=True, **fields)
        write(model_type=name, use_sliding_window=True,
              num_hidden_layers=90, **fields)
    for name in ["mistral", "phi3", "qwen2", "qwen3"]:
        write(model_type=name, layer_types=types, sliding_window=5,
              use_sliding_window=True, **SMALL)
    for name in ["llama", "phi"]:
        write(model_type=name, sliding_window=5, **SMALL)


def scaled():
    kinds = {
        "linear": {"factor": 2.0},
        "dynamic": {"factor": 2.0},
        "yarn": {"factor": 4.0},
        "llama3": {"factor": 8.0, "low_freq_factor": 1.0,
                   "high_freq_factor": 4.0,
                   "original_max_position_embeddings": 64},
        "default": {},
    }
    small = SMALL | {"max_position_embeddings": 128, "head_dim": 16}
    for name in ["llama", "mistral", "qwen2", "qwen3", "phi"]:
        for kind, fields in kinds.items():
            for one in ({"type": kind}, {"rope_type": kind}):
                write(model_type=name, rope_scaling=one | fields, **small)
        write(model_type=name, rope_scaling={
            "type": "yarn", "rope_type": "default", "factor": 4.0}, **small)
        write(model_type=name, rope_scaling={
            "rope_type": "linear", "type": "yarn", "factor": 4.0}, **small)
        write(model_type=name, rope_scaling={
            "type": "yarn", "factor": 4.0, "truncate": None,
            "beta_fast": None, "beta_slow": None, "attention_factor": None,
            "original_max_position_embeddings": None}, **small)
    for name in QWENS:
        section = {"mrope_section": [2, 3, 3]}
        for one in ({"type": "mrope"}, {"type": "default"},
                    {"rope_type": "default"},
                    {"type": "default", "rope_type": "default"},
                    {"type": "yarn", "factor": 4.0},
                    {"type": "yarn", "rope_type": "default", "factor": 4.0},
                    {"type": "mrope", "rope_type": "yarn", "factor": 4.0}):
            write(model_type=name, rope_scaling=section | one,
                  vision_config={"hidden_size": 64} if name == "qwen2_vl"
                  else {"out_hidden_size": 64, "hidden_size": 32,
                        "num_heads": 2}, **SMALL)
    factors = {"short_factor": [1.0] * 7 + [2.0],
               "long_factor": [3.0] * 7 + [4.0]}
    for kind in ["su", "yarn", "longrope"]:
        write(model_type="phi3", max_position_embeddings=8192,
              rope_scaling={"type": kind} | factors, **SMALL)


def renamed():
    write(model_type="gpt2", n_embd=96, n_head=3, n_layer=2, n_positions=77,
          hidden_size=64, num_attention_heads=4, num_hidden_layers=1,
          max_position_embeddings=99)
    write(model_type="llava", text_config=TEXT, image_token_index=7,
          image_token_id=9)


if __name__ == "__main__":
    silent()
    null()
    window()
    scaled()
    renamed()
