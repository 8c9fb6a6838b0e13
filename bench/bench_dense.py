# SPDX-License-Identifier: Apache-2.0
"""Dense autoencoders on one thread: forward pass, training step, jvp against PyTorch; matrix products against BLAS.

    python bench/bench_dense.py > dense.jsonl

PyTorch (CPU, eager, fused Adam) is given levels and targets that are ready to use; fastae's step also turns symbols
into levels and codes. Without PyTorch its columns are left out, with a note.
"""

from __future__ import annotations

import numpy as np
from common import note, pin_threads, print_case, print_header

from fastae import GRADIENT_MODES, HAPLOTYPE, Chain, Decoder, Encoder, HammingLoss, Trainer, _core, jvp

try:
    import torch
except ImportError:
    torch = None

NETWORKS = [  # encoder sizes, decoder sizes, batch
    ([10, 8, 6, 4, 3], [3, 6, 10], 1),
    ([10, 8, 6, 4, 3], [3, 6, 10], 64),
    ([512, 128, 64, 32, 16], [16, 64, 512], 256),
]
PRODUCTS = [(256, 512, 512), (256, 128, 512), (256, 512, 64)]  # n, d_out, d_in


class TorchRival:
    """The same network, loss and optimiser in PyTorch, from the same random numbers."""

    def __init__(self, encoder, decoder, x, codes):
        layers = []
        for weights, bias in [*encoder.layers, *decoder.layers]:
            linear = torch.nn.Linear(*weights.shape[::-1])
            linear.weight.data = torch.from_numpy(weights.copy())
            linear.bias.data = torch.from_numpy(bias.copy())
            layers += [linear, torch.nn.Tanh()]
        self.net = torch.nn.Sequential(*layers)
        self.x = torch.from_numpy(x)
        low, high = HAPLOTYPE.levels
        temperature = HammingLoss(HAPLOTYPE).temperature
        self.middle = float(low + high) / 2
        # the softmax over two levels is a logistic function; this is the log-odds of the wrong one per unit of x
        gain = 2 * (high - low) / temperature
        self.gain = torch.from_numpy(np.where(codes == 1, -gain, gain).astype(np.float32))
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=1e-3, fused=True)

    def forward(self):
        with torch.inference_mode():
            return self.net(self.x)

    def step(self):
        self.optimizer.zero_grad()
        loss = torch.sigmoid(self.gain * (self.net(self.x) - self.middle)).mean()
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def jvp(self):
        params = {name: p.detach() for name, p in self.net.named_parameters()}

        def call(values, x):
            return torch.func.functional_call(self.net, values, (x,))

        return torch.func.jvp(call, (params, self.x), (params, self.x))


def check_agreement(model, trainer, rival, x, symbols):
    """A race counts only if both run the same course: outputs, tangents and losses must agree."""
    np.testing.assert_allclose(model(x), rival.forward().numpy(), atol=1e-5)
    ours, theirs = jvp(model, (model.params, x), (model.params, x))[1], rival.jvp()[1].numpy()
    np.testing.assert_allclose(ours, theirs, atol=1e-4 * np.abs(theirs).max())
    np.testing.assert_allclose([trainer.step(symbols) for _ in range(3)], [rival.step() for _ in range(3)], rtol=1e-3)


class Course:
    """A network, a batch of random haplotypes, and the rival, where there is one, checked to agree."""

    def __init__(self, encoder_sizes, decoder_sizes, batch, gradient):
        encoder, decoder = Encoder(encoder_sizes, seed=1), Decoder(decoder_sizes, seed=2)
        self.params = {"sizes": "-".join(map(str, [*encoder_sizes, *decoder_sizes[1:]])), "batch": batch}
        self.symbols = np.random.default_rng(0).integers(0, 2, (batch, encoder_sizes[0]), dtype=np.int8)
        self.x = HAPLOTYPE.to_levels(self.symbols, np.float32)
        self.model = Chain(encoder, decoder)
        self.trainer = Trainer(encoder, decoder, loss=HammingLoss(HAPLOTYPE), gradient=gradient, learning_rate=1e-3)
        self.rival = self.rival_name = None
        if torch is not None:
            self.rival = TorchRival(encoder, decoder, self.x, self.symbols)
            self.rival_name = f"PyTorch {torch.__version__.split('+')[0]}"
            check_agreement(self.model, self.trainer, self.rival, self.x, self.symbols)

    def run(self, name, ours, **params):
        """Time one of ours against the rival's method of that name."""
        theirs = None if self.rival is None else getattr(self.rival, ours.__name__)
        print_case(name, {**self.params, **params}, ours, self.rival_name, theirs)

    def forward(self):
        self.model(self.x)

    def jvp(self):
        primals = self.model.params, self.x
        jvp(self.model, primals, primals)

    def step(self):
        self.trainer.step(self.symbols)


def bench_product(n, d_out, d_in):
    """One identity layer: x W^T + b."""
    rng = np.random.default_rng(0)
    kernel = _core.Stack(np.array([d_in, d_out]), np.zeros(1, np.int32))
    params = rng.normal(size=d_out * (d_in + 1)).astype(np.float32)
    weights, bias = params[: d_out * d_in].reshape(d_out, d_in), params[d_out * d_in :]
    x = rng.normal(size=(n, d_in)).astype(np.float32)
    h, y = np.empty(n * d_out, np.float32), np.empty((n, d_out), np.float32)

    def blas():
        np.matmul(x, weights.T, out=y)
        np.add(y, bias, out=y)

    print_case(
        "layer without activation",
        {"sizes": f"{d_in}-{d_out}", "batch": n},
        lambda: kernel.forward(params, x, h),
        "NumPy's BLAS",
        blas,
    )


def main():
    pin_threads()
    if torch is None:
        note("PyTorch is not installed: no rival is timed for networks; pip install torch adds it")
        print_header()
    else:
        torch.set_num_threads(1)
        print_header(torch=torch.__version__)
    for network in NETWORKS:
        for gradient in GRADIENT_MODES:
            course = Course(*network, gradient)
            course.run("training step", course.step, gradient=gradient)
        course.run("forward pass", course.forward)
        course.run("jvp, all parameters and inputs", course.jvp)
    for product in PRODUCTS:
        bench_product(*product)


if __name__ == "__main__":
    main()
