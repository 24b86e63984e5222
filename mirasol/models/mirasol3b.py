"""Mirasol3B whole: chunks -> encoders -> Combiner -> latent model -> text decoder, and its losses.

video_BTFHWC --VideoEncoder--> N_v tokens a chunk --+
                                                    +--Combiner--> x_BTMD
audio_BTAS ----AudioEncoder--> N_a tokens a chunk --+               |
                                                               LatentModel
                                                                    |
losses <---Reconstruction---------------------------------------- h_BTMD
prompt_BQP, answer_BQR --> TextDecoder <----------------------------+
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import torch
from torch import nn

from mirasol.batch import Batch
from mirasol.models.combiners import Combiner
from mirasol.models.decoder import Memory, TextDecoder
from mirasol.models.encoders import AudioEncoder, TubeVideoEncoder, VideoEncoder
from mirasol.models.generation import GREEDY, Strategy
from mirasol.models.latent import LatentModel
from mirasol.models.losses import (
    LossWeights,
    answer_tokens,
    chunk_pairs,
    latent_loss,
    latent_spread,
    masked_mean,
    text_loss,
)
from mirasol.models.reconstruction import Reconstruction
from mirasol.models.streaming import Stream
from mirasol.models.transformer import in_loops, initialise, keep_no_activations


@dataclasses.dataclass(frozen=True)
class Encoding:
    """A clip after the audio-video part.

    Attributes:
      x_BTMD: the Combiner's outputs.
      h_BTMD: the latent model's outputs.
      valid_BT: bool, whether the chunk has pictures or sound.
    """

    x_BTMD: torch.Tensor
    h_BTMD: torch.Tensor
    valid_BT: torch.Tensor


class Mirasol(nn.Module):
    """The model. All its parts are passed in; their widths must agree.

    Args:
      video_encoder: chunk of frames -> tokens.
      audio_encoder: chunk of spectrogram -> tokens.
      combiner: tokens of a chunk -> M tokens.
      latent_model: autoregressive over chunks.
      reconstruction: h -> loss on the media; `NoReconstruction()` switches it off.
      text_decoder: question and h -> answer.
      loss_weights: what each loss counts.
      detach_target: whether the latent loss leaves its target x_{t+1} alone (stop-gradient). The
        paper does not state it; without it both sides can collapse to a constant.
      shared_vit: whether sound goes through the video encoder's transformer, too; its own is then
        dropped. The paper does not state whether the two share weights.
      label_smoothing: of the answers' cross-entropy, in [0, 1): probability spread over all tokens.
      checkpoint: whether every transformer over media computes its blocks again in the backward
        pass instead of keeping their activations: less memory, a third more arithmetic.
      scan_layers: whether stacks of like blocks are loops in what XLA compiles, so that deep ones
        compile in the time of one block. Elsewhere it has no effect; nor on the text decoder.

    Raises:
      ValueError: sizes that do not fit each other; a label_smoothing out of range.
    """

    def __init__(
        self,
        *,
        video_encoder: VideoEncoder | TubeVideoEncoder,
        audio_encoder: AudioEncoder,
        combiner: Combiner,
        latent_model: LatentModel,
        reconstruction: Reconstruction,
        text_decoder: TextDecoder,
        loss_weights: LossWeights,
        detach_target: bool = True,
        shared_vit: bool = False,
        label_smoothing: float = 0.0,
        checkpoint: bool = False,
        scan_layers: bool = False,
    ):
        super().__init__()
        if combiner.out_tokens != latent_model.tokens:
            raise ValueError(
                f"the Combiner keeps {combiner.out_tokens} tokens a chunk (out_tokens), the latent "
                f"model expects {latent_model.tokens} (LatentModel.tokens); set both to one macro"
            )
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"Mirasol.label_smoothing is {label_smoothing}; it must be in [0, 1)")
        if shared_vit:
            _require_one_width(video_encoder.transformer.width, audio_encoder.transformer.width)
            audio_encoder.transformer = video_encoder.transformer
        self.video_encoder = video_encoder
        self.audio_encoder = audio_encoder
        self.combiner = combiner
        self.latent_model = latent_model
        self.reconstruction = reconstruction
        self.text_decoder = text_decoder
        self.loss_weights = loss_weights
        self.detach_target = detach_target
        self.label_smoothing = label_smoothing
        width = video_encoder.out.out_features
        self.modality_2D = nn.Parameter(torch.randn(2, width) * 0.02)
        self.apply(initialise)
        if checkpoint:
            self.apply(keep_no_activations)
        if scan_layers:
            self.apply(in_loops)

    def forward(
        self, batch: Batch, shares: Mapping[str, torch.Tensor] | None = None
    ) -> dict[str, torch.Tensor]:
        """Returns the weighted sum of the losses as "loss", its parts and two measures.

        All are float32 scalars; `latent_spread` near 0 tells that the latents have collapsed.

        Args:
          batch: the whole of a step, or a part of it.
          shares: of a part: how much of all that a loss is the mean over lies in it, in [0, 1], by
            the names of `counts`. The losses of the parts then add up to those of the whole, and
            their gradients, too; of `latent_spread` it is the mean over the parts.
        """
        clip = self.encode(batch)
        logits_BQRV = self.text_decoder(self.remember(clip), batch.prompt_BQP, batch.answer_BQR)
        target_BTMD = clip.x_BTMD.detach() if self.detach_target else clip.x_BTMD
        text = text_loss(logits_BQRV, batch.answer_BQR, batch.question_BQ, self.label_smoothing)
        latent = latent_loss(clip.h_BTMD, target_BTMD, clip.valid_BT)
        media = self.reconstruction(clip.h_BTMD, batch, shares)
        right = _token_accuracy(logits_BQRV, batch)
        spread = latent_spread(clip.x_BTMD, clip.valid_BT)
        if shares is not None:
            text, right = text * shares["text"], right * shares["text"]
            latent, spread = latent * shares["latent"], spread * shares["latent"]
        weights = self.loss_weights
        total = weights.text * text + weights.latent * latent + weights.reconstruction * media
        return {
            "loss": total,
            "text_loss": text,
            "latent_loss": latent,
            "reconstruction_loss": media,
            "latent_spread": spread,
            "token_accuracy": right,
        }

    def counts(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Returns of how many elements of the batch each loss is the mean, up to a factor.

        int64 scalars, by the names that `forward` takes shares by. They follow from the batch
        alone, so a step in parts knows its totals before the first of them.
        """
        valid_BT = batch.has_video_BT | batch.has_audio_BT
        return {
            "text": answer_tokens(batch.answer_BQR, batch.question_BQ).sum(),
            "latent": chunk_pairs(valid_BT),
            **self.reconstruction.counts(batch),
        }

    def encode(self, batch: Batch) -> Encoding:
        """Runs the audio-video part, once for all questions of a clip."""
        tokens_BTND, valid_BTN = self.media_tokens(
            batch.video_BTFHWC, batch.audio_BTAS, batch.has_video_BT, batch.has_audio_BT
        )
        x_BTMD = self.combiner(tokens_BTND, valid_BTN)
        valid_BT = batch.has_video_BT | batch.has_audio_BT
        return Encoding(x_BTMD, self.latent_model(x_BTMD, valid_BT), valid_BT)

    def media_tokens(
        self,
        video_BTFHWC: torch.Tensor,
        audio_BTAS: torch.Tensor,
        has_video_BT: torch.Tensor,
        has_audio_BT: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns the tokens of each chunk, video then audio [B, T, N, D], and which are valid."""
        # Zero gradients times NaN would be NaN in the encoder's weights; bytes cannot be NaN.
        audio_BTAS = audio_BTAS.masked_fill(~has_audio_BT[..., None, None], 0.0)
        video_BTND = self._tokens(self.video_encoder, video_BTFHWC, 0)
        audio_BTND = self._tokens(self.audio_encoder, audio_BTAS, 1)
        valid = [
            has_BT[..., None].expand(tokens_BTND.shape[:3])
            for has_BT, tokens_BTND in ((has_video_BT, video_BTND), (has_audio_BT, audio_BTND))
        ]
        return torch.cat([video_BTND, audio_BTND], dim=2), torch.cat(valid, dim=2)

    def remember(self, clip: Encoding) -> Memory:
        """Projects the latents for the text decoder, which reads h (not x)."""
        return self.look_back(clip.h_BTMD, clip.valid_BT)

    def look_back(self, h_BTMD: torch.Tensor, valid_BT: torch.Tensor) -> Memory:
        """Projects h of the chunks so far for the text decoder."""
        valid_BN = valid_BT.repeat_interleave(h_BTMD.shape[2], dim=1)
        return self.text_decoder.remember(h_BTMD.flatten(1, 2), valid_BN)

    def stream(self, batch_size: int = 1) -> Stream:
        """Starts to watch clips chunk by chunk; equal to the whole clip in one pass."""
        return Stream(self, batch_size)

    @torch.no_grad()
    def generate(self, batch: Batch, strategy: Strategy = GREEDY) -> torch.Tensor:
        """Answers every question as the strategy does: int64 [B, Q, R], end token, then padding."""
        memory = self.remember(self.encode(batch))
        R = batch.answer_BQR.shape[-1]
        return strategy.write(self.text_decoder, memory, batch.prompt_BQP, R)

    @torch.no_grad()
    def score(self, batch: Batch, options_BQOR: torch.Tensor) -> torch.Tensor:
        """Returns the log-probability of each option as the answer, see `TextDecoder.score`.

        The clip is encoded once and each question read once, however many options it has.

        Args:
          batch: its answers are not looked at.
          options_BQOR: int64 token ids of O options a question, each ending in 1 (end), padded on
            the right with 0; their R need not be the batch's.

        Returns:
          float32 [B, Q, O]; -inf for options that are padding alone.
        """
        memory = self.remember(self.encode(batch))
        return self.text_decoder.score(memory, batch.prompt_BQP, options_BQOR)

    def _tokens(self, encoder: nn.Module, media: torch.Tensor, modality: int) -> torch.Tensor:
        # Those of absent media are made all the same, for fixed shapes; every Combiner blanks them.
        tokens_BTND = encoder(media.flatten(0, 1)).unflatten(0, media.shape[:2])
        return tokens_BTND + self.modality_2D[modality]


def _token_accuracy(logits_BQRV: torch.Tensor, batch: Batch) -> torch.Tensor:
    right_BQR = (logits_BQRV.argmax(dim=-1) == batch.answer_BQR).float()
    return masked_mean(right_BQR, answer_tokens(batch.answer_BQR, batch.question_BQ))


def _require_one_width(video: int, audio: int) -> None:
    if video != audio:
        raise ValueError(
            f"Mirasol.shared_vit: VideoEncoder.width is {video} and AudioEncoder.width {audio}; "
            "a shared transformer needs both to be one macro"
        )
