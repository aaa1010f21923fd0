#!/usr/bin/env python3
"""A tiny LLaVA written by transformers, with the logits it gives.

    models.py make DIR              write DIR/llava
    models.py check MODEL LOGITS    does transformers load MODEL (a folder
                                    that medvl wrote) and give the logits
                                    that medvl-generate --logits wrote?

Versions and how to get them without a GPU: README.md.  Read next:
reference.py; ../unit/test_vlm.c and ../unit/test_families.c, which compare.
"""

import json
import pathlib
import sys

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import (
    AutoModelForCausalLM,
    CLIPImageProcessor,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
)

from reference import first, picture, spread, write

IMAGE = 60


def make_llava(folder):
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=36,
            intermediate_size=50,
            num_hidden_layers=3,
            num_attention_heads=3,
            image_size=20,
            patch_size=5,
            projection_dim=36,
        ),
        text_config=LlamaConfig(
            vocab_size=67,
            hidden_size=28,
            intermediate_size=44,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            max_position_embeddings=64,
            rms_norm_eps=1e-5,
        ),
        image_token_index=IMAGE,
        vision_feature_layer=-2,
        image_seq_length=16,
    )
    processor = CLIPImageProcessor(
        size={"shortest_edge": 20}, crop_size={"height": 20, "width": 20}
    )
    seen = picture(33, 27)
    pixels = processor(Image.fromarray(seen), return_tensors="pt")
    pixels = pixels["pixel_values"]
    prompt = [1, 5, IMAGE, 9, 33, 2, 66, 17]
    first(
        lambda seed: write(
            folder,
            spread(LlavaForConditionalGeneration(config), seed=seed),
            prompt,
            expanded=sum(([i] * (16 if i == IMAGE else 1) for i in prompt), []),
            placeholder=IMAGE,
            extra={"pixel_values": pixels},
            pictures=[seen],
            pixels=[pixels[0]],
            processor=processor,
        )
    )


def check(folder, logits_file):
    """Ids of the record "check" stand in check.json beside the logits."""
    folder = pathlib.Path(folder)
    config = json.loads((folder / "config.json").read_text())
    want = load_file(logits_file)
    ids = json.loads(pathlib.Path(logits_file).with_suffix(".json").read_text())
    kind = AutoModelForCausalLM
    extra = {}
    if config["architectures"][0].startswith("Llava"):
        kind = LlavaForConditionalGeneration
        processor = CLIPImageProcessor.from_pretrained(folder)
        picture = Image.open(ids["picture"]).convert("RGB")
        extra = processor(picture, return_tensors="pt")
    model, info = kind.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True
    )
    for key in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        assert not info[key], (key, info[key])
    with torch.no_grad():
        got = model(input_ids=torch.tensor([ids["ids"]]), **extra).logits[0]
    got = got.numpy()
    for name, value in want.items():
        value = value.numpy()
        error = np.abs(got[: len(value)] - value).max() / np.abs(got).max()
        print(f"{name}: {value.shape}, largest difference {error:.2e}")
        assert error <= 1e-4


def main():
    if sys.argv[1:2] == ["make"]:
        root = pathlib.Path(sys.argv[2])
        make_llava(root / "llava")
    elif sys.argv[1:2] == ["check"]:
        check(*sys.argv[2:4])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
