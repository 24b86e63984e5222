"""A small training by SPMD on four virtual devices; prints what happened as JSON.

In a process of its own, as rehearsal.py. The argument is a folder for a checkpoint, or `tensor`:
then some layers are shared, too.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import agreement
import torch

from mirasol.batch import Batch
from mirasol.checkpoint.manager import CheckpointManager
from mirasol.checkpoint.state import flatten, training_state
from mirasol.checkpoint.tied import same_bits
from mirasol.runtime.base import Runtime
from mirasol.runtime.select import open_runtime
from mirasol.runtime.sharding import WHOLE
from mirasol.runtime.talk import Talk
from mirasol.runtime.xla_devices import SpmdDevices
from mirasol.runtime.xla_pieces import Pieces

STEPS = 4
# The smallest model with a stack of two blocks: what is compiled here costs seconds.
SMALL = (
    *(f"{part}WIDTH = 32" for part in ("", "VIDEO_", "AUDIO_", "DECODER_", "RECONSTRUCTION_")),
    "DECODER_LAYERS = 1",
    "VIDEO_LAYERS = 1",
    "QUESTIONS = 2",
)


def whole(training: agreement.Training) -> dict[str, torch.Tensor]:
    return flatten(training_state(training.model, training.optimizer)).tensors


def shards_of(tensor: torch.Tensor) -> list[tuple[torch.Tensor, str]]:
    """Returns what each device holds of a tensor, and the device.

    Only once it is there: asking for a shard that is still being computed is an error.
    """
    import torch_xla
    import torch_xla.core.xla_model as xm

    torch_xla._XLAC._xla_sync_multi([tensor], [], wait=True)
    xm.wait_device_ops()
    return torch_xla._XLAC._get_local_shards([tensor])[0]


def bytes_of_devices(tensors: dict[str, torch.Tensor]) -> dict[str, float]:
    """Returns the largest share of all bytes that a device holds, read from its shards."""
    held: dict[str, int] = {}
    for tensor in tensors.values():
        shards = shards_of(tensor)
        for shard, device in shards:
            held[device] = held.get(device, 0) + shard.nbytes
    return {
        "devices": len(held),
        "share": max(held.values()) / sum(t.nbytes for t in tensors.values()),
    }


def shares(training: agreement.Training) -> dict[str, dict[str, float]]:
    tensors = {name: t for name, t in whole(training).items() if t.ndim}
    return {
        part: bytes_of_devices({n: t for n, t in tensors.items() if n.startswith(part)})
        for part in ("model", "optimizer")
    }


def fully_sharded(folder: Path) -> dict:
    """Trains, saves, restores into another, and goes on; on the way it looks at the shards."""
    experiment = agreement.Way("xla 4", "fsdp 4").experiment(SMALL)
    runtime = open_runtime("xla", "float32", experiment.sharding)
    batches = list(agreement.batches(experiment, STEPS + 2))
    training = agreement.Training(experiment, runtime)
    report: dict = {"describe": runtime.describe(), "share": runtime.share}
    report["before"] = shares(training)
    report["losses"], report["graphs"] = [], []
    for number, batch in enumerate(batches[:STEPS]):
        report["losses"].append(runtime.scalars(training.move(number, batch))["loss"])
        report["graphs"].append(runtime.compiled_graphs())
    report["after"] = shares(training)
    manager = CheckpointManager(folder, fetch=runtime.fetch)
    manager.save_async(1, training_state(training.model, training.optimizer))
    manager.close()
    other = agreement.Training(experiment, runtime)
    manager.restore_training(other.model, other.optimizer, {})
    runtime.settle(other.optimizer.state_dict())
    report["restored"] = shares(other)
    report["graphs_before_going_on"] = runtime.compiled_graphs()
    report["unbroken"], report["resumed"] = [
        [runtime.scalars(each.move(n, batches[n]))["loss"] for n in range(STEPS, STEPS + 2)]
        for each in (training, other)
    ]
    report["graphs_after_going_on"] = runtime.compiled_graphs()
    sent = runtime.transfer(batches[0])
    report["clips_of_a_device"] = [len(shard) for shard, _ in shards_of(sent.question_BQ)]
    report["sent"] = torch.equal(runtime.to_host(sent.video_BTFHWC), batches[0].video_BTFHWC)
    report["gathered"] = gathered(list(whole(training).values()), runtime)
    report["in order of hosts"] = in_order_of_hosts()
    short = batches[0].map(lambda tensor: tensor[:4])
    report["planted"] = refusal(training, short)
    return report


def gathered(tensors: list[torch.Tensor], runtime: Runtime) -> dict:
    """Has the devices gather all that lies in pieces, and compares with what the host collects."""
    pieces = Pieces(torch_xla_here(), at_once_bytes=2**16)
    layout = torch_xla_here()._XLAC._get_xla_sharding_spec
    tensors = [t for t in tensors if t.ndim and shards_of(t)[0][0].shape != t.shape]
    first = pieces.put_together(tensors)
    before = runtime.compiled_graphs()
    copies = pieces.gathered(tensors)
    after = runtime.compiled_graphs()
    again = pieces.gathered(tensors)
    return {
        "tensors": len(tensors),
        "kinds": len({(t.shape, t.dtype, layout(t)) for t in tensors}),
        "graphs": after - before,
        "graphs of a second time": runtime.compiled_graphs() - after,
        "alike": all(map(same_bits, first + first, copies + again)),
        "still as it was": all(map(same_bits, first, pieces.fetch(tensors))),
        "devices": [len({device for _, device in shards_of(t)}) for t in tensors],
    }


class TwoHosts(Talk):
    """Says that this process's four devices are of two hosts, with numbers that take turns."""

    count, leads, agreed = 2, True, None

    def decided(self, decide):
        return decide()

    def gathered(self, value):
        assert sorted(value) == [0, 1, 2, 3]
        return [[0, 2], [1, 3]]


def in_order_of_hosts() -> dict:
    """Lays two tensors over devices in another order, and fetches one in both ways."""
    xla = torch_xla_here()
    devices = SpmdDevices(xla, WHOLE, {"data": 1, "fsdp": 4, "tensor": 1}, TwoHosts())
    # What arithmetic would not leave alone: a negative zero, a tiny number, no number.
    host = torch.arange(48.0).reshape(8, 6)
    host[3, :3] = torch.tensor([-0.0, 1e-42, float("nan")])
    tensor = host.to(xla.device())
    devices.lay_out("weight", tensor)
    (gathered,) = Pieces(xla).gathered([tensor])
    (fetched,) = devices.fetch([tensor])
    return {
        "first rows": [int(shard[0, 0]) // 6 for shard, _ in shards_of(tensor)],
        "alike": same_bits(gathered, host) and same_bits(fetched, host),
    }


def torch_xla_here() -> Any:
    import torch_xla

    return torch_xla


def refusal(training: agreement.Training, batch: Batch) -> str:
    try:
        training.move(0, batch)
    except ValueError as error:
        return str(error)
    return ""


def main(argument: str) -> None:
    torch.set_num_threads(1)
    if argument == "tensor":
        way = agreement.Way("xla 4", "fsdp 2 x tensor 2", ("microbatches",))
        report = agreement.losses(way, 2, SMALL)
    else:
        report = fully_sharded(Path(argument))
    print(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1])
