"""A shipped gin file with a slip in it: what `check` says."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from fuzzing.slips import Slip, slips
from fuzzing.stated import sound, stated
from mirasol import config
from mirasol.checkpoint.manager import CheckpointManager
from mirasol.checkpoint.state import model_state
from mirasol.findings import ExperimentError, Finding
from mirasol.gin_files import shipped_folder

OUTCOMES = REJECTED, UNCHANGED, ACCEPTED, CRASHED = (
    "rejected",
    "unchanged",
    "wrongly accepted",
    "crashed",
)
_OFFER = re.compile(r"did you mean '?([^'?]+?)'?\?")


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What became of a slip.

    Attributes:
      slip: which.
      outcome: one of OUTCOMES.
      right: of a rejected one: whether it was told the right name first.
      said: why it was rejected, or what crashed.
    """

    slip: Slip
    outcome: str
    right: bool = False
    said: str = ""


class Bench:
    """A shipped file with what makes an experiment or a sweep of it, in the working directory."""

    def __init__(self, file: str):
        self.file = file
        self.text = Path(file).read_text(encoding="utf-8")
        self.stated = stated(file)
        self.meaning = self.stated.meaning()
        self._sound = False

    def slips(self) -> list[Slip]:
        """Returns every slip in every name of the file."""
        return [slip for name in self.stated.names(self.text) for slip in slips(name, self.file)]

    def try_out(self, slip: Slip) -> Verdict:
        """Returns what becomes of the file with the slip in it."""
        try:
            with self._changed(slip):
                if self.stated.meaning() == self.meaning:
                    return Verdict(slip, UNCHANGED)
            self._require_soundness()
            with self._changed(slip):
                self.stated.check()
        except ExperimentError as error:
            return Verdict(slip, REJECTED, _told(slip, error.findings), str(error))
        except Exception as error:  # Many minutes' work shall not end with it.
            return Verdict(slip, CRASHED, said=f"{type(error).__name__}: {error}")
        return Verdict(slip, ACCEPTED)

    @contextlib.contextmanager
    def _changed(self, slip: Slip) -> Iterator[None]:
        lines = self.text.splitlines(keepends=True)
        line, start = lines[slip.name.line - 1], slip.name.column
        end = start + len(slip.name.text)
        lines[slip.name.line - 1] = line[:start] + slip.wrong + line[end:]
        Path(self.file).write_text("".join(lines), encoding="utf-8")
        try:
            yield
        finally:
            Path(self.file).write_text(self.text, encoding="utf-8")

    def _require_soundness(self) -> None:
        """Raises AssertionError if the file is rejected as it is."""
        if not self._sound:
            with sound(self.file):
                self.stated.check()
            self._sound = True


@contextlib.contextmanager
def copied() -> Iterator[None]:
    """Works in a copy of the shipped files, which are found from here before the real ones."""
    with copy() as folder, contextlib.chdir(folder):
        yield


@contextlib.contextmanager
def copy() -> Iterator[str]:
    """Makes a folder with the shipped files and what they name."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(shipped_folder(), folder, dirs_exist_ok=True)
        (Path(folder) / "manifest.jsonl").write_text("")  # That of runs/manifest.gin.
        (Path(folder) / "media_cache").mkdir()  # That of data/media_cache.gin.
        # That of overlays/warm_start.gin, and of ablations/pretraining.gin.
        for name in ("pretraining", "av_shapes_pretraining"):
            _save_parameters(Path(folder) / "workdirs" / name)
        yield folder


def _save_parameters(workdir: Path) -> None:
    """Saves a checkpoint of the model that `stated` tries an overlay with."""
    model = config.load(["runs/av_shapes_tiny.gin"]).build().build_model()
    CheckpointManager(workdir / "checkpoints").save(1, {"model": model_state(model), "step": 1})


def shipped_files() -> list[str]:
    """Returns every shipped gin file."""
    folder = shipped_folder()
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.gin"))


def _told(slip: Slip, findings: Sequence[Finding]) -> bool:
    """Returns whether the finding about the slip's place offers the right name first."""
    offers = []
    for finding in findings:
        found = _OFFER.search(finding.message)
        place = re.fullmatch(rf"{re.escape(slip.file)} line (\d+)", finding.place)
        if found and place and int(place[1]) <= slip.name.line:
            offers.append((int(place[1]), found[1]))
    if not offers:
        return False
    last = max(line for line, _ in offers)
    first = next(offer for line, offer in offers if line == last)
    return slip.name.text == first or slip.name.text in re.split(r"[./ ]", first)
