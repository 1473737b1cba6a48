"""The operator socket: one robot, one place, and nobody else gets at it."""

import os
import socket
import stat

import pytest

from edgevla.messages import Refused
from edgevla.runtime.sockets import AlreadyRunning, NotServed, SocketRefused, connect, listen, operator_socket


def test_it_lies_where_the_environment_says():
    assert operator_socket("arm", {"EDGEVLA_RUNTIME_DIR": "/run/edgevla"}).as_posix() == "/run/edgevla/arm.sock"
    assert operator_socket("arm", {"XDG_RUNTIME_DIR": "/run/user/7"}).as_posix() == "/run/user/7/edgevla/arm.sock"
    assert operator_socket("arm", {}).as_posix() == f"/tmp/edgevla-{os.getuid()}/arm.sock"


@pytest.mark.parametrize("name", ["", "..", "../arm", "a/b", "two joints", ".hidden", "x" * 65, "a\n"])
def test_a_name_that_could_lead_elsewhere_is_refused(name):
    with pytest.raises(SocketRefused, match="cannot name a socket"):
        operator_socket(name, {"EDGEVLA_RUNTIME_DIR": "/run/edgevla"})


def test_a_path_that_no_socket_can_have_is_refused():
    with pytest.raises(SocketRefused, match="too long"):
        operator_socket("arm", {"EDGEVLA_RUNTIME_DIR": "/" + "x" * 100})


@pytest.fixture
def listener(tmp_path):
    listener = listen(tmp_path / "run" / "arm.sock")
    yield listener
    listener.close()


def test_only_owner_and_group_get_at_it(listener):
    assert stat.S_IMODE(listener.path.stat().st_mode) == 0o660
    assert stat.S_IMODE(listener.path.parent.stat().st_mode) == 0o700


def test_a_client_is_connected_and_hears_what_is_said(listener):
    link = connect(listener.path)
    end, _ = listener.socket.accept()
    end.send(b"\x82\xa4type\xa7Refused\xa3why\xa4busy")
    assert link.drain() == [Refused(why="busy")]
    end.close()
    link.close()


def test_a_second_one_is_told_that_it_is_running_and_the_first_goes_on(listener):
    with pytest.raises(AlreadyRunning, match="arm is already being served") as refused:
        listen(listener.path)
    assert refused.value.exit_code == 3
    connect(listener.path).close()


def test_a_socket_that_a_dead_process_left_behind_is_replaced(tmp_path):
    path = tmp_path / "arm.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as left_behind:
        left_behind.bind(str(path))
    with pytest.raises(NotServed):
        connect(path)
    listener = listen(path)
    connect(path).close()
    listener.close()
    assert not path.exists()


def test_after_it_is_closed_another_one_may_have_the_place(tmp_path):
    for _ in range(2):
        listen(tmp_path / "arm.sock").close()


def test_who_finds_nobody_is_told_how_to_start(tmp_path):
    with pytest.raises(NotServed, match=r"arm is not being served.* - edgevla serve") as refused:
        connect(tmp_path / "arm.sock")
    assert refused.value.exit_code == 3


def test_a_folder_that_anybody_may_write_to_is_refused(tmp_path):
    tmp_path.chmod(0o777)
    with pytest.raises(SocketRefused, match="open to everybody"):
        listen(tmp_path / "arm.sock")


def test_a_folder_that_is_a_link_to_somewhere_is_refused(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(SocketRefused):
        listen(tmp_path / "link" / "arm.sock")


def test_a_folder_that_cannot_be_made_is_a_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SocketRefused, match="operator socket"):
        listen(tmp_path / "file" / "arm.sock")


def test_a_folder_that_somebody_else_has_made_in_a_common_place_has_no_robot_in_it(tmp_path, monkeypatch):
    common = tmp_path / "common"
    common.mkdir()
    common.chmod(0o1777)
    listener = listen(common / "edgevla-7" / "arm.sock")
    connect(listener.path).close()
    if os.getuid() == 0:
        os.chown(listener.path.parent, 1234, -1)
    else:
        monkeypatch.setattr(os, "getuid", lambda: 1234)
    with pytest.raises(NotServed, match="belongs to another user"):
        connect(listener.path)
    listener.close()
