"""Style of a drill's report on a screen and on paper, and what its file may load: this style and nothing else."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

STYLE = """
:root { color-scheme: light dark; --ink: #16191f; --soft: #4a525c; --rule: #c6cdd3; --paper: #fff; }
:root { --good: #14691b; --bad: #a81c07; --bar: #274f7d; --band: #fbe3df; --stripe: #e3a79d; }
@media screen and (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ec; --soft: #a9b3bc; --rule: #46505a; --paper: #14181c; }
  :root { --good: #7fd38a; --bad: #ff9a86; --bar: #86b4e6; --band: #43211c; --stripe: #7d4138; }
}
* { box-sizing: border-box; }
body { max-width: 1040px; margin: 0 auto; padding: 20px 16px 40px; background: var(--paper); color: var(--ink); }
body { font: 15px/1.45 system-ui, "Segoe UI", "Open Sans", sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 24px; line-height: 1.25; margin: 0 0 12px; }
h2 { font-size: 18px; margin: 32px 0 8px; padding-bottom: 4px; border-bottom: 1px solid var(--rule); }
p, ul { margin: 8px 0; }
ul { padding-left: 22px; }
a { color: inherit; }
code { font: 13px/1.4 ui-monospace, Menlo, Consolas, monospace; }
.emulated { border: 2px dashed currentColor; padding: 8px 12px; font-weight: 600; }
.result { border: 2px solid; border-left-width: 10px; padding: 8px 14px; font-size: 17px; }
.passed { border-color: var(--good); }
.failed { border-color: var(--bad); }
.note { color: var(--soft); }
dl { display: grid; grid-template-columns: 220px 1fr; gap: 5px 16px; margin: 8px 0; }
dt { color: var(--soft); }
dd { margin: 0; min-width: 0; }
figure { margin: 0; }
svg { display: block; width: 100%; height: auto; }
svg text { font: 12px system-ui, "Segoe UI", "Open Sans", sans-serif; fill: var(--ink); }
svg .heading { font-weight: 700; }
svg .never { font-style: italic; }
.narrow { display: none; max-width: 480px; }
.lane, .tick { stroke: var(--rule); }
.tick { stroke-dasharray: 1 3; }
.axis { stroke: var(--soft); stroke-width: 1.5; }
.band { fill: var(--band); }
.stripe { stroke: var(--stripe); }
.cut { fill: var(--paper); }
.drill { fill: var(--rule); }
.fault, .verdict { fill: var(--ink); }
.point, .alarm { fill: var(--bar); }
.notification { fill: var(--paper); stroke: var(--bar); stroke-width: 2; }
.open { stroke: var(--ink); stroke-width: 2; stroke-dasharray: 4 3; }
table { width: 100%; border-collapse: collapse; }
th, td { text-align: left; vertical-align: top; padding: 5px 12px 5px 0; border-bottom: 1px solid var(--rule); }
th { color: var(--soft); font-weight: 600; }
th { overflow-wrap: normal; }
.exact { white-space: nowrap; font-variant-numeric: tabular-nums; }
@media screen and (max-width: 640px) {
  .wide { display: none; }
  .narrow { display: block; }
  dl { display: block; }
  dd { margin-bottom: 8px; }
  thead { display: none; }
  tr { display: block; padding: 6px 0; border-bottom: 1px solid var(--rule); }
  td { display: block; border: 0; padding: 1px 0; }
  .exact { display: inline-block; margin-right: 14px; }
  .named { display: block; }
  .named::before { content: attr(data-name) ": "; color: var(--soft); }
}
@media print {
  body { max-width: none; padding: 0; font-size: 9.5pt; line-height: 1.35; }
  code { font-size: 8.5pt; }
  h2 { break-after: avoid; margin: 18px 0 6px; font-size: 12pt; }
  dl { gap: 2px 12px; }
  td, th { padding: 3px 10px 3px 0; }
  svg { max-height: 230mm; }
  section.whole, tr, li, figure, .result { break-inside: avoid; }
  a { text-decoration: none; }
}
"""
POLICY = f"default-src 'none'; style-src 'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'"
"""Content-Security-Policy. Sentences of AWS are text here; were one of them HTML, it could do nothing."""
