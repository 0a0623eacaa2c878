"""What docs/teachers.md shows runs, where what it needs is installed."""

import logging
import re
import warnings
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[4] / "docs" / "teachers.md"
SHARED, *EXAMPLES = re.findall(
    r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE
)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.splitlines()[0][2:])
def test_what_the_page_shows_runs_and_does_what_it_says(example, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if needed := re.search(r"^#.*: needs (\w+)$", example, re.MULTILINE):
        pytest.importorskip(needed[1])
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    assert "assert" in example
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"torch|onnxscript|copyreg|transformers")
        exec(compile(SHARED + example, str(PAGE), "exec"), {})


def test_the_page_shows_every_kind():
    for kind in ("torchvision:", "timm:", "huggingface:", "onnx:", "classifier_of("):
        assert any(kind in example for example in EXAMPLES), kind
