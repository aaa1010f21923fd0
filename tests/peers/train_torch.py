"""One training run of a Llama decoder in PyTorch: the peer of train.sh.

Prints one JSON line: median seconds a step, tokens/s, and memory in bytes
above what the process held after importing torch.  Forward, backward and
AdamW in f32, tied embeddings, sequences of equal length, random tokens.

  train_torch.py VOCAB WIDTH MLP LAYERS HEADS SEQUENCES LENGTH STEPS THREADS
"""
import json
import resource
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

VOCAB, WIDTH, MLP, LAYERS, HEADS, ROWS, LENGTH, STEPS, THREADS = map(
    int, sys.argv[1:10])
torch.set_num_threads(THREADS)
torch.manual_seed(0)
FUSED = hasattr(F, "scaled_dot_product_attention")


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class Norm(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(WIDTH))

    def forward(self, x):
        scale = torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-5)
        return x * scale * self.weight


def turn(x, cos, sin):
    first, second = x.chunk(2, -1)
    return torch.cat((first * cos - second * sin,
                      second * cos + first * sin), -1)


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.norms = nn.ModuleList([Norm(), Norm()])
        self.q, self.k, self.v, self.o = (
            nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(4))
        self.gate = nn.Linear(WIDTH, MLP, bias=False)
        self.up = nn.Linear(WIDTH, MLP, bias=False)
        self.down = nn.Linear(MLP, WIDTH, bias=False)

    def attend(self, x, cos, sin, mask):
        size = WIDTH // HEADS
        q, k, v = (f(x).view(ROWS, LENGTH, HEADS, size).transpose(1, 2)
                   for f in (self.q, self.k, self.v))
        q, k = turn(q, cos, sin), turn(k, cos, sin)
        if FUSED:
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            scores = q @ k.transpose(-1, -2) * size ** -0.5 + mask
            y = scores.softmax(-1) @ v
        return self.o(y.transpose(1, 2).reshape(ROWS, LENGTH, WIDTH))

    def forward(self, x, cos, sin, mask):
        x = x + self.attend(self.norms[0](x), cos, sin, mask)
        y = self.norms[1](x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(VOCAB, WIDTH)
        nn.init.normal_(self.embed.weight, std=0.02)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.norm = Norm()
        half = WIDTH // HEADS // 2
        angles = torch.outer(torch.arange(LENGTH).float(),
                             1e4 ** (-torch.arange(half) / half))
        self.cos, self.sin = angles.cos(), angles.sin()
        self.mask = torch.full((LENGTH, LENGTH), float("-inf")).triu(1)

    def forward(self, ids):
        x = self.embed(ids)
        for layer in self.layers:
            x = layer(x, self.cos, self.sin, self.mask)
        return self.norm(x) @ self.embed.weight.t()


idle = peak()
model = Decoder()
optim = torch.optim.AdamW(model.parameters(), 1e-4)
ids = torch.randint(0, VOCAB, (ROWS, LENGTH + 1))
times = []
for step in range(STEPS):
    start = time.perf_counter()
    logits = model(ids[:, :-1]).reshape(-1, VOCAB)
    loss = F.cross_entropy(logits, ids[:, 1:].reshape(-1))
    loss.backward()
    optim.step()
    optim.zero_grad()
    times.append(time.perf_counter() - start)
median = sorted(times[1:])[len(times[1:]) // 2]
print(json.dumps({"torch": torch.__version__, "step_s": median,
                  "tokens_per_s": ROWS * LENGTH / median,
                  "memory": peak() - idle}))
