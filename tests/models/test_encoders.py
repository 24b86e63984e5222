"""Encoders, and what a transformer of theirs can be asked for besides."""

import io

import numpy as np
import pytest
import torch
from torch import nn

from mirasol.models.encoders import AudioEncoder, TubeVideoEncoder, VideoEncoder
from mirasol.models.residuals import DropPath
from mirasol.models.transformer import Block, Transformer
from mirasol.models.tubes import Tube, tubes_for_images
from mirasol.models.vit_sizes import VIT_SIZES, vit_size

TUBES = (
    Tube(kernel=(4, 4, 4), stride=(4, 8, 8), space_to_depth=(1, 2, 2)),
    Tube(kernel=(1, 8, 8), stride=(4, 8, 8)),
)
VIT = {"layers": 2, "heads": 2}


def video_encoder(**changes):
    sizes = {"chunk_frames": 4, "image_size": 16, "tubelet": (2, 8, 8)}
    return VideoEncoder(**sizes | {"width": 12, "out_width": 8} | VIT | changes)


def tube_encoder(**changes):
    sizes = {"chunk_frames": 4, "image_size": 16, "tubes": TUBES, "width": 12, "out_width": 8}
    return TubeVideoEncoder(**sizes | VIT | changes)


def audio_encoder(**changes):
    sizes = {"chunk_bands": 6, "mel_bins": 8, "patch": (3, 4), "width": 12, "out_width": 8}
    return AudioEncoder(**sizes | VIT | changes)


def a_video(frames=4, size=16):
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (3, frames, size, size, 3), dtype=torch.uint8, generator=generator)


def some_tokens(batch=3):
    return torch.randn(batch, 5, 12, generator=torch.Generator().manual_seed(2))


def test_names_of_the_parameters():
    def tops(encoder):
        return {name.rsplit(".", 1)[0] for name in encoder.state_dict() if "former" not in name}

    assert tops(video_encoder()) == tops(audio_encoder()) == {"patches.project", "out"}
    assert tops(tube_encoder()) == {"kinds.0.project", "kinds.1.project", "out"}
    assert sorted(Transformer(12, 1, 2, drop_path=0.1).state_dict()) == sorted(
        f"{module}.{kind}"
        for module in (
            "blocks.0.attention_norm",
            "blocks.0.attention.query",
            "blocks.0.attention.key_value",
            "blocks.0.attention.out",
            "blocks.0.feed_forward_norm",
            "blocks.0.feed_forward.0",
            "blocks.0.feed_forward.2",
            "norm",
        )
        for kind in ("weight", "bias")
    )


def test_tubes_of_all_kinds_go_through_the_vit_together():
    encoder, video = tube_encoder().eval(), a_video()
    assert encoder.tokens == 4 + 4
    tokens = torch.cat([kind(video) for kind in encoder.kinds], dim=1)
    assert tokens.shape == (3, encoder.tokens, 12)
    found = encoder(video)
    assert found.shape == (3, encoder.tokens, encoder.out.out_features)
    torch.testing.assert_close(found, encoder.out(encoder.transformer(tokens)))
    # The first kind reaches the tokens of the second.
    with torch.no_grad():
        encoder.kinds[0].project.weight.add_(1)
    assert not torch.allclose(found[:, -1], encoder(video)[:, -1])


@pytest.mark.parametrize("frames", [1, 2])
def test_image_tubes_are_the_2d_patches_of_the_tubelet_encoder(frames):
    sizes = {"chunk_frames": frames, "image_size": 32, "width": 12, "out_width": 8} | VIT
    tubes = TubeVideoEncoder(tubes=tubes_for_images(), **sizes).eval()
    tubelets = VideoEncoder(tubelet=(1, 16, 16), **sizes).eval()
    tubelets.load_state_dict(
        {name.replace("kinds.0", "patches"): value for name, value in tubes.state_dict().items()}
    )
    video = a_video(frames, 32)
    assert tubes.tokens == tubelets.tokens == 4 * frames
    torch.testing.assert_close(tubes(video), tubelets(video))


def test_every_parameter_of_the_tube_encoder_learns():
    encoder = tube_encoder()
    encoder(a_video()).square().sum().backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in encoder.parameters())


def shared_pair(seed):
    torch.manual_seed(seed)
    vit = Transformer(12, 2, 2, drop_path=0.1)
    given = {"transformer": vit, "layers": None, "heads": None}
    return nn.ModuleDict({"video": tube_encoder(**given), "audio": audio_encoder(**given)})


def test_a_shared_vit_is_one_set_of_weights():
    pair = shared_pair(0)
    alone = nn.ModuleDict({"video": tube_encoder(), "audio": audio_encoder()})
    vit = sum(parameter.numel() for parameter in pair["video"].transformer.parameters())
    numbers = [sum(p.numel() for p in each.parameters()) for each in (pair, alone)]
    assert numbers[0] == numbers[1] - vit
    pair["audio"](torch.randn(2, 6, 8)).square().sum().backward()
    assert pair["video"].transformer.norm.weight.grad.abs().max() > 0


def test_a_shared_vit_is_saved_and_loaded():
    pair, other = shared_pair(0).eval(), shared_pair(1).eval()
    file = io.BytesIO()
    torch.save(pair.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file))
    assert other["video"].transformer is other["audio"].transformer
    video, audio = a_video(), torch.randn(2, 6, 8)
    torch.testing.assert_close(other["video"](video), pair["video"](video), rtol=0, atol=0)
    torch.testing.assert_close(other["audio"](audio), pair["audio"](audio), rtol=0, atol=0)


@pytest.mark.parametrize("build", [video_encoder, tube_encoder, audio_encoder])
def test_a_vit_is_either_given_or_described(build):
    vit, none = Transformer(12, 1, 2), {"layers": None, "heads": None}
    with pytest.raises(ValueError, match=r"Encoder: layers is None and heads is 2; set both"):
        build(layers=None)
    with pytest.raises(ValueError, match=r"layers=2, heads=2 and dropout=0\.0 would have no eff"):
        build(transformer=vit)
    with pytest.raises(ValueError, match=r"dropout=0\.5 would have no effect"):
        build(transformer=vit, dropout=0.5, **none)
    with pytest.raises(ValueError, match=r"width is 12, that of the transformer given 24"):
        build(transformer=Transformer(24, 1, 2), **none)


def test_an_encoder_without_tubes_is_an_error():
    with pytest.raises(ValueError, match=r"TubeVideoEncoder\.tubes is empty"):
        tube_encoder(tubes=())


def test_sizes_are_those_of_the_vit_paper():
    # Blocks of 12 D^2 + 13 D parameters, as counted in the papers (86M, 307M, 632M whole).
    for name, millions in (("B", 85.1), ("L", 302.3), ("H", 629.7)):
        size = vit_size(name)
        with torch.device("meta"):
            vit = Transformer(size.width, size.layers, size.heads)
        assert sum(p.numel() for p in vit.parameters()) / 1e6 == pytest.approx(millions, abs=0.05)
    assert list(VIT_SIZES) == ["Ti", "S", "B", "L", "H"]
    assert {size.width // size.heads for size in VIT_SIZES.values()} == {64, 80}


def test_an_unknown_size_names_the_nearest():
    with pytest.raises(ValueError, match=r"no ViT size 'Tii' \(there are Ti, S, .*mean 'Ti'\?"):
        vit_size("Tii")


def test_dropped_paths_are_whole_samples_and_the_rest_is_scaled():
    torch.manual_seed(0)
    branch = torch.randn(4000, 3, 2)
    found = DropPath(0.25)(branch)
    kept = found.abs().amax(dim=(1, 2)) > 0
    torch.testing.assert_close(found[kept], branch[kept] / 0.75)
    assert 0.72 < kept.float().mean() < 0.78
    assert DropPath(0.25).eval()(branch) is branch


def test_a_sample_goes_without_either_branch_on_its_own():
    torch.manual_seed(0)
    block, x = Block(12, 2, drop_path=0.5), some_tokens(200)
    y = block.attention_norm(x)
    attended = 2 * block.attention(y, block.attention.keys_values(y))
    found = block(x).detach()
    shares = []
    for first in (x, x + attended):
        second = 2 * block.feed_forward(block.feed_forward_norm(first))
        for expected in (first, first + second):
            same = torch.isclose(found, expected, atol=1e-5).all(dim=(1, 2))
            shares.append(same.float().mean().item())
    assert sum(shares) == pytest.approx(1)
    assert min(shares) > 0.15


def test_drop_path_rises_with_depth():
    blocks = Transformer(12, 5, 2, drop_path=0.4).blocks
    assert [block.drop_path.rate for block in blocks] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert Transformer(12, 1, 2, drop_path=0.4).blocks[0].drop_path.rate == 0


def test_without_drop_path_no_number_is_drawn():
    vit, x = Transformer(12, 2, 2), some_tokens()
    before = torch.get_rng_state()
    vit(x)
    assert torch.equal(torch.get_rng_state(), before)


def test_in_evaluation_drop_path_changes_nothing():
    torch.manual_seed(0)
    plain, dropping = Transformer(12, 2, 2).eval(), Transformer(12, 2, 2, drop_path=0.9).eval()
    dropping.load_state_dict(plain.state_dict())
    assert torch.equal(plain(some_tokens()), dropping(some_tokens()))


def gated_and_plain(alpha):
    torch.manual_seed(0)
    gated, plain = Transformer(12, 3, 2, gated_blocks=(1,)), Transformer(12, 3, 2)
    missing = plain.load_state_dict(gated.state_dict(), strict=False)
    assert missing.unexpected_keys == ["blocks.1.gate.alpha_1"]
    with torch.no_grad():
        gated.blocks[1].gate.alpha_1.fill_(alpha)
    return gated, plain


def test_a_closed_gate_changes_nothing_and_can_open():
    gated, plain = gated_and_plain(0.0)
    assert torch.equal(gated(some_tokens()), plain(some_tokens()))
    gated(some_tokens())[..., :6].square().sum().backward()
    assert gated.blocks[1].gate.alpha_1.grad.abs() > 0


def test_an_open_gate_adds_what_entered_the_stack():
    gated, plain = gated_and_plain(0.7)
    x = some_tokens()
    z = plain.blocks[1](plain.blocks[0](x)) + np.tanh(0.7) * x
    expected = plain.norm(plain.blocks[2](z))
    torch.testing.assert_close(gated(x), expected)
    torch.testing.assert_close(gated.step(x)[0], expected)


def test_a_gated_block_on_its_own_adds_its_input():
    block, x = Block(12, 2, gated=True), some_tokens()
    closed = block(x)
    with torch.no_grad():
        block.gate.alpha_1.fill_(0.7)
    torch.testing.assert_close(block(x), closed + np.tanh(0.7) * x)


def gradients(vit, calls):
    torch.manual_seed(7)
    for block in vit.blocks:
        block.feed_forward.register_forward_hook(lambda *_: calls.append(1))
    x = some_tokens().requires_grad_()
    mask = torch.ones(5, 5, dtype=torch.bool).tril()[None]
    vit(x, mask)[..., :6].square().sum().backward()
    return [x.grad, *(parameter.grad for parameter in vit.parameters())]


def test_recomputed_gradients_equal_those_of_kept_activations():
    options = {"dropout": 0.3, "drop_path": 0.3, "gated_blocks": (2,)}
    kept = Transformer(12, 3, 2, **options)
    recomputing = Transformer(12, 3, 2, checkpoint=True, **options)
    recomputing.load_state_dict(kept.state_dict())
    once, twice = [], []
    expected, found = gradients(kept, once), gradients(recomputing, twice)
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(other, one)
    assert (len(once), len(twice)) == (3, 6)


def test_nothing_is_kept_for_recomputing_where_no_gradient_is_wanted():
    vit = Transformer(12, 2, 2, checkpoint=True).eval()
    with torch.no_grad():
        torch.testing.assert_close(vit(some_tokens()), vit.step(some_tokens())[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"drop_path": 1.0}, r"drop_path is 1\.0; it must be in \[0, 1\)"),
        ({"gated_blocks": (0, 2)}, r"gated_blocks is \(0, 2\); with 2 layers the blocks are 0 to"),
    ],
)
def test_options_out_of_range_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        Transformer(12, 2, 2, **options)
