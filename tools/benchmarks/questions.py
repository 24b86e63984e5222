"""What further questions about a clip cost: they share its encoding and are read side by side."""

from __future__ import annotations

import argparse
import dataclasses
import statistics
from collections.abc import Sequence

from benchmarks.clocks import add_repeats_flag, in_turns, spread, train_step
from benchmarks.report import Benchmark, Row, table
from benchmarks.sizes import add_model_flags, random_batch, stated
from mirasol.batch import ExampleShape, empty_batch
from mirasol.description.operations import train_flops
from mirasol.experiment import Experiment

ASKED = 2.0


def measure(options: argparse.Namespace) -> list[Row]:
    """Returns a row for each number of questions: one, and many."""
    experiment = stated(options).build()
    numbers = (1, options.questions)
    shapes = {
        number: dataclasses.replace(experiment.converter.shape, questions=number)
        for number in numbers
    }
    counted = _counted(experiment, shapes, options.batch_size)
    model = experiment.build_model()
    vocab_size = model.text_decoder.vocab_size
    batches = {
        number: random_batch(shape, options.batch_size, vocab_size)
        for number, shape in shapes.items()
    }
    steps = {
        str(number): lambda batch=batch: train_step(model, batch)
        for number, batch in batches.items()
    }
    times = in_turns(steps, options.repeats, "questions")
    return [
        {
            "questions": number,
            "batch_size": options.batch_size,
            "frames": shapes[number].frames,
            "prompt_length": shapes[number].prompt_length,
            "answer_length": shapes[number].answer_length,
            "flops": counted[number],
            "seconds": times[str(number)],
        }
        for number in numbers
    ]


def _counted(
    experiment: Experiment, shapes: dict[int, ExampleShape], batch_size: int
) -> dict[int, int]:
    model = experiment.build_model("meta")
    return {
        number: train_flops(model, empty_batch(shape, batch_size, "meta"))
        for number, shape in shapes.items()
    }


def tell(rows: Sequence[Row]) -> str:
    """Returns the table, and how much longer a step with many questions takes."""
    one, many = rows
    titles = "questions a clip", "GFLOP", "s a step, median (least-greatest)"
    lines = [
        (row["questions"], f"{row['flops'] / 1e9:,.1f}", spread(row["seconds"])) for row in rows
    ]
    longer = statistics.median(many["seconds"]) / statistics.median(one["seconds"])
    sizes = (
        f"Forward and backward of {one['batch_size']} clip(s) of {one['frames']} frames; questions "
        f"of {one['prompt_length']} tokens, answers of {one['answer_length']}."
    )
    verdict = (
        f"- {many['questions']} questions take {longer:.2f} times as long as one, and "
        f"{many['flops'] / one['flops']:.2f} times the operations (asked: at most {ASKED:.1f})."
    )
    return "\n".join([table(titles, lines), "", sizes, "", verdict])


def _add_flags(parser: argparse.ArgumentParser) -> None:
    add_model_flags(parser, "mirasol_small", frames=16)
    add_repeats_flag(parser, 5)
    parser.add_argument("--questions", type=int, default=16, help="default: %(default)s")
    parser.add_argument("--batch_size", type=int, default=1, help="clips (default: %(default)s)")


QUESTIONS = Benchmark(
    purpose="a training step with many questions a clip against one with one",
    add_flags=_add_flags,
    measure=measure,
    tell=tell,
)
