"""A BERT as plain numpy, written from the paper (Devlin et al. 2019, Vaswani et al. 2017) on Google's variables.

It shares no code with the converter, transformers or TensorFlow.
"""

from __future__ import annotations

import math

import numpy as np

erf = np.vectorize(math.erf, otypes=[np.float64])


def gelu(x):
    """Hendrycks and Gimpel 2016, with the exact distribution function."""
    return x * 0.5 * (1 + erf(x / math.sqrt(2)))


def softmax(x):
    weights = np.exp(x - x.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


class NumpyBert:
    """The forward pass in fp64.

    Args:
        variables: Google's name -> values. heads: of the attention.
    """

    def __init__(self, variables, heads):
        self.variables = {name: np.asarray(values, dtype=np.float64) for name, values in variables.items()}
        self.heads = heads
        self.layers = 1 + max(int(name.split("layer_")[1].split("/")[0]) for name in variables if "/layer_" in name)

    def dense(self, name, x):
        return x @ self.variables[f"{name}/kernel"] + self.variables[f"{name}/bias"]

    def norm(self, name, x):
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
        return scaled * self.variables[f"{name}/gamma"] + self.variables[f"{name}/beta"]

    def attention(self, name, x, mask):
        """x [B, T, H], mask [B, T] -> [B, T, H]."""
        size = x.shape[-1] // self.heads
        query, key, value = (self.dense(f"{name}/{part}", x) for part in ("query", "key", "value"))
        mixed = np.zeros_like(x)
        for head in range(self.heads):
            part = slice(head * size, (head + 1) * size)
            scores = query[..., part] @ key[..., part].transpose(0, 2, 1) / math.sqrt(size)
            mixed[..., part] = softmax(np.where(mask[:, None, :] > 0, scores, -1e9)) @ value[..., part]
        return mixed

    def states(self, ids, segments, mask):
        """The hidden states after every layer, the embeddings first: a list of [B, T, H]."""
        tables = {name: self.variables[f"bert/embeddings/{name}_embeddings"] for name in
                  ("word", "position", "token_type")}  # fmt: skip
        x = tables["word"][ids] + tables["position"][: ids.shape[1]] + tables["token_type"][segments]
        states = [self.norm("bert/embeddings/LayerNorm", x)]
        for number in range(self.layers):
            name, x = f"bert/encoder/layer_{number}", states[-1]
            mixed = self.dense(f"{name}/attention/output/dense", self.attention(f"{name}/attention/self", x, mask))
            x = self.norm(f"{name}/attention/output/LayerNorm", x + mixed)
            inner = gelu(self.dense(f"{name}/intermediate/dense", x))
            states.append(self.norm(f"{name}/output/LayerNorm", x + self.dense(f"{name}/output/dense", inner)))
        return states

    def pooled(self, ids, segments, mask):
        return np.tanh(self.dense("bert/pooler/dense", self.states(ids, segments, mask)[-1][:, 0]))

    def token_logits(self, ids, segments, mask):
        """[B, T, V]: the logits of the masked-token head, whose output layer is the word embeddings."""
        x = gelu(self.dense("cls/predictions/transform/dense", self.states(ids, segments, mask)[-1]))
        x = self.norm("cls/predictions/transform/LayerNorm", x)
        words = self.variables["bert/embeddings/word_embeddings"]
        return x @ words.T + self.variables["cls/predictions/output_bias"]

    def next_logits(self, ids, segments, mask):
        weights, bias = (self.variables[f"cls/seq_relationship/output_{part}"] for part in ("weights", "bias"))
        return self.pooled(ids, segments, mask) @ weights.T + bias

    def class_logits(self, ids, segments, mask):
        return self.pooled(ids, segments, mask) @ self.variables["output_weights"].T + self.variables["output_bias"]
