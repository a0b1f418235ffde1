"""The locks: every direct dependency pinned in its range, every file hashed, nothing else here."""

import re
import tomllib
from importlib.metadata import version

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def pins(file):
    """{package: [(requirement, hashes)]} of a lock, one for each marker of a package."""
    found = {}
    for entry in re.split(r"\n(?=\S)", file.read_text().strip()):
        first, *hashes = [part.strip() for part in entry.split("\\\n")]
        requirement = Requirement(first)
        found.setdefault(canonicalize_name(requirement.name), []).append((requirement, hashes))
    return found


@pytest.fixture(scope="module")
def lock(root):
    return pins(root / "requirements.lock")


def test_every_pin_is_exact_and_has_hashes(root, lock):
    cuda = pins(root / "requirements-cuda.lock")
    assert len(lock) > 100 and len(cuda) > 10 and not set(lock) & set(cuda)
    for name, entries in (lock | cuda).items():
        for requirement, hashes in entries:
            assert [s.operator for s in requirement.specifier] == ["=="], name
            assert hashes and all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", h) for h in hashes), (
                name
            )


def test_every_direct_dependency_is_locked_within_its_range(root, lock):
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    asked = [*project["dependencies"]]
    for extra in ("chapters", "book", "lab", "check", "test"):
        asked += extras[extra]
    others = [text for text in asked if Requirement(text).name != project["name"]]
    assert len(asked) - len(others) == 2  # book asks for chapters, test for check
    for text in others:
        wanted = Requirement(text)
        for requirement, _ in lock[canonicalize_name(wanted.name)]:
            (pin,) = requirement.specifier
            assert wanted.specifier.contains(pin.version), f"{requirement} is outside {wanted}"


def test_pytorch_cpu_builds_are_locked_beside_those_of_pypi(root, lock):
    makefile = (root / "Makefile").read_text().replace("\\\n", " ")
    (known,) = re.findall(r"^TORCH_CPU := (\S+)$", makefile, re.M)
    (hashes,) = re.findall(r"^TORCH_CPU_HASHES := (.+)$", makefile, re.M)
    ((requirement, locked),) = lock["torch"]
    assert str(requirement.specifier) == f"=={known}"
    assert len(hashes.split()) == 2 * 4  # x86_64 and aarch64; CPython 3.11, 3.12, 3.13, 3.14
    assert {f"--hash=sha256:{h}" for h in hashes.split()} < set(locked)


@pytest.mark.skipif(
    "os.environ.get('RRM_OTHER_VERSIONS')",
    reason="this environment was made with other versions on purpose",
)
def test_this_environment_is_the_locked_one(lock):
    for name, entries in lock.items():
        for requirement, _ in entries:
            if requirement.marker is None or requirement.marker.evaluate():
                assert requirement.specifier.contains(version(name)), (
                    f"{name} {version(name)} is installed, the lock has {requirement}: run make env"
                )
