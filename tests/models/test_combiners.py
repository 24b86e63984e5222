"""What every Combiner must do, and each but the Token Turing Machine by its own equation."""

import re

import numpy as np
import pytest
import torch

from mirasol import config
from mirasol.batch import empty_batch
from mirasol.gin_files import shipped_folder
from mirasol.models.combiners import TransformerCombiner
from mirasol.models.pooling import MeanPoolCombiner, NoCombiner
from mirasol.models.queries import ClsCombiner, PerceiverCombiner
from mirasol.models.token_turing import TokenTuringCombiner

B, T, N, M, D = 2, 4, 7, 3, 12
SIZES = {"width": D, "layers": 2, "heads": 2, "out_tokens": M}
TURING = {**SIZES, "memory_tokens": 5, "hidden": 6}
LOOKING_BACK = {
    "transformer": lambda: TransformerCombiner(**SIZES),
    "cls": lambda: ClsCombiner(**SIZES),
    "token_turing": lambda: TokenTuringCombiner(**TURING),
    "token_turing_plain": lambda: TokenTuringCombiner(**TURING, in_tokens=N, time_stamps=False),
}
ALONE = {
    "transformer_chunk_alone": lambda: TransformerCombiner(**SIZES, earlier_chunks=False),
    "cls_chunk_alone": lambda: ClsCombiner(**SIZES, earlier_chunks=False),
    "perceiver": lambda: PerceiverCombiner(**SIZES),
    "mean_pool": lambda: MeanPoolCombiner(out_tokens=M),
    "none": lambda: NoCombiner(out_tokens=N),
}
EVERY = {**LOOKING_BACK, **ALONE}


def build(name):
    torch.manual_seed(0)
    return EVERY[name]().double().eval()


def random_tokens(chunks=T, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(B, chunks, N, D, dtype=torch.float64, generator=generator)


def all_valid(chunks=T):
    return torch.ones(B, chunks, N, dtype=torch.bool)


def some_valid():
    """Clip 0 misses tokens here and there, clip 1 its whole first and third chunk."""
    valid = torch.rand(B, T, N, generator=torch.Generator().manual_seed(2)) < 0.6
    valid[0, :, 2], valid[1, 1::2, 2] = True, True
    valid[1, 0::2] = False
    return valid


def stepped(combiner, tokens, valid):
    state = combiner.start(len(tokens), tokens.device, tokens.dtype)
    out = []
    for t in range(tokens.shape[1]):
        x, state = combiner.step(tokens[:, t], valid[:, t], state)
        out.append(x)
    return torch.stack(out, dim=1), state


@pytest.mark.parametrize("name", EVERY)
def test_a_chunk_depends_on_no_later_one(name):
    """By gradient: on all chunks so far, or on itself alone, as the class says."""
    combiner, tokens = build(name), random_tokens().requires_grad_()
    x_BTMD = combiner(tokens, all_valid())
    assert x_BTMD.shape == (B, T, combiner.out_tokens, D)
    for t in range(T):
        (gradient,) = torch.autograd.grad(x_BTMD[:, t].pow(3).sum(), tokens, retain_graph=True)
        reach = (gradient.abs().amax(dim=(0, 2, 3)) > 0).tolist()
        assert reach == [c <= t if name in LOOKING_BACK else c == t for c in range(T)], t


@pytest.mark.parametrize("name", EVERY)
def test_chunk_by_chunk_gives_what_the_whole_clip_gives(name):
    combiner, tokens, valid = build(name), random_tokens(), some_valid()
    whole, (pieces, _) = combiner(tokens, valid), stepped(combiner, tokens, valid)
    torch.testing.assert_close(pieces, whole)
    assert whole.isfinite().all()


@pytest.mark.parametrize("name", EVERY)
def test_what_is_not_valid_has_no_influence(name):
    combiner, valid = build(name), some_valid()
    tokens = random_tokens().masked_fill(~valid[..., None], torch.nan).requires_grad_()
    x_BTMD = combiner(tokens, valid)
    (gradient,) = torch.autograd.grad(x_BTMD.pow(3).sum(), tokens)
    assert (gradient[~valid] == 0).all()
    assert (gradient[valid].abs().amax(dim=-1) > 0).all()


@pytest.mark.parametrize("name", EVERY)
def test_nothing_valid_at_all_gives_finite_outputs_and_gradients(name):
    combiner, tokens = build(name), random_tokens().requires_grad_()
    x_BTMD = combiner(tokens, torch.zeros_like(all_valid()))
    assert x_BTMD.isfinite().all()
    x_BTMD.pow(3).sum().backward()
    assert (tokens.grad == 0).all()
    for parameter_name, parameter in combiner.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.isfinite().all(), parameter_name


@pytest.mark.parametrize("name", EVERY)
def test_longer_clips_need_no_more_parameters(name):
    combiner, tokens = build(name), random_tokens(64)
    sizes = {key: value.shape for key, value in combiner.state_dict().items()}
    whole = combiner(tokens, all_valid(64))
    for chunks in (2, 8):
        shorter = combiner(tokens[:, :chunks], all_valid(chunks))
        torch.testing.assert_close(shorter, whole[:, :chunks])
    assert sizes == {key: value.shape for key, value in build(name).state_dict().items()}


@pytest.mark.parametrize("name", EVERY)
def test_only_a_transformer_over_chunks_keeps_more_and_more(name):
    def numbers(state):
        if torch.is_tensor(state):
            return state.numel()
        return sum(numbers(part) for part in state or ())

    combiner = build(name)
    after_2, after_3 = (
        numbers(stepped(combiner, random_tokens(chunks), all_valid(chunks))[1]) for chunks in (2, 3)
    )
    assert (after_3 > after_2) == (name in ("transformer", "cls"))
    assert (after_2 > 0) == (name in LOOKING_BACK)


@pytest.mark.parametrize("name", ["cls", "cls_chunk_alone", "perceiver", "token_turing"])
def test_learned_queries_take_the_tokens_of_a_chunk_in_any_order_and_number(name):
    combiner, tokens, valid = build(name), random_tokens(), some_valid()
    order = torch.tensor([3, 0, 6, 1, 5, 2, 4])
    torch.testing.assert_close(
        combiner(tokens[:, :, order], valid[:, :, order]), combiner(tokens, valid)
    )
    # Also one token alone, fewer than M.
    assert combiner(tokens[:, :, :1], valid[:, :, :1]).shape == (B, T, M, D)


@pytest.mark.parametrize("name", EVERY)
def test_every_parameter_matters(name):
    combiner = build(name)
    combiner(random_tokens().requires_grad_(), all_valid()).pow(3).sum().backward()
    for key, parameter in combiner.named_parameters():
        assert (parameter.grad != 0).any(), key


@pytest.mark.parametrize("name", ["transformer", "transformer_chunk_alone"])
def test_places_without_a_token_give_outputs_of_their_own(name):
    """The last M places are those of sound; without sound the M outputs must not be one."""
    valid = all_valid()
    valid[:, :, -M:] = False
    x_BTMD = build(name)(random_tokens(), valid)
    for m, other in ((0, 1), (1, 2), (0, 2)):
        assert ((x_BTMD[:, :, m] - x_BTMD[:, :, other]).abs().amax(dim=-1) > 1e-3).all()


def test_the_state_dict_of_the_transformer_combiner():
    names = {key.rpartition(".")[0] for key in build("transformer").state_dict()}
    layers = ["attention_norm", "feed_forward_norm", "feed_forward.0", "feed_forward.2"]
    layers += [f"attention.{part}" for part in ("query", "key_value", "out")]
    assert names == {"transformer.norm"} | {
        f"transformer.blocks.{block}.{layer}" for block in range(2) for layer in layers
    }


def test_means_are_of_the_valid_tokens_of_each_group():
    combiner, tokens, valid = build("mean_pool"), random_tokens(), some_valid()
    got = combiner(tokens, valid).numpy()
    groups = [(0, 1, 2), (3, 4), (5, 6)]  # Token n belongs to floor(3 n / 7).
    for b, t, m in np.ndindex(B, T, M):
        there = [n for n in groups[m] if valid[b, t, n]]
        want = tokens[b, t, there].numpy().mean(0) if there else np.zeros(D)
        np.testing.assert_allclose(got[b, t, m], want, atol=1e-12)


def test_no_combiner_hands_on_every_valid_token():
    tokens, valid = random_tokens(), some_valid()
    got = build("none")(tokens, valid)
    assert torch.equal(got[valid], tokens[valid])
    assert (got[~valid] == 0).all()


def test_a_resampler_is_cross_attention_from_latents_to_tokens_and_latents():
    """One layer with one head, in numpy; erf-GELU."""
    torch.manual_seed(0)
    combiner = PerceiverCombiner(width=D, layers=1, heads=1, out_tokens=M).double()
    tokens, valid = random_tokens(chunks=1)[:, 0], some_valid()[:, 1]
    p = {key: value.detach().numpy() for key, value in combiner.named_parameters()}

    def norm(x, key):
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
        return x * p[f"{key}.weight"] + p[f"{key}.bias"]

    def linear(x, key):
        return x @ p[f"{key}.weight"].T + p[f"{key}.bias"]

    got = combiner.combine(tokens, valid).detach().numpy()
    for b in range(B):
        latents = p["latents_MD"]
        queries = norm(latents, "blocks.0.latents_norm")
        there = norm(tokens[b][valid[b]].numpy(), "blocks.0.tokens_norm")
        both = linear(np.concatenate([there, queries]), "blocks.0.attention.key_value")
        scores = linear(queries, "blocks.0.attention.query") @ both[:, :D].T / np.sqrt(D)
        weights = np.exp(scores)
        seen = weights / weights.sum(-1, keepdims=True) @ both[:, D:]
        latents = latents + linear(seen, "blocks.0.attention.out")
        hidden = linear(norm(latents, "blocks.0.feed_forward_norm"), "blocks.0.feed_forward.0")
        hidden = hidden * (1 + torch.erf(torch.tensor(hidden) / 2**0.5).numpy()) / 2
        latents = latents + linear(hidden, "blocks.0.feed_forward.2")
        np.testing.assert_allclose(got[b], norm(latents, "norm"), atol=1e-10)


@pytest.mark.parametrize(
    ("name", "tokens", "message"),
    [
        ("transformer", 2, r"TransformerCombiner makes 3 .* only 2; lower .*out_tokens"),
        ("mean_pool", 2, r"MeanPoolCombiner makes 3 .* only 2; lower .*out_tokens"),
        ("none", 2, r"NoCombiner.out_tokens is 7, .* make 2 .*LatentModel.tokens"),
        ("token_turing_plain", 2, r"TokenTuringCombiner.in_tokens is 7, .* make 2 .*None"),
    ],
)
def test_too_few_tokens_are_refused_with_their_number(name, tokens, message):
    combiner = build(name)
    given = random_tokens()[:, :, :tokens], all_valid()[:, :, :tokens]
    with pytest.raises(ValueError, match=message):
        combiner(*given)
    with pytest.raises(ValueError, match=message):
        stepped(combiner, *given)


@pytest.mark.parametrize(
    ("build_wrong", "message"),
    [
        (lambda: TransformerCombiner(**{**SIZES, "out_tokens": 0}), "TransformerCombiner.out_tok"),
        (lambda: ClsCombiner(**{**SIZES, "out_tokens": 0}), "ClsCombiner.out_tokens is 0"),
        (lambda: PerceiverCombiner(**{**SIZES, "layers": 0}), "PerceiverCombiner.layers is 0"),
        (lambda: PerceiverCombiner(**{**SIZES, "heads": 5}), "12 is not a multiple of 5 heads"),
        (lambda: MeanPoolCombiner(out_tokens=2.5), "MeanPoolCombiner.out_tokens is 2.5"),
        (lambda: NoCombiner(out_tokens=-1), "NoCombiner.out_tokens is -1"),
        (lambda: TokenTuringCombiner(**{**TURING, "memory_tokens": 0}), "memory_tokens is 0"),
    ],
)
def test_a_size_that_is_none_is_refused(build_wrong, message):
    with pytest.raises(ValueError, match=message):
        build_wrong()


RUN = "runs/av_shapes_tiny.gin"
FOLDER = "models/combiners"
FILES = {
    "transformer": TransformerCombiner,
    "transformer_chunk_alone": TransformerCombiner,
    "cls": ClsCombiner,
    "perceiver": PerceiverCombiner,
    "mean_pool": MeanPoolCombiner,
    "token_turing": TokenTuringCombiner,
    "none": NoCombiner,
}


def test_there_is_a_gin_file_for_every_kind():
    assert {path.stem for path in (shipped_folder() / FOLDER).glob("*.gin")} == set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_one_gin_file_swaps_the_combiner_of_a_run(name):
    experiment = config.load([RUN, f"{FOLDER}/{name}.gin"]).build()
    model = experiment.build_model()
    assert type(model.combiner) is FILES[name]
    batch = empty_batch(experiment.converter.shape, 1)
    assert model(batch)["loss"].isfinite()


def test_the_gin_files_mean_different_models():
    meanings = [config.load([RUN, f"{FOLDER}/{name}.gin"]).meaning for name in FILES]
    assert all(a != b for i, a in enumerate(meanings) for b in meanings[:i])
    # What the tiny model has by itself.
    assert config.load([RUN]).meaning == meanings[list(FILES).index("transformer_chunk_alone")]


@pytest.mark.parametrize("name", FILES)
def test_a_gin_file_says_what_it_is_and_how_to_run_it(name):
    header = re.match(r"(#.*\n)+", (shipped_folder() / FOLDER / f"{name}.gin").read_text())
    assert header
    assert f"--gin_file=models/combiners/{name}.gin" in header[0]
    assert "python -m mirasol train" in header[0]
