"""How the page looks, in light and in dark: one style sheet, no font and no picture from anywhere."""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root { color-scheme: light dark;
  --page: #ffffff; --card: #f6f8fa; --ink: #1f2328; --soft: #57606a; --edge: #d0d7de; --grid: #e4e8ec;
  --held: #116329; --held-bed: #dafbe1; --broken: #a40e26; --broken-bed: #ffebe9; --unknown: #7d4e00; --unknown-bed: #fff8c5;
  --up: #2f6fab; --coming: #8cb4dc; --down: #d8a0a6; --strike: #a40e26; --other: #8250df; --answer: #6e7781; }
@media (prefers-color-scheme: dark) { :root {
  --page: #0d1117; --card: #161b22; --ink: #e6edf3; --soft: #9ba6b2; --edge: #30363d; --grid: #21262d;
  --held: #56d364; --held-bed: #0f2d1a; --broken: #ff8f88; --broken-bed: #3c1418; --unknown: #e3b341; --unknown-bed: #322507;
  --up: #4f97dc; --coming: #2d5682; --down: #7d3a41; --strike: #ff8f88; --other: #bc8cff; --answer: #8b949e; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 24px 20px 64px; }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 4px; }
h2 { font-size: 19px; margin: 40px 0 10px; padding-bottom: 6px; border-bottom: 1px solid var(--edge); }
h3 { font-size: 15px; margin: 22px 0 6px; }
p { margin: 6px 0; max-width: 85ch; }
.soft { color: var(--soft); }
.top { display: flex; gap: 20px; align-items: flex-start; justify-content: space-between; flex-wrap: wrap; }
.top > div { flex: 1 1 420px; }
.badge { display: inline-block; white-space: nowrap; border-radius: 6px; padding: 1px 9px; font-weight: 600; font-size: 13px; }
.badge.large { font-size: 20px; padding: 8px 18px; }
.HELD { color: var(--held); background: var(--held-bed); }
.BROKEN { color: var(--broken); background: var(--broken-bed); }
.UNKNOWN { color: var(--unknown); background: var(--unknown-bed); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; margin: 14px 0; }
dt { color: var(--soft); } dd { margin: 0; }
code, pre { font: 13px/1.5 ui-monospace, "DejaVu Sans Mono", monospace; }
pre { background: var(--card); border: 1px solid var(--edge); border-radius: 6px; padding: 10px 12px; margin: 8px 0;
  white-space: pre-wrap; overflow-wrap: anywhere; }
.wide { overflow-x: auto; border: 1px solid var(--edge); border-radius: 6px; margin: 10px 0; }
.wide:focus-visible, summary:focus-visible, a:focus-visible { outline: 2px solid var(--up); outline-offset: 2px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: 8px 12px; color: var(--soft); font-size: 13px; }
th, td { text-align: left; vertical-align: top; padding: 7px 12px; border-top: 1px solid var(--edge); font-weight: 400; }
thead th { color: var(--soft); font-size: 13px; background: var(--card); white-space: nowrap; }
tbody th { white-space: nowrap; }
table.prose td:last-child { min-width: 320px; }
td.figure { white-space: nowrap; }
ul { margin: 4px 0; padding-left: 20px; } li { margin: 1px 0; overflow-wrap: anywhere; }
details { margin: 8px 0; } summary { cursor: pointer; color: var(--soft); padding: 3px 0; }
td details { margin: 2px 0 0; }
.drawing { min-width: 860px; padding: 6px 6px 2px; } .drawing.small { min-width: 520px; max-width: 680px; }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--ink); font: 12px system-ui, "DejaVu Sans", sans-serif; }
svg .soft { fill: var(--soft); } svg .grid { stroke: var(--grid); stroke-width: 1; }
svg .up { fill: var(--up); } svg .coming { fill: var(--coming); } svg .down { fill: url(#gap); stroke: var(--down); }
svg .gapline { stroke: var(--down); stroke-width: 1.5; }
svg .strike { stroke: var(--strike); stroke-width: 1.5; stroke-dasharray: 5 3; fill: none; }
svg .disc { fill: var(--strike); } svg .onDisc { fill: var(--page); font-weight: 700; font-size: 11px; }
svg .mark { stroke: var(--ink); stroke-width: 2; fill: none; } svg .failed { stroke: var(--broken); stroke-width: 2; fill: none; }
svg .answer { stroke: var(--answer); stroke-width: 1.5; } svg .seen { fill: var(--page); stroke: var(--ink); stroke-width: 1.5; }
svg .curve { fill: none; stroke: var(--up); stroke-width: 2; } svg .beside { stroke: var(--other); stroke-dasharray: 6 3; }
svg .key { font-size: 12px; }
@media print { .wide { overflow: visible; } details > * { display: block; } }
"""
