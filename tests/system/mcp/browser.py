"""A "browser" that signs in by following redirects: `python -m tests.system.mcp.browser URL`."""

from __future__ import annotations

import sys

import httpx

if __name__ == "__main__":
    httpx.get(sys.argv[1], follow_redirects=True, trust_env=False, timeout=30)
