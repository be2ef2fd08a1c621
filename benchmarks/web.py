"""All that is measured of the web: what a reader costs, and the gateway beside LiteLLM's proxy.

python -m benchmarks.web [--quick] [--write]
"""

from __future__ import annotations

from benchmarks.__main__ import main

if __name__ == "__main__":
    main("web_readers", "gateway")
