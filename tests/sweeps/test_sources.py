"""Which source files a trial uses: of plug-ins, too, and of what these import of Mirasol."""

from __future__ import annotations

import sys

import pytest

from mirasol import config
from mirasol.sweeps import sources

PLUGIN = """
from mirasol.models.combiners import TransformerCombiner
{imports}

class MyCombiner(TransformerCombiner):
    pass
"""
GIN = """
from __gin__ import dynamic_registration
from mirasol.models import mirasol3b
from {package} import {module}

mirasol3b.Mirasol.combiner = @{module}.MyCombiner()

{module}.MyCombiner:
    width = %WIDTH
    heads = %HEADS
    layers = %COMBINER_LAYERS
    out_tokens = %COMBINER_TOKENS
    dropout = %DROPOUT
"""
LEARNER = "mirasol/models/token_learner.py"


@pytest.fixture
def used(tmp_path, monkeypatch):
    """Writes a plug-in, has an experiment use it; returns the sources of that."""
    monkeypatch.syspath_prepend(tmp_path)
    packages = []

    def of(package: str, module: str, imports: str) -> dict[str, str]:
        packages.append(package)
        folder = tmp_path / package.replace(".", "/")
        folder.mkdir(parents=True)
        inside = folder
        while inside != tmp_path:
            (inside / "__init__.py").touch()
            inside = inside.parent
        (folder / f"{module}.py").write_text(PLUGIN.format(imports=imports))
        (tmp_path / "mine.gin").write_text(GIN.format(package=package, module=module))
        spec = config.load(["runs/av_shapes_tiny.gin", str(tmp_path / "mine.gin")])
        return sources.used(spec)

    yield of
    for package in packages:
        for name in [each for each in sys.modules if each.split(".")[0] == package.split(".")[0]]:
            del sys.modules[name]


def test_what_a_plugin_imports_of_mirasol_is_used(used):
    found = used("my_parts_a", "combiner", "from mirasol.models.token_learner import TokenLearner")
    assert {"my_parts_a/combiner.py", "my_parts_a/__init__.py", LEARNER} <= found.keys()
    assert "mirasol/models/token_turing.py" not in found


def test_what_a_plugin_imports_where_it_is_needed_is_used(used):
    found = used("my_parts_b", "combiner", "def f():\n    import mirasol.models.token_learner as t")
    assert LEARNER in found


def test_a_plugin_that_is_called_like_a_module_of_mirasol_is_not_that(used):
    found = used("my_parts_c.models", "token_turing", "")
    assert "my_parts_c/models/token_turing.py" in found
    assert LEARNER not in found  # Which that of Mirasol imports.
