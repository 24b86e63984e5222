"""How a run came to be: code, packages, machine, data; and what of it is different now."""
