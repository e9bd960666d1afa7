# SPDX-License-Identifier: Apache-2.0
"""Batch norms of networks that went through ONNX, where they became part of the layers before them."""


def renormed(norm, inputs, bias, grown=1.0):
    """A hook before `norm` that sets it to what its input `[N,C,...]` is like, so that it says what the layer with `bias` would have said before its
    channels were `grown`."""
    values = inputs[0].transpose(0, 1).flatten(1)
    norm.running_mean.copy_(values.mean(1))
    norm.running_var.copy_(values.var(1, unbiased=False))
    norm.weight.copy_((norm.running_var + norm.eps).sqrt() / grown)
    norm.bias.copy_(norm.running_mean / grown + bias)
