"""Rules for parameters by name: another rate, another decay, none at all.

    rules                                                 all others    combiner.*
    ParameterRule("*", frozen=True)                       frozen        frozen
    ParameterRule("combiner.*", rate=0.1, frozen=False)   frozen        a tenth of the rate

Rules are applied in order: rates multiply, and of all else the last one that says something counts.
"""

from __future__ import annotations

import abc
import dataclasses
import re
from collections.abc import Mapping, Sequence

from torch import nn

from mirasol.checkpoint.state import plain_name
from mirasol.checkpoint.tensor_names import matches, nearest_pattern
from mirasol.named import TensorNames
from mirasol.spelling import hint


@dataclasses.dataclass(frozen=True)
class Treatment:
    """How one parameter is trained.

    Attributes:
      rate: what the schedule's rate is multiplied by.
      weight_decay: its decay; None: what the optimizer gives a parameter of its shape.
      frozen: whether it stays as it is; it then has neither gradient nor optimizer state.
    """

    rate: float = 1.0
    weight_decay: float | None = None
    frozen: bool = False


class Rule(abc.ABC):
    """Changes how some parameters are trained."""

    @abc.abstractmethod
    def changed(self, treatments: Mapping[str, Treatment]) -> dict[str, Treatment]:
        """Returns the new treatment of each parameter that the rule is for, by name.

        Args:
          treatments: of all parameters, as the rules before have made them.

        Raises:
          ValueError: a pattern that matches no name; tells the nearest.
        """


@dataclasses.dataclass(frozen=True, kw_only=True)
class ParameterRule(Rule):
    """Treats the parameters whose name matches in another way than the others.

    Names are those of the model, such as "text_decoder.nothing_D"; * stands for any text. One that
    stands in several places (tied weights) has the name of the first.

    Attributes:
      pattern: of the names.
      rate: what the schedule's rate is multiplied by, above 0.
      weight_decay: their decay; None: as before.
      frozen: whether they stay as they are; None: as before.

    Raises:
      ValueError: a rate that is not above 0, a decay below 0.
    """

    pattern: TensorNames
    rate: float = 1.0
    weight_decay: float | None = None
    frozen: bool | None = None

    def __post_init__(self) -> None:
        if not self.rate > 0:
            raise ValueError(
                f"ParameterRule.rate is {self.rate}; it must be above 0 (frozen = True stops "
                "the parameters)"
            )
        if self.weight_decay is not None and not self.weight_decay >= 0:
            raise ValueError(f"ParameterRule.weight_decay is {self.weight_decay}; it must be >= 0")

    def changed(self, treatments: Mapping[str, Treatment]) -> dict[str, Treatment]:
        """See Rule."""
        decay, frozen = self.weight_decay, self.frozen
        return {
            name: Treatment(
                rate=was.rate * self.rate,
                weight_decay=was.weight_decay if decay is None else decay,
                frozen=was.frozen if frozen is None else frozen,
            )
            for name in named("ParameterRule.pattern", self.pattern, treatments)
            for was in [treatments[name]]
        }


@dataclasses.dataclass(frozen=True, kw_only=True)
class LayerwiseDecay(Rule):
    """Lower rates for lower blocks of a pretrained stack (BEiT, Bao et al. 2021, appendix).

    Block i of N, counted from 0, has the rate times decay^(N - i); what feeds the first block,
    decay^(N + 1); all above the stack keeps its rate.

    Attributes:
      blocks: the stack's name without the number, such as "video_encoder.transformer.blocks".
      decay: in (0, 1].
      below: patterns of the parameters that feed the stack, such as "video_encoder.patches.*".

    Raises:
      ValueError: a decay outside (0, 1].
    """

    blocks: TensorNames
    decay: float = 0.75
    below: Sequence[TensorNames] = ()

    def __post_init__(self) -> None:
        if not 0 < self.decay <= 1:
            raise ValueError(f"LayerwiseDecay.decay is {self.decay}; it must be in (0, 1]")

    def changed(self, treatments: Mapping[str, Treatment]) -> dict[str, Treatment]:
        """See Rule."""
        numbers = {name: self._number(name) for name in self._inside(treatments)}
        count = max(numbers.values()) + 1
        powers = {name: count - number for name, number in numbers.items()}
        for pattern in self.below:
            found = named("LayerwiseDecay.below", pattern, treatments)
            powers |= {name: count + 1 for name in found if name not in numbers}
        return {
            name: dataclasses.replace(was, rate=was.rate * self.decay**power)
            for name, power in powers.items()
            for was in [treatments[name]]
        }

    def _inside(self, names: Mapping[str, object]) -> list[str]:
        found = [name for name in names if name.startswith(f"{self.blocks}.")]
        if not found:
            right = nearest_pattern(self.blocks, list(names)).removesuffix(".*")
            raise ValueError(
                f"LayerwiseDecay.blocks: no stack of blocks is called {self.blocks!r}{hint(right)}"
            )
        return found

    def _number(self, name: str) -> int:
        found = re.match(r"\.(\d+)\.", name.removeprefix(self.blocks))
        if found is None:
            raise ValueError(
                f"LayerwiseDecay.blocks is {self.blocks!r}, and in it {name!r} is of no numbered "
                "block; name the list of blocks, such as 'video_encoder.transformer.blocks'"
            )
        return int(found[1])


def treatments(model: nn.Module, rules: Sequence[Rule]) -> dict[str, Treatment]:
    """Returns how each parameter of the model is trained, by name.

    Args:
      model: on any device, also on "meta".
      rules: applied in order.

    Raises:
      ValueError: a rule for parameters that are not there, or all parameters are frozen.
    """
    found = {plain_name(name): Treatment() for name, _ in model.named_parameters()}
    for rule in rules:
        found |= rule.changed(found)
    if all(each.frozen for each in found.values()):
        raise ValueError("Trainer.rules freeze all parameters; nothing is left to train")
    return found


def freeze(model: nn.Module, rules: Sequence[Rule]) -> None:
    """Keeps gradients from the parameters that the rules freeze.

    Raises:
      ValueError: as `treatments` does.
    """
    if not rules:
        return
    found = treatments(model, rules)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not found[plain_name(name)].frozen)


def named(argument: str, pattern: str, names: Mapping[str, object]) -> list[str]:
    """Returns the names that match; ValueError, with the nearest, where none does."""
    found = [name for name in names if matches(name, [pattern])]
    if not found:
        offer = hint(nearest_pattern(pattern, list(names)))
        raise ValueError(f"{argument}: no parameter is called {pattern!r}{offer}")
    return found
