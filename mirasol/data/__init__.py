"""The road from media files and annotations to batches."""
