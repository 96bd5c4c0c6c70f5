"""What users install: ``python -m tests.package dist`` builds it, looks into it, and imports it alone.

The source archive and the checkout must give the same wheel. The wheel must hold ``arc`` and nothing else,
the controller and ``py.typed`` included, and be under 1 MB. From it alone ``arc`` must import, with torch,
NumPy and safetensors as its only requirements, and control a run. Twine must find nothing to mend.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from email.parser import Parser
from pathlib import Path

ROOT = Path(__file__).parent.parent
ALLOWED = {"torch", "numpy", "safetensors"}
USE = """
import sys
import arc.__main__
folder = sys.argv[1]
sys.path.insert(0, folder)
assert arc.__file__.startswith(folder), arc.__file__
import torch
optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], lr=0.1)
controller = arc.Controller(optimizer, period=1, log_dir=folder + "/run")
for loss in (3.0, 2.0, 1.0):
    controller.record(loss)
    assert controller.step(val_loss=loss).reason
assert arc.__main__.main(["watch", folder + "/run", "--once"]) == 0
print("arc", arc.__version__, "works from", folder)
"""


def build(out: Path) -> Path:
    """Source archive and wheel into ``out``; the wheel comes from the archive. Its path."""
    for earlier in (*out.glob("arc_lr-*.whl"), *out.glob("arc_lr-*.tar.gz")):
        earlier.unlink()
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out)]
    subprocess.run([*command, str(ROOT)], check=True, capture_output=True)
    (wheel,) = out.glob("arc_lr-*.whl")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([*command[:-1], folder, "--wheel", str(ROOT)], check=True, capture_output=True)
        (direct,) = Path(folder).glob("*.whl")
        assert contents(direct) == contents(wheel), "source archive and checkout give different wheels"
    return wheel


def contents(wheel: Path) -> dict[str, str]:
    """File names to hashes."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist()}


def check(wheel: Path) -> None:
    """AssertionError where the wheel is not what it should be."""
    names = set(contents(wheel))
    strange = [n for n in names if not n.startswith("arc/") and ".dist-info/" not in n]
    assert not strange, f"not of arc: {strange}"
    tracked = subprocess.run(["git", "ls-files", "arc"], cwd=ROOT, capture_output=True, text=True, check=True)
    missing = set(tracked.stdout.split()) - names
    assert not missing, f"not in the wheel: {missing}"
    assert {"arc/py.typed", "arc/pretrained/model.safetensors"} <= names
    assert wheel.stat().st_size < 1e6, f"{wheel.stat().st_size} bytes"
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (n for n in names if n.endswith("/METADATA"))
        fields = Parser().parsestr(archive.read(metadata).decode())
    needed = {
        line.split(">")[0].split(";")[0].strip()
        for line in fields.get_all("Requires-Dist", [])
        if "extra ==" not in line
    }
    assert needed == ALLOWED, needed
    assert fields["Version"] in (ROOT / "arc/_version.py").read_text()


def use(wheel: Path) -> None:
    """Unpack it somewhere and work with it there, with this interpreter's torch and no other package."""
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
        environment = {"PYTHONPATH": folder}
        subprocess.run([sys.executable, "-c", USE, folder], check=True, cwd=folder, env=environment)


def main(out: Path) -> None:
    """Build, look, use."""
    wheel = build(out)
    archives = [str(path) for path in (wheel, *out.glob("arc_lr-*.tar.gz"))]
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *archives], check=True)
    check(wheel)
    use(wheel)
    print(f"{wheel}: {wheel.stat().st_size / 1e3:.0f} kB, {len(contents(wheel))} files")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
