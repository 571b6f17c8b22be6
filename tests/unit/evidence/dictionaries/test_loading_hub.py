"""Names on the hub, against a server on this machine that answers as the hub does."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlparse

import pytest
from huggingface_hub import constants

from labeler.errors import InputError
from labeler.evidence.dictionaries import load_dictionary
from tests.fakes.dictionary import EVERY, save_circuit_tracer, save_json

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """Repositories as folders: ``root/org/repo``; remembers what was asked for."""

    def __init__(self, root):
        self.root = root
        self.fetched: list[str] = []
        self.revisions: list[str] = []

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        parts = unquote(urlparse(path).path).strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            repo = "/".join(parts[2:4])
            if not (self.root / repo).is_dir():
                return 404, {"X-Error-Code": "RepoNotFound"}, b"{}"
            revision = "/".join(parts[5:]) or "main"
            self.revisions.append(revision)
            if revision == "nowhere":
                return 404, {"X-Error-Code": "RevisionNotFound"}, b"{}"
            found = [path for path in (self.root / repo).rglob("*") if path.is_file()]
            files = sorted(path.relative_to(self.root / repo).as_posix() for path in found)
            listing = {"id": repo, "modelId": repo, "sha": COMMIT, "siblings": [{"rfilename": f} for f in files]}
            return 200, {"Content-Type": "application/json"}, json.dumps(listing).encode()
        repo, (resolve, revision), name = "/".join(parts[:2]), parts[2:4], "/".join(parts[4:])
        assert (resolve, revision) == ("resolve", COMMIT), path
        content = (self.root / repo / name).read_bytes()
        self.fetched.append(name)
        tag = hashlib.sha256(content).hexdigest()
        return 200, {"ETag": f'"{tag}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}, content


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub, with the client turned to it and an empty cache."""
    served = Hub(tmp_path / "hub")

    class Handler(BaseHTTPRequestHandler):
        def reply(self, body: bool) -> None:
            status, headers, content = served.answer(self.path)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            if body:
                self.wfile.write(content)

        def do_GET(self) -> None:
            self.reply(body=True)

        def do_HEAD(self) -> None:
            self.reply(body=False)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    yield served
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("family", EVERY)
def test_every_family_comes_from_a_folder_of_a_repository(hub, family):
    local = EVERY[family](hub.root / "org/repo/some/layers.3")
    (hub.root / "org/repo/some/layers.3/huge.bin").write_bytes(b"not wanted")
    remote = load_dictionary("hf://org/repo/some/layers.3")
    assert remote.fingerprint() == load_dictionary(local).fingerprint()
    assert not any(name.endswith((".bin", ".pkl")) for name in hub.fetched)


def test_only_the_files_of_the_one_that_was_asked_for_are_fetched(hub):
    save_circuit_tracer(hub.root / "org/repo", layers=3)
    EVERY["SAELens"](hub.root / "org/repo/deeper")
    assert load_dictionary("hf://org/repo/layer_1.safetensors").hook == "blocks.1.mlp.hook_in"
    assert set(hub.fetched) == {"config.yaml", "layer_1.safetensors"}
    with pytest.raises(InputError, match=r"'hf://org/repo' holds 3 files of circuit-tracer"):
        load_dictionary("hf://org/repo")


def test_a_file_beside_the_folder_comes_along(hub):
    EVERY["sparsify"](hub.root / "org/repo/layers.3")
    save_json(hub.root / "org/repo/config.json", {"model": "org/tiny"})
    assert load_dictionary("hf://org/repo/layers.3/").model == "org/tiny"


def test_the_repositorys_name_tells_as_a_path_does(hub):
    EVERY["Gemma Scope"](hub.root / "google/gemma-scope-2b-pt-res/layer_3/width_1k/average_l0_9")
    dictionary = load_dictionary("hf://google/gemma-scope-2b-pt-res/layer_3/width_1k/average_l0_9@main")
    assert (dictionary.model, dictionary.hook) == ("google/gemma-2-2b", "blocks.3.hook_resid_post")


def test_a_revision_is_asked_for_once_and_its_commit_from_then_on(hub):
    EVERY["SAELens"](hub.root / "org/repo")
    load_dictionary("hf://org/repo@refs/pr/7")
    assert hub.revisions == ["refs/pr/7"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("hf://", "write hf://org/repo"),
        ("hf://repo", "write hf://org/repo"),
        ("hf://org/repo/../../etc", "write hf://org/repo"),
        ("hf://org/repo//x", "write hf://org/repo"),
        ("hf://org/none", "cannot fetch 'hf://org/none': "),
        ("hf://org/repo@nowhere", "cannot fetch 'hf://org/repo@nowhere': "),
        ("hf://org/repo/elsewhere", "'hf://org/repo/elsewhere' is no dictionary of a known family"),
    ],
)
def test_what_is_not_there_is_named(hub, source, message):
    EVERY["SAELens"](hub.root / "org/repo")
    with pytest.raises(InputError, match=message) as refused:
        load_dictionary(source)
    assert "\n" not in str(refused.value)


def test_a_hub_that_cannot_be_reached_is_named(hub, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="cannot fetch 'hf://org/repo': "):
        load_dictionary("hf://org/repo")
