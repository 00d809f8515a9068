import http.client
import threading

import pytest

from jaxvis.site.building import build_site
from jaxvis.site.serving import describe_state, open_server
from tests.site.fabricate import Fabric, fabricate


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    base = tmp_path_factory.mktemp("serving")
    sweep = fabricate(base / "sweep", Fabric(taps=("conv1_1",), units=2, seeds=1, measured=False))
    build_site([sweep], base / "site")
    (base / "site" / ".secret").write_text("x")
    return sweep, base / "site"


@pytest.fixture(scope="module")
def ask(folders):
    with open_server(folders[1]) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def ask(path, host="localhost"):
            connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
            connection.request("GET", path, headers={"Host": host})
            answer = connection.getresponse()
            body = answer.read()
            connection.close()
            return answer, body

        assert server.server_address[0] == "127.0.0.1"
        yield ask
        server.shutdown()


def test_the_site_is_served_with_its_rules(ask):
    answer, body = ask("/")
    assert answer.status == 200 and b"conv1_1" in body
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert ask("/data/status.js?12")[0].status == 200
    assert ask("/units/conv1_1/0001.html")[0].status == 200


@pytest.mark.parametrize(
    "path", ["/units/", "/pictures", "/.secret", "/%2esecret", "/../sweep/plan.json", "/%2e%2e/x"]
)
def test_nothing_else_is_served(ask, path):
    answer, body = ask(path)
    assert answer.status == 404 and b"secret" not in body


def test_other_hosts_are_refused(ask):
    assert ask("/", host="evil.example")[0].status == 403


def test_a_folder_that_is_no_site_is_refused(tmp_path, folders):
    with pytest.raises(ValueError, match="is no site"):
        open_server(tmp_path)
    with open_server(folders[1]) as server, pytest.raises(OSError, match="another --port"):
        open_server(folders[1], port=server.server_port)


def test_new_records_are_noticed(folders):
    before = describe_state([folders[0]])
    assert describe_state([folders[0]]) == before
    (folders[0] / "records" / "new.json").write_text("{}")
    assert describe_state([folders[0]]) != before
    (folders[0] / "records" / "new.json").unlink()
