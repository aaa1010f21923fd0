"""Tiny LLaVA models: transformers' classes and the original repositories'.

    python models_llava.py transformers
    python models_llava.py llava CHECKOUT       # haotian-liu/LLaVA
    python models_llava.py next CHECKOUT        # LLaVA-VL/LLaVA-NeXT
    python models_llava.py llava-med CHECKOUT   # microsoft/LLaVA-Med
    python models_llava.py huatuo CHECKOUT      # HuatuoGPT-Vision

Each writes folders of tests/golden/models.  A repository's own module is
imported from CHECKOUT and run as it is, but for what `load_module` says;
versions stand in README.md.  Read next: reference.py.
"""

import contextlib
import functools
import importlib
import json
import pathlib
import shutil
import sys
import types

import numpy as np
import torch
import transformers
from PIL import Image
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    CLIPVisionModel,
    GPT2Config,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaImageProcessor,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    LlavaNextImageProcessor,
    MistralConfig,
    PhiConfig,
    Qwen2Config,
)

import reference

HERE = pathlib.Path(__file__).parent / "models"
SIDE, PATCH, VOCAB = 20, 5, 64
PLACE = VOCAB - 1  # transformers' placeholder, an id as any other
POINTS = [[20, 40], [40, 20], [40, 40], [60, 20], [20, 60]]
SIZES = {"size": {"shortest_edge": SIDE},
         "crop_size": {"height": SIDE, "width": SIDE}}


def tower(**more):
    return CLIPVisionConfig(**{
        "hidden_size": 12, "intermediate_size": 20, "num_hidden_layers": 3,
        "num_attention_heads": 2, "image_size": SIDE, "patch_size": PATCH,
        "projection_dim": 12, **more,
    })


def text(kind, **more):
    return {
        "vocab_size": VOCAB, "hidden_size": 16, "intermediate_size": 24,
        "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "max_position_embeddings": 512,
        "rms_norm_eps": 1e-5, "tie_word_embeddings": False,
        "bos_token_id": 1, "eos_token_id": 2, **more,
    }


def prompt(pictures, place, seed):
    """Some text before, between and behind the pictures' placeholders."""
    ids = reference.pick(5 + 3 * pictures, VOCAB, seed, without=(PLACE,))
    out = [1] + ids[:2]
    for k in range(pictures):
        out += [place] + ids[2 + 3 * k : 5 + 3 * k]
    return out + ids[2 + 3 * pictures :]


def write(folder, model, place, counts, **more):
    """With the first seed, of values and prompt, that shows much."""
    def attempt(seed):
        spread(getattr(model, "inner", model), seed)
        ids = prompt(len(counts), place, seed)
        reference.write(
            HERE / folder, model, ids, placeholder=place,
            expanded=expand(ids, place, counts), different=3, **more)

    reference.first(attempt)


def expand(ids, place, counts):
    counts = iter(counts)
    return sum(([i] * (next(counts) if i == place else 1) for i in ids), [])


def spread(model, seed):
    """The placeholder is never the likeliest (transformers would take it
    for a picture's), and no id ends the text."""
    reference.spread(model, seed=seed)
    with torch.no_grad():
        model.lm_head.weight[PLACE] = 0
    model.generation_config.eos_token_id = None
    return model


# ---- transformers ---------------------------------------------------------


def llava(name, text_config, sizes, processor=None, vision=None,
          **more):
    config = LlavaConfig(
        vision_config=vision or tower(), text_config=text_config,
        image_token_index=PLACE, image_seq_length=(SIDE // PATCH) ** 2,
        **{"vision_feature_layer": -2} | more,
    )
    model = LlavaForConditionalGeneration(config)
    processor = processor or CLIPImageProcessor(**SIZES)
    pictures = [reference.picture(w, h, 11 + k)
                for k, (w, h) in enumerate(sizes)]
    pixels = [processor(Image.fromarray(p), return_tensors="pt")
              ["pixel_values"][0] for p in pictures]
    each = (SIDE // PATCH) ** 2
    each += config.vision_feature_select_strategy == "full"
    write(
        name, model, PLACE, [each] * len(sizes),
        extra={"pixel_values": torch.stack(pixels)}, pictures=pictures, pixels=pixels, processor=processor,
        made_by=f"transformers {transformers.__version__}, "
        "LlavaForConditionalGeneration",
    )


def llava_next(name, text_config, sizes, **more):
    config = LlavaNextConfig(
        vision_config=tower(**more), text_config=text_config,
        image_token_index=PLACE, vision_feature_layer=-2,
        image_grid_pinpoints=POINTS,
    )
    model = LlavaNextForConditionalGeneration(config)
    processor = LlavaNextImageProcessor(**SIZES, image_grid_pinpoints=POINTS)
    pictures = [reference.picture(w, h, 21 + k)
                for k, (w, h) in enumerate(sizes)]
    whole = processor([Image.fromarray(p) for p in pictures],
                      return_tensors="pt")
    pixels = [processor(Image.fromarray(p), return_tensors="pt")
              ["pixel_values"][0] for p in pictures]
    extra = {"pixel_values": whole["pixel_values"],
             "image_sizes": whole["image_sizes"]}
    with torch.no_grad():
        counts = [len(f) for f in model.get_image_features(**extra)]
    write(
        name, model, PLACE, counts, extra=extra, pictures=pictures,
        pixels=pixels, processor=processor,
        made_by=f"transformers {transformers.__version__}, "
        "LlavaNextForConditionalGeneration",
    )


def make_transformers():
    llava("llava_llama", LlamaConfig(**text("llama")), [(33, 27)])
    llava("llava_mistral",
          MistralConfig(**text("mistral", sliding_window=16)),
          [(40, 61), (28, 28)])
    llava("llava_qwen2", Qwen2Config(**text("qwen2")),
          [(64, 30), (17, 45), (30, 30)],
          processor=LlavaImageProcessor(**SIZES, do_pad=True))
    llava("llava_phi", PhiConfig(**text("phi", partial_rotary_factor=0.5)),
          [(33, 27)])
    llava("llava_gpt2",
          GPT2Config(vocab_size=VOCAB, n_embd=16, n_layer=2, n_head=4,
                     n_positions=96, n_inner=24, bos_token_id=1,
                     eos_token_id=2),
          [(33, 27)])
    llava("llava_full", LlamaConfig(**text("llama")), [(50, 31)],
          vision_feature_select_strategy="full",
          vision_feature_layer=[-3, -1], multimodal_projector_bias=False)
    llava_next("llava_next_llama", LlamaConfig(**text("llama")),
               [(70, 43), (22, 63)])
    llava_next("llava_next_mistral",
               MistralConfig(**text("mistral", sliding_window=None)),
               [(23, 84)])


# ---- the original repositories --------------------------------------------


class Original(torch.nn.Module):
    """An original model behind the form that reference.write asks for.

    The ids that come in have a placeholder for each picture token; the
    repository wants one -200 for a picture, and does the rest itself.
    """

    def __init__(self, inner, counts, images, sizes, takes_sizes):
        super().__init__()
        self.inner = inner
        self.counts = counts
        self.images = images
        self.more = {"image_sizes": sizes} if takes_sizes else {}

    def forward(self, input_ids):
        ids, counts = [], iter(self.counts)
        row, at = input_ids[0].tolist(), 0
        while at < len(row):
            here = row[at] == VOCAB
            ids.append(-200 if here else row[at])
            at += next(counts) if here else 1
        return self.inner(torch.tensor([ids]), images=self.images,
                          use_cache=False, **self.more)


def greedy(model, ids, extra):
    new, rows = ids, []
    for _ in range(reference.NEW):
        rows.append(model(new).logits[:, -1])
        new = torch.cat([new, rows[-1].argmax(-1, keepdim=True)], 1)
    return new[0, ids.shape[1] :].tolist(), torch.cat(rows)


def load_module(checkout, name, without=()):
    """`llava.model.language_model.NAME` of a checkout, and its towers.

    Changed in memory: the package is entered without its __init__ (they
    import every model there is); towers `without` which a package is missing
    are empty classes; the tower's forward keeps its gradient, which the
    repositories cut off.
    """
    sys.path.insert(0, checkout)
    for part in ("llava", "llava.model", "llava.model.language_model"):
        package = types.ModuleType(part)
        package.__path__ = [str(pathlib.Path(checkout,
                                             *part.split(".")))]
        sys.modules[part] = package
    for part, classes in without:
        stub = types.ModuleType(part)
        stub.__dict__.update({one: object for one in classes})
        sys.modules["llava.model." + part] = stub
    module = importlib.import_module(f"llava.model.language_model.{name}")
    encoder = importlib.import_module(
        "llava.model.multimodal_encoder.clip_encoder")
    forward = encoder.CLIPVisionTower.forward
    encoder.CLIPVisionTower.forward = getattr(forward, "__wrapped__", forward)
    return module


def eager(config_class):
    """The same config, deaf to being told to use FlashAttention."""
    return type(config_class.__name__, (config_class,), {
        "_attn_implementation": property(lambda _: "eager",
                                         lambda _, value: None)})


def original(folder, made_by, model_class, config_class, sizes,
             inside, pixels_of, takes_sizes, tower_at="vit/clip", **fields):
    """A folder in the repository's own naming, its tower in a subfolder:
    its weights `inside` the checkpoint or there."""
    work = HERE / (folder + ".work")
    shutil.rmtree(work, ignore_errors=True)
    beside = work / tower_at
    beside.mkdir(parents=True)
    clip = CLIPImageProcessor(**SIZES)
    CLIPVisionModel(tower()).save_pretrained(beside)
    clip.save_pretrained(beside)
    config = eager(config_class)(
        **text("", mm_vision_tower=str(beside), mm_hidden_size=12,
               mm_vision_select_layer=-2, mm_vision_select_feature="patch",
               use_mm_proj=True, mm_use_im_start_end=False,
               mm_use_im_patch_token=False, tokenizer_model_max_length=2048,
               tokenizer_padding_side="right"),
        **{"mm_projector_type": "mlp2x_gelu"} | fields,
    )
    inner = model_class(config)
    inner.get_vision_tower().load_model()
    inner.requires_grad_(True)
    pictures = [reference.picture(w, h, 31 + k)
                for k, (w, h) in enumerate(sizes)]
    views = pixels_of([Image.fromarray(p) for p in pictures], clip,
                      inner.config)
    counts = []
    for view, size in zip(views, sizes):
        one = Original(inner, [1], [view] if view.ndim == 4 else view[None],
                       [size], takes_sizes)
        with torch.no_grad():
            counts.append(one(torch.tensor([[1, VOCAB]])).logits.shape[1] - 1)
    images = list(views) if views[0].ndim == 4 else torch.stack(list(views))
    model = Original(inner, counts, images, sizes, takes_sizes)

    def save(out):
        inner.save_pretrained(out)
        stored = json.loads((out / "config.json").read_text())
        stored["mm_vision_tower"] = tower_at
        stored.pop("_name_or_path", None)
        (out / "config.json").write_text(json.dumps(stored, indent=2) + "\n")
        target = out / tower_at
        inner.get_vision_tower().vision_tower.save_pretrained(target)
        clip.save_pretrained(target)
        if inside:
            (target / "model.safetensors").unlink()
        else:
            drop_tower(out / "model.safetensors")

    def tensors(model):
        return reference.tensors_of(model.inner)

    write(
        folder, model, VOCAB, counts, pictures=pictures,
        pixels=list(views),
        made_by=made_by, save=save, tensors=tensors, greedy=greedy,
    )
    shutil.rmtree(work)


def drop_tower(path):
    from safetensors.torch import load_file, save_file

    kept = {k: v for k, v in load_file(path).items()
            if ".vision_tower." not in k}
    save_file(kept, path, metadata={"format": "pt"})


def make_llava(checkout):
    made = "haotian-liu/LLaVA c121f0432da2, "
    module = load_module(checkout, "llava_llama")
    process = importlib.import_module("llava.mm_utils").process_images
    make = functools.partial(
        original, pixels_of=process, takes_sizes=True,
        model_class=module.LlavaLlamaForCausalLM,
        config_class=module.LlavaConfig,
        made_by=made + "LlavaLlamaForCausalLM")
    make("llava_original", sizes=[(33, 27), (20, 61)], inside=False,
         image_aspect_ratio="pad")
    make("llava_original_next", sizes=[(70, 43), (22, 63)],
         inside=True, image_aspect_ratio="anyres",
         image_grid_pinpoints=[p[::-1] for p in POINTS],
         mm_patch_merge_type="spatial_unpad")
    make("llava_original_spatial", sizes=[(63, 22)], inside=True,
         image_aspect_ratio="anyres",
         image_grid_pinpoints=str([tuple(p) for p in POINTS]),
         mm_patch_merge_type="spatial", mm_projector_type="linear")
    make("llava_original_flat", sizes=[(42, 64)], inside=True,
         image_aspect_ratio="anyres", image_grid_pinpoints=POINTS,
         mm_patch_merge_type="flat", mm_projector_type="mlp3x_gelu")


def make_next(checkout):
    module = load_module(checkout, "llava_qwen", without=[
        ("multimodal_encoder.imagebind", ["ImageBindWrapper"]),
        ("multimodal_encoder.open_clip_encoder", ["OpenCLIPVisionTower"]),
        ("multimodal_encoder.hf_vision", ["HFVisionTower"]),
        ("multimodal_encoder.mlcd_encoder", ["MLCDVisionTower", "MLCDVisionTowerS2"]),
        ("multimodal_encoder.siglip_encoder", ["SigLipVisionTower"]),
        ("multimodal_resampler.perceiver", ["PerceiverResampler"]),
        ("multimodal_resampler.qformer", ["Qformer"]),
    ])
    process = importlib.import_module("llava.mm_utils").process_images
    make = functools.partial(
        original, pixels_of=process, takes_sizes=True,
        model_class=module.LlavaQwenForCausalLM,
        config_class=module.LlavaQwenConfig, inside=True,
        made_by="LLaVA-VL/LLaVA-NeXT df179663ae8b, LlavaQwenForCausalLM",
        mm_patch_merge_type="spatial_unpad",
        image_grid_pinpoints=[[x * SIDE, y * SIDE]
                              for x in range(1, 4) for y in range(1, 4)])
    make("llava_original_max", sizes=[(63, 50)],
         image_aspect_ratio="anyres_max_2")


def make_llava_med(checkout):
    module = load_module(checkout, "llava_mistral")
    utils = importlib.import_module("llava.mm_utils")
    import random

    # Its expand2square puts the odd row above or below by chance.
    random.randint = lambda low, high: low
    original(
        "llava_med",
        "microsoft/LLaVA-Med d406e3fc7c3d, LlavaMistralForCausalLM",
        module.LlavaMistralForCausalLM, module.LlavaMistralConfig,
        [(70, 33)], True, utils.process_images, True,
        image_aspect_ratio="pad", sliding_window=None)


def make_huatuo(checkout):
    made = "FreedomIntelligence/HuatuoGPT-Vision a6476acb9b2b, "

    def pixels_of(images, clip, config):
        """get_image_tensors of its cli.py, which needs a device."""
        source = pathlib.Path(checkout, "cli.py").read_text()
        scope = {}
        with contextlib.redirect_stdout(None):
            exec(source.split("class HuatuoChatbot")[0].split(
                "from llava")[0], {"__file__": checkout + "/cli.py"})
        bot = types.SimpleNamespace(processor=clip, device="cpu")
        body = "class HuatuoChatbot" + source.split(
            "class HuatuoChatbot")[1].split("if __name__")[0]
        scope.update(torch=torch, Image=Image, IMAGE_TOKEN_INDEX=-200)
        exec(body, scope)
        return scope["HuatuoChatbot"].get_image_tensors(bot, images)

    module = load_module(checkout, "llava_qwen2")
    original("huatuo_7b", made + "LlavaQwen2ForCausalLM",
             module.LlavaQwen2ForCausalLM, module.LlavaQwenConfig,
             [(40, 61), (28, 28), (70, 33), (21, 50), (50, 21), (31, 30)],
             True, pixels_of, False, image_aspect_ratio="pad",
             tower_at="vit/clip_vit_large_patch14_336")
    module = importlib.import_module("llava.model.language_model.llava_llama")
    module.AutoTokenizer = types.SimpleNamespace(
        from_pretrained=lambda *_, **__: None)
    original("huatuo_34b", made + "LlavaLlamaForCausalLM",
             module.LlavaLlamaForCausalLM, module.LlavaConfig,
             [(61, 40)], False, pixels_of, False,
             image_aspect_ratio="pad",
             tower_at="vit/clip_vit_large_patch14_336",
             rope_theta=5000000.0)


if __name__ == "__main__":
    torch.set_num_threads(2)
    what = sys.argv[1]
    if what == "transformers":
        make_transformers()
    else:
        {"llava": make_llava, "next": make_next, "llava-med": make_llava_med,
         "huatuo": make_huatuo}[what](sys.argv[2])
