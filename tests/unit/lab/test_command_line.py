import pytest

from stargate_lab.__main__ import main


@pytest.mark.parametrize("wrong", ["abc", "-5", "0", "1.5", "100000"])
@pytest.mark.parametrize("command", ["demo", "up"])
def test_wrong_number_of_nodes_is_refused_before_start(
    command: str, wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, f"--nodes={wrong}"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert f"NODES must be a whole number from 1 to 99999, not '{wrong}'" in said


def test_demo_takes_number_of_nodes_from_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NODES", "abc")
    with pytest.raises(SystemExit):
        main(["demo"])
    assert "not 'abc'" in capsys.readouterr().err
