# SPDX-License-Identifier: Apache-2.0
"""The rivals of dense networks: the same network, loss and optimiser in NumPy, PyTorch and JAX.

Each has the methods `forward` (reconstructions), `step` (one training step with Adam: its loss), `jvp` (value and
tangent along all parameters and inputs) and `tangents` (value and N_TANGENTS tangents along inputs). Each gets its
arrays in its own form beforehand, levels and targets ready to use, and gives its own arrays back.
"""

from __future__ import annotations

import numpy as np
from common import note

try:
    import torch
except ImportError:
    torch = None

try:
    import jax
    import jax.numpy as jnp
except ImportError:
    jax = None

N_TANGENTS = 16
RATE, BETA1, BETA2, EPSILON = 1e-3, 0.9, 0.999, 1e-8


class Task:
    """What every rival is given.

    The loss is the mean of sigmoid(gain * (x̂ - middle)) over the cells: the softmax over two levels is a logistic
    function, and gain is the log-odds of the wrong one per unit of x̂.
    """

    def __init__(self, layers, x, codes, levels, temperature):
        self.layers = [(weights.copy(), bias.copy()) for weights, bias in layers]
        self.params = np.concatenate([part.ravel() for layer in self.layers for part in layer])
        self.x = x
        low, high = levels
        self.middle = float(low + high) / 2
        gain = 2 * (high - low) / temperature
        self.gain = np.where(codes == 1, -gain, gain).astype(np.float32)
        rng = np.random.default_rng(1)
        # a tangent that is its primal would let compilers compute half of the products once
        self.params_dot = rng.normal(size=self.params.shape).astype(np.float32)
        self.x_dot = rng.normal(size=x.shape).astype(np.float32)
        self.x_dots = rng.normal(size=(N_TANGENTS, *x.shape)).astype(np.float32)

        # plain numbers: a compiler watches every array that it can see
        self.places = []
        start = 0
        for weights, bias in self.layers:
            middle = start + weights.size
            self.places.append((start, middle, middle + bias.size, weights.shape))
            start = middle + bias.size


def split(flat, places):
    """Weights and biases, layer by layer, as views of one vector of any library."""
    return [(flat[start:middle].reshape(shape), flat[middle:stop]) for start, middle, stop, shape in places]


class NumpyRival:
    """Matrix products by BLAS, the rest by NumPy, written by hand; reverse mode for the step."""

    name = f"NumPy {np.__version__}"

    def __init__(self, task):
        self.task = task
        self.params = task.params.copy()
        self.layers = split(self.params, task.places)
        self.dots = split(task.params_dot, task.places)
        self.grad = np.zeros_like(self.params)
        self.grads = split(self.grad, task.places)
        self.m, self.v = np.zeros_like(self.params), np.zeros_like(self.params)
        self.n_steps = 0
        self.h = [np.empty((len(task.x), len(bias)), np.float32) for _, bias in self.layers]

    def forward(self):
        h = self.task.x
        for (weights, bias), out in zip(self.layers, self.h, strict=True):
            np.matmul(h, weights.T, out=out)
            out += bias
            h = np.tanh(out, out=out)
        return h

    def step(self):
        wrong = 1 / (1 + np.exp(self.task.gain * (self.task.middle - self.forward())))
        h_bar = self.task.gain * wrong * (1 - wrong)
        h_bar /= h_bar.size
        for i in range(len(self.layers) - 1, -1, -1):
            h_bar *= 1 - self.h[i] ** 2
            weights_bar, bias_bar = self.grads[i]
            np.matmul(h_bar.T, self.h[i - 1] if i else self.task.x, out=weights_bar)
            np.sum(h_bar, axis=0, out=bias_bar)
            if i:
                h_bar = h_bar @ self.layers[i][0]
        self.n_steps += 1
        self.m += (1 - BETA1) * (self.grad - self.m)
        self.v += (1 - BETA2) * (self.grad**2 - self.v)
        scale = np.sqrt(self.v / np.float32(1 - BETA2**self.n_steps)) + EPSILON
        self.params -= np.float32(RATE / (1 - BETA1**self.n_steps)) * self.m / scale
        return float(wrong.mean())

    def jvp(self):
        h, h_dot = self.task.x, self.task.x_dot
        for (weights, bias), (weights_dot, bias_dot), out in zip(self.layers, self.dots, self.h, strict=True):
            h_dot = h_dot @ weights.T
            h_dot += h @ weights_dot.T
            h_dot += bias_dot
            np.matmul(h, weights.T, out=out)
            out += bias
            h = np.tanh(out, out=out)
            h_dot *= 1 - h**2
        return h, h_dot

    def tangents(self):
        h, h_dot = self.task.x, self.task.x_dots
        for (weights, bias), out in zip(self.layers, self.h, strict=True):
            k, n, d = h_dot.shape
            h_dot = (h_dot.reshape(k * n, d) @ weights.T).reshape(k, n, len(bias))
            np.matmul(h, weights.T, out=out)
            out += bias
            h = np.tanh(out, out=out)
            h_dot *= 1 - h**2
        return h, h_dot


class TorchRival:
    """PyTorch as it is mostly used: modules run eagerly, Adam fused, torch.func for tangents."""

    def __init__(self, task):
        self.name = f"PyTorch {torch.__version__.split('+')[0]}"
        layers = []
        for weights, bias in task.layers:
            linear = torch.nn.Linear(*weights.shape[::-1])
            linear.weight.data, linear.bias.data = torch.from_numpy(weights.copy()), torch.from_numpy(bias.copy())
            layers += [linear, torch.nn.Tanh()]
        self.net = torch.nn.Sequential(*layers)
        self.x, self.gain = torch.from_numpy(task.x), torch.from_numpy(task.gain)
        self.middle = task.middle
        self.x_dot, self.x_dots = torch.from_numpy(task.x_dot), torch.from_numpy(task.x_dots)
        parts = [torch.from_numpy(part) for layer in split(task.params_dot, task.places) for part in layer]
        self.dots = dict(zip((name for name, _ in self.net.named_parameters()), parts, strict=True))
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=RATE, fused=True)

    def forward(self):
        with torch.inference_mode():
            return self.net(self.x)

    def step(self):
        self.optimizer.zero_grad()
        loss = torch.sigmoid(self.gain * (self.net(self.x) - self.middle)).mean()
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def _call(self, values, x):
        return torch.func.functional_call(self.net, values, (x,))

    def _values(self):
        return {name: p.detach() for name, p in self.net.named_parameters()}

    def jvp(self):
        return torch.func.jvp(self._call, (self._values(), self.x), (self.dots, self.x_dot))

    def tangents(self):
        values = self._values()

        def along(x_dot):
            return torch.func.jvp(lambda x: self._call(values, x), (self.x,), (x_dot,))

        return torch.func.vmap(along, out_dims=(None, 0))(self.x_dots)


class CompiledTorchRival:
    """PyTorch's compiler (inductor): a step is one compiled function of flat vectors, updated in place."""

    def __init__(self, task):
        self.name = f"PyTorch {torch.__version__.split('+')[0]}, compiled"
        self.x, self.gain = torch.from_numpy(task.x), torch.from_numpy(task.gain)
        self.x_dot, self.x_dots = torch.from_numpy(task.x_dot), torch.from_numpy(task.x_dots)
        self.params_dot = torch.from_numpy(task.params_dot)
        self.params = torch.from_numpy(task.params.copy())
        self.m, self.v = torch.zeros_like(self.params), torch.zeros_like(self.params)
        self.n_steps = torch.zeros(())

        places, middle = task.places, task.middle

        def net(params, x):
            for weights, bias in split(params, places):
                x = torch.tanh(torch.nn.functional.linear(x, weights, bias))
            return x

        def loss(params, x, gain):
            return torch.sigmoid(gain * (net(params, x) - middle)).mean()

        def step(params, m, v, n_steps, x, gain):
            grad, value = torch.func.grad_and_value(loss)(params, x, gain)
            n_steps += 1
            m.lerp_(grad, 1 - BETA1)
            v.lerp_(grad * grad, 1 - BETA2)
            scale = torch.sqrt(v / (1 - BETA2**n_steps)) + EPSILON
            params -= RATE / (1 - BETA1**n_steps) * m / scale
            return value

        def jvp(params, x, params_dot, x_dot):
            return torch.func.jvp(net, (params, x), (params_dot, x_dot))

        def tangents(params, x, x_dots):
            def along(x_dot):
                return torch.func.jvp(lambda x: net(params, x), (x,), (x_dot,))

            return torch.func.vmap(along, out_dims=(None, 0))(x_dots)

        torch._dynamo.reset()  # graphs of other sizes, which would count against its limit
        functions = (net, step, jvp, tangents)
        self._net, self._step, self._jvp, self._tangents = (torch.compile(f, dynamic=False) for f in functions)

    def forward(self):
        with torch.inference_mode():
            return self._net(self.params, self.x)

    def step(self):
        with torch.no_grad():
            return self._step(self.params, self.m, self.v, self.n_steps, self.x, self.gain).item()

    def jvp(self):
        with torch.no_grad():
            return self._jvp(self.params, self.x, self.params_dot, self.x_dot)

    def tangents(self):
        with torch.no_grad():
            return self._tangents(self.params, self.x, self.x_dots)


class JaxRival:
    """JAX, compiled: parameters as one vector, which saves small networks most of the cost of a call."""

    def __init__(self, task):
        self.name = f"JAX {jax.__version__}"
        self.x, self.gain, self.x_dots = jnp.array(task.x), jnp.array(task.gain), jnp.array(task.x_dots)
        self.params = jnp.array(task.params)
        self.dots = jnp.array(task.params_dot), jnp.array(task.x_dot)

        places, middle = task.places, task.middle

        def net(params, x):
            for weights, bias in split(params, places):
                x = jnp.tanh(x @ weights.T + bias)
            return x

        def loss(params, x, gain):
            return jax.nn.sigmoid(gain * (net(params, x) - middle)).mean()

        def step(state, x, gain):
            params, m, v, n_steps = state
            value, grad = jax.value_and_grad(loss)(params, x, gain)
            n_steps += 1
            m = BETA1 * m + (1 - BETA1) * grad
            v = BETA2 * v + (1 - BETA2) * grad * grad
            scale = jnp.sqrt(v / (1 - BETA2**n_steps)) + EPSILON
            return (params - RATE / (1 - BETA1**n_steps) * m / scale, m, v, n_steps), value

        def jvp(params, x, params_dot, x_dot):
            return jax.jvp(net, (params, x), (params_dot, x_dot))

        def tangents(params, x, x_dots):
            value, push = jax.linearize(lambda x: net(params, x), x)
            return value, jax.vmap(push)(x_dots)

        self._net, self._step = jax.jit(net), jax.jit(step, donate_argnums=0)
        self._jvp, self._tangents = jax.jit(jvp), jax.jit(tangents)
        # the step takes its arguments over, so it has parameters of its own
        self.state = jnp.array(task.params), *(jnp.zeros_like(self.params) for _ in range(2)), jnp.float32(0)

    def forward(self):
        return self._net(self.params, self.x).block_until_ready()

    def step(self):
        self.state, value = self._step(self.state, self.x, self.gain)
        return float(value)

    def jvp(self):
        return jax.block_until_ready(self._jvp(self.params, self.x, *self.dots))

    def tangents(self):
        return jax.block_until_ready(self._tangents(self.params, self.x, self.x_dots))


def versions():
    """Of the libraries that are there, with a note about those that are not."""
    found = {}
    for name, library in (("torch", torch), ("jax", jax)):
        if library is None:
            note(f"{name} is not installed: it is not timed; pip install {name} adds it")
        else:
            found[name] = library.__version__
    return found


def make_rivals(task, n_threads):
    """Every rival that there is."""
    rivals = [NumpyRival(task)]
    if torch is not None:
        torch.set_num_threads(n_threads)
        rivals += [TorchRival(task), CompiledTorchRival(task)]
    if jax is not None:
        rivals.append(JaxRival(task))
    return rivals
