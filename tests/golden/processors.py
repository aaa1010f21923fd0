"""What the image processors of the model families make of odd pictures.

    python tests/golden/processors.py LLAVA >tests/golden/processors.jsonl

LLAVA is a checkout of github.com/haotian-liu/LLaVA (its llava/mm_utils.py
makes the cases named "original ...").  One line a processor:

    case, config (what matters of config.json), preprocessor (the file),
    side and patch of the tower, sizes: [width, height, views, CRC-32 of the
    patch rows as float32, sixteen values evenly spread over them]

The rows are (views * patches, channel, y, x); medvl makes the same bytes.
The picture of a size is `pixels` below, which the test has too.
"""

import json
import sys
import zlib

import numpy as np
import PIL
import torch
import transformers
from PIL import Image
from transformers import (
    BitImageProcessor,
    CLIPImageProcessor,
    LlavaImageProcessor,
    LlavaNextImageProcessor,
    SiglipImageProcessor,
)

SIDE, PATCH = 56, 14
ODD = [
    (1, 1), (2, 1), (1, 3), (55, 57), (56, 56), (57, 55), (56, 112),
    (113, 56), (112, 112), (7, 301), (301, 7), (64, 48), (48, 64), (33, 100),
    (100, 33), (97, 89), (89, 97), (128, 127), (127, 128), (168, 56),
    (56, 168), (171, 57), (200, 150), (150, 200), (211, 223), (223, 17),
    (19, 229), (255, 1), (1, 255), (241, 239), (83, 41), (41, 83),
    (77, 131), (131, 77), (99, 201),
]
LARGE = [(513, 341), (341, 513), (640, 480)]


def pixels(width, height):
    y, x = np.mgrid[0:height, 0:width]
    planes = [
        (x * 7 + y * 13 + c * 61 + (x * y + c) % 29 * 5) % 256
        for c in range(3)
    ]
    return np.stack(planes, -1).astype(np.uint8)


def rows_of(tensor, patch):
    """(views, 3, S, S) to patch rows; what a patch does not reach is cut."""
    views, _, side, _ = tensor.shape
    n = side // patch
    tensor = tensor[:, :, : n * patch, : n * patch]
    tensor = tensor.reshape(views, 3, n, patch, n, patch)
    return tensor.transpose(0, 2, 4, 1, 3, 5).reshape(views * n * n, -1)


def measure(make, sizes, patch):
    out = []
    for width, height in sizes:
        image = Image.fromarray(pixels(width, height))
        tensor = np.asarray(make(image), dtype=np.float32)
        tensor = tensor.reshape(-1, *tensor.shape[-3:])
        rows = np.ascontiguousarray(rows_of(tensor, patch))
        flat = rows.reshape(-1)
        some = flat[np.arange(16) * (flat.size - 1) // 15]
        out.append(
            [width, height, tensor.shape[0], zlib.crc32(rows.tobytes())]
            + [float(f"{v:.9g}") for v in some]
        )
    return out


def case(name, make, processor, config=None, side=SIDE, patch=PATCH,
         sizes=ODD):
    print(json.dumps({
        "case": name,
        "made_by": f"transformers {transformers.__version__}, "
        f"pillow {PIL.__version__}",
        "config": config or {},
        "preprocessor": json.loads(processor.to_json_string()),
        "side": side,
        "patch": patch,
        "sizes": measure(make, sizes, patch),
    }))


def plain(name, processor, **more):
    case(name, lambda image: processor(
        image, input_data_format="channels_last")["pixel_values"][0],
         processor, **more)


def main():
    small = {
        "size": {"shortest_edge": SIDE},
        "crop_size": {"height": SIDE, "width": SIDE},
    }
    large = {
        "size": {"shortest_edge": 336},
        "crop_size": {"height": 336, "width": 336},
    }
    imagenet = {
        "image_mean": [0.485, 0.456, 0.406],
        "image_std": [0.229, 0.224, 0.225],
    }
    # Squares of 56: (height, width) there, (width, height) in the original.
    points = [[56, 112], [112, 56], [112, 112], [168, 56], [56, 168]]

    plain("CLIP", CLIPImageProcessor(**small))
    plain("CLIP at 336", CLIPImageProcessor(**large), side=336, sizes=LARGE)
    plain("CLIP with a larger middle",
          CLIPImageProcessor(**small | {"size": {"shortest_edge": 41}}))
    plain("CLIP, an exact size", CLIPImageProcessor(
        **small | {"size": {"height": 70, "width": 61}}))
    plain("CLIP of nothing but the middle",
          CLIPImageProcessor(**small, do_resize=False, do_rescale=False,
                             do_normalize=False))
    plain("LLaVA", LlavaImageProcessor(**small))
    plain("LLaVA on a square", LlavaImageProcessor(**small, do_pad=True))
    plain("SigLIP", SiglipImageProcessor(size={"height": 64, "width": 64}),
          side=64)
    plain("SigLIP, bilinear", SiglipImageProcessor(
        size={"height": 56, "width": 56}, resample=2))
    plain("SigLIP at 384", SiglipImageProcessor(
        size={"height": 384, "width": 384}), side=384, sizes=LARGE)
    plain("BiT (DINOv2)", BitImageProcessor(
        **small | {"size": {"shortest_edge": 64}}, **imagenet))
    # Pictures of height 1 or 3 look like planes to these.
    some = [size for size in ODD if size[1] not in (1, 3)]
    plain("LLaVA-NeXT",
          LlavaNextImageProcessor(**small, image_grid_pinpoints=points),
          sizes=some)
    plain("LLaVA-NeXT at 336", LlavaNextImageProcessor(**large), side=336,
          sizes=LARGE)

    sys.path.insert(0, sys.argv[1])
    from llava.mm_utils import process_images

    clip = CLIPImageProcessor(**small)
    for config in [
        {"image_aspect_ratio": "square"},
        {"image_aspect_ratio": "pad"},
        {"image_aspect_ratio": "anyres",
         "image_grid_pinpoints": str([tuple(p) for p in points])},
    ]:
        fields = type("Config", (), config)
        case("original " + config["image_aspect_ratio"],
             lambda image: process_images([image], clip, fields)[0],
             clip, config, sizes=some)
    # The form of the later repository, spelled out for this one's function.
    grid = [[x * SIDE, y * SIDE] for x in range(1, 4) for y in range(1, 4)]
    fields = type("Config", (), {"image_aspect_ratio": "anyres",
                                 "image_grid_pinpoints": grid})
    case("original anyres, a range",
         lambda image: process_images([image], clip, fields)[0], clip,
         {"image_aspect_ratio": "anyres",
          "image_grid_pinpoints": "(1x1),...,(3x3)"}, sizes=some)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
