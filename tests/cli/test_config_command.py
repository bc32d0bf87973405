"""`config show`, `init`: what is shown is what would be used, what is written can be read."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from simgan.cli import layers, settings
from simgan.cli.config import command, init
from simgan.engine.config import TrainConfig, to_dict, train_config
from simgan.engine.errors import ConfigError
from simgan.engine.evaluation.ablation.config import AblateConfig, ablate_config
from simgan.engine.evaluation.config import EvaluateConfig
from simgan.engine.evaluation.realism.config import RealismConfig
from simgan.engine.refine_config import RefineConfig


def show(*arguments: str) -> Result:
    return CliRunner().invoke(command, ["show", *arguments], catch_exceptions=False)


def write(*arguments: str) -> Result:
    return CliRunner().invoke(init, list(arguments), catch_exceptions=False)


def rows(result: Result) -> list[str]:
    return [" ".join(line.split()) for line in result.output.splitlines()]


def test_origins_are_shown_on_request(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("simgan.toml").write_text("[train]\nlr = 0.01\n")
    monkeypatch.setenv("SIMGAN_K_D", "2")
    shown = rows(show("--origin", "--set", "amp=true"))
    for row in (
        "lr 0.01 simgan.toml",
        "k_d 2 SIMGAN_K_D",
        "amp true --set amp",
        "steps 400 preset demo",
        "data.exif auto default",
    ):
        assert row in shown
    assert "lr 0.01" in rows(show())


def test_json_is_the_config_itself(in_tmp: Path) -> None:
    assert json.loads(show("--json").output) == to_dict(train_config())
    refine = json.loads(show("refine", "--json", "--origin").output)
    assert refine["config"] == to_dict(RefineConfig())
    assert set(refine["origins"].values()) == {"default"}


def test_a_new_file_changes_nothing_but_what_was_asked(in_tmp: Path) -> None:
    Path("sim").mkdir()
    Path("photos").mkdir()
    assert write("sim", "photos").output.splitlines()[0] == "wrote simgan.toml"
    given = {"synthetic": "sim", "real": "photos"}
    assert tomllib.loads(Path("simgan.toml").read_text()) == {
        "train": given,
        "refine": {},
        "evaluate": {},
        "ablate": {},
        "check-labels": {},
        "check-realism": {},
        "turing": {},
        "data": {},
    }
    assert settings.resolve(TrainConfig, {}, environ={}).config == train_config(given)


@pytest.mark.parametrize("preset", ["demo", "gaze", "hand"])
def test_every_commented_line_is_the_default_of_its_setting(preset: str, in_tmp: Path) -> None:
    write("--preset", preset)
    text = Path("simgan.toml").read_text()
    opened = re.sub(r"^# (\w+ = (?!\"?<).*)$", r"\1", text, flags=re.M)
    assert opened != text
    Path("simgan.toml").write_text(opened)
    assert settings.resolve(TrainConfig, {}, environ={}).config == train_config({"preset": preset})
    # What a preset says about the data stands in [data], which `refine` reads too.
    assert settings.resolve(RefineConfig, {}, environ={}).config.batch == RefineConfig().batch
    assert settings.resolve(EvaluateConfig, {}, environ={}).config == EvaluateConfig()
    ablation = settings.resolve(AblateConfig, {}, environ={}).config
    assert ablation == ablate_config({"preset": preset})
    assert settings.resolve(RealismConfig, {}, environ={}).config == RealismConfig()


def test_every_setting_is_in_the_file(in_tmp: Path) -> None:
    write()
    text = Path("simgan.toml").read_text()
    for cls in layers.TABLES.values():
        for name in to_dict(cls()):
            assert name == "data" or re.search(rf"^(# )?{name} = ", text, re.M), name


def test_an_existing_file_is_replaced_on_request_only(in_tmp: Path) -> None:
    Path("simgan.toml").write_text("mine")
    with pytest.raises(ConfigError, match=r"simgan.toml already exists"):
        write()
    assert Path("simgan.toml").read_text() == "mine"
    assert write("--force").exit_code == 0
    assert "[train]" in Path("simgan.toml").read_text()


def test_data_that_does_not_exist_is_not_written_down(in_tmp: Path) -> None:
    with pytest.raises(ConfigError, match="synthetic: nowhere does not exist"):
        write("nowhere")
    assert not Path("simgan.toml").exists()
