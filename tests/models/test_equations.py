"""Each equation against numpy, written apart from the code under test."""

import dataclasses

import numpy as np
import pytest
import torch

from mirasol.models.chunk_masks import ChunkMasks
from mirasol.models.decoder import prefix_mask
from mirasol.models.encoders import PatchGrid
from mirasol.models.losses import latent_loss, text_loss
from mirasol.models.positions import grid_centres, sincos_positions
from mirasol.models.reconstruction import VideoReconstruction
from mirasol.models.transformer import Attention, chunk_causal_mask, look_at_valid
from tests.models.builders import random_batch

SMALL: dict[str, int] = {
    "chunk_frames": 4,
    "image_size": 16,
    "in_width": 8,
    "width": 12,
    "layers": 1,
    "heads": 2,
    "shrink": 2,
}


def test_positions_are_sines_and_cosines_of_tube_centres():
    # A 2x1x2 grid of 4x16x16 tubes: by hand, centres at 1.5 and 5.5 frames, 7.5 and 23.5 px.
    centres = grid_centres((2, 1, 2), (4, 16, 16))
    assert centres.tolist() == [
        [1.5, 7.5, 7.5],
        [1.5, 7.5, 23.5],
        [5.5, 7.5, 7.5],
        [5.5, 7.5, 23.5],
    ]
    encoded = sincos_positions(centres, 20).numpy()
    # d // 6 = 3 frequencies each; two columns are left over.
    frequencies = 10_000.0 ** -(np.arange(3) / 3)
    for row, centre in zip(encoded, centres.numpy(), strict=True):
        by_axis = [np.r_[np.sin(c * frequencies), np.cos(c * frequencies)] for c in centre]
        np.testing.assert_allclose(row, np.r_[np.concatenate(by_axis), 0, 0], atol=1e-5)


def test_patches_are_cut_in_the_order_of_their_positions():
    grid = PatchGrid((4, 6), (2, 3), channels=2, width=8)
    array = torch.arange(4 * 6 * 2, dtype=torch.float32).reshape(1, 4, 6, 2)
    tokens = grid(grid.cut(array)) - grid.positions_ND
    weight, bias = grid.project.weight.detach().numpy(), grid.project.bias.detach().numpy()
    for n, (row, column) in enumerate([(0, 0), (0, 3), (2, 0), (2, 3)]):
        patch = array[0, row : row + 2, column : column + 3].numpy().reshape(-1)
        np.testing.assert_allclose(
            tokens[0, n].detach().numpy(), weight @ patch + bias, rtol=1e-4, atol=1e-4
        )


def test_attention_is_softmax_of_scaled_products_over_what_the_mask_allows():
    torch.manual_seed(0)
    attention = Attention(6, 2).double()
    x = torch.randn(1, 4, 6, dtype=torch.float64)
    mask = chunk_causal_mask(2, 2)
    got = attention(x, attention.keys_values(x), mask[None])[0].detach().numpy()
    params = {name: p.detach().numpy() for name, p in attention.named_parameters()}
    q = x[0].numpy() @ params["query.weight"].T + params["query.bias"]
    kv = x[0].numpy() @ params["key_value.weight"].T + params["key_value.bias"]
    heads = []
    for h in range(2):
        part = slice(3 * h, 3 * h + 3)
        scores = q[:, part] @ kv[:, :6][:, part].T / np.sqrt(3)
        scores = np.where(mask.numpy(), scores, -np.inf)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        heads.append(weights / weights.sum(-1, keepdims=True) @ kv[:, 6:][:, part])
    want = np.concatenate(heads, -1) @ params["out.weight"].T + params["out.bias"]
    np.testing.assert_allclose(got, want, atol=1e-10)


def test_masks_chunk_by_chunk_give_what_the_whole_mask_gives():
    torch.manual_seed(0)
    attention = Attention(6, 2).double()
    x = torch.randn(2, 6, 6, dtype=torch.float64)
    valid_BTN = torch.tensor([[[1, 0], [1, 1], [0, 1]], [[0, 0], [1, 0], [0, 0]]]).bool()
    whole = chunk_causal_mask(3, 2) & look_at_valid(valid_BTN.flatten(1))
    parts = ChunkMasks.of(valid_BTN)
    for number, mask in enumerate(parts.masks):
        rows = slice(2 * number, 2 * number + 2)
        assert torch.equal(mask, whole[:, rows, : rows.stop])
        assert not whole[:, rows, rows.stop :].any()
    seen = attention.keys_values(x)
    torch.testing.assert_close(attention(x, seen, parts), attention(x, seen, whole))


def test_chunk_causal_mask_as_drawn():
    assert chunk_causal_mask(3, 2).int().tolist() == [
        [1, 1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 1, 1, 1, 1],
        [1, 1, 1, 1, 1, 1],
    ]


def test_prefix_mask_as_drawn():
    assert prefix_mask(torch.tensor([[5, 6, 0]]), 3)[0].int().tolist() == [
        [1, 1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 0, 1, 0, 0],
        [1, 1, 0, 1, 1, 0],
        [1, 1, 0, 1, 1, 1],
    ]


def test_latent_loss_is_one_minus_cosine_with_the_next_chunk():
    rng = np.random.default_rng(0)
    h, x = rng.normal(size=(2, 2, 4, 3, 5))
    valid = np.array([[1, 1, 1, 1], [1, 1, 0, 1]], bool)
    terms = []
    for b in range(2):
        for t in range(3):
            if valid[b, t] and valid[b, t + 1]:
                for m in range(3):
                    p, q = h[b, t, m], x[b, t + 1, m]
                    terms.append(1 - p @ q / np.linalg.norm(p) / np.linalg.norm(q))
    got = latent_loss(torch.tensor(h), torch.tensor(x), torch.tensor(valid))
    assert got.item() == pytest.approx(np.mean(terms), rel=1e-5)


def test_text_loss_is_the_mean_negative_log_likelihood_of_real_tokens():
    batch = random_batch()
    logits = torch.randn(*batch.answer_BQR.shape, 23, generator=torch.Generator().manual_seed(1))
    terms = []
    for index, token in np.ndenumerate(batch.answer_BQR.numpy()):
        if token != 0 and batch.question_BQ[index[:2]]:
            row = logits[index].double().numpy()
            terms.append(np.log(np.exp(row).sum()) - row[token])
    got = text_loss(logits, batch.answer_BQR, batch.question_BQ)
    assert got.item() == pytest.approx(np.mean(terms), rel=1e-5)
    assert len(terms) == 4 + 3 + 4


def test_a_pixel_of_the_small_video_is_the_mean_of_a_block():
    part = VideoReconstruction(
        chunk_frames=4,
        image_size=16,
        in_width=8,
        width=12,
        layers=1,
        heads=2,
        shrink=2,
        frame_step=2,
    )
    video = random_batch().video_BTFHWC
    got = part.small_patches(video).numpy()
    # Patch 5 of chunk 1: second kept frame (index 2), small rows 0-3, small columns 4-7.
    frame = video[0, 1, 2].numpy().astype(np.float64)
    small = frame.reshape(8, 2, 8, 2, 3).mean((1, 3)) / 127.5 - 1
    np.testing.assert_allclose(got[0, 1, 5], small[0:4, 4:8].reshape(-1), atol=1e-5)


def test_reconstruction_of_the_next_chunk_skips_the_first():
    torch.manual_seed(0)
    part = VideoReconstruction(**SMALL, next_chunk=True)
    h = torch.randn(2, 3, 5, 8)
    batch = random_batch()
    video = batch.video_BTFHWC.clone()
    video[:, 0] = 0
    first_changed = dataclasses.replace(batch, video_BTFHWC=video)
    torch.testing.assert_close(part(h, batch), part(h, first_changed))
    flipped = dataclasses.replace(batch, video_BTFHWC=batch.video_BTFHWC.flip(1))
    assert part(h, batch) != part(h, flipped)
