#!/usr/bin/env python3
"""Tiny LLaVAs with every vision tower, by transformers.

    models_tower.py DIR [NAME...]     write DIR/NAME, all or those named

Versions: README.md.  Read next: reference.py, which says what is in a
folder; ../unit/test_families.c, which compares.
"""

import pathlib
import sys

from PIL import Image
from transformers import (
    BitImageProcessor,
    CLIPImageProcessor,
    CLIPVisionConfig,
    Dinov2Config,
    Dinov2WithRegistersConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    SiglipImageProcessor,
    SiglipVisionConfig,
)

from reference import first, picture, spread, write

IMAGE = 60


def edge(side, width=0):
    """Sizes of a processor that cuts (side, width or side)."""
    return {
        "size": {"shortest_edge": side},
        "crop_size": {"height": side, "width": width or side},
    }


def clip(**other):
    return CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=3,
        num_attention_heads=2,
        image_size=18,
        patch_size=6,
        projection_dim=16,
        **other,
    )


def siglip(**other):
    return SiglipVisionConfig(
        hidden_size=18,
        intermediate_size=22,
        num_hidden_layers=3,
        num_attention_heads=3,
        image_size=20,
        patch_size=6,
        **other,
    )


def dino(kind=Dinov2Config, **other):
    sizes = {
        "hidden_size": 16,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "mlp_ratio": 2,
        "image_size": 25,
        "patch_size": 5,
    }
    return kind(**(sizes | other))


# name: tower, processor, tokens of a picture, fields of the whole
MODELS = {
    # Several layers side by side, counted from either end.
    "llava_clip_layers": (
        lambda: clip(),
        lambda: CLIPImageProcessor(**edge(18)),
        9,
        {"vision_feature_layer": [-2, 1, -1]},
    ),
    "llava_clip_full": (
        lambda: clip(hidden_act="gelu", layer_norm_eps=1e-3),
        lambda: CLIPImageProcessor(**edge(18)),
        10,
        {
            "vision_feature_layer": -1,
            "vision_feature_select_strategy": "full",
            "multimodal_projector_bias": False,
        },
    ),
    # Patches that do not fill the picture; a head that nobody reads.
    "llava_siglip": (
        lambda: siglip(),
        lambda: SiglipImageProcessor(size={"height": 20, "width": 20}),
        9,
        {
            "vision_feature_layer": -2,
            "vision_feature_select_strategy": "full",
        },
    ),
    # Of the last layer transformers gives what its norm makes of it.
    "llava_siglip_last": (
        lambda: siglip(vision_use_head=False),
        lambda: SiglipImageProcessor(size={"height": 20, "width": 20}),
        9,
        {
            "vision_feature_layer": [2, -1],
            "vision_feature_select_strategy": "full",
        },
    ),
    # Positions of 5x5 patches on 3x4.
    "llava_dino": (
        lambda: dino(use_swiglu_ffn=True, mlp_ratio=4),
        lambda: BitImageProcessor(**edge(17, 21)),
        12,
        {"vision_feature_layer": -2},
    ),
    # ... and on 6x7 of an uncut picture; the class token stays.
    "llava_dino_whole": (
        lambda: dino(qkv_bias=False, use_mask_token=False),
        lambda: BitImageProcessor(
            size={"shortest_edge": 30}, do_center_crop=False
        ),
        43,
        {
            "vision_feature_layer": [-1, 1],
            "vision_feature_select_strategy": "full",
        },
    ),
    "llava_dino_square": (
        lambda: dino(hidden_act="gelu_pytorch_tanh"),
        lambda: BitImageProcessor(**edge(25)),
        25,
        {"vision_feature_layer": -1},
    ),
    # Registers stay among the patches; positions through a wider filter.
    "llava_dino_registers": (
        lambda: dino(Dinov2WithRegistersConfig, num_register_tokens=2),
        lambda: BitImageProcessor(**edge(16, 20)),
        14,
        {"vision_feature_layer": -2},
    ),
}


def make(folder, tower, processor, tokens, fields):
    values = {
        "vision_config": tower(),
        "text_config": LlamaConfig(
            vocab_size=67,
            hidden_size=24,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=3,
            num_key_value_heads=1,
            max_position_embeddings=128,
        ),
        "image_token_index": IMAGE,
        "image_seq_length": tokens,
    }
    config = LlavaConfig(**(values | fields))
    processor = processor()
    # Both wide: of tall ones Pillow 13 and 11.3 make different bytes.
    seen = [picture(33, 27), picture(41, 20, seed=6)]
    if getattr(processor, "do_center_crop", None) is False:
        seen = seen[:1]  # sizes of their own do not make a batch
    pixels = processor(
        [Image.fromarray(p) for p in seen], return_tensors="pt"
    )["pixel_values"]
    prompt = [1, 5, IMAGE, 9, IMAGE, 33, 2, 66, 17]
    if len(seen) == 1:
        del prompt[4]
    first(
        lambda seed: write(
            folder,
            spread(LlavaForConditionalGeneration(config), seed=seed),
            prompt,
            expanded=sum(
                ([i] * (tokens if i == IMAGE else 1) for i in prompt), []
            ),
            placeholder=IMAGE,
            extra={"pixel_values": pixels},
            pictures=seen,
            pixels=pixels,
            processor=processor,
        )
    )


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    for name in sys.argv[2:] or MODELS:
        make(pathlib.Path(sys.argv[1]) / name, *MODELS[name])


if __name__ == "__main__":
    main()
