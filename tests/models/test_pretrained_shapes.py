"""What encoders and decoder can be besides, so that weights of pretrained towers fit them."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from mirasol.models.activations import ACTIVATIONS, nonlinearity
from mirasol.models.encoders import AudioEncoder, VideoEncoder
from mirasol.models.patches import PatchGrid
from mirasol.models.positions import grid_centres
from mirasol.models.text_layout import prefix_mask
from mirasol.models.transformer import Block, Transformer
from tests.models.decoders import B, P, Q, ask, build_decoder


def grid(**changes):
    return PatchGrid((11, 8), (4, 3), 1, 12, **{"stride": (3, 2)} | changes)


def test_overlapping_patches_are_those_of_a_convolution():
    part = grid()
    assert part.counts == (3, 3) and part.tokens == 9
    array = torch.randn(2, 11, 8, 1)
    kernel = part.project.weight.reshape(12, 1, 4, 3)
    found = part(part.cut(array)) - part.positions_ND
    expected = functional.conv2d(array.movedim(-1, 1), kernel, part.project.bias, stride=(3, 2))
    assert torch.allclose(found, expected.flatten(2).transpose(1, 2), atol=1e-6)


def test_a_position_is_that_of_the_middle_of_its_patch():
    centres = grid_centres((2, 2), (3, 2), (4, 3))
    assert centres.tolist() == [[1.5, 1.0], [1.5, 3.0], [4.5, 1.0], [4.5, 3.0]]


def test_class_tokens_stand_first():
    part = grid(class_tokens=2)
    assert part.tokens == 11
    found = part(part.cut(torch.randn(2, 11, 8, 1)))
    assert torch.equal(found[:, :2], part.first.tokens_ND.expand(2, -1, -1))


def test_learned_positions_start_as_the_fixed_ones():
    fixed, learned = grid(), grid(learned_positions=True)
    assert torch.equal(fixed.positions_ND, learned.positions_ND)
    assert set(learned.state_dict()) - set(fixed.state_dict()) == {"positions_ND"}
    assert learned.positions_ND.requires_grad


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stride": (0, 1)}, r"stride \(0, 1\) of patches of \(4, 3\)"),
        ({"stride": (1,)}, r"a whole number above 0 for each"),
        ({"patch": (12, 3)}, r"^PatchGrid: no patch of \(12, 3\) fits an input of \(11, 8\)"),
        ({"patch": (12, 3), "owner": "AudioEncoder"}, r"^AudioEncoder: no patch"),
        ({"class_tokens": -1}, r"^PatchGrid\.class_tokens is -1; it must be 0 or more"),
    ],
)
def test_a_grid_that_cannot_be(changes, message):
    with pytest.raises(ValueError, match=message):
        PatchGrid(
            **{"extents": (11, 8), "patch": (4, 3), "channels": 1, "width": 12}
            | {"stride": (3, 2)}
            | changes
        )


def test_encoders_count_their_class_tokens():
    options = {"width": 12, "out_width": 8, "layers": 1, "heads": 2, "learned_positions": True}
    video = VideoEncoder(chunk_frames=2, image_size=8, tubelet=(1, 4, 4), class_tokens=3, **options)
    audio = AudioEncoder(
        chunk_bands=11, mel_bins=8, patch=(4, 3), stride=(3, 2), class_tokens=2, **options
    )
    assert (video.tokens, audio.tokens) == (2 * 4 + 3, 9 + 2)
    clip = torch.zeros(2, 2, 8, 8, 3, dtype=torch.uint8)
    assert video(clip).shape == (2, 11, 8)
    assert audio(torch.zeros(2, 11, 8)).shape == (2, 11, 8)


def test_activations():
    x = torch.linspace(-4, 4, 33)
    gelu = x * 0.5 * (1 + torch.erf(x / 2**0.5))
    rough = {"gelu": 1e-6, "gelu_tanh": 1e-3, "quick_gelu": 0.03}
    assert set(rough) == set(ACTIVATIONS)
    errors = {name: (nonlinearity(name)(x) - gelu).abs().max().item() for name in rough}
    assert all(errors[name] < bound for name, bound in rough.items())
    assert errors["gelu"] < errors["gelu_tanh"] < errors["quick_gelu"]
    with pytest.raises(ValueError, match=r"no activation 'quick_gleu' .*did you mean 'quick_gelu'"):
        nonlinearity("quick_gleu")


def test_a_transformer_has_the_norms_and_sizes_that_it_is_given():
    part = Transformer(
        12,
        2,
        2,
        hidden=20,
        activation="quick_gelu",
        norm_eps=1e-3,
        input_norm=True,
        final_norm=False,
    )
    norms = [module for module in part.modules() if isinstance(module, nn.LayerNorm)]
    assert [norm.eps for norm in norms] == [1e-3] * 5
    assert part.blocks[0].feed_forward[0].out_features == 20
    assert type(part.blocks[1].feed_forward[1]).__name__ == "QuickGELU"
    assert not [name for name in part.state_dict() if name.startswith("norm.")]
    x_BND = torch.randn(2, 5, 12)
    expected = x = functional.layer_norm(x_BND, (12,), eps=1e-3)
    for block in part.blocks:
        expected = block(expected, None, x)
    assert torch.allclose(part(x_BND), expected, atol=1e-6)


def test_step_by_step_with_a_norm_before_the_blocks():
    part = Transformer(12, 2, 2, input_norm=True).eval()
    x_BND = torch.randn(2, 5, 12)
    causal = torch.ones(5, 5, dtype=torch.bool).tril()[None]
    first, seen = part.step(x_BND[:, :3], None, causal[:, :3, :3])
    second, _ = part.step(x_BND[:, 3:], seen, causal[:, 3:])
    assert torch.allclose(torch.cat([first, second], 1), part(x_BND, causal), atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"norm_eps": 0.0}, "Transformer.norm_eps is 0.0"),
        ({"hidden": 0}, "Transformer.hidden is 0"),
        ({"activation": "relu"}, "no activation 'relu'"),
    ],
)
def test_a_transformer_that_cannot_be(changes, message):
    with pytest.raises(ValueError, match=message):
        Transformer(12, 1, 2, **changes)


def test_a_block_is_as_it_was_where_nothing_is_asked():
    block = Block(12, 2)
    assert type(block.feed_forward[1]) is nn.GELU and block.feed_forward[1].approximate == "none"
    assert block.feed_forward[0].out_features == 48 and block.attention_norm.eps == 1e-5


def test_a_causal_prompt():
    mask = prefix_mask(torch.tensor([[5, 6, 0]]), 2, 2, causal=True)[0].int().tolist()
    assert mask == [
        [1, 0, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0, 0],
        [1, 1, 0, 1, 0, 0, 0],
        [1, 1, 0, 1, 1, 0, 0],
        [1, 1, 0, 0, 0, 1, 0],
        [1, 1, 0, 0, 0, 1, 1],
    ]


@torch.no_grad()
def test_what_is_longer_than_the_table_of_positions_is_refused():
    part = build_decoder(max_positions=P + 1)
    assert part.positions.table.weight.shape == (P + 1, part.width)
    memory, prompt_BQP = ask(part)
    part(memory, prompt_BQP, torch.full((B, Q, 1), 5))
    message = "prompt and answer have 6 slots, TextDecoder.max_positions is 5; raise it, or lower"
    with pytest.raises(ValueError, match=message):
        part(memory, prompt_BQP, torch.full((B, Q, 2), 5))
    with pytest.raises(ValueError, match=message):
        part.prefill(memory, prompt_BQP, 2)


def test_the_scale_of_embeddings():
    usual, plain = build_decoder(), build_decoder(embedding_scale=1.0)
    assert (usual.embedding_scale, plain.embedding_scale) == (usual.width**0.5, 1.0)
    assert set(usual.state_dict()) == set(plain.state_dict())
