"""Flags over the environment over the file, and a typo is an error."""

import pytest
from pydantic import ValidationError

from controller.settings import SettingsError, load_settings, parse_lookahead


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_order_of_sources(folder, monkeypatch):
    (folder / "controller.toml").write_text('seed = 1\nmodel = "from file"\nbudget = 10\n')
    monkeypatch.setenv("CONTROLLER_SEED", "2")
    monkeypatch.setenv("CONTROLLER_MODEL", "from environment")
    settings = load_settings(seed=3)
    assert (settings.seed, settings.model, settings.budget) == (3, "from environment", 10)


def test_named_file(folder):
    (folder / "other.toml").write_text("seed = 9\n")
    assert load_settings(folder / "other.toml").seed == 9
    with pytest.raises(SettingsError, match="no settings file"):
        load_settings(folder / "missing.toml")


def test_typo_in_file_and_environment(folder, monkeypatch):
    (folder / "controller.toml").write_text('modle = "x"\n')
    with pytest.raises(SettingsError, match="did you mean 'model'"):
        load_settings()
    (folder / "controller.toml").unlink()
    monkeypatch.setenv("CONTROLLER_SED", "1")
    with pytest.raises(SettingsError, match="did you mean 'CONTROLLER_SEED'"):
        load_settings()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("seed = ", "TOML"),
        ('seed = "many"', "seed"),
        ("seed = -1", "seed"),
        (f"seed = {2**63}", "seed"),
        (f"seed = {'9' * 5000}", "TOML"),
        ('lookahead = "4"', "W,D"),
    ],
)
def test_bad_file(folder, text, why):
    (folder / "controller.toml").write_text(text)
    with pytest.raises(SettingsError, match=why):
        load_settings()


def test_file_that_is_no_text(folder):
    (folder / "controller.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="UTF-8|TOML"):
        load_settings()


@pytest.mark.parametrize(
    "url", ["notaurl", "", "127.0.0.1:8000", "ftp://x", "http://", "http://x:y", "http://x:70000", "http://[", "http://a_b..c"]
)
def test_an_address_that_is_none(url):
    with pytest.raises(SettingsError, match="base_url: .* is no server address: give"):
        load_settings(base_url=url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "https://me:secret@host/v1", "http://[::1]:8000"])
def test_an_address(url):
    assert load_settings(base_url=url).server_url == url


def test_changes_of_the_policy():
    assert load_settings().policy_changes == {}
    settings = load_settings(lookahead="4,2", position="periodic", accept=0.0)
    assert settings.policy_changes == {"width": 4, "depth": 2, "position": "periodic:30", "accept": 0.0}


def test_frozen():
    with pytest.raises(ValidationError):
        load_settings().seed = 1


@pytest.mark.parametrize("text", ["", "4", "4,", ",1", "a,b", "-1,1", "4,1,1", "4;1"])
def test_bad_lookahead(text):
    with pytest.raises(ValueError):
        parse_lookahead(text)
