"""What an experiment is, told without data or training: wiring, sizes, shapes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from mirasol.batch import Batch, empty_batch
from mirasol.experiment import Experiment
from mirasol.models.mirasol3b import Mirasol

# Parts of the model as the walk of a batch meets them.
PARTS = (
    "video_encoder",
    "audio_encoder",
    "combiner",
    "latent_model",
    "reconstruction",
    "text_decoder",
)


def describe(experiment: Experiment) -> str:
    """Returns the description as text; the model is built on the meta device, without memory.

    Raises:
      ValueError: what `train` would refuse.
    """
    experiment.rehearse()
    model = experiment.build_model("meta").eval()
    sections = [
        (f"Experiment {experiment.name!r}", list(_tree(experiment, model))),
        ("Parameters", _parameters(model)),
        ("Tokens a chunk", _tokens(model)),
        ("One batch, shape by shape", _shapes(experiment, model)),
    ]
    return "\n\n".join(
        f"{title}\n" + "\n".join(f"  {line}" for line in lines) for title, lines in sections
    )


def _tree(experiment: Experiment, model: Mirasol) -> Iterator[str]:
    for field in dataclasses.fields(experiment):
        value = model if field.name == "model" else getattr(experiment, field.name)
        yield from _branch(field.name, value, "")


def _branch(name: str, value: Any, indent: str) -> Iterator[str]:
    """Yields a line for the value and, where it is one of our parts, for what it holds."""
    if isinstance(value, list | tuple) and any(_is_part(item) for item in value):
        for index, item in enumerate(value):
            yield from _branch(f"{name}[{index}]", item, indent)
    elif not _is_part(value):
        yield f"{indent}{name} = {value!r}"
    else:
        yield f"{indent}{name}: {type(value).__name__}"
        for key, inner in _contents(value):
            yield from _branch(key, inner, indent + "  ")


def _is_part(value: Any) -> bool:
    return type(value).__module__.startswith("mirasol.")


def _contents(value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, nn.Module):
        inner = [(key, child) for key, child in value.named_children() if _is_part(child)]
        return [*inner, *_plain(vars(value))]
    return [*_plain(vars(value)), *((k, v) for k, v in vars(value).items() if _is_part(v))]


def _plain(attributes: dict[str, Any]) -> list[tuple[str, Any]]:
    def plain(value: Any) -> bool:
        if isinstance(value, list | tuple):
            return all(plain(item) or _is_part(item) for item in value)
        return value is None or isinstance(value, int | float | str)

    hidden = ("_", "training")
    return [(k, v) for k, v in attributes.items() if plain(v) and not k.startswith(hidden)]


def _parameters(model: Mirasol) -> list[str]:
    total = sum(parameter.numel() for parameter in model.parameters())
    counts = {part: _count(getattr(model, part)) for part in PARTS}
    counts["other"] = total - sum(counts.values())
    lines = [f"{name:<16}{count:>14,}{count / total:>8.1%}" for name, count in counts.items()]
    return [*lines, f"{'total':<16}{total:>14,}"]


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _tokens(model: Mirasol) -> list[str]:
    video, audio = model.video_encoder.tokens, model.audio_encoder.tokens
    return [
        f"video {video} + audio {audio} = {video + audio} into the Combiner",
        f"{model.combiner.out_tokens} out of it, into the latent model and the text decoder",
    ]


def _shapes(experiment: Experiment, model: Mirasol) -> list[str]:
    """Runs one batch of the training size on the meta device and notes what each part returns."""
    batch = empty_batch(experiment.converter.shape, experiment.training.batch_size, "meta")
    lines = [
        f"{field.name:<18}{_shape(getattr(batch, field.name))}"
        for field in dataclasses.fields(Batch)
    ]
    hooks = [
        getattr(model, part).register_forward_hook(
            lambda module, inputs, output, part=part: lines.append(f"{part:<18}{_shape(output)}")
        )
        for part in PARTS
    ]
    with torch.no_grad():
        losses = model(batch)
    for hook in hooks:
        hook.remove()
    return [*lines, f"{'losses':<18}{', '.join(losses)}"]


def _shape(tensor: torch.Tensor) -> str:
    sizes = " x ".join(str(size) for size in tensor.shape) or "scalar"
    return f"{sizes}  {str(tensor.dtype).removeprefix('torch.')}"
