"""/docs as one plain page: it needs nothing from any network."""

from __future__ import annotations

import base64
import hashlib
import json
from html import escape
from typing import TYPE_CHECKING

from mldeploy_runtime.problems import KINDS
from mldeploy_runtime.request_types import describe

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mldeploy_runtime.bundle import Input
    from mldeploy_runtime.http.route import Route
    from mldeploy_runtime.service import Service

MOST_CATEGORIES = 20

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24 }
h1 small { font-weight: normal; color: #57606a }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid #d0d7de }
code, pre, textarea { font: 14px/1.45 ui-monospace, monospace }
pre, textarea { background: #f6f8fa; border: 1px solid #d0d7de; border-radius: 6px; padding: .8rem; overflow: auto }
textarea { width: 100%; height: 14rem; box-sizing: border-box }
button { font: inherit; padding: .4rem 1.2rem; margin: .5rem 0; cursor: pointer }
:target { background: #fff8c5 }
@media (prefers-color-scheme: dark) {
  body { background: #0d1117; color: #e6edf3 } h1 small { color: #9198a1 } a { color: #58a6ff }
  pre, textarea { background: #161b22; color: inherit; border-color: #30363d } th, td { border-color: #30363d }
  :target { background: #3b2e00 }
}
"""

SCRIPT = """
const body = document.getElementById("body"), answer = document.getElementById("answer");
document.getElementById("send").addEventListener("click", async () => {
  const headers = {"Content-Type": "application/json"}, key = document.getElementById("key").value;
  if (key) headers["Authorization"] = "Bearer " + key;
  try {
    const response = await fetch("predict", {method: "POST", headers, body: body.value});
    answer.textContent = response.status + "\\n" + JSON.stringify(await response.json(), null, 2);
  } catch (failure) { answer.textContent = String(failure); }
});
"""


def _hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src {_hash(STYLE)}; script-src {_hash(SCRIPT)}; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def page(service: Service, routes: dict[str, Route]) -> str:
    """The page in HTML: a form to try /predict with a golden row, and tables of fields, paths and problems."""
    manifest = service.manifest
    name, version = escape(manifest.name), escape(manifest.version)
    example = json.dumps({"instances": service.golden.instances[:1]}, indent=2, ensure_ascii=False)
    fields = _table(("Field", "Type", "Categories"), (_field(field) for field in manifest.inputs))
    paths = _table(
        ("Path", "Method", "What it answers"),
        ((_code(path), route.method, escape(route.summary)) for path, route in routes.items()),
    )
    problems = _table(
        ("Problem", "Status", "What it means", "What to do"),
        (
            (f'<code id="{kind}">{kind}</code>', str(status), escape(title), escape(remedy))
            for kind, (status, title, remedy) in KINDS.items()
        ),
    )
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name} {version}</title>
<style>{STYLE}</style>
<h1>{name} <small>{version}, {manifest.described}</small></h1>
<h2>Try it</h2>
<p><code>POST /predict</code> <label>Key, where one is asked for: <input id="key" type="password"></label></p>
<textarea id="body" spellcheck="false" aria-label="Request">{escape(example)}</textarea>
<button id="send">Send</button>
<pre id="answer" aria-live="polite">The answer comes here.</pre>
<h2>Fields</h2>
{fields}
<h2>Paths</h2>
{paths}
<p>For machines: <a href="openapi.json">openapi.json</a>.</p>
<h2>Problems</h2>
<p>Errors are <code>application/problem+json</code> (RFC 9457), each with a <code>request_id</code>.</p>
{problems}
<script>{SCRIPT}</script>
</html>
"""


def _field(field: Input) -> tuple[str, str, str]:
    categories = field.categories or ()
    shown = ", ".join(_code(json.dumps(category, ensure_ascii=False)) for category in categories[:MOST_CATEGORIES])
    rest = f" and {len(categories) - MOST_CATEGORIES:,} more" if len(categories) > MOST_CATEGORIES else ""
    return _code(field.name), escape(describe(field)), shown + rest


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>"


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    head = "".join(f"<th>{name}</th>" for name in heads)
    body = "\n".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"
