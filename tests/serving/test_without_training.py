"""The server, and `predict.load`, need none of the libraries of the training."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers import ROOT
from made_classifiers import save_tiny
from served import accepts

from classification.cli.server_flags import read_server_flags

ABSENT = ("datasets", "evaluate", "sklearn", "scipy", "matplotlib", "pandas", "pyarrow", "peft", "accelerate",
          "joblib", "threadpoolctl", "iterstrat", "jinja2", "markupsafe", "psutil", "aiohttp", "captum")  # fmt: skip
PINNED = [line for line in (ROOT / "requirements-serve.txt").read_text().splitlines() if line and line[0] != "#"]
COPIED = re.findall(r"^COPY (.*) \./", (ROOT / "Containerfile").read_text(), re.MULTILINE)
COPIED = [name for names in COPIED for name in names.split()]
WITHOUT = """
import sys
ABSENT = set(sys.argv.pop(1).split(","))
class Without:
    def __init__(self, finder):
        self.finder = finder
    def __getattr__(self, name):
        return getattr(self.finder, name)
    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in ABSENT else self.finder.find_spec(name, path, target)
sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
root = sys.argv.pop(1)
sys.path[:0] = [root, root + "/scripts"]
"""
SERVE = "import runpy; sys.argv[0] = 'serve.py'; runpy.run_path(root + '/scripts/serve.py', run_name='__main__')"
ANSWER = """
import asyncio, json, threading, urllib.request
import serve
from classification.cli.server_flags import read_server_flags
from classification.serving.http_server import make_server, open_socket
service, lines = serve.make_service(read_server_flags([sys.argv[1], "--precision", "fp32"]))
server, listener = make_server(service), open_socket("127.0.0.1", 0)
thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
thread.start()
while not server.started:
    pass
address = "http://127.0.0.1:%d" % listener.getsockname()[1]
body = urllib.request.Request(address + "/predict", b'{"text": "good film"}', {"Content-Type": "application/json"})
answer = json.load(urllib.request.urlopen(body))["answers"][0]
server.should_exit = True
thread.join()
import predict
label = predict.load(sys.argv[1], precision="fp32")("good film").label
absent = sorted(ABSENT & set(sys.modules))
trains = "classification.training" in sys.modules
print(json.dumps({"label": label, "served": answer["label"], "absent": absent, "training": trains}))
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("model") / "out")


@pytest.fixture(scope="module")
def container(tmp_path_factory) -> Path:
    """The files of the project that the container has."""
    folder = tmp_path_factory.mktemp("container")
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        (folder / name).parent.mkdir(exist_ok=True)
        copy(ROOT / name, folder / name)
    return folder


def run_without(absent: tuple[str, ...], code: str, *words: object, root: Path = ROOT) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT + code, ",".join(absent), str(root), *map(str, words)],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def test_the_files_of_the_container_answer_without_the_libraries_of_the_training(model, container):
    done = run_without(ABSENT, ANSWER, model, root=container)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["served"] == found["label"] and not found["absent"] and not found["training"]


def test_a_missing_library_of_the_server_is_one_line_with_the_command(model):
    done = run_without(("uvicorn", "prometheus_client"), SERVE, model)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "uvicorn, prometheus_client: not installed: pip install -r requirements-serve.txt" in done.stderr


def test_an_adapter_without_peft_is_one_line_with_the_command(model, tmp_path):
    folder = Path(shutil.copytree(model, tmp_path / "adapter"))
    (folder / "model.safetensors").unlink()
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(model)}))
    done = run_without(("peft",), SERVE, folder)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert f"MODEL {folder}: holds an adapter, and peft is not installed: pip install peft" in done.stderr


def test_help_and_wrong_flags_are_answered_without_a_library():
    for words, code in ((["--help"], 0), (["nowhere/else/x"], 2)):
        done = subprocess.run(
            [sys.executable, "-X", "importtime", ROOT / "scripts" / "serve.py", *words], capture_output=True, text=True
        )
        imported = set(re.findall(r"import time:.*\| *(\w+)", done.stderr))
        assert done.returncode == code and not imported & {"torch", "transformers", "numpy", "fastapi", "pydantic"}


def test_the_pins_are_those_of_the_training_where_both_have_them():
    training = (ROOT / "requirements.txt").read_text().splitlines()
    own, other = ({line.partition("==")[0]: line for line in lines if "==" in line} for lines in (PINNED, training))
    assert {"torch", "transformers", "fastapi", "uvicorn", "prometheus_client"} <= own.keys()
    assert [own[name] for name in own.keys() & other.keys()] == [other[name] for name in own.keys() & other.keys()]
    assert not own.keys() & {"datasets", "evaluate", "scikit-learn", "scipy", "matplotlib", "pandas", "pyarrow"}


def test_the_container_has_a_user_without_rights_and_nothing_else_of_the_project():
    text = (ROOT / "Containerfile").read_text()
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert sorted(kept) == sorted(COPIED) and "scripts/serve.py" in COPIED
    assert text.index("USER 10001") < text.index("ENTRYPOINT [") and "HEALTHCHECK" in text and "/health" in text


def test_the_command_of_the_container_takes_more_flags(model, monkeypatch):
    monkeypatch.delenv("SERVE_TOKEN", raising=False)
    text = (ROOT / "Containerfile").read_text()
    python, script, folder, *words = json.loads(re.search(r"^ENTRYPOINT (.*)$", text, re.MULTILINE)[1])
    assert (python, script, folder) == ("python", "scripts/serve.py", "/model") and "\nCMD" not in text
    options = read_server_flags([str(model), *words, "--top_k", "1", "--port", "8000"])
    assert (options.host, options.top_k) == ("0.0.0.0", 1) and "127.0.0.1:8000/health" in text


@pytest.mark.slow
def test_a_fresh_environment_serves_a_model(model, tmp_path):
    """Packages come from pip's index, which PIP_INDEX_URL and PIP_EXTRA_INDEX_URL name. Prints size and start time."""
    folder = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "-r", ROOT / "requirements-serve.txt"]
    done = subprocess.run(install, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    listed = subprocess.run([python, "-m", "pip", "list", "--format=freeze"], capture_output=True, text=True).stdout
    names = {line.partition("==")[0].lower() for line in listed.splitlines()}
    assert not names & {
        "datasets",
        "evaluate",
        "scikit-learn",
        "scipy",
        "matplotlib",
        "pandas",
        "pyarrow",
        "accelerate",
    }
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    begin = time.monotonic()
    process = subprocess.Popen(
        [python, ROOT / "scripts" / "serve.py", model, "--port", "0"], stdout=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": ""},
    )  # fmt: skip
    try:
        port = 0
        for line in process.stdout:
            if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
                port = int(found[1])
            if line.startswith("ready"):
                break
        assert accepts(port)
        seconds = time.monotonic() - begin
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
    code = f"import sys; sys.path[:0] = [{str(ROOT)!r}]; import predict; print(predict.load(sys.argv[1])('good').label)"
    done = subprocess.run([python, "-c", code, model], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.strip() in ("negative", "positive"), done.stderr
    print(f"\n{len(names)} packages, {size / 1e6:,.0f} MB, ready after {seconds:.1f} s")
