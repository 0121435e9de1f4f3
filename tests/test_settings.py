"""Settings come from the environment, are checked at once, and are documented."""

import re
from pathlib import Path

import pytest

from app.keys import digest
from app.settings import PREFIX, Settings, SettingsError, read_settings, unknown_variables

OPERATIONS = Path(__file__).parents[1] / "docs" / "operations.md"


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"{PREFIX}{name.upper()}", raising=False)


def test_defaults() -> None:
    settings = read_settings()
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.model == Path("models/polyp-unet")
    assert settings.max_body_bytes == 32 * 2**20
    assert settings.max_bodies_bytes == 256 * 2**20
    assert settings.max_pixels == 25_000_000
    assert settings.deadline_ms == 10_000
    assert settings.keys == frozenset()
    assert settings.cors_origins == ()


def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYPSEG_PORT", "9000")
    monkeypatch.setenv("POLYPSEG_CORS_ORIGINS", "https://a.example, http://b.example:8080,")
    monkeypatch.setenv("POLYPSEG_API_KEYS", f"{digest('one')},{digest('two')}")
    settings = read_settings()
    assert settings.port == 9000
    assert settings.cors_origins == ("https://a.example", "http://b.example:8080")
    assert settings.keys == {digest("one"), digest("two")}


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("https://Viewer.example", "https://viewer.example"),
        ("https://viewer.example:443", "https://viewer.example"),
        ("http://viewer.example:80", "http://viewer.example"),
        ("https://viewer.example:80", "https://viewer.example:80"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_origins_are_written_as_browsers_do(given: str, sent: str) -> None:
    assert read_settings(cors_origins=given).cors_origins == (sent,)


def test_empty_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.setenv(f"{PREFIX}{name.upper()}", "")
    assert read_settings() == Settings.model_construct()


def test_what_is_given_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYPSEG_PORT", "9000")
    assert read_settings(port=1, host=None).port == 1
    assert read_settings(port=None).port == 9000


def test_keys_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"{digest('one')}  # viewer\n")
    assert read_settings(api_keys_file=file, api_keys=digest("two")).keys == {
        digest("one"),
        digest("two"),
    }


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("port", "65536", "less than or equal to 65535"),
        ("port", "http", "integer"),
        ("engine", "torch", "'auto', 'onnxruntime' or 'tensorflow'"),
        ("device", "tpu", "'auto', 'cpu' or 'gpu'"),
        ("model_version", "latest", "pattern"),
        ("deadline_ms", "0", "greater than 0"),
        ("max_pixels", "-1", "greater than 0"),
        ("cors_origins", "*", "origin such as"),
        ("cors_origins", "https://a.example/path", "origin such as"),
        ("cors_origins", "https://jane@a.example", "origin such as"),
        ("cors_origins", "https://a.example?b", "origin such as"),
        ("log_level", "loud", "'debug'"),
    ],
)
def test_a_wrong_value_is_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: str
) -> None:
    variable = f"{PREFIX}{name.upper()}"
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as error:
        read_settings()
    (line,) = str(error.value).splitlines()
    assert line.startswith(f"{variable} has value '{value}': ")
    assert expected in line


def test_every_wrong_value_is_told() -> None:
    with pytest.raises(SettingsError) as error:
        read_settings(port=-1, device="tpu")
    assert [line.split()[0] for line in str(error.value).splitlines()] == [
        "POLYPSEG_PORT",
        "POLYPSEG_DEVICE",
    ]


def test_misspelt_variables_are_found() -> None:
    names = ["PATH", "POLYPSEG_PORT", "polypseg_host", "POLYPSEG_API_KEY", "POLYPSEG_XYZ"]
    names += ["POLYPSEG_DATA", "POLYPSEG_SEED"]

    assert unknown_variables(names) == {
        "POLYPSEG_API_KEY": "POLYPSEG_API_KEYS",
        "POLYPSEG_XYZ": None,
    }


def test_a_key_in_place_of_its_digest_is_not_repeated() -> None:
    with pytest.raises(SettingsError, match=r"^POLYPSEG_API_KEYS: .*sha256sum") as error:
        read_settings(api_keys="my-secret-key")
    assert "my-secret-key" not in str(error.value)


def test_a_file_of_keys_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"KEYS_FILE has value '.*missing': No such file"):
        read_settings(api_keys_file=tmp_path / "missing")
    file = tmp_path / "keys"
    file.write_text("my-secret-key\n")
    with pytest.raises(SettingsError, match="sha256sum") as error:
        read_settings(api_keys_file=file)
    assert "my-secret-key" not in str(error.value)


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"deadline_ms": 70_000}, ("DEADLINE_MS", "MAX_DEADLINE_MS")),
        ({"max_bodies_bytes": 1000}, ("MAX_BODY_BYTES", "MAX_BODIES_BYTES")),
    ],
)
def test_settings_that_contradict_each_other(
    settings: dict[str, int], names: tuple[str, ...]
) -> None:
    with pytest.raises(SettingsError) as error:
        read_settings(**settings)
    for name in names:
        assert f"{PREFIX}{name} (" in str(error.value)


def test_documentation_lists_every_setting_as_it_is() -> None:
    rows = dict(
        re.findall(r"^\| `POLYPSEG_(\w+)` \| (.*) \|$", OPERATIONS.read_text("utf-8"), re.MULTILINE)
    )
    assert rows == {
        name.upper(): f"{_shown(field.default)} | {field.description}"
        for name, field in Settings.model_fields.items()
    }


def _shown(default: object) -> str:
    if default is None or default == () or default == frozenset():
        return ""
    return f"`{default}`"


def test_a_value_with_a_line_break_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYPSEG_MODEL_VERSION", "grün\n1")
    with pytest.raises(SettingsError) as error:
        read_settings()
    (line,) = str(error.value).splitlines()
    assert line.startswith("POLYPSEG_MODEL_VERSION has value 'grün\\n1': ")
