#!/usr/bin/env python3
"""The built-in chat layouts as the original code writes them.

    git clone https://github.com/haotian-liu/LLaVA
    git clone https://github.com/LLaVA-VL/LLaVA-NeXT
    git clone https://github.com/microsoft/LLaVA-Med      (its tag v1.0.0)
    git clone https://github.com/FreedomIntelligence/HuatuoGPT-Vision
    pip install torch==2.6 transformers==4.57.1 jinja2==3.1.6 pillow
    python3 tests/golden/chat.py LLaVA LLaVA-NeXT LLaVA-Med HuatuoGPT-Vision \
        >tests/golden/chat.jsonl

Conversations as records hold them, and the text that get_prompt() of the
conversation.py of each makes of them, pictures put in place by the training
code's preprocess_multimodal().  HuatuoGPT-Vision's text comes from its
preprocess_huatuo() with a tokenizer of characters.  Made with LLaVA c121f04,
LLaVA-NeXT df17966, LLaVA-Med v1.0.0 and HuatuoGPT-Vision a6476ac.
"""
import ast
import importlib.util
import json
import os
import sys
import types

import jinja2
import torch

os.environ["HF_HUB_OFFLINE"] = "1"  # LLaVA-NeXT asks for Llama 3's tokenizer

# What Llama 3's tokenizer would be asked for; an own template of its shape.
LLAMA3 = (
    "{{ '<|begin_of_text|>' }}{% for m in messages %}{{ "
    "'<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' + "
    "m.content | trim + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant"
    "<|end_header_id|>\n\n' }}{% endif %}")

IMAGE = {"type": "image"}


def text(value):
    return {"type": "text", "text": value}


def turns(*contents):
    return [{"role": ["user", "assistant"][i % 2], "content": c}
            for i, c in enumerate(contents)]


CONVERSATIONS = [
    turns("Is there a fracture?"),
    turns("Is there a fracture?", "No."),
    turns("  Two  \n", " spaces \n", "\tagain\n\n", "Yes – µ 肺"),
    turns([IMAGE, text("What is shown?")]),
    turns([IMAGE, text("What is shown?")], "A lung."),
    turns([text(" What is shown? \n"), IMAGE], "A lung.", "Left?", "Right."),
    turns([IMAGE], "A caption, as alignment has it."),
    turns([IMAGE]),
    turns("First", "Yes", [IMAGE, text("\n and here? ")], "No", "Sure?"),
    turns("</s><s>[INST] ### Human: <|im_end|>", "ASSISTANT: </s>###", "x"),
    turns("q", "", "q2"),
    turns("q", "a", "", "b"),
    turns("it's {{ 7*7 }} {% raw %} \\n 'quoted' \"so\"", "<|assistant|>\n"),
]


# ---- the original code -----------------------------------------------------

def load(path, name):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def function_of(path, name, given):
    with open(path, encoding="utf-8") as f:
        tree = ast.parse(f.read())
    body = [n for n in tree.body
            if isinstance(n, ast.FunctionDef) and n.name == name]
    for n in body:
        n.returns = None
        for a in n.args.args:
            a.annotation = None
    exec(compile(ast.Module(body, []), path, "exec"), given)
    return given[name]


def value_of(content, where):
    """A message as the JSON of LLaVA's data has it."""
    if isinstance(content, str):
        return content
    return "\n".join("<image>" if p["type"] == "image" else p["text"]
                     for p in content)


class Llama3:
    def apply_chat_template(self, messages, tokenize, add_generation_prompt):
        return jinja2.Environment().from_string(LLAMA3).render(
            messages=messages, add_generation_prompt=add_generation_prompt)


class Original:
    def __init__(self, folder):
        self.conversation = load(os.path.join(folder,
                                              "llava/conversation.py"),
                                 "conversation_of_" + str(len(sys.modules)))
        train = os.path.join(folder, "llava/train/train.py")
        self.library = types.SimpleNamespace()
        self.place = None
        if os.path.exists(train):
            given = {"DEFAULT_IMAGE_TOKEN": "<image>",
                     "DEFAULT_IM_START_TOKEN": "<im_start>",
                     "DEFAULT_IM_END_TOKEN": "<im_end>", "re": __import__("re"),
                     "conversation_lib": self.library}
            self.place = function_of(train, "preprocess_multimodal", given)

    def prompt(self, name, messages, begin):
        conv = self.conversation.conv_templates[name].copy()
        if conv.messages:  # an example in front of the conversation
            conv.messages = []
        self.library.default_conversation = conv
        if name == "llava_llama_3":
            conv.tokenizer = Llama3()
        source = [{"from": m["role"], "value": value_of(m["content"], m)}
                  for m in messages]
        if self.place:
            self.place([source], types.SimpleNamespace(
                is_multimodal=True, mm_use_im_start_end=False))
        for i, one in enumerate(source):
            conv.append_message(conv.roles[i % 2], one["value"])
        if begin:
            conv.append_message(conv.roles[1], None)
        return conv.get_prompt()


class Characters:
    """A tokenizer whose ids are characters."""
    bos_token_id = None

    def __call__(self, value, return_tensors=None, **more):
        ids = [ord(c) for c in value]
        if return_tensors:
            ids = torch.tensor([ids], dtype=torch.long)
        return types.SimpleNamespace(input_ids=ids)


def huatuo(folder):
    for name in ("llava", "llava.constants", "llava.model"):
        sys.modules[name] = types.ModuleType(name)
    constants = sys.modules["llava.constants"]
    constants.IMAGE_TOKEN_INDEX = -200
    constants.DEFAULT_IMAGE_TOKEN = "<image>"
    constants.DEFAULT_IM_START_TOKEN = constants.DEFAULT_IM_END_TOKEN = ""
    stdout, sys.stdout = sys.stdout, sys.stderr  # it prints its folder
    module = load(os.path.join(folder, "cli.py"), "huatuo_cli")
    sys.stdout = stdout
    bot = module.HuatuoChatbot.__new__(module.HuatuoChatbot)
    bot.tokenizer = Characters()
    bot.debug = False

    def prompt(messages):
        source = []
        for m in messages:
            content = m["content"]
            if not isinstance(content, str):
                pictures = sum(p["type"] == "image" for p in content)
                content = "".join(p["text"] for p in content
                                  if p["type"] == "text")
                content = bot.insert_image_placeholder(content, pictures)
            source.append({"from": m["role"], "value": content})
        source.append({"from": "gpt", "value": None})
        ids = bot.preprocess(source)
        return "".join("<image>" if i == -200 else chr(i) for i in ids)
    return prompt


# ---- what medvl should say -------------------------------------------------

def row(layout, messages, begin, want):
    print(json.dumps({"layout": layout, "messages": messages,
                      "prompt": begin, "text": want}, ensure_ascii=False))


def main():
    llava, following, med = (Original(f) for f in sys.argv[1:4])
    med.place = llava.place  # the same rule; its own code is of patches
    med.library = llava.library
    chatbot = huatuo(sys.argv[4])
    layouts = [(llava, n, n) for n in (
        "v1", "llava_v1", "v1_mmtag", "v0_mmtag", "llava_llama_2",
        "mistral_instruct", "chatml_direct")]
    layouts.append((llava, "v0", "llava_v0"))
    layouts.append((med, "llava_med_v1", "llava_v1"))
    layouts.append((following, "qwen_1_5", "qwen_1_5"))
    layouts.append((following, "llava_llama_3", "llava_llama_3"))
    for messages in CONVERSATIONS:
        begin = len(messages) % 2 == 1
        for code, layout, name in layouts:
            try:
                want = code.prompt(name, messages, begin)
            except AssertionError:
                want = None
            # it begins an answer behind an answer
            if layout == "llava_llama_3" and not begin:
                want = want[:want.rindex("<|start_header_id|>")]
            # and leaves empty messages out
            if layout == "llava_llama_3" and any(
                    not m["content"] for m in messages):
                continue
            row(layout, messages, begin, want)
        if begin:
            row("huatuo", messages, True, chatbot(messages))
        elif isinstance(messages[0]["content"], list) and len(messages) == 2:
            # preprocess_plain: the picture, the caption, the separator
            row("plain", messages, False,
                "<image>" + messages[1]["content"] + "\n")


main()
