"""run.json names the libraries, the code and the machine."""

from __future__ import annotations

import re

from helpers import ROOT

from classification.reporting import environment as module
from classification.reporting.environment import LIBRARIES, environment, instruction_set, machine, processor_name


def test_every_required_library_is_recorded():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    required = {line.partition("==")[0] for line in lines if "==" in line}
    assert required and required <= set(LIBRARIES) and required <= environment()["versions"].keys()


def test_a_library_that_is_missing_is_left_out(monkeypatch):
    monkeypatch.setattr(module, "LIBRARIES", ("numpy", "no-such-library"))
    assert list(environment()["versions"]) == ["numpy"]


def test_the_machine_has_a_name_instructions_threads_and_processes(monkeypatch):
    import torch

    monkeypatch.setenv("WORLD_SIZE", "4")
    facts = machine()
    assert facts["processes"] == 4 and facts["threads"] == torch.get_num_threads() and facts["processor"]
    assert str(facts["instructions"]).startswith(torch.backends.cpu.get_cpu_capability())


def test_a_system_without_cpuinfo_has_a_processor_too(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "CPU_INFO", tmp_path / "none")
    monkeypatch.setattr(module.platform, "processor", lambda: "")
    monkeypatch.setattr(module.platform, "machine", lambda: "arm64")
    assert processor_name.__wrapped__() == "arm64"


def test_an_older_torch_names_its_instructions(monkeypatch):
    import torch

    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert instruction_set.__wrapped__() == torch.backends.cpu.get_cpu_capability()


def test_the_code_has_a_digest():
    assert re.fullmatch("[0-9a-f]{64}", environment()["code"])


def test_a_changed_source_has_another_digest(monkeypatch, tmp_path):
    (tmp_path / "a.py").write_text("x = 1")
    monkeypatch.setattr(module, "CODE", tmp_path)
    before = module.code_digest.__wrapped__()
    (tmp_path / "a.py").write_text("x = 2")
    assert module.code_digest.__wrapped__() != before
