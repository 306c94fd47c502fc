// Everything that one person sees, everybody who sees one dashboard, and the review of both as a file.
import { post } from "../lib/api.js";
import { html, useState } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { ROLES } from "../lib/may.js";
import { refine, useList } from "../lib/state.js";
import { Badge, Button, Card, Empty, Person } from "../ui/basics.js";
import { Choices, FormError, Submit, useSend } from "../ui/forms.js";
import { Dialog } from "../ui/overlays.js";
import { Progress, useOperation } from "../ui/progress.js";
import { Act, Table } from "../ui/table.js";
import { PATHS } from "./explained.js";
import { LinkState, Restrictions } from "./link-parts.js";

/** The paths by which somebody sees something: groups by their names. */
function Through({ one }) {
  const words = one.paths.flatMap((path) => (path === "group" ? one.group_names.map((name) => ["ok", "groups", name]) : [[path === "ownership" ? "" : "accent", path === "ownership" ? "person" : "users", PATHS()[path]]]));
  return html`<span class="row">${words.map(([kind, icon, text]) => html`<${Badge} key=${text} kind=${kind} icon=${icon}>${text}<//>`)}</span>`;
}

const why = (name, act) => html`<${Act} icon="info" name=${t("Why: {name}", { name })} onClick=${act}>${t("Why?")}<//>`;

export function SeenBy({ person, to = (dashboard) => refine({ dashboard }) }) {
  const list = useList(`/v1/users/${person.id}/dashboards`);
  const columns = [
    { key: "title", label: t("Dashboard"), cell: (one) => html`<b data-name>${one.title}</b><div class="small quiet" data-name>${one.owner.name ?? t("Somebody who left")}</div>` },
    { key: "through", label: t("Through"), cell: (one) => html`<${Through} one=${one} />` },
    { key: "act", label: t("Actions"), act: true, cell: (one) => why(one.title, () => to(one.id)) },
  ];
  return html`<${Card} plain title=${t("What {name} sees", { name: person.title })}><${Table} label=${t("Dashboards")} list=${list} columns=${columns}
    empty=${html`<${Empty} icon="eye" title=${t("{name} sees no dashboard", { name: person.title })}>${t("Nothing is shared with them, and they own none.")}<//>`} /><//>`;
}

export function Viewers({ board }) {
  const list = useList(`/v1/dashboards/${encodeURIComponent(board.id)}/viewers`);
  const columns = [
    { key: "name", label: t("Person"), cell: (one) => html`<${Person} name=${one.name} email=${one.email} />` },
    { key: "role", label: t("Role"), secondary: true, cell: (one) => ROLES()[one.effective_role] },
    { key: "through", label: t("Through"), cell: (one) => html`<${Through} one=${one} />` },
    { key: "act", label: t("Actions"), act: true, cell: (one) => why(one.name, () => refine({ user: one.user_id })) },
  ];
  const rows = list.rows?.map((one) => ({ ...one, id: one.user_id }));
  return html`<${Card} plain title=${t("Who sees {dashboard}", { dashboard: board.title })}><${Table} label=${t("People")} list=${{ ...list, rows }} columns=${columns}
      empty=${html`<${Empty} icon="lock" title=${t("Nobody sees it")}>${t("Its owner has left, and it is shared with nobody.")}<//>`} /><//><${OpenLinks} board=${board} />`;
}

/** Links lead in without a name. */
function OpenLinks({ board }) {
  const list = useList(`/v1/links?dashboard_id=${encodeURIComponent(board.id)}`);
  const columns = [
    { key: "name", label: t("Link"), cell: (one) => html`<b data-name>${one.name}</b>` },
    { key: "state", label: t("State"), cell: (one) => html`<${LinkState} link=${one} />` },
    { key: "who", label: t("Who gets in"), cell: (one) => html`<${Restrictions} link=${one} />` },
  ];
  if (list.rows && !list.rows.length) return null;
  return html`<${Card} plain title=${t("And through sharing links")} lead=${t("Whoever opens a link needn't be a person of your organization.")}><${Table} label=${t("Sharing links")} list=${list} columns=${columns} empty=${null} /><//>`;
}

export function Review({ person, board, onClose }) {
  const [format, setFormat] = useState("csv");
  const [begun, setBegun] = useState(null);
  const sending = useSend(async (body, options) => setBegun((await post("/v1/access-reviews", body, options)).data));
  const about = { ...(person ? { user_id: person.id } : {}), ...(board ? { dashboard_id: board.id } : {}) };
  const scope = person && board ? t("The paths of {name} to {dashboard}.", { name: person.title, dashboard: board.title })
    : person ? t("Everything that {name} sees.", { name: person.title })
    : board ? t("Everybody who sees {dashboard}.", { dashboard: board.title })
    : t("Everybody, and everything that they see. Choose a person or a dashboard first for less.");
  return html`<${Dialog} title=${t("Access review")} onClose=${onClose} onSubmit=${() => begun || sending.run({ format, ...about })}
    footer=${html`<${Button} onClick=${onClose}>${t("Close")}<//>${begun ? null : html`<${Submit} sending=${sending}>${t("Write the file")}<//>`}`}>
    <p>${t("A line for each person, dashboard and path, with the event behind it and since when: for whoever has to confirm that it is right.")} ${scope}</p>
    ${begun ? html`<${Writing} begun=${begun} />` : html`<${Choices} legend=${t("Format")} wrong=${sending.wrong("format")} value=${format} onInput=${setFormat} options=${[["csv", "CSV", t("For a spreadsheet")], ["ndjson", "NDJSON", t("For programs")]]} />`}
    <${FormError} sending=${sending} fields=${["format"]} /><//>`;
}

function Writing({ begun }) {
  const state = useOperation(begun);
  return html`<${Progress} state=${state} doing=${t("Writing…")} done=${t("The file is ready.")} file=${t("Download the file")} />`;
}
