// Slots over a year, what is to be expected, and who took each of them from when to when.
import { get } from "../lib/api.js";
import { html, useState } from "../lib/dom.js";
import { day, t } from "../lib/i18n.js";
import { ROOT, useList, useLoad } from "../lib/state.js";
import { Badge, Button, Card, Empty, Loaded } from "../ui/basics.js";
import { Area, Figure } from "../ui/charts.js";
import { Select } from "../ui/forms.js";
import { Dialog } from "../ui/overlays.js";
import { Act, Table } from "../ui/table.js";

const DAY_MS = 86_400_000;
const YEAR_DAYS = 365;
const LEAST_DAYS = 60;
const KINDS = () => ({ author: t("Author slots"), viewer: t("Viewer slots") });

export function SlotsOverTime() {
  const [dialog, open] = useState(null);
  const first = new Date(Date.now() - (YEAR_DAYS - 1) * DAY_MS).toISOString().slice(0, 10);
  const found = useLoad(() => get(`/v1/usage/slots?from=${first}`), "usage");
  const ledger = () => open(html`<${Ledger} onClose=${() => open(null)} />`);
  return html`<${Card} title=${t("Slots over time")} lead=${t("Up to a year back, and what is to be expected if it goes on as in the last 30 days.")} footer=${html`<${Button} onClick=${ledger}>${t("Who held them…")}<//>`}>
    <${Loaded} from=${found} lines=${4}>${(usage) => html`<div class="columns">${Object.keys(KINDS()).map((kind) => html`<${SlotChart} key=${kind} usage=${usage} kind=${kind} />`)}</div>`}<//><//>${dialog}`;
}

function SlotChart({ usage, kind }) {
  const began = usage.days.findIndex((one) => one.author + one.viewer > 0);
  const days = usage.days.slice(Math.max(0, Math.min(began, usage.days.length - LEAST_DAYS)));
  const counts = days.map((one) => one[kind]);
  const limit = usage.limits[kind];
  const { forecast } = usage;
  const full = forecast?.[`${kind}_full_on`];
  const expected = forecast ? forecast.expected[kind] : null;
  const words = [
    forecast ? t("{now} today, {expected} expected by {day}.", { now: usage.now[kind], expected, day: day(forecast.day) }) : t("{now} today. A forecast needs 30 days of history: the first is there on {day}.", { now: usage.now[kind], day: day(usage.forecast_from) }),
    limit === null ? t("There is no limit.") : t("The limit is {limit}.", { limit }),
    full && limit !== null && usage.now[kind] < limit ? t("If it goes on so, all are taken on {day}.", { day: day(full) }) : "",
  ].filter(Boolean).join(" ");
  const rows = [...days.map((one) => [day(one.day), one[kind]]), ...(forecast ? [[t("{day} (expected)", { day: day(forecast.day) }), expected]] : [])];
  return html`<div class="stack tight"><h3>${KINDS()[kind]}</h3><${Figure} sentence="${KINDS()[kind]}: ${words}" legend=${words} head=${[t("Day"), KINDS()[kind]]} rows=${rows} from=${day(days[0].day)} to=${day(forecast?.day ?? days.at(-1).day)} top=${Math.max(...counts, limit ?? 0, expected ?? 0)}>
    <${Area} counts=${counts} limit=${limit} expected=${expected} /><//></div>`;
}

function Ledger({ onClose }) {
  const [kind, setKind] = useState("");
  const list = useList(`/v1/slot-ledger${kind ? `?kind=${kind}` : ""}`, 25);
  const columns = [
    { key: "who", label: t("Who"), cell: (one) => html`<b data-name>${one.name ?? one.email}</b><div class="small quiet">${one.holder === "invitation" ? t("an open invitation") : one.name ? one.email : ""}</div>` },
    { key: "kind", label: t("Slot"), secondary: true, cell: (one) => html`<${Badge} kind=${one.kind === "author" ? "accent" : ""}>${one.kind === "author" ? t("Author") : t("Viewer")}<//>` },
    { key: "from", label: t("From"), cell: (one) => day(one.since) },
    { key: "to", label: t("To"), cell: (one) => (one.until ? day(one.until) : t("today")) },
    { key: "act", label: t("Actions"), act: true, cell: (one) => html`<${Act} icon="info" href="${ROOT}/audit?target=${one.holder_id}" name=${t("Why {name} held it", { name: one.name ?? one.email })}>${t("Why")}<//>` },
  ];
  return html`<${Dialog} large title=${t("Who held the slots")} onClose=${onClose} footer=${html`<${Button} kind="primary" onClick=${onClose}>${t("Close")}<//>`}>
    <p class="quiet">${t("Every day of every slot is explained by one of these lines, and each line by its entries in the audit log.")}</p>
    <div><${Select} hidden slim label=${t("Which slots")} value=${kind} onInput=${setKind} options=${[["", t("All slots")], ["author", t("Author slots")], ["viewer", t("Viewer slots")]]} /></div>
    <${Table} label=${t("Who held the slots")} list=${list} columns=${columns} empty=${html`<${Empty} icon="users" title=${t("Nobody has held one yet")} />`} /><//>`;
}
