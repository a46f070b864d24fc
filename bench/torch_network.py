"""PyTorch's side of `network_rate`: one measurement per line asked for on standard input.

Answers with milliseconds on the clock and of the processor. Started by bench/src/bin/network_rate.rs, which
asks both sides in turn.
"""

import argparse
import sys
import time

import timm
import torch

N_CLASSES = 15
# What is trained with "the last stages": timm's names.
LAST = ("blocks.6", "conv_head", "bn2", "classifier")


def is_last(name):
    return name.startswith(LAST)


class Step:
    """One training step with AdamW, of everything or of the last stages."""

    def __init__(self, architecture, images, *, only_last):
        self.model = timm.create_model(architecture, num_classes=N_CLASSES)
        self.images = images
        self.only_last = only_last
        self.labels = torch.arange(images.shape[0]) % N_CLASSES
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad = not only_last or is_last(name)
        trained = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(trained, lr=1e-4)
        self.model.train()
        if only_last:
            for name, module in self.model.named_modules():
                if isinstance(module, torch.nn.BatchNorm2d) and not is_last(name):
                    module.eval()
            self.prefix = self.before()

    @torch.no_grad()
    def before(self):
        x = self.model.bn1(self.model.conv_stem(self.images))
        for stage in self.model.blocks[:6]:
            x = stage(x)
        return x

    def run(self, cached=False):
        if self.only_last:
            x = self.prefix if cached else self.before()
            x = self.model.bn2(self.model.conv_head(self.model.blocks[6](x)))
            logits = self.model.forward_head(x)
        else:
            logits = self.model(self.images)
        loss = torch.nn.functional.cross_entropy(logits, self.labels)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()


def measurements(architecture, side, batch):
    torch.manual_seed(0)
    images = torch.randn(batch, 3, side, side)
    model = timm.create_model(architecture, num_classes=0).eval()
    last = Step(architecture, images, only_last=True)
    everything = Step(architecture, images, only_last=False)

    @torch.no_grad()
    def forward():
        model(images)

    return {
        "forward": forward,
        "step_last": last.run,
        "step_last_cached": lambda: last.run(cached=True),
        "step_all": everything.run,
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--architecture", required=True)
    parser.add_argument("--side", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    ways = measurements(arguments.architecture, arguments.side, arguments.batch)
    print("ready", flush=True)
    for line in sys.stdin:
        started, used = time.perf_counter(), time.process_time()
        ways[line.strip()]()
        clock, processor = time.perf_counter() - started, time.process_time() - used
        print(f"{clock * 1000:.3f} {processor * 1000:.3f}", flush=True)


if __name__ == "__main__":
    main()
