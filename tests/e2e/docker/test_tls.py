"""HTTPS in front of replicas: certificates, limits, second tries, and a restart nobody notices."""

import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.docker.load import Load, connect
from tests.e2e.docker.project import (
    CPU,
    PROXY,
    NewProject,
    Note,
    Project,
    docker,
    inside,
    inspect,
    memory,
    project_logs,
    run,
    run_once,
    wait_until,
)

pytestmark = pytest.mark.docker

LIMIT = 32 * 2**20

# A replica that says it is ready and then breaks its word.
FALSE_REPLICA = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        print("asked", flush=True)
        if sys.argv[1] == "503":
            self.send_response(503)
            self.end_headers()
http.server.ThreadingHTTPServer(("", 8000), Handler).serve_forever()
"""


@pytest.fixture(scope="module")
def secure(projects: NewProject, proxy_image: str) -> Project:
    """Two replicas behind the proxy, with the certificate that the proxy makes for development."""
    assert inspect(proxy_image)
    project = projects(
        "tls",
        "tls",
        DEPLOY_REPLICAS="2",
        DEPLOY_HTTPS_PORT="0",
        # The service takes fractions; HAProxy takes none.
        POLYPSEG_BODY_TIMEOUT_S="10.0",
        POLYPSEG_GRACE_S="30.5",
        POLYPSEG_IDLE_TIMEOUT_S="3e1",
    )
    project.up()
    wait_for_replicas(project, 2)
    return project


@pytest.fixture(scope="module")
def proxy(secure: Project) -> str:
    """The id of the proxy's container."""
    (found,) = secure.containers("proxy")
    return found


@pytest.fixture(scope="module")
def address(secure: Project) -> str:
    """Where this machine reaches the proxy."""
    return secure.address("proxy", 8443)


@pytest.fixture(scope="module")
def trust(proxy: str) -> ssl.SSLContext:
    """Trusts the proxy's certificate and no other."""
    return ssl.create_default_context(cadata=inside(proxy, "cat", "/run/proxy/certificate.pem"))


def count_replicas(project: Project) -> int:
    """Return how many ready replicas the proxy has found."""
    (proxy,) = project.containers("proxy")
    said = run("docker", "exec", proxy, "/etc/proxy/healthcheck", check=False).stdout
    return int(said.split()[0]) if said else 0


def wait_for_replicas(project: Project, count: int) -> None:
    """Block until the proxy has found so many replicas that are ready."""
    wait_until(lambda: count_replicas(project) == count)


def ask(
    address: str, trust: ssl.SSLContext, body: bytes, path: str = "/predict", method: str = "POST"
) -> tuple[int, dict[str, str], bytes]:
    """Send one request; return status, headers and body of the answer."""
    with closing(connect(address, trust)) as connection:
        connection.request(method, path, body, {"Content-Type": "application/octet-stream"})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()


def test_answers_over_https_with_its_own_certificate(
    address: str, trust: ssl.SSLContext, picture: bytes
) -> None:
    status, headers, body = ask(address, trust, picture)
    assert status == 200
    assert body.startswith(b"\x89PNG")
    assert headers["strict-transport-security"]
    assert headers["x-request-id"]


def negotiate(address: str, client: ssl.SSLContext) -> tuple[str | None, str | None]:
    """Return the version of TLS and the protocol above it that a client and the proxy agree on."""
    host, port = address.split(":")
    with (
        socket.create_connection((host, int(port))) as plain,
        client.wrap_socket(plain, server_hostname=host) as secured,
    ):
        return secured.version(), secured.selected_alpn_protocol()


def client_of(trust: str, version: ssl.TLSVersion) -> ssl.SSLContext:
    """Return a client that offers one version of TLS alone, however old."""
    client = ssl.create_default_context(cadata=trust)
    client.set_alpn_protocols(["h2", "http/1.1"])
    client.set_ciphers("DEFAULT:@SECLEVEL=0")
    client.minimum_version = client.maximum_version = version
    return client


def test_refuses_old_protocols_and_offers_http2(address: str, proxy: str) -> None:
    trust = inside(proxy, "cat", "/run/proxy/certificate.pem")
    for version, name in (
        (ssl.TLSVersion.TLSv1_3, "TLSv1.3"),
        (ssl.TLSVersion.TLSv1_2, "TLSv1.2"),
    ):
        assert negotiate(address, client_of(trust, version)) == (name, "h2")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old = client_of(trust, ssl.TLSVersion.TLSv1_1)
    # The alert comes from the proxy: the version was offered to it.
    with pytest.raises(ssl.SSLError, match="ALERT_PROTOCOL_VERSION"):
        negotiate(address, old)


def test_speaks_http2(address: str, proxy: str, picture: bytes, tmp_path: Path) -> None:
    (tmp_path / "certificate.pem").write_text(inside(proxy, "cat", "/run/proxy/certificate.pem"))
    (tmp_path / "picture.jpg").write_bytes(picture)
    said = run(
        *("curl", "--silent", "--show-error", "--http2", "--output", "mask.png"),
        *("--cacert", "certificate.pem", "--data-binary", "@picture.jpg"),
        *("--header", "Content-Type: image/jpeg", "--write-out", "%{http_code} %{http_version}"),
        f"https://{address}/predict",
        cwd=tmp_path,
    )
    assert said.stdout == "200 2"
    assert (tmp_path / "mask.png").read_bytes().startswith(b"\x89PNG")


def test_uses_the_certificate_that_it_is_given(
    projects: NewProject, secure: Project, tmp_path: Path
) -> None:
    assert secure
    tmp_path.chmod(0o777)
    run_once(
        PROXY,
        *("req", "-x509", "-newkey", "rsa:2048", "-noenc", "-days", "2", "-subj", "/CN=ours"),
        *("-addext", "subjectAltName=DNS:localhost"),
        *("-keyout", "/out/key.pem", "-out", "/out/certificate.pem"),
        options=("--entrypoint", "openssl", "--volume", f"{tmp_path}:/out"),
    )
    project = projects(
        "certificate",
        "tls",
        DEPLOY_HTTPS_PORT="0",
        DEPLOY_TLS_CERTIFICATE=str(tmp_path / "certificate.pem"),
        DEPLOY_TLS_KEY=str(tmp_path / "key.pem"),
    )
    project.up()
    trust = ssl.create_default_context(cafile=tmp_path / "certificate.pem")
    status, _, _ = ask(project.address("proxy", 8443), trust, b"", "/health", "GET")
    assert status == 200


@pytest.mark.parametrize("secret", ["tls_certificate", "tls_key"])
def test_a_secret_that_cannot_be_read_is_one_line(
    proxy_image: str, tmp_path: Path, secret: str
) -> None:
    given = tmp_path / "given.pem"
    given.write_text("-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n")
    given.chmod(0o400)
    done = run(
        *("docker", "run", "--rm", "--tmpfs", "/run/proxy:uid=10002"),
        *("--volume", f"{given}:/run/secrets/{secret}:ro", proxy_image),
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"proxy: user 10002 cannot read /run/secrets/{secret}\n"


def test_limits_bodies_as_the_service_does(address: str, trust: ssl.SSLContext) -> None:
    status, _, body = ask(address, trust, bytes(LIMIT))
    assert (status, json.loads(body)["code"]) == (400, "undecodable-image")
    with closing(connect(address, trust)) as connection:
        connection.putrequest("POST", "/predict")
        connection.putheader("Content-Length", str(LIMIT + 1))
        connection.endheaders()
        answer = connection.getresponse()
        problem = json.loads(answer.read())
    assert answer.status == problem["status"] == 413
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert problem["code"] == "body-too-large"


@pytest.mark.parametrize("path", ["/metrics", "/%6detrics", "/%6Detric%73", "/metrics?x=1"])
def test_keeps_metrics_inside(address: str, trust: ssl.SSLContext, path: str) -> None:
    assert ask(address, trust, b"", path, "GET")[0] == 404


def test_holds_bodies_in_memory_alone(
    address: str, trust: ssl.SSLContext, proxy: str, picture: bytes
) -> None:
    before = set(docker("diff", proxy).splitlines())
    assert ask(address, trust, bytes(LIMIT))[0] == 400
    assert ask(address, trust, picture)[0] == 200
    assert set(docker("diff", proxy).splitlines()) == before
    assert set(inside(proxy, "ls", "/run/proxy").split()) <= {
        *("bundle.pem", "certificate.pem", "key.pem")
    }
    assert "rw" not in inside(proxy, "sh", "-c", "grep ' / ' /proc/mounts").split()[3].split(",")


def test_logs_no_header_and_no_body(address: str, trust: ssl.SSLContext, proxy: str) -> None:
    planted = "planted-surname"
    headers = {"Authorization": f"Bearer {planted}", "Content-Type": "image/png"}
    with closing(connect(address, trust)) as connection:
        connection.request("POST", f"/predict/json?name={planted}", planted.encode(), headers)
        assert connection.getresponse().status == 422
    wait_until(lambda: project_logs(proxy)[-1]["path"] == "/predict/json")
    assert project_logs(proxy)[-1]["method"] == "POST"
    assert planted not in docker("logs", proxy)


@pytest.fixture(params=["empty", "503"])
def false_replica(request: pytest.FixtureRequest, secure: Project) -> Iterator[str]:
    """A third replica, which breaks off every request or answers 503 to it."""
    name = f"{secure.name}-false"
    docker(
        *("run", "--detach", "--name", name, "--network", f"{secure.name}_default"),
        *("--network-alias", "polypseg", "--entrypoint", "python3", CPU),
        *("-c", FALSE_REPLICA, request.param),
    )
    try:
        wait_for_replicas(secure, 3)
        yield name
    finally:
        docker("rm", "--force", name)
        wait_for_replicas(secure, 2)


def test_asks_another_replica_when_one_breaks_its_word(
    address: str, trust: ssl.SSLContext, false_replica: str, picture: bytes
) -> None:
    large = picture + bytes(1_900_000)  # what follows the end of a JPEG is ignored
    for body in (picture, large):
        statuses = [ask(address, trust, body)[0] for _ in range(9)]
        assert statuses == [200] * 9
    assert docker("logs", false_replica).count("asked") >= 2


def test_a_body_that_is_too_large_to_keep_is_not_sent_again(
    address: str, trust: ssl.SSLContext, false_replica: str, picture: bytes
) -> None:
    large = picture + bytes(3_000_000)
    statuses = [ask(address, trust, large)[0] for _ in range(9)]
    assert set(statuses) <= {200, 502, 503}
    asked = docker("logs", false_replica).count("asked")
    assert statuses.count(200) == 9 - asked
    assert 0 < asked < 9


def test_a_replica_that_dies_at_work_is_not_noticed(
    secure: Project, address: str, trust: ssl.SSLContext, picture: bytes
) -> None:
    victim = secure.containers()[0]
    with Load(address, picture, clients=4, tls=trust) as load:
        load.wait_for(10)
        docker("kill", "--signal", "KILL", victim)
        load.wait_for(20)
    assert set(load.statuses) == {200}
    docker("start", victim)
    wait_for_replicas(secure, 2)


def capacity(address: str, trust: ssl.SSLContext, picture: bytes) -> float:
    """Return how many predictions a second come through the proxy at most."""
    with Load(address, picture, clients=8, tls=trust) as full:
        full.wait_for(100)
        return full.throughput


def test_a_rolling_restart_under_load_is_not_noticed(
    secure: Project, proxy: str, address: str, trust: ssl.SSLContext, picture: bytes, note: Note
) -> None:
    """40 % of what both replicas can do, while both are replaced.

    On a machine that others use, what they can do may shrink meanwhile, and the load is then more
    than that: such a failure says nothing, and the restart is tried again.
    """
    for _ in range(3):
        most = capacity(address, trust, picture)
        before = set(secure.containers())
        with Load(address, picture, clients=16, rate=0.4 * most, tls=trust) as load:
            load.wait_for(5)
            secure.run("deploy/rolling-restart")
            load.wait_for(5)
        assert len(secure.containers()) == 2
        assert not before & set(secure.containers())
        assert {inspect(found)["RestartCount"] for found in secure.containers()} == {0}
        if set(load.statuses) == {200}:
            break
        # Whatever the machine does, an answer is given, and it is the one for too much.
        assert set(load.statuses) == {200, 429}, [a for a in load.answers if a.status != 200][:5]
        assert capacity(address, trust, picture) < 0.8 * most, load.statuses
    else:
        pytest.skip("this machine is too busy with other things to keep up a load")
    note("two replicas behind the proxy", f"{most:.0f} predictions a second, at most")
    for replica in secure.containers():
        note(f"cpu, memory after the load, {inspect(replica)['Name'][1:]}", memory(replica))
    note("proxy, memory after the load", memory(proxy))


def test_a_mistyped_tag_stops_no_replica(secure: Project) -> None:
    before = secure.containers()
    mistyped = replace(secure, settings={**secure.settings, "DEPLOY_TAG": "e2f"})
    done = mistyped.run("deploy/rolling-restart", check=False)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("rolling-restart: there is no image polypseg:e2f-cpu")
    assert secure.containers() == before


def test_says_so_when_no_replica_is_left(
    secure: Project, address: str, trust: ssl.SSLContext, picture: bytes
) -> None:
    for container in secure.containers():
        docker("stop", container)
    status, headers, body = ask(address, trust, picture)
    assert (status, json.loads(body)["code"]) == (503, "not-ready")
    assert int(headers["retry-after"]) >= 1
