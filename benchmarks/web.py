"""The measurements of the web: readers, the page in Chromium, and the gateway compared with LiteLLM's proxy.

python -m benchmarks.web [--quick] [--write]
"""

from __future__ import annotations

from benchmarks.__main__ import main

if __name__ == "__main__":
    main("web_readers", "web_page", "gateway")
