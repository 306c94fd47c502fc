// Texts as they are written in Markdown, of which legal texts need headings, numbered points, bold words and paragraphs.
import { html } from "../lib/dom.js";

export function Text({ source, boxed, label }) {
  const blocks = source.trim().split(/\n{2,}/).flatMap(pieces);
  return html`<div class="text ${boxed ? "boxed" : ""}" role=${boxed ? "region" : undefined} tabindex=${boxed ? "0" : undefined} aria-label=${label}>${blocks}</div>`;
}

function pieces(block) {
  const lines = block.split("\n");
  if (lines[0].startsWith("#")) return [html`<h3>${lines[0].replace(/^#+\s*/, "")}</h3>`, ...(lines.length > 1 ? pieces(lines.slice(1).join("\n")) : [])];
  if (/^\d+\.\s/.test(lines[0])) return [html`<ol>${lines.filter((one) => one.trim()).map((one) => html`<li>${bold(one.replace(/^\d+\.\s*/, ""))}</li>`)}</ol>`];
  return [html`<p>${bold(lines.join(" "))}</p>`];
}

const bold = (line) => line.split(/\*\*/).map((part, n) => (n % 2 ? html`<b>${part}</b>` : part));
