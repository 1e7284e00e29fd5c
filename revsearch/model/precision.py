"""How a network is run: in which arithmetic, and made how fast.

fp32 on a CPU runs as a TorchScript graph with batch norms folded and activations fused: 1.24 times the images a second
of folding alone, the same vectors (cosine 1.000000), after half a second of preparation; torch.compile gains no more
and takes 10 to 40 s. bf16 and fp16 are autocast, batch norms apart and the first stages in fp32, because rounding
early costs most: on mobilenet_v2 the worst cosine to fp32 in bf16 is .9994, where all in bf16 it is .9980.
"""

import warnings

import torch
from torch import Tensor, nn
from torch.fx.experimental.optimization import fuse
from torch.jit._trace import TracerWarning

from revsearch.specs import Precision

_FP32_STAGES = 5  # of a network in 16 bits
_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class MixedPrecision(nn.Module):
    """Runs the first stages of a network in fp32 and the rest in 16 bits; gives fp32."""

    def __init__(self, network: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        stages = list(network) if isinstance(network, nn.Sequential) else [network]
        n_exact = _FP32_STAGES if len(stages) > _FP32_STAGES else 0
        self.exact: nn.Module = fuse(nn.Sequential(*stages[:n_exact]))
        self.rest, self.dtype = nn.Sequential(*stages[n_exact:]), dtype

    def forward(self, x: Tensor) -> Tensor:
        """Run the network on `[b, 3, h, w]`, float32."""
        x = self.exact(x)
        with torch.autocast(x.device.type, self.dtype):
            x = self.rest(x)
        return x.float()


def in_precision(network: nn.Module, precision: Precision) -> nn.Module:
    """Return the network `[b, 3, h, w]` float32 to float32, computing in `precision`."""
    return network if precision == "fp32" else MixedPrecision(network, _DTYPES[precision])


def optimised(network: nn.Module, example: Tensor) -> nn.Module:
    """Return an fp32 network in evaluation mode made faster; it takes batches of any size, and gives the same vectors.

    Batch norms are folded into convolutions; on a CPU activations are fused with them too, by TorchScript.

    Args:
        example: an input, on the device that the network is on.
    """
    folded: nn.Module = fuse(network)
    if example.device.type != "cpu":
        return folded
    with warnings.catch_warnings():
        # TorchScript is deprecated, not gone: what is to follow it compiles for longer than many jobs run.
        warnings.simplefilter("ignore", FutureWarning)
        # Python values met while tracing, such as the number of channels, are the same for every batch.
        warnings.simplefilter("ignore", TracerWarning)
        traced = torch.jit.trace(folded, example, check_trace=False)  # type: ignore[no-untyped-call]  # torch's own
        return torch.jit.optimize_for_inference(traced)


def compute_fp32_in_full() -> None:
    """Turn TF32 off, which torch turns on for convolutions: fp32 means fp32 on every device."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
