"""Tasks by name: importing this package registers them with seqio and reads no file."""

from mirasol.tasks import av_shapes as av_shapes
