"""Models behind HTTP: real servers on loopback, and servers that hang, drip, flood, lie or close the connection."""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from flows.evaluation.job import RefusedError, SuiteFailure, SuiteRun
from flows.evaluation.runners import RunnerSpec
from flows.evaluation.runners.calling import Caller, CallLimits
from flows.evaluation.runners.open_inference import OpenInferenceModel
from flows.evaluation.runners.openai import OpenAiModel
from flows.evaluation.runners.shapes import Columns
from flows.evaluation.suite import run_suite
from tests.fixtures.model_servers import ChatServer, InferenceServer, Script, misbehaving, response, serving
from tests.flows.evaluation.samples import LIMITS, columns_of, converted, job, parquet, spec_of, split, trained

SECRET = "s3cret-of-the-endpoint"
QUICK = CallLimits(connect=5, read=5, call=10, total=30, attempts=3)


@pytest.fixture
def running() -> Iterator[Callable[[Any], str]]:
    """Starts a server and gives its address."""
    with ExitStack() as stack:

        def start(server: InferenceServer | ChatServer) -> str:
            port = stack.enter_context(serving(server.application()))
            return f"http://127.0.0.1:{port}" + ("/base" if isinstance(server, InferenceServer) else "")

        yield start


Start = Callable[[InferenceServer | ChatServer], str]


def features(name: str) -> Columns:
    return {key: column for key, column in columns_of(name).items() if key != "target"}


def cancer(**changes: Any) -> InferenceServer:
    return InferenceServer(trained("cancer"), 30, **changes)


_callers: list[Caller] = []


@pytest.fixture(autouse=True)
def hang_up() -> Iterator[None]:
    """A process that ends closes its connections; here the test must."""
    yield
    _hang_up()


def _hang_up() -> None:
    while _callers:
        _callers.pop().close()


def caller_of(url: str, limits: CallLimits = QUICK, **options: Any) -> Caller:
    """It pauses for nobody, unless told."""
    _callers.append(Caller(url, limits, **{"sleep": lambda _: None, **options}))
    return _callers[-1]


def model_at(url: str, **options: Any) -> OpenInferenceModel:
    return OpenInferenceModel(caller_of(url, **options), "m")


# ---------------------------------------------------------------- servers that do their work


@pytest.mark.parametrize("datatype", ["FP32", "FP64"])
@pytest.mark.parametrize("by_column", [True, False])
def test_it_answers_as_the_model_it_serves(running: Start, datatype: str, by_column: bool) -> None:
    columns = tuple(reversed(tuple(features("cancer")))) if by_column else None
    server = cancer(columns=columns, datatype=datatype)
    if by_column:  # the server puts them into the model's order, whatever the order of its inputs
        server.columns = tuple(features("cancer"))
    answer = model_at(running(server)).classify(features("cancer"))
    test = split("cancer")[1]
    assert answer.labels.tolist() == trained("cancer").predict(test).tolist()
    assert answer.scores == pytest.approx(trained("cancer").predict_proba(test), abs=1e-5)


@pytest.mark.parametrize(("batch", "sizes"), [(-1, [171]), (50, [50, 50, 50, 50])])
def test_batches(running: Start, batch: int, sizes: list[int]) -> None:
    server = cancer(batch=batch)
    answer = model_at(running(server)).classify(features("cancer"))
    assert server.rows == sizes
    assert answer.labels.tolist() == trained("cancer").predict(split("cancer")[1]).tolist()


def test_many_rows_go_in_several_calls(running: Start) -> None:
    server = InferenceServer(trained("iris"), 4)
    many = {name: np.tile(column, 500) for name, column in features("iris").items()}
    labels = model_at(running(server)).classify(many).labels
    assert server.rows == [10_000, 10_000, 2_500]
    assert labels.tolist() == trained("iris").predict(split("iris")[1]).tolist() * 500


def test_labels_as_text_labels_alone_scores_alone_and_numbers(running: Start) -> None:
    text = model_at(running(cancer(text_labels=True))).classify(features("cancer"))
    assert set(text.labels.tolist()) == {"0", "1"}
    alone = model_at(running(cancer(outputs=("label",)))).classify(features("cancer"))
    assert alone.scores is None
    scores = model_at(running(cancer(outputs=("scores",)))).classify(features("cancer"))
    assert scores.classes == (0, 1)
    assert scores.labels.tolist() == alone.labels.tolist()
    served = InferenceServer(trained("diabetes"), 10, outputs=("value",))
    values = model_at(running(served)).regress(features("diabetes"))
    assert values == pytest.approx(trained("diabetes").predict(split("diabetes")[1]), rel=1e-4)


def test_a_whole_evaluation_gives_what_the_file_gives(running: Start, tmp_path: Path) -> None:
    server = cancer(token=SECRET)
    spec = RunnerSpec("open_inference", None, {"url": running(server), "model": "m"})
    data, asked = parquet(tmp_path / "data", columns_of("cancer")), job(metrics=("accuracy", "roc_auc"))
    served = run_suite(spec, data, asked, limits=LIMITS, work_dir=tmp_path, secret=SECRET)
    local = run_suite(spec_of(tmp_path, converted("cancer")), data, asked, limits=LIMITS, work_dir=tmp_path)
    assert isinstance(served, SuiteRun), served
    assert isinstance(local, SuiteRun), local
    assert served.metrics == pytest.approx(local.metrics, abs=1e-4)
    assert server.calls == ["/base/v2/models/m/ready", "/base/v2/models/m", "/base/v2/models/m/infer"]
    kept = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert kept
    assert all(SECRET.encode() not in content for content in kept)


def test_the_secret_does_not_travel_with_a_refusal(running: Start, tmp_path: Path) -> None:
    spec = RunnerSpec("open_inference", None, {"url": running(cancer(token="another")), "model": "m"})
    data = parquet(tmp_path / "data", columns_of("cancer"))
    refused = run_suite(spec, data, job(), limits=LIMITS, work_dir=tmp_path, secret=SECRET)
    assert isinstance(refused, SuiteFailure)
    assert "status 401" in refused.reason
    assert SECRET not in refused.reason
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_prompts_are_answered_in_order_at_temperature_zero(running: Start) -> None:
    server = ChatServer()
    for path in ("", "/v1"):
        texts = OpenAiModel(caller_of(running(server) + path), "llm", max_tokens=9).generate(["abc", "xyz"])
        assert texts == ["cba", "zyx"]
    said = {key: value for key, value in server.asked[0].items() if key != "messages"}
    assert said == {"model": "llm", "temperature": 0, "seed": 0, "n": 1, "max_tokens": 9, "stream": False}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({}, "no completion"),
        ([], "no completion"),
        ({"choices": []}, "no completion"),
        ({"choices": [{"message": {"content": 5}}]}, "no completion"),
        ({"choices": [{"message": None}]}, "no completion"),
        ({"choices": [{"message": {"content": "x" * 300_000}}]}, "at most 200000"),
        ({"choices": [{"message": {"content": f"my key is {SECRET}"}}]}, "repeats the secret"),
    ],
)
def test_completions_of_another_shape_are_refused(running: Start, answer: Any, words: str) -> None:
    url = running(ChatServer(answer=lambda _: answer))
    with pytest.raises(RefusedError, match=words) as refused:
        OpenAiModel(caller_of(url, secret=SECRET), "llm").generate(["a"])
    assert SECRET not in refused.value.reason


def test_a_refusal_is_an_answer_and_tables_are_none(running: Start) -> None:
    message = {"content": None, "refusal": "I would rather not."}
    model = OpenAiModel(caller_of(running(ChatServer(lambda _: {"choices": [{"message": message}]}))), "llm")
    assert model.generate(["a"]) == ["I would rather not."]
    for ask in (model.classify, model.regress):
        with pytest.raises(RefusedError, match="takes prompts"):
            ask(features("iris"))


# ---------------------------------------------------------------- answers that are wrong


def output(**changes: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """An answer whose last output is changed."""

    def spoil(answer: dict[str, Any]) -> dict[str, Any]:
        answer["outputs"][-1].update(changes)
        return answer

    return spoil


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (output(shape=[3, 2]), "shape \\(3, 2\\) for 171 rows"),
        (output(shape=[171, 3]), "342 values in a shape of 513"),
        (output(shape=[171, 2, 1]), "shape \\(171, 2, 1\\)"),
        (output(shape=[2**39, 2**39]), "for 171 rows"),
        (output(data=["a"] * 342), "something else than FP64"),
        (output(data=[None] * 342), "something else than FP64"),
        (output(data=[[0.1], [0.2, 0.3]]), "something else than FP64"),
        (output(data=[float("nan")] * 342), "NaN or infinity for 171 rows"),
        (output(data=[1e999] * 342), "NaN or infinity for 171 rows"),
        (output(datatype="FP32"), "said to be FP64 and comes as FP32"),
        (output(name="other"), "lacks the output 'scores'"),
        (output(name="label"), "two outputs of one name"),
        (output(data="no list"), "no outputs as"),
        (lambda answer: {}, "no outputs as"),
        (lambda answer: [answer], "no outputs as"),
        (lambda answer: {**answer, "note": SECRET}, "repeats the secret"),
    ],
)
def test_an_answer_of_another_shape_is_refused(running: Start, spoil: Any, words: str) -> None:
    with pytest.raises(RefusedError, match=words) as refused:
        model_at(running(cancer(spoil=spoil)), secret=SECRET).classify(features("cancer"))
    assert refused.value.kind == "model"
    assert SECRET not in refused.value.reason


def test_labels_with_fractions_or_unknown_classes(running: Start) -> None:
    spoil = output(data=[0.5] * 171)
    with pytest.raises(RefusedError, match="something else than INT64"):
        model_at(running(cancer(outputs=("label",), spoil=spoil))).classify(features("cancer"))


def test_questions_that_the_protocol_cannot_carry(running: Start) -> None:
    missing = {**features("cancer"), "mean radius": np.full(171, np.nan)}
    with pytest.raises(RefusedError, match="missing values") as refused:
        model_at(running(cancer())).classify(missing)
    assert refused.value.kind == "dataset"
    with pytest.raises(RefusedError, match="takes 30 features; the dataset gives 4"):
        model_at(running(cancer())).classify(features("iris"))
    with pytest.raises(RefusedError, match="writes no text"):
        model_at(running(cancer())).generate(["a"])
    with pytest.raises(RefusedError, match="not ready") as refused:
        model_at(running(cancer(ready=False)))
    assert refused.value.kind == "unavailable"


# ---------------------------------------------------------------- servers that fail


@pytest.mark.parametrize(
    ("refusing", "pauses"),
    [
        ([(429, {})], [0.5]),
        ([(429, {"Retry-After": "3"}), (503, {})], [3.0, 1.0]),
        ([(500, {"Retry-After": "86400"})], [8.0]),
        ([(502, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"})], [0.5]),
    ],
)
def test_overload_is_waited_out(running: Start, refusing: Any, pauses: list[float]) -> None:
    waited: list[float] = []
    server = cancer(refusing=list(refusing))
    caller = caller_of(running(server), sleep=waited.append)
    assert len(OpenInferenceModel(caller, "m").classify(features("cancer")).labels) == 171
    assert [
        round(seconds / pause, 6) >= 1 and seconds <= 1.25 * pause
        for seconds, pause in zip(waited, pauses, strict=True)
    ]
    assert len(waited) == len(pauses)


def test_what_does_not_end_is_given_up(running: Start) -> None:
    server = cancer(refusing=[(503, {})] * 9)
    with pytest.raises(RefusedError, match="status 503, also after 3 attempts") as refused:
        model_at(running(server)).classify(features("cancer"))
    assert refused.value.kind == "unavailable"
    assert len(server.refusing) == 6


def test_no_time_is_spent_waiting_that_is_not_there(running: Start) -> None:
    server = cancer(refusing=[(503, {})] * 9)
    limits = CallLimits(total=5, pause=6, attempts=9)
    with pytest.raises(RefusedError, match="after one attempt"):
        model_at(running(server), limits=limits).classify(features("cancer"))


@pytest.mark.parametrize(
    ("status", "words"),
    [(302, "redirects"), (400, "refuses the question"), (403, "refuses who asks"), (404, "knows no such model")],
)
def test_other_refusals_are_not_tried_again(running: Start, status: int, words: str) -> None:
    elsewhere = cancer()
    server = cancer(refusing=[(status, {"Location": running(elsewhere)})] * 3)
    with pytest.raises(RefusedError, match=words) as refused:
        model_at(running(server)).classify(features("cancer"))
    assert refused.value.kind == "model"
    assert len(server.refusing) == 2
    assert elsewhere.calls == [], "a redirect is not followed"


def _drip(connection: socket.socket, _: int) -> None:
    for byte in response(b"{}" + b" " * 4000):
        connection.sendall(bytes([byte]))
        time.sleep(0.02)


def _flood(connection: socket.socket, _: int) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(1_000):
        connection.sendall(b"10000\r\n" + b" " * 65_536 + b"\r\n")


def _endless_header(connection: socket.socket, _: int) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for number in range(100_000):
        connection.sendall(f"X-{number}: {'x' * 100}\r\n".encode())


def _hang(connection: socket.socket, _: int) -> None:
    connection.recv(1)  # until the caller goes


def _close(connection: socket.socket, _: int) -> None:
    pass


def _half(connection: socket.socket, _: int) -> None:
    connection.sendall(response(b"{}" + b" " * 500)[:-100])


def _say(content: bytes) -> Script:
    def say(connection: socket.socket, _: int) -> None:
        connection.sendall(content)

    return say


@pytest.mark.parametrize(
    ("script", "kind", "words", "connections"),
    [
        (_hang, "unavailable", "not answer in time", 1),
        (_drip, "unavailable", "not answer in time", 1),
        (_flood, "model", "more than the 0.5 MiB", 1),
        (_endless_header, "unavailable", "closes the connection", 3),
        (_close, "unavailable", "closes the connection .* after 3 attempts", 3),
        (_half, "unavailable", "closes the connection", 3),
        (_say(b"220 smtp.example.org ESMTP\r\n"), "unavailable", "closes the connection", 3),
        (_say(response(b"<html>hello</html>")), "model", "something else than JSON", 1),
        (_say(response(b"[" * 200_000)), "model", "something else than JSON", 1),
        (_say(response(json.dumps({"inputs": SECRET}).replace("s3", "\\u00733").encode())), "model", "repeats", 1),
    ],
)
def test_a_server_that_misbehaves(script: Script, kind: str, words: str, connections: int) -> None:
    limits = CallLimits(read=0.4, call=0.8, total=20, answer_bytes=512 * 1024, attempts=3)
    with misbehaving(script) as (port, seen):
        with pytest.raises(RefusedError, match=words) as refused:
            model_at(f"http://127.0.0.1:{port}", limits=limits, secret=SECRET)
        assert (refused.value.kind, len(seen)) == (kind, connections)
        assert SECRET not in refused.value.reason


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(RefusedError, match="after 3 attempts") as refused:
        model_at(f"http://127.0.0.1:{port}")
    assert refused.value.kind == "unavailable"


# ---------------------------------------------------------------- where a name leads


def test_a_name_is_resolved_once_and_then_kept(running: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    port = running(cancer()).rpartition(":")[2]
    real, asked = socket.getaddrinfo, []

    def rebinding(host: Any, *more: Any, **options: Any) -> Any:
        if host != "localhost":
            return real(host, *more, **options)
        asked.append(host)
        return real("127.0.0.1" if len(asked) == 1 else "169.254.169.254", *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    assert len(model_at(f"http://localhost:{port}").classify(features("cancer")).labels) == 171
    assert asked == ["localhost"]


@pytest.mark.parametrize("leads", [["127.0.0.1"], ["169.254.169.254"], ["10.0.0.1", "127.0.0.1"], ["::1"]])
def test_a_name_that_leads_inward_is_not_followed(leads: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    infos = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80)) for address in leads]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: infos)
    with pytest.raises(RefusedError, match="may not be asked") as refused:
        model_at("http://models.example.org")
    assert refused.value.kind == "model"


def test_proxies_of_the_environment_are_not_used(running: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    assert model_at(running(cancer())) is not None


@contextmanager
def _secured(folder: Path) -> Iterator[tuple[str, Path]]:
    """(address by https, the certificate to believe)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    public, private = folder / "public.pem", folder / "private.pem"
    public.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    with serving(cancer(token=SECRET).application(), context) as port:
        yield f"https://localhost:{port}/base", public


def test_the_certificate_is_that_of_the_name(tmp_path: Path) -> None:
    with _secured(tmp_path) as (url, public):
        runner = model_at(url, secret=SECRET, authorities=str(public))
        assert len(runner.classify(features("cancer")).labels) == 171
        for options in ({"url": url}, {"url": url.replace("localhost", "127.0.0.1"), "authorities": str(public)}):
            with pytest.raises(RefusedError, match="check the endpoint's certificate"):
                model_at(**options, secret=SECRET)
        _hang_up()  # while the server still listens, or it keeps half a connection
