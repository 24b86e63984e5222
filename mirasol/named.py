"""Texts that name something, as types of parameters: a slip in one is a mistake, found by `check`.

A plain `str` is free text, such as the name of a run.
"""

from __future__ import annotations

from typing import Annotated

TaskName = Annotated[str, "the name of a task or mixture, in quotes"]
SplitName = Annotated[str, "the name of a split, in quotes"]
MetricName = Annotated[str, "the name of a metric of a task, in quotes"]
AxisName = Annotated[str, "the name of an axis of a sweep, in quotes"]
FileName = Annotated[str, "the path of a file, in quotes"]
CacheFolder = Annotated[str, "the path of the folder of a filled cache, in quotes"]
CheckpointSource = Annotated[str, "the path of a workdir or a checkpoint, in quotes"]
TensorNames = Annotated[str, "a pattern of names of parameters, in quotes"]
