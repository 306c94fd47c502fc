// The audit log: who did what, when, from where.
import { html, useEffect, useSignal, useState } from "../lib/dom.js";
import { inWords } from "../lib/events.js";
import { exactly, t } from "../lib/i18n.js";
import { me, refine, route, useList } from "../lib/state.js";
import { Badge, Button, Card, Page, useResting, When } from "../ui/basics.js";
import { Search } from "../ui/forms.js";
import { Dialog } from "../ui/overlays.js";
import { Nothing, Table } from "../ui/table.js";

export function Audit() {
  const who = useSignal(me);
  const { query } = useSignal(route);
  const [text, setText] = useState(query.get("q") ?? "");
  const resting = useResting(text).trim();
  const [dialog, open] = useState(null);
  useEffect(() => refine({ q: resting }), [resting]);
  const asked = new URLSearchParams(resting ? { q: resting } : {});
  for (const name of ["action", "actor", "target"]) if (query.get(name)) asked.set(name, query.get(name));
  const list = useList(`/v1/audit-entries${asked.size ? `?${asked}` : ""}`);
  const clear = () => {
    setText("");
    refine({ q: "", action: "", actor: "", target: "" });
  };
  const show = (one) => () => open(html`<${Entry} one=${one} onClose=${() => open(null)} />`);
  const filters = ["action", "actor", "target"].filter((name) => query.get(name));
  const columns = [
    { key: "what", label: t("What happened"), cell: (one) => html`<button type="button" class="button plain" onClick=${show(one)}>${inWords(one.action)}</button>` },
    { key: "target", label: t("Whom or what"), cell: (one) => one.target_name ?? html`<span class="quiet">–</span>` },
    { key: "who", label: t("By whom"), secondary: true, cell: (one) => one.actor?.name ?? one.actor?.email ?? html`<span class="quiet">${t("the system")}</span>` },
    { key: "when", label: t("When"), secondary: true, cell: (one) => html`<${When} at=${one.at} />` },
  ];
  return html`<${Page} title=${t("Audit log")} org=${who.organization.name} lead=${t("Everything that changed, by whom and when. Nothing in it can be changed.")}>
    <${Card} plain><div class="toolbar"><${Search} label=${t("Search the log")} value=${text} onInput=${setText} />${filters.map((name) => html`<${Button} icon="close" onClick=${() => refine({ [name]: "" })}>${query.get(name)}<//>`)}</div>
    <${Table} label=${t("Audit log")} list=${list} columns=${columns} empty=${html`<${Nothing} filtered=${resting || filters.length} clear=${clear} icon="log" title=${t("Nothing has happened yet")} />`} /><//>${dialog}<//>`;
}

function Entry({ one, onClose }) {
  const narrow = (name, value) => () => {
    onClose();
    refine({ [name]: value });
  };
  const facts = [[t("When"), exactly(one.at)], [t("By whom"), one.actor?.name ?? t("the system")], [t("Whom or what"), one.target_name ?? "–"], [t("From"), one.source_ip ?? "–"], [t("Event"), html`<code>${one.action}</code>`]];
  return html`<${Dialog} large title=${inWords(one.action)} onClose=${onClose} footer=${html`<${Button} onClick=${narrow("action", one.action)}>${t("Only this kind")}<//>${one.actor_id ? html`<${Button} onClick=${narrow("actor", one.actor_id)}>${t("Only by this person")}<//>` : null}<${Button} onClick=${onClose}>${t("Close")}<//>`}>
    <dl class="facts">${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
    <pre class="code" tabindex="0" aria-label=${t("All fields")}>${JSON.stringify(one.data, null, 2)}</pre><//>`;
}
