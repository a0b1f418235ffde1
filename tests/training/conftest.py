"""Small trainings: a TRM and an HRM on 4x4, in one thread."""

import pytest
import torch

from rrm_core.models.config import Config
from rrm_core.training import recipes
from rrm_core.training.trainer import Trainer

HRM = Config("hrm", "attention", 4, 16, 1, 1, 2, 2, heads=2, prefix=1)


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def smoke():
    """``smoke(folder, **changes)``: a Trainer of the smoke preset, shorter."""

    def build(folder, **changes):
        often = {"steps": 12, "batch": 16, "eval_every": 6, "checkpoint_every": 6}
        return Trainer(*recipes.preset("smoke", **often | {"eval_puzzles": 8} | changes), folder)

    return build


@pytest.fixture
def small_hrm():
    """``small_hrm(folder, **changes)``: a Trainer of an HRM that is smaller still."""

    def build(folder, **changes):
        often = {"steps": 6, "batch": 8, "eval_every": 3, "checkpoint_every": 3}
        recipe = recipes.preset("smoke", **often | {"eval_puzzles": 8} | changes)[1]
        return Trainer(HRM, recipe, folder)

    return build
