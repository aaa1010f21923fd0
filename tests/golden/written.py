#!/usr/bin/env python3
"""Does transformers load what medvl-merge writes?

    written.py BIN [MODEL ...]      BIN has medvl-merge; [models/*]

Each folder is written as f32, f16 and bf16.  transformers must load it
without a tensor missing or left over, and every value must be the one of the
first folder, converted by torch.  A folder whose class transformers lacks is
compared tensor by tensor.

Versions and how to get them: README.md.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import torch
import transformers
from safetensors import safe_open

TYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}


def tensors(folder):
    out = {}
    for path in sorted(pathlib.Path(folder).glob("*.safetensors")):
        if path.name.startswith("expected"):
            continue
        with safe_open(path, "pt") as file:
            out.update({name: file.get_tensor(name) for name in file.keys()})
    return out


def load(folder, dtype):
    """The state of the folder's own class, or None where there is none."""
    config = json.loads((pathlib.Path(folder) / "config.json").read_text())
    names = config.get("architectures") or []
    kind = transformers.AutoModelForImageTextToText
    if names:
        kind = getattr(transformers, names[0], None)
    if kind is None:
        return None
    model, info = kind.from_pretrained(
        folder, torch_dtype=dtype, output_loading_info=True
    )
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        assert not info[what], (what, info[what])
    return model.state_dict()


def check(command, source, name):
    dtype = TYPES[name]
    with tempfile.TemporaryDirectory() as work:
        out = pathlib.Path(work) / "out"
        subprocess.run(
            [command, "--dtype", name, "-m", source, "-o", out], check=True
        )
        before, after = tensors(source), tensors(out)
        assert set(after) <= set(before), set(after) - set(before)
        for key, value in after.items():
            assert torch.equal(value, before[key].to(dtype)), key
        want, have = load(source, dtype), load(out, "auto")
        if have is None:
            return "no class in transformers, tensors compared"
        assert set(want) == set(have)
        for key, value in want.items():
            if value.is_floating_point():
                assert torch.equal(value.to(have[key].dtype), have[key]), key
        return f"{len(after)} tensors"


def main():
    command = pathlib.Path(sys.argv[1]) / "medvl-merge"
    here = pathlib.Path(__file__).parent / "models"
    for source in sys.argv[2:] or sorted(p for p in here.iterdir()):
        for name in TYPES:
            said = check(command, source, name)
            print(f"{pathlib.Path(source).name} {name}: {said}", flush=True)


if __name__ == "__main__":
    main()
