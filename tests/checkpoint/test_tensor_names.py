import pytest

from mirasol.checkpoint.tensor_names import clear_pattern, matches, nearest_pattern, renamed

NAMES = ["video_encoder.out.weight", "video_encoder.out.bias", "text_decoder.blocks.0.norm.weight"]


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        ("video_encoder.*", NAMES[:2]),
        ("*", NAMES),
        ("*.weight", [NAMES[0], NAMES[2]]),
        ("video_encoder.out", []),
        ("text_decoder.blocks.*.norm.*", [NAMES[2]]),
        ("video_encoder.ou?.bias", []),  # No other letter is special.
    ],
)
def test_a_star_is_any_text(pattern, matched):
    assert [name for name in NAMES if matches(name, [pattern])] == matched


@pytest.mark.parametrize(
    ("pairs", "new"),
    [
        ([], "encoder.blocks.3.norm.weight"),
        ([("encoder.*", "video.*")], "video.blocks.3.norm.weight"),
        ([("*.blocks.*.norm.*", "*.layers.*.n.*")], "encoder.layers.3.n.weight"),
        ([("decoder.*", "a.*"), ("encoder.*", "b.*"), ("*", "c.*")], "b.blocks.3.norm.weight"),
        ([("encoder.blocks.3.norm.weight", "w")], "w"),
    ],
)
def test_the_first_pair_that_matches_renames(pairs, new):
    assert renamed("encoder.blocks.3.norm.weight", pairs) == new


@pytest.mark.parametrize(
    ("pattern", "offer"),
    [
        ("video_encodr.*", "video_encoder.*"),
        ("video_encoder", "video_encoder.*"),
        ("*.blocks.*.nrom.weight", "*.blocks.*.norm.weight"),
        ("out.weight", "*.out.weight"),
        ("norm", "*.norm.*"),
        ("norm.*", "*.norm.*"),
        ("*.norm", "*.norm.*"),
        ("out.*.norm", ""),
        ("zzzzzz", ""),
        ("", ""),
        ("model.video_encoder.*", "video_encoder.*"),
        ("video_encoder/*", "video_encoder.*"),
        ("text_decoder.block*", "text_decoder.blocks.*"),
        ("zzz.*", ""),
    ],
)
def test_what_a_pattern_was_meant_to_be_is_clear(pattern, offer):
    assert nearest_pattern(pattern, NAMES) == offer
    assert clear_pattern(offer) == offer
