"""Recipes: presets, fields given as texts, what repeats share."""

import json
import re
from dataclasses import replace

import pytest

from rrm_core.models.config import PUBLISHED
from rrm_core.training import recipes


def test_published_presets_have_the_published_sizes():
    for name, batch in (("trm-9x9", 768), ("hrm-9x9", 768), ("hrm-9x9-brief", 256)):
        config, recipe = recipes.preset(name)
        assert config == PUBLISHED[name[:3]] and recipe.batch == batch
    assert recipes.preset("hrm-9x9")[1].optimiser == "adam-atan2"


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
        recipe = json.loads(path.read_text())["recipe"]
        values = recipe | {"betas": tuple(recipe["betas"])}
        assert isinstance(recipes.Recipe(**values).bf16, bool)
        elsewhere = recipe | {"bf16": not recipe["bf16"], "seed": 7, "steps": 3}
        assert recipes.essentials(elsewhere) == recipes.essentials(recipe)
        assert recipes.essentials(recipe | {"lr": 1.0}) != recipes.essentials(recipe)
