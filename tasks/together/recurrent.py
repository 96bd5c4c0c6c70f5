"""Twins of the recurrent layers, from a zero state: (n k, length, in) -> states (n k, length, hidden)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from tasks.together.twin import Twin, products


class LSTM(Twin):
    """One call of torch's layer for each network: oneDNN's LSTM leaves little to share."""

    def __init__(self, layers: Sequence[nn.LSTM]) -> None:
        first = layers[0]
        super().__init__(layers, supported=first.batch_first and not first.proj_size and not first.dropout)
        self.hidden, self.layers, self.bias = first.hidden_size, first.num_layers, first.bias
        self.bidirectional = first.bidirectional

    def forward(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """States of all steps, and the last hidden and cell states (layers, n k, hidden)."""
        zeros = x.new_zeros(self.layers * (1 + self.bidirectional), len(x) // self.count, self.hidden)
        settings = (self.bias, self.layers, 0.0, self.training, self.bidirectional, True)
        weights = zip(*(parameter.unbind() for parameter in self.parameters()), strict=True)
        inputs = x.unflatten(0, (-1, self.count)).unbind(1)
        found = [
            torch.lstm(own, (zeros, zeros), own_weights, *settings)
            for own, own_weights in zip(inputs, weights, strict=True)
        ]
        states, hidden, cells = zip(*found, strict=True)
        last = torch.stack(hidden, 2).flatten(1, 2), torch.stack(cells, 2).flatten(1, 2)
        return torch.stack(states, 1).flatten(0, 1), last


class GRU(Twin):
    """The networks' products of a time step as one batched product."""

    weight_ih_l0: nn.Parameter
    weight_hh_l0: nn.Parameter
    bias_ih_l0: nn.Parameter
    bias_hh_l0: nn.Parameter

    def __init__(self, layers: Sequence[nn.GRU]) -> None:
        first = layers[0]
        plain = first.num_layers == 1 and first.batch_first and first.bias and not first.bidirectional
        super().__init__(layers, supported=plain)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """States of all steps, and the last one (1, n k, hidden)."""
        by_step = x.unflatten(0, (-1, self.count)).permute(1, 2, 0, 3)  # k, length, n, in
        inputs = products(by_step.flatten(1, 2), self.weight_ih_l0, self.bias_ih_l0)
        inputs = inputs.unflatten(1, by_step.shape[1:3]).transpose(0, 1)
        found: Tensor = _Scan.apply(inputs, self.weight_hh_l0, self.bias_hh_l0)
        states = found.permute(2, 1, 0, 3).flatten(0, 1)
        return states, states[:, -1].unsqueeze(0)


class _Scan(torch.autograd.Function):
    """The GRU's recurrence; its backward pass by hand takes three calls a step instead of some twenty.

    Inputs' share of the gates (length, k, n, 3 h), weights (k, 3 h, h) and biases (k, 3 h) of the states'
    share -> states (length, k, n, h). Gates in torch's order: reset r, update z, new state c.
    """

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        _, k, n, width = inputs.shape
        h = width // 3
        state = inputs.new_zeros(k, n, h)
        kept: tuple[list[Tensor], ...] = ([state], [], [], [])
        turned, bias = weight.transpose(1, 2), bias.unsqueeze(1).expand(k, n, width)
        for x in inputs.unbind():
            own = torch.baddbmm(bias, state, turned)
            gate = (own[..., : 2 * h] + x[..., : 2 * h]).sigmoid_()
            reset, update = gate.chunk(2, -1)
            share = own[..., 2 * h :]
            new = torch.addcmul(x[..., 2 * h :], reset, share).tanh_()
            state = torch.lerp(new, state, update)
            for values, value in zip(kept, (state, gate, new, share), strict=True):
                values.append(value)
        states, *others = map(torch.stack, kept)
        ctx.save_for_backward(states, *others, weight)
        return states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        states, gates, new, share, weight = ctx.saved_tensors
        before = states[:-1]
        reset, update = gates.chunk(2, -1)
        to_new = (1 - update) * (1 - new * new)
        # What the gradient of a state has to be multiplied by to get those of the three gates.
        factors = torch.stack(
            [to_new * share * reset * (1 - reset), (before - new) * update * (1 - update), to_new * reset], -2
        )
        of_gates = torch.empty_like(factors)
        of_state = gradient[-1]
        of_states = [of_state]
        # Views of all steps at once: a call for each would cost as much as the arithmetic.
        by_step = zip(factors.unbind(), of_gates.unbind(), update.unbind(), strict=True)
        earlier = [None, *gradient.unbind()[:-1]]
        for (factor, out, kept), direct in reversed(list(zip(by_step, earlier, strict=True))):
            torch.mul(of_state.unsqueeze(-2), factor, out=out)
            if direct is not None:
                of_state = torch.addcmul(direct, of_state, kept).baddbmm_(out.flatten(-2), weight)
                of_states.append(of_state)
        through_new = torch.stack(of_states[::-1]) * to_new
        of_inputs = torch.cat([of_gates[..., :2, :].flatten(-2), through_new], -1)
        rows = of_gates.flatten(-2).transpose(0, 1).flatten(1, 2)
        of_weight = torch.bmm(rows.transpose(1, 2), before.transpose(0, 1).flatten(1, 2))
        return of_inputs, of_weight, rows.sum(1)
