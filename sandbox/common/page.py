"""Plain, readable HTML pages without outside assets, for looking inside a stand-in."""

from collections.abc import Iterable, Sequence
from html import escape

from aiohttp import web

STYLE = """
:root{color-scheme:light dark;--line:#8884;--soft:#8882;--ink2:#777}
*{box-sizing:border-box}
body{margin:0;font:15px/1.5 system-ui,sans-serif}
header,main{max-width:72rem;margin:0 auto;padding:.75rem 1rem}
header{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;align-items:baseline;border-bottom:1px solid var(--line)}
header strong{font-size:1.05rem}
nav{display:flex;flex-wrap:wrap;gap:.25rem 1rem}
h1{font-size:1.35rem;margin:.5rem 0}h2{font-size:1.05rem;margin:1.5rem 0 .4rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%}
th,td{padding:.35rem .6rem;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
td{max-width:24rem;overflow-wrap:break-word}
th{font-weight:600;color:var(--ink2);white-space:nowrap}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
tbody tr:hover{background:var(--soft)}
.tag{padding:.05rem .5rem;border-radius:1rem;background:var(--soft);white-space:nowrap}
.none{color:var(--ink2);padding:1rem 0}
"""

# Replaces <main> instead of reloading, so that scrolling and selection on a phone survive.
REFRESH = """
setInterval(async()=>{if(document.hidden)return;try{const r=await fetch(location.href);if(!r.ok)return;
const d=new DOMParser().parseFromString(await r.text(),'text/html');const n=d.querySelector('main'),
o=document.querySelector('main');if(n&&n.innerHTML!==o.innerHTML)o.innerHTML=n.innerHTML}catch(e){}},3000)
"""


class Html(str):
    """Text that is HTML already; everything else is escaped when it is put on a page."""


def html_of(value: object) -> Html:
    return value if isinstance(value, Html) else Html(escape("" if value is None else str(value)))


def join(parts: Iterable[object], between: str = "") -> Html:
    return Html(between.join(html_of(part) for part in parts))


def link(href: str, text: object) -> Html:
    return Html(f'<a href="{escape(href, quote=True)}">{html_of(text)}</a>')


def tag(text: object) -> Html:
    return Html(f'<span class="tag">{html_of(text)}</span>')


def heading(text: object, level: int = 1) -> Html:
    return Html(f"<h{level}>{html_of(text)}</h{level}>")


def paragraph(text: object) -> Html:
    return Html(f"<p>{html_of(text)}</p>")


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str = "Nothing here yet.") -> Html:
    """A column whose name starts with ``#`` holds figures: aligned right, name shown without the sign."""
    body = [_row("td", columns, row) for row in rows]
    if not body:
        return Html(f'<p class="none">{escape(empty)}</p>')
    head = _row("th", columns, [name.removeprefix("#") for name in columns])
    return Html(f'<div class="scroll"><table><thead>{head}</thead><tbody>{"".join(body)}</tbody></table></div>')


def _row(cell: str, columns: Sequence[str], values: Sequence[object]) -> str:
    cells = (
        f'<{cell} class="n">{html_of(value)}</{cell}>' if name.startswith("#") else f"<{cell}>{html_of(value)}</{cell}>"
        for name, value in zip(columns, values, strict=True)
    )
    return f"<tr>{''.join(cells)}</tr>"


def page(title: str, body: Iterable[object], *, site: str, links: Sequence[tuple[str, str]] = ()) -> web.Response:
    """A whole page. ``links`` are (address, text) pairs of the navigation; the page keeps itself up to date."""
    navigation = join(link(href, text) for href, text in links)
    text = (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)} – {escape(site)}</title><style>{STYLE}</style></head>"
        f"<body><header><strong>{escape(site)}</strong><nav>{navigation}</nav></header>"
        f"<main>{heading(title)}{join(body)}</main><script>{REFRESH}</script></body></html>"
    )
    return web.Response(text=text, content_type="text/html")
