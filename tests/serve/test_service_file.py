"""The file that `serve deploy` takes: what it promises, and Ray's own schema."""

import subprocess
import sys
import warnings

import pytest
import yaml

from dass.errors import InvalidConfig
from serve.render import SOURCE, main, render
from serve.settings import Settings, digest, digest_of_own

GUARDED = Settings(
    store="s3://b/p", predictor="mine", max_replicas=8, token_digest=digest("secret")
)


def test_the_file_in_the_repository_asks_for_what_a_deployment_is_by_default():
    (application,) = yaml.safe_load(SOURCE.read_text())["applications"]
    assert Settings(**application["args"]) == Settings()


def test_what_is_printed_deploys_the_settings_that_were_given():
    source, mine = yaml.safe_load(SOURCE.read_text()), yaml.safe_load(render(GUARDED))
    assert Settings(**mine["applications"][0].pop("args")) == GUARDED
    source["applications"][0].pop("args")
    assert mine == source
    assert yaml.safe_load(render(GUARDED, host="0.0.0.0"))["http_options"]["host"] == "0.0.0.0"


def test_of_the_token_only_a_digest_is_printed(monkeypatch, capsys):
    monkeypatch.setenv("DASS_TOKEN", "secret")
    main(Settings())
    printed = capsys.readouterr().out
    assert digest("secret") in printed and "secret" not in printed


def test_a_service_without_a_token_must_be_wanted(monkeypatch, capsys):
    monkeypatch.delenv("DASS_TOKEN", raising=False)
    with pytest.raises(SystemExit) as stop:
        main(Settings())
    assert stop.value.code == 2 and "DASS_TOKEN is not set" in capsys.readouterr().err
    main(Settings(insecure=True))
    assert "insecure: true" in capsys.readouterr().out


def test_printing_it_needs_no_ray():
    code = "import sys, serve.render; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=SOURCE.parents[1]).returncode == 0


@pytest.mark.ray
def test_ray_accepts_what_is_printed():
    with warnings.catch_warnings():  # of Ray's own
        warnings.simplefilter("ignore")
        from ray.serve.schema import ServeDeploySchema

    for text in (SOURCE.read_text(), render(GUARDED)):
        ServeDeploySchema.model_validate(yaml.safe_load(text))


@pytest.mark.parametrize("token", ["ünï", "a\nb", " led", "trailed ", "a\tb", "\udcff", "日本"])
def test_a_token_that_no_client_could_send_is_refused_at_the_start(token, monkeypatch, capsys):
    with pytest.raises(InvalidConfig, match="printable ASCII"):
        digest_of_own(token)
    monkeypatch.setattr("os.environ", {"DASS_TOKEN": token})
    with pytest.raises(SystemExit):
        main(Settings())
    assert "printable ASCII" in capsys.readouterr().err
