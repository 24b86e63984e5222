"""A look at a task's annotations and media before anything is trained on them."""
