"""How the towers of Hugging Face's `transformers` call their tensors."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class BlockNames:
    """The modules and tensors of a block, by their path below it.

    Attributes:
      attention_norm, query, key, value, out: modules of attention.
      feed_forward_norm, expand, contract: modules of the feed-forward network.
      query_bias, key_bias, value_bias: tensors; "": there is none.
      attention_scale, feed_forward_scale: LayerScale's vectors; "": there are none.
    """

    attention_norm: str
    query: str
    key: str
    value: str
    query_bias: str
    key_bias: str
    value_bias: str
    out: str
    feed_forward_norm: str
    expand: str
    contract: str
    attention_scale: str = ""
    feed_forward_scale: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TowerNames:
    """The parts of a tower, by their path below its root.

    Attributes:
      kernel: the convolution that makes tokens of patches.
      blocks: what stands before the number of a block.
      block: what stands behind it.
      norm: the final norm.
      input_norm: one before the first block; "": there is none.
      class_tokens: those that have a row in the table of positions, before the patches.
      registers: tokens behind these, without positions; "": there are none.
      positions: the table; "": it is no tensor.
      flat: whether tables are [N, D] and class tokens [D], not [1, N, D] and [1, 1, D].
    """

    kernel: str
    blocks: str
    block: BlockNames
    norm: str
    input_norm: str = ""
    class_tokens: tuple[str, ...] = ()
    registers: str = ""
    positions: str = ""
    flat: bool = False


_VIT_BLOCK = BlockNames(
    attention_norm="layernorm_before",
    query="attention.attention.query",
    key="attention.attention.key",
    value="attention.attention.value",
    query_bias="attention.attention.query.bias",
    key_bias="attention.attention.key.bias",
    value_bias="attention.attention.value.bias",
    out="attention.output.dense",
    feed_forward_norm="layernorm_after",
    expand="intermediate.dense",
    contract="output.dense",
)
_CLIP_BLOCK = BlockNames(
    attention_norm="layer_norm1",
    query="self_attn.q_proj",
    key="self_attn.k_proj",
    value="self_attn.v_proj",
    query_bias="self_attn.q_proj.bias",
    key_bias="self_attn.k_proj.bias",
    value_bias="self_attn.v_proj.bias",
    out="self_attn.out_proj",
    feed_forward_norm="layer_norm2",
    expand="mlp.fc1",
    contract="mlp.fc2",
)
VIT = TowerNames(
    kernel="embeddings.patch_embeddings.projection",
    blocks="encoder.layer",
    block=_VIT_BLOCK,
    norm="layernorm",
    class_tokens=("embeddings.cls_token",),
    positions="embeddings.position_embeddings",
)
AST = dataclasses.replace(
    VIT, class_tokens=("embeddings.cls_token", "embeddings.distillation_token")
)
VIDEOMAE = dataclasses.replace(
    VIT,
    block=dataclasses.replace(
        _VIT_BLOCK,
        query_bias="attention.attention.q_bias",
        key_bias="",
        value_bias="attention.attention.v_bias",
    ),
    class_tokens=(),
    positions="",
)
DINOV2 = dataclasses.replace(
    VIT,
    block=dataclasses.replace(
        _VIT_BLOCK,
        attention_norm="norm1",
        feed_forward_norm="norm2",
        expand="mlp.fc1",
        contract="mlp.fc2",
        attention_scale="layer_scale1.lambda1",
        feed_forward_scale="layer_scale2.lambda1",
    ),
)
DINOV2_WITH_REGISTERS = dataclasses.replace(DINOV2, registers="embeddings.register_tokens")
SIGLIP = TowerNames(
    kernel="embeddings.patch_embedding",
    blocks="encoder.layers",
    block=_CLIP_BLOCK,
    norm="post_layernorm",
    positions="embeddings.position_embedding.weight",
    flat=True,
)
CLIP = dataclasses.replace(
    SIGLIP, input_norm="pre_layrnorm", class_tokens=("embeddings.class_embedding",)
)
