"""Writes the golden files beside it: what timm and torchvision answer with seeded random weights, in float64.

    scripts/setup.sh python bench/torch-requirements.txt    # prints a folder; its bin/python runs this file

A golden file is safetensors: `features` [1, d, h, w] and `embedding` [1, d], and in its metadata the network,
the library, seed, side and the list of the library's own tensor names and shapes. The weights are not stored:
the test draws the same ones (`tests/efficientnet/seeded.rs`), from the names. A seed is kept only if PyTorch
in float32 agrees with itself in float64 within 1e-5: random statistics can make a deep network so
ill-conditioned that no faithful copy passes.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import timm
import torch
import torchvision
from safetensors.numpy import save_file

HERE = Path(__file__).parent
AGREEMENT = 1e-5
GAMMA = np.uint64(0x9E3779B97F4A7C15)


def uniforms(name: str, seed: int, count: int) -> np.ndarray:
    """SplitMix64 (Steele, Lea and Flood 2014) from the SHA-256 of `seed:name`, as numbers in [0, 1)."""
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    start = np.uint64(int.from_bytes(digest[:8], "little"))
    with np.errstate(over="ignore"):
        z = start + GAMMA * np.arange(1, count + 1, dtype=np.uint64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(11)).astype(np.float64) * 2.0**-53


def seeded(name: str, shape: list[int], seed: int, gain: float) -> np.ndarray:
    """Kernels nearly keep the variance of what they are given; statistics lie around 0 and 1."""
    u = uniforms(name, seed, int(np.prod(shape)))
    if name.endswith("running_var"):
        values = 0.5 + u
    elif name.endswith("running_mean") or name.endswith("bias"):
        values = 0.4 * u - 0.2
    elif len(shape) == 1:
        values = 0.8 + 0.4 * u
    else:
        fan_in = float(np.prod(shape[1:]))
        values = (2.0 * u - 1.0) * np.sqrt(gain / fan_in)
    return values.astype(np.float32).reshape(shape)


def photograph(seed: int, side: int) -> torch.Tensor:
    """uint8 noise, normalised with ImageNet's mean and deviation, in float64."""
    pixels = np.floor(256.0 * uniforms("pixels", seed, 3 * side * side)).reshape(1, side, side, 3)
    normalised = (pixels / 255.0 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    return torch.from_numpy(normalised).permute(0, 3, 1, 2).contiguous()


def build(library: str, name: str) -> torch.nn.Module:
    if library == "torchvision":
        return getattr(torchvision.models, name.replace("-", "_"))()
    return timm.create_model(name.replace("-", "_"))


def features(model: torch.nn.Module, library: str, image: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return model.features(image) if library == "torchvision" else model.forward_features(image)


def distance(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found.double() - expected).norm() / expected.norm())


def make(library: str, name: str, side: int, gain: float) -> None:
    """`gain` is as high as agreement allows: with less, the answer hardly depends on the photograph."""
    for seed in range(100):
        model = build(library, name).eval()
        shapes = {key: list(value.shape) for key, value in model.state_dict().items()}
        state = {
            key: torch.from_numpy(seeded(key, shape, seed, gain)) for key, shape in shapes.items() if shape
        }
        model.load_state_dict(state, strict=False)
        image = photograph(seed, side)
        single = features(model, library, image.float())
        exact = features(model.double(), library, image)
        error = distance(single, exact)
        if error < AGREEMENT:
            break
    else:
        raise SystemExit(f"{library} {name}: no seed is well-conditioned")
    embedding = exact.mean((2, 3))
    metadata = {
        "architecture": name,
        "library": f"{library} {timm.__version__ if library == 'timm' else torchvision.__version__}",
        "torch": torch.__version__,
        "seed": str(seed),
        "side": str(side),
        "gain": str(gain),
        "error_of_float32": f"{error:.2e}",
        "tensors": json.dumps(shapes),
    }
    arrays = {
        "features": exact.numpy().astype(np.float32),
        "embedding": embedding.numpy().astype(np.float32),
    }
    save_file(arrays, HERE / f"{name}.{library}.safetensors", metadata)
    other = features(model, library, photograph(seed + 1000, side))
    change = distance(other, exact)
    print(
        f"{library} {name}: seed {seed}, {side} px, float32 off by {error:.2e}, "
        f"another photograph {change:.2g} away"
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    make("timm", "efficientnet-b0", 64, 7.5)
    make("timm", "efficientnet-b4", 64, 6.0)
    make("timm", "tf-efficientnet-b0", 75, 7.5)
    make("timm", "tf-efficientnet-b4", 75, 6.0)
    make("torchvision", "efficientnet-b0", 64, 7.5)
