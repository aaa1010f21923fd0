#!/usr/bin/env python3
"""Tiny Qwen2-VL and Qwen2.5-VL models, and what Qwen2VLImageProcessor does.

    models_qwen_vl.py models      write models/qwen2_vl, models/qwen2_5_vl
    models_qwen_vl.py sizes       write qwen_vl.txt: what the processor makes
                                  of pictures of thirty odd sizes

qwen2_vl has the flat config.json of the hub and tied embeddings, qwen2_5_vl
what save_pretrained writes today.  Versions: README.md; Pillow has to be
11.3.  Read next:
../unit/test_families.c, ../unit/test_frontend_qwen.c.
"""

import json
import pathlib
import sys
import zlib

import numpy as np
import torch
from PIL import Image
from reference import Dull, first, generate, pick, picture, spread, write
from transformers import (
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
)
from transformers.models.qwen2_vl.image_processing_qwen2_vl import (
    Qwen2VLImageProcessor,
)

IMAGE, VIDEO, START, END = 90, 91, 92, 93
SPECIAL = (IMAGE, VIDEO, START, END)

TEXT = dict(
    vocab_size=96,
    hidden_size=32,
    intermediate_size=40,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=1,
    max_position_embeddings=128,
    rms_norm_eps=1e-6,
    rope_theta=1000.0,
    rope_scaling={"type": "mrope", "mrope_section": [2, 3, 3]},
)
TOKENS = dict(
    image_token_id=IMAGE,
    video_token_id=VIDEO,
    vision_start_token_id=START,
    vision_end_token_id=END,
)
# One picture is shrunk to max_pixels, one rounded, one below min_pixels.
SIZES = ((61, 37), (22, 41), (11, 6))


def inputs(model, processor, seed):
    """What `write` takes: text before, between and after the pictures."""
    pictures = [picture(w, h, seed + k) for k, (w, h) in enumerate(SIZES)]
    made = processor(
        [Image.fromarray(p) for p in pictures], return_tensors="pt"
    )
    grids = made["image_grid_thw"]
    counts = grids.prod(dim=1).tolist()
    words = iter(pick(12, TEXT["vocab_size"], seed, SPECIAL))
    prompt, expanded = [], []
    for before, count in zip((4, 3, 0), counts):
        part = [next(words) for _ in range(before)] + [START]
        prompt += part + [IMAGE, END]
        expanded += part + [IMAGE] * (count // 4) + [END]
    after = [next(words) for _ in range(5)]
    prompt += after
    expanded += after
    positions, _ = model.model.get_rope_index(torch.tensor([expanded]), grids)
    return dict(
        prompt=prompt,
        expanded=expanded,
        placeholder=IMAGE,
        extra=dict(pixel_values=made["pixel_values"], image_grid_thw=grids),
        pictures=pictures,
        pixels=made["pixel_values"].split(counts),
        processor=processor,
        positions=positions[:, 0].tolist(),
    )


def flatten(folder):
    """config.json as the hub has it: the fields of the text at the top."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    text = config.pop("text_config")
    text.pop("model_type")
    scaling = text["rope_scaling"]
    text["rope_scaling"] = {
        "type": "mrope",
        "mrope_section": scaling["mrope_section"],
    }
    vision = config["vision_config"]
    vision["in_chans"] = vision.pop("in_channels")
    vision["spatial_patch_size"] = vision["patch_size"]
    del vision["model_type"], vision["temporal_patch_size"]
    path.write_text(json.dumps(text | config, indent=2) + "\n")


def save_flat(model):
    """Saved with a flat config.json, and read by transformers as it was."""

    def save(folder):
        model.save_pretrained(folder)
        flatten(folder)
        again = type(model).from_pretrained(folder).state_dict()
        for name, value in model.state_dict().items():
            assert torch.equal(value, again[name]), name

    return save


def plain(model, ids, extra):
    """As reference.generate; Dull when a picture's tokens are among them."""
    new, rows = generate(model, ids, extra)
    if set(new) & set(SPECIAL):
        raise Dull(f"{new} has a picture's tokens")
    return new, rows


def make(folder, model, processor, save=None):
    """The folder with the first seed of the weights that shows much."""

    def attempt(seed):
        spread(model, seed=seed)
        write(
            folder,
            model,
            save=save,
            greedy=plain,
            **inputs(model, processor, 4),
        )

    first(attempt)


def make_2(folder):
    model = Qwen2VLForConditionalGeneration(
        Qwen2VLConfig(
            text_config=TEXT | dict(tie_word_embeddings=True),
            vision_config=dict(
                depth=2,
                embed_dim=16,
                hidden_size=32,
                mlp_ratio=2,
                num_heads=2,
                patch_size=4,
            ),
            **TOKENS,
        )
    )
    processor = Qwen2VLImageProcessor(
        patch_size=4, min_pixels=256, max_pixels=1600
    )
    make(folder, model, processor, save_flat(model))


def make_2_5(folder):
    model = Qwen2_5_VLForConditionalGeneration(
        Qwen2_5_VLConfig(
            text_config=TEXT | dict(tie_word_embeddings=False),
            vision_config=dict(
                depth=3,
                hidden_size=16,
                out_hidden_size=32,
                intermediate_size=20,
                num_heads=2,
                patch_size=4,
                window_size=16,
                fullatt_block_indexes=[1],
            ),
            **TOKENS,
        )
    )
    processor = Qwen2VLImageProcessor(
        patch_size=4, min_pixels=256, max_pixels=2200
    )
    make(folder, model, processor)


def pattern(width, height):
    """The picture of ../unit/test_frontend_qwen.c."""
    y, x, c = np.mgrid[0:height, 0:width, 0:3].astype(np.uint32)
    noise = x * 73856093 ^ y * 19349663 ^ c * 83492791
    noise = (noise * np.uint32(2654435761) >> 25) & 127
    return (noise + (x + 2 * y + 40 * c) % 128).astype(np.uint8)


DEFAULT = (3136, 1003520)
HUATUO = (3136, 420 * 360)
R1 = (3136, 401408)
HUB = (3136, 12845056)
ODD = [
    (1, 1, DEFAULT), (5, 3, DEFAULT), (14, 14, DEFAULT), (27, 29, DEFAULT),
    (42, 70, HUB), (70, 42, HUB), (30, 20, HUB), (56, 56, DEFAULT),
    (57, 55, R1), (13, 901, DEFAULT), (1201, 17, R1), (3, 599, HUATUO),
    (100, 100, R1), (101, 99, HUATUO), (333, 77, HUATUO), (224, 224, R1),
    (256, 256, HUATUO), (300, 451, HUATUO), (451, 300, HUATUO),
    (419, 361, HUATUO), (420, 360, HUATUO), (512, 512, R1), (512, 512, HUATUO),
    (600, 1000, HUATUO), (639, 481, DEFAULT), (640, 480, R1), (701, 503, R1),
    (768, 1023, R1), (997, 613, HUATUO), (1291, 809, R1), (1025, 1024, DEFAULT),
    (2001, 31, HUB),
]  # fmt: skip


def write_sizes(path):
    """The 256 values of each channel, then a line for each size: width,
    height, min_pixels, max_pixels, rows and columns of patches, and the
    CRC-32 of the bytes whose values the tensor holds, in its order."""
    plain = Qwen2VLImageProcessor(do_resize=False, patch_size=16, merge_size=1)
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, 2)
    made = plain(Image.fromarray(ramp), return_tensors="np")["pixel_values"]
    values = made.reshape(3, 2, 256)[:, 0].astype(np.float32)
    lines = [" ".join(f"{v:.9g}" for v in row) for row in values]
    for width, height, (least, most) in ODD:
        processor = Qwen2VLImageProcessor(min_pixels=least, max_pixels=most)
        image = Image.fromarray(pattern(width, height))
        # Said, or a height of 1 or 3 is taken for the channels.
        made = processor(
            image, return_tensors="np", input_data_format="channels_last"
        )
        _, down, across = made["image_grid_thw"][0]
        rows = made["pixel_values"].reshape(-1, 3, 2, 14 * 14)
        codes = np.empty(rows.shape, dtype=np.uint8)
        for c in range(3):
            codes[:, c] = np.searchsorted(values[c], rows[:, c])
            assert (values[c][codes[:, c]] == rows[:, c]).all()
        crc = zlib.crc32(codes.tobytes())
        lines.append(f"{width} {height} {least} {most} {down} {across} {crc}")
    path.write_text("\n".join(lines) + "\n")


def main():
    here = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else ".")
    if sys.argv[1:2] == ["models"]:
        make_2(here / "models" / "qwen2_vl")
        make_2_5(here / "models" / "qwen2_5_vl")
    elif sys.argv[1:2] == ["sizes"]:
        write_sizes(here / "qwen_vl.txt")
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
