"""AV-Shapes, the embedded benchmark: moving shapes, sounds, and questions about both."""
