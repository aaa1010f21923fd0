#!/usr/bin/env python3
"""Rotary frequencies of real models' sizes, by transformers.

    rope.py >rope.json

A list, one item for each config.json and length: "config" (its text),
"length", "scale" (of cosine and sine), "frequencies" (float32).  Versions:
README.md.  Read next: ../unit/test_rope.c, which compares.
"""

import json

import torch
from transformers import AutoConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

LLAMA = {
    "model_type": "llama",
    "hidden_size": 4096,
    "num_attention_heads": 32,
    "max_position_embeddings": 131072,
}
DYNAMIC = LLAMA | {"max_position_embeddings": 4096}
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
YARN = {
    "type": "yarn",
    "factor": 4.0,
    "original_max_position_embeddings": 32768,
}
QWEN = {
    "model_type": "qwen2",
    "hidden_size": 3584,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "max_position_embeddings": 131072,
    "rope_theta": 1000000.0,
}
SHORT = [1 + 0.02 * i for i in range(48)]
PHI3 = {
    "model_type": "phi3",
    "hidden_size": 3072,
    "num_attention_heads": 32,
    "max_position_embeddings": 131072,
    "original_max_position_embeddings": 4096,
    "rope_scaling": {
        "type": "longrope",
        "short_factor": SHORT,
        "long_factor": [f * f * 1.3 for f in SHORT],
    },
}
CASES = [
    (LLAMA, 4096),
    (LLAMA | {"rope_theta": 5e6, "num_attention_heads": 56,
              "hidden_size": 7168}, 4096),
    (LLAMA | {"rope_scaling": {"type": "linear", "factor": 2.5}}, 9000),
    (DYNAMIC | {"rope_scaling": {"type": "dynamic", "factor": 2.0}}, 4096),
    (DYNAMIC | {"rope_scaling": {"type": "dynamic", "factor": 2.0}}, 4097),
    (DYNAMIC | {"rope_scaling": {"type": "dynamic", "factor": 4.0}}, 16000),
    (LLAMA | {"rope_theta": 5e5, "rope_scaling": LLAMA3}, 100000),
    (QWEN | {"rope_scaling": YARN}, 100000),
    (QWEN | {"rope_scaling": YARN | {"truncate": False, "beta_fast": 16.0,
                                     "beta_slow": 2.0}}, 100000),
    (QWEN | {"rope_scaling": YARN | {"attention_factor": 0.75}}, 100),
    (QWEN | {"rope_theta": 10000.0, "rope_scaling": YARN | {
        "original_max_position_embeddings": 131072}}, 100),
    (QWEN | {"rope_scaling": YARN | {"beta_fast": 2.0, "beta_slow": 2.0,
                                     "truncate": False}}, 100),
    (QWEN | {"rope_scaling": YARN | {"mscale": 0.7, "mscale_all_dim": 1.2}},
     100),
    (PHI3, 4096),
    (PHI3, 4097),
    ({"model_type": "phi", "hidden_size": 2560, "num_attention_heads": 32,
      "partial_rotary_factor": 0.4}, 2048),
]


def main():
    lines = []
    for values, length in CASES:
        plain = json.loads(json.dumps(values))
        kind = plain.pop("model_type")
        config = AutoConfig.for_model(kind, **plain)
        scaling = values.get("rope_scaling", {"type": "default"})
        name = scaling.get("rope_type", scaling.get("type"))
        seen = torch.tensor(length) if name == "dynamic" else length
        if name == "dynamic" and length <= config.max_position_embeddings:
            seen = None  # as at the start: only longer texts change it
        frequencies, scale = ROPE_INIT_FUNCTIONS[name](config, None, seen)
        line = {
            "config": json.dumps(values),
            "length": length,
            "scale": scale,
            "frequencies": [float(f"{f:.9g}") for f in frequencies.tolist()],
        }
        lines.append(json.dumps(line))
    print("[\n" + ",\n".join(lines) + "\n]")


if __name__ == "__main__":
    main()
