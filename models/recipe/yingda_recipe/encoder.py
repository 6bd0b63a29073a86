"""The context encoder: a shallow transformer over unit vectors, added to the bag vector.

For each unit i of the first `encoder_max_units` units, x_i is the plain sum of the rows of all n-grams that end at i
(zero where there are none). Then

    h_i = LayerNorm_in(x_i) + position_i
    every layer: h += Attention(LayerNorm_1(h));  h += W_2 gelu(W_1 LayerNorm_2(h) + b_1) + b_2
    c   = W_out · mean_i LayerNorm_out(h_i)
    v   = normalise(normalise(b) + c)

with bag vector b. W_out starts at zero, so training begins at the bag model.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from .features import bag


class Layer(nn.Module):
    def __init__(self, hidden, heads, inner):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        self.qkv, self.out = nn.Linear(hidden, 3 * hidden), nn.Linear(hidden, hidden)
        self.up, self.down = nn.Linear(hidden, inner), nn.Linear(inner, hidden)

    def forward(self, h, mask):
        batch, length, hidden = h.shape
        q, k, v = self.qkv(self.norm1(h)).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        a = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None, :])
        h = h + self.out(a.transpose(1, 2).reshape(batch, length, hidden))
        return h + self.down(F.gelu(self.up(self.norm2(h))))


class Encoder(nn.Module):
    def __init__(self, hidden=256, layers=1, heads=4, inner=512, max_units=48):
        super().__init__()
        self.config = {"num_encoder_layers": layers, "num_attention_heads": heads, "intermediate_size": inner,
                       "encoder_max_units": max_units, "layer_norm_eps": 1e-5}
        self.max_units = max_units
        self.norm_in, self.norm_out = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        self.position = nn.Parameter(torch.randn(max_units, hidden) * 0.02)
        self.layers = nn.ModuleList(Layer(hidden, heads, inner) for _ in range(layers))
        self.project = nn.Linear(hidden, hidden, bias=False)
        nn.init.zeros_(self.project.weight)
        for layer in self.layers:
            for linear in (layer.out, layer.down):
                linear.weight.data.mul_(0.3)

    def pooled(self, units, lengths):
        """Mean of the last layer over each text: `units` is the joined sequence of all texts, by `lengths`."""
        order = torch.argsort(lengths, stable=True)
        starts = torch.cumsum(lengths, 0) - lengths
        out, part = [], 128
        for i in range(0, len(order), part):
            texts = order[i : i + part]
            longest = max(int(lengths[texts].max()), 1)
            place = torch.arange(longest)
            mask = place[None, :] < lengths[texts][:, None]
            mask[:, 0] = True
            index = (starts[texts][:, None] + place[None, :]).clamp_(max=len(units) - 1)
            h = self.norm_in(units[index]) + self.position[:longest]
            for layer in self.layers:
                h = layer(h, mask)
            h = self.norm_out(h) * mask[:, :, None]
            out.append(h.sum(1) / mask.sum(1, keepdim=True))
        back = torch.empty_like(order)
        back[order] = torch.arange(len(order))
        return torch.cat(out)[back]

    def forward(self, bags, units, lengths):
        return F.normalize(bags, dim=1) + self.project(self.pooled(units, lengths))


def unit_vectors(table, features, ends, offsets, max_units):
    """x_i of every unit place of every text (cut at max_units), joined, and the lengths."""
    flat, starts, lengths = _unit_groups(features, ends, offsets, max_units)
    return bag(table, flat, starts, 0.0), lengths


def _unit_groups(features, ends, offsets, max_units):
    text = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    key = text.astype(np.int64) << 20 | ends
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    group_text = text[first]
    begin = np.searchsorted(group_text, np.arange(len(offsets) - 1))
    rank = np.arange(len(first)) - begin[group_text]
    keep_group = rank < max_units
    lengths = np.bincount(group_text[keep_group], minlength=len(offsets) - 1)
    keep = keep_group[inverse]
    groups = np.cumsum(keep_group) - 1
    counts = np.bincount(groups[inverse[keep]], minlength=keep_group.sum())
    starts = np.concatenate([[0], np.cumsum(counts)])
    return features[keep], starts, lengths
