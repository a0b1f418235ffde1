"""Recipes: presets, fields given as texts, what repeats share."""

import json
import re
from dataclasses import fields, replace
from pathlib import Path

import pytest
import yaml

from rrm_core.models.config import PUBLISHED
from rrm_core.training import recipes
from rrm_core.training.optim import OPTIMISERS


def test_published_presets_have_the_published_sizes():
    for name, batch in (("trm-9x9", 768), ("hrm-9x9", 768), ("hrm-9x9-brief", 256)):
        config, recipe = recipes.preset(name)
        assert config == PUBLISHED[name[:3]] and recipe.batch == batch
    assert recipes.preset("hrm-9x9")[1].optimiser == "adam-atan2"
    for name in ("trm-9x9", "hrm-9x9", "trm-9x9-brief", "hrm-9x9-brief"):
        recipe = recipes.preset(name)[1]
        assert recipe.lr * recipe.weight_decay == pytest.approx(1e-4)  # the published product
    assert recipes.preset("hrm-9x9-brief")[1].lr == 1e-4  # at 3e-4 an HRM swings


def test_unknown_presets_and_fields_are_refused():
    with pytest.raises(recipes.TrainingError, match="unknown preset 'trm-7x7'; known: trm-6x6"):
        recipes.preset("trm-7x7")
    with pytest.raises(TypeError, match="speed"):
        recipes.preset("smoke", speed=3)


def test_fields_of_the_recipe_given_as_texts():
    given = {
        "lr": "2e-4",
        "batch": "32",
        "compile": "true",
        "betas": "0.9,0.99",
        "optimiser": "adam-atan2",
    }
    assert recipes.preset("smoke", **recipes.parsed(given))[1] == replace(
        recipes.preset("smoke")[1],
        lr=2e-4,
        batch=32,
        compile=True,
        betas=(0.9, 0.99),
        optimiser="adam-atan2",
    )
    for name, text, said in (
        ("lrr", "1", "unknown recipe fields ['lrr']"),
        ("batch", "1.5", "batch='1.5': expected int"),
        ("compile", "yes", "compile='yes': expected bool"),
    ):
        with pytest.raises(recipes.TrainingError, match=re.escape(said)):
            recipes.parsed({name: text})


def test_the_recipes_of_shipped_runs_are_recipes_and_repeats_of_themselves(root):
    for path in sorted((root / "data" / "runs").glob("*/run.json")):
        if not (recipe := json.loads(path.read_text())["recipe"]):
            continue  # a model of others, trained elsewhere
        values = recipe | {"betas": tuple(recipe["betas"])}
        assert isinstance(recipes.Recipe(**values).bf16, bool)
        elsewhere = recipe | {"bf16": not recipe["bf16"], "seed": 7, "steps": 3}
        assert recipes.essentials(elsewhere) == recipes.essentials(recipe)
        assert recipes.essentials(recipe | {"lr": 1.0}) != recipes.essentials(recipe)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"steps": "0"}, "steps=0: expected a number from 1"),
        ({"batch": "0"}, "batch=0: expected"),
        ({"batch": "100000000"}, "from 1 to 65536"),
        ({"lr": "0"}, "lr=0.0: expected"),
        ({"lr": "nan"}, "lr=nan: expected"),
        ({"lr": "inf"}, "lr=inf: expected"),
        ({"weight_decay": "-1"}, "weight_decay=-1.0: expected"),
        ({"lr": "0.5", "weight_decay": "2"}, "expected a product below 1"),
        ({"optimiser": "sgd"}, "optimiser='sgd': expected adamw or adam-atan2"),
        ({"betas": "0.9"}, "betas=0.9: expected two numbers"),
        ({"betas": "0.9,1"}, "betas=0.9,1.0: expected two numbers"),
        ({"betas": "0.9,nan"}, "betas=0.9,nan: expected two numbers"),
        ({"betas": "a,b"}, "betas='a,b': expected tuple"),
        ({"warmup": "-1"}, "warmup=-1: expected"),
        ({"ema": "1"}, "ema=1.0: expected"),
        ({"extra_givens": "-1"}, "extra_givens=-1: expected"),
        ({"explore": "1.5"}, "explore=1.5: expected"),
        ({"continue_share": "0"}, "continue_share=0.0: expected"),
        ({"branches": "0"}, "branches=0: expected"),
        ({"branches": "4"}, "branches=4, sigma=0.0: expected both"),
        ({"sigma": "0.1"}, "branches=1, sigma=0.1: expected both"),
        ({"eval_every": "-1"}, "eval_every=-1: expected"),
        ({"puzzles": "4x4-train"}, "puzzles='4x4-train': -train is added to it; give '4x4'"),
        ({"eval_puzzles": "0"}, "eval_puzzles=0: expected"),
        ({"checkpoint_every": "-5"}, "checkpoint_every=-5: expected"),
        ({"log_every": "-1"}, "log_every=-1: expected"),
        ({"seed": "-1"}, "seed=-1: expected"),
        ({"seed": "9" * 20}, "expected a number from 0"),
        ({"puzzles": "../x"}, "puzzle set name '../x': expected"),
        ({"bf16": "none"}, "bf16='none': expected bool"),
        ({"start": "abc"}, "unknown recipe fields ['start']"),
    ],
)
def test_a_value_that_no_training_could_have_is_refused_by_name(given, said):
    with pytest.raises(ValueError, match=re.escape(said)) as refused:
        recipes.preset("smoke", **recipes.parsed(given))
    assert "\n" not in str(refused.value)


def test_every_number_of_a_recipe_has_a_range_that_its_default_and_the_presets_keep():
    numbers = {f.name for f in fields(recipes.Recipe) if f.type in ("int", "float")}
    assert numbers == set(recipes.RANGES)
    assert set(recipes.OPTIMISER_NAMES) == set(OPTIMISERS)
    for name in yaml.safe_load(Path(recipes.__file__).with_name("presets.yml").read_text()):
        assert recipes.preset(name)[1].steps > 0
