"""Settings from presets, files, variables and options: who wins, and who is named."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from simgan.cli import layers, settings
from simgan.cli.ablate import command as ablate_command
from simgan.cli.check_labels import command as check_labels_command
from simgan.cli.check_realism import command as realism_command
from simgan.cli.evaluate import command as evaluate_command
from simgan.cli.refine import command as refine_command
from simgan.cli.train import command as train_command
from simgan.cli.turing import command as turing_command
from simgan.engine.config import DataPolicy, TrainConfig, to_json, train_config
from simgan.engine.errors import ConfigError
from simgan.engine.evaluation.ablation.config import QUICK, AblateConfig
from simgan.engine.evaluation.config import EvaluateConfig
from simgan.engine.evaluation.label_check.config import CheckLabelsConfig
from simgan.engine.evaluation.realism.config import RealismConfig
from simgan.engine.evaluation.turing.config import TuringConfig
from simgan.engine.refine_config import RefineConfig

OWN = {
    "train": {"resume", "dry_run", "as_json", "quiet", "verbose", "config_file", "assignments"},
    "refine": {"as_json", "quiet", "verbose", "config_file", "assignments"},
    "evaluate": {"as_json", "quiet", "verbose", "config_file", "assignments"},
    "ablate": {"dry_run", "as_json", "quiet", "verbose", "config_file", "assignments"},
    "check-labels": {"as_json", "quiet", "verbose", "config_file", "assignments"},
    "check-realism": {"as_json", "quiet", "verbose", "config_file", "assignments"},
    "turing": {"folder", "as_json", "quiet", "verbose", "config_file", "assignments"},
}


def resolve(
    cls: type = TrainConfig, environ: dict[str, str] | None = None, **params: Any
) -> settings.Resolved[Any]:
    return settings.resolve(cls, params, environ=environ or {})


def refusal(cls: type = TrainConfig, **given: Any) -> ConfigError:
    with pytest.raises(ConfigError) as info:
        resolve(cls, **given)
    return info.value


@pytest.mark.parametrize(
    ("cls", "command"),
    [
        (TrainConfig, train_command),
        (RefineConfig, refine_command),
        (EvaluateConfig, evaluate_command),
        (AblateConfig, ablate_command),
        (CheckLabelsConfig, check_labels_command),
        (RealismConfig, realism_command),
        (TuringConfig, turing_command),
    ],
    ids=["train", "refine", "evaluate", "ablate", "check-labels", "check-realism", "turing"],
)
def test_options_are_the_fields_of_the_config(cls: type, command: click.Command) -> None:
    names = {field.name for field in dataclasses.fields(cls)} - {"data"}
    names |= {f"data_{field.name}" for field in dataclasses.fields(DataPolicy)}
    params = {param.name: param for param in command.params}
    assert set(params) - OWN[command.name or ""] == names
    for key in layers.keys(cls):
        param = params[settings.parameter(key.name)]
        assert settings.flag(key.name) in param.opts
        assert param.get_default(click.Context(command)) in (None, ()), "a default exists once"


def test_a_switch_can_be_turned_off_and_a_choice_is_checked() -> None:
    run = CliRunner().invoke(train_command, ["--adversarial", "patchy"])
    assert run.exit_code == 2
    assert "'patchy' is not one of 'local', 'global'" in run.output
    switch = next(param for param in train_command.params if param.name == "history")
    assert switch.secondary_opts == ["--no-history"]


def test_help_has_sections_and_tells_what_presets_change() -> None:
    text = CliRunner().invoke(train_command, ["--help"], terminal_width=100).output
    places = [text.index(f"\n{group}:\n") for group in settings.GROUPS]
    assert places == sorted(places)
    assert "[default: 512; hand 32; demo 32]" in text


FILE = '[train]\nlr = 0.002\nbatch = 8\nk_g = 3\nseed = 4\n[data]\nrange = "full"\nlimit = 9\n'


def test_preset_gives_way_to_file_to_variable_to_option(in_tmp: Path) -> None:
    Path("simgan.toml").write_text(FILE)
    environ = {"SIMGAN_K_G": "5", "SIMGAN_SEED": "6", "SIMGAN_DATA_LIMIT": "7"}
    found = resolve(environ=environ, seed=8, assignments=("data.limit=11", "amp=true"))
    expected = {
        "steps": (400, "preset demo"),
        "k_d": (1, "default"),
        "preset": ("demo", "default"),
        "batch": (8, "simgan.toml"),
        "lr": (0.002, "simgan.toml"),
        "k_g": (5, "SIMGAN_K_G"),
        "seed": (8, "--seed"),
        "amp": (True, "--set amp"),
        "data.range": ("full", "simgan.toml"),
        "data.limit": (11, "--set data.limit"),
    }
    for name, (value, origin) in expected.items():
        owner, field = (
            (found.config.data, name[5:]) if name[:5] == "data." else (found.config, name)
        )
        assert (getattr(owner, field), found.origins[name]) == (value, origin), name
    assert list(found.origins) == [key.name for key in layers.keys(TrainConfig)]


def test_presets_say_nothing_about_what_happens_to_images() -> None:
    for preset in ("demo", "gaze", "hand"):
        assert resolve(preset=preset).config.data == DataPolicy()


def test_a_file_named_by_option_replaces_the_automatic_one(in_tmp: Path) -> None:
    Path("simgan.toml").write_text("[train]\nlr = 0.5\n")
    Path("other.toml").write_text("[train]\nbatch = 4\n")
    found = resolve(config_file="other.toml")
    assert (found.config.batch, found.config.lr) == (4, 0.001)
    assert found.origins["batch"] == "other.toml"


def test_the_config_of_a_run_can_be_given_again(in_tmp: Path) -> None:
    config = train_config(
        {"lr": 0.01, "preset": "hand", "data": {"range": "0..4095", "size": None}}
    )
    Path("config.json").write_text(to_json(config))
    assert resolve(config_file="config.json").config == config


def test_a_table_of_one_command_wins_over_the_shared_one(in_tmp: Path) -> None:
    Path("simgan.toml").write_text('[data]\nchannels = "gray"\n[refine.data]\nchannels = "rgb"\n')
    assert resolve(TrainConfig).config.data.channels == "gray"
    assert resolve(RefineConfig).config.data.channels == "rgb"
    assert resolve(DataPolicy).config.channels == "gray"


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("lr=1e-3", "lr", 0.001),
        ("steps=12", "steps", 12),
        ("amp=true", "amp", True),
        ("k-g=4", "k_g", 4),
        ("synthetic=0007", "synthetic", "0007"),
        ("synthetic=12", "synthetic", "12"),
        ('real="a b"', "real", "a b"),
        ("real=a=b", "real", "a=b"),
        ("out=2024-01-01", "out", "2024-01-01"),
        ("optimizer=sgd", "optimizer", "sgd"),
    ],
)
def test_set_values_are_typed(text: str, name: str, value: object) -> None:
    got = getattr(resolve(synthetic=None, assignments=(text,)).config, name)
    assert (got, type(got)) == (value, type(value))


UNKNOWN, FOUND = "unknown setting", "simgan.toml"


@pytest.mark.parametrize(
    ("file", "what", "where"),
    [
        ("[train]\nbtch = 1", f"{UNKNOWN} btch. Did you mean batch?", f"{FOUND}, [train]"),
        ("[data]\nrnge = 1", f"{UNKNOWN} data.rnge. Did you mean data.range?", f"{FOUND}, [data]"),
        ("[refine]\nbach = 2", f"{UNKNOWN} bach. Did you mean batch?", f"{FOUND}, [refine]"),
        ("[trian]\n", "unknown table [trian]. Did you mean [train]?", "simgan.toml"),
        ("lr = 1\n", "lr stands outside of any table", "simgan.toml"),
        ("[train]\nlr = true\n", "lr must be a number, got True", "set by simgan.toml"),
        ("[train]\nk_g = 0\n", "k_g must be at least 1, got 0", "set by simgan.toml"),
        ("train = 3\n", "expected a table of settings, got 3", "simgan.toml, [train]"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_file_is_named_with_its_place(
    file: str, what: str, where: str, in_tmp: Path
) -> None:
    Path("simgan.toml").write_text(file)
    error = refusal()
    assert (error.what, error.where) == (what, where)


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("a.toml", "lr = ", "a.toml is not valid TOML"),
        ("a.json", '{"lr": NaN}', "a.json is not valid JSON: NaN is not a number"),
        ("a.json", "[1]", "a.json must hold a table of settings"),
        ("a.toml", None, "no config file a.toml"),
    ],
)
def test_a_malformed_file_is_refused(
    name: str, text: str | None, sentence: str, in_tmp: Path
) -> None:
    if text is not None:
        Path(name).write_text(text)
    assert sentence in refusal(config_file=name).what


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({"SIMGAN_LR": "fast"}, "SIMGAN_LR must be a number, got 'fast'"),
        ({"SIMGAN_AMP": "maybe"}, "SIMGAN_AMP must be true or false, got 'maybe'"),
        ({"SIMGAN_STEPS": "1.5"}, "SIMGAN_STEPS must be a whole number, got '1.5'"),
        ({"SIMGAN_LAMBDA_RG": "1"}, "SIMGAN_LAMBDA_RG. Did you mean SIMGAN_LAMBDA_REG?"),
        ({"SIMGAN_SEED": "-1"}, "seed must be between 0 and"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_variable_is_named(environ: dict[str, str], sentence: str) -> None:
    assert sentence in refusal(environ=environ).what


def test_variables_that_are_no_settings_are_left_alone() -> None:
    environ = {"SIMGAN_BACKEND": "residual_block=triton", "SIMGAN_DEBUG": "1", "SIMGAN_AMP": ""}
    found = resolve(environ={**environ, "SIMGAN_WORKERS": "3", "SIMGAN_HOSTS": "a"})
    assert found.config.backend is None
    assert found.origins["amp"] == "default"


def test_an_unknown_name_after_set_is_refused() -> None:
    error = refusal(assignments=("data.rang=full",))
    assert error.what == "unknown setting data.rang. Did you mean data.range?"
    assert error.where == "--set data.rang=full"


def test_a_bad_value_names_the_option_it_came_from() -> None:
    assert refusal(kernel=4).where == "set by --kernel"
    assert refusal(history=False, batch=3).where == "set by --batch"


@pytest.mark.parametrize(
    "params", [{"lr": 0.1, "assignments": ("lr=0.2",)}, {"assignments": ("lr",)}]
)
def test_contradictory_or_incomplete_options_are_usage_errors(params: dict[str, Any]) -> None:
    with pytest.raises(click.UsageError):
        resolve(**params)


def test_the_origin_of_a_switch_turned_off_is_spelled_as_typed() -> None:
    assert resolve(history=False).origins["history"] == "--no-history"


def test_settings_in_json_are_what_the_engine_gets(in_tmp: Path) -> None:
    Path("c.json").write_text(json.dumps({"train": {"lr": 1}, "data": {"max_bad": 0}}))
    config = resolve(config_file="c.json").config
    assert (config.lr, config.data.max_bad) == (1, 0)


def test_an_ablation_begins_with_the_settings_of_train(in_tmp: Path) -> None:
    Path("simgan.toml").write_text(
        '[train]\nlr = 0.002\nbatch = 8\nkeep = 9\nout = "mine"\nsynthetic = "a"\nreal = "b"\n'
        "[train.data]\nlimit = 9\n[ablate]\nbatch = 16\nseeds = 4\n"
    )
    found = resolve(AblateConfig, k_g=3)
    config = found.config
    assert (config.lr, config.batch, config.seeds, config.k_g) == (0.002, 16, 4, 3)
    assert (config.data.limit, config.out, config.preset) == (9, "ablation", "gaze")
    assert config.keep == 1, "its own, as out is"
    assert found.origins["lr"] == "simgan.toml" and found.origins["steps"] == "default"
    assert resolve(TrainConfig).config.out == "mine"


def test_an_ablation_without_data_is_a_quick_look(in_tmp: Path) -> None:
    found = resolve(AblateConfig)
    assert found.config.steps == QUICK["steps"]
    assert found.origins["estimator_steps"] == "preset demo"


def test_a_list_of_sets_comes_from_a_file_a_variable_an_option_or_set(in_tmp: Path) -> None:
    Path("simgan.toml").write_text('[evaluate]\ntrain = ["a", "b=c"]\n')

    def train(environ: dict[str, str] | None = None, **params: Any) -> tuple[str, ...]:
        config = resolve(EvaluateConfig, environ, **params).config
        return tuple(config.train)

    assert train(train=()) == ("a", "b=c"), "an option that is not given"
    assert train({"SIMGAN_TRAIN": "d"}) == ("d",)
    assert train({"SIMGAN_TRAIN": "d"}, train=("e", "f")) == ("e", "f")
    assert train(assignments=['train=["g", "h"]']) == ("g", "h")
    assert train(assignments=["train=g"]) == ("g",)
    Path("simgan.toml").write_text("[evaluate]\ntrain = [1]\n")
    with pytest.raises(ConfigError, match="train must be text, got 1"):
        train()
