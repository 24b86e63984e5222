"""Tasks by name: importing this package registers them with seqio and reads no file."""

from mirasol.tasks import av_shapes as av_shapes
from mirasol.tasks import manifest as manifest
from mirasol.tasks import pretraining as pretraining
from mirasol.tasks import question_answering as question_answering
from mirasol.tasks import sounds as sounds
from mirasol.tasks import suites as suites  # Of tasks above.
