// A dry run of provisioning: what would become of the people whom the provider would send.
import { post } from "../lib/api.js";
import { html, useState } from "../lib/dom.js";
import { t, tn } from "../lib/i18n.js";
import { told } from "../lib/told.js";
import { Badge, Button, Notice } from "../ui/basics.js";
import { Field, FormError, Submit, useSend } from "../ui/forms.js";
import { Dialog } from "../ui/overlays.js";

const OUTCOMES = () => ({ created: ["ok", t("Comes in")], invited: ["accent", t("Is invited, and comes in by accepting")], matched: ["accent", t("Is matched")], unchanged: ["", t("Stays as they are")], refused: ["danger", t("Is refused")] });
const EXAMPLE = '[{"userName": "vera@example.com", "displayName": "Vera Example"}]';
const ADDRESS = /^[^\s@,;<>]+@[^\s@,;<>]+$/;

/** SCIM documents out of JSON (a list, or a list response), or out of addresses, one a line; null for neither. */
export function usersOf(text) {
  const trimmed = text.trim();
  if (/^[[{]/.test(trimmed)) {
    try {
      const given = JSON.parse(trimmed);
      const users = Array.isArray(given) ? given : given.Resources ?? [given];
      return users.length && users.every((one) => one && typeof one === "object" && !Array.isArray(one)) ? users : null;
    } catch {
      return null;
    }
  }
  const lines = trimmed.split(/[\s,;]+/).filter(Boolean);
  return lines.length && lines.every((one) => ADDRESS.test(one)) ? lines.map((userName) => ({ userName })) : null;
}

export function DryRun({ onClose }) {
  const [text, setText] = useState("");
  const [found, setFound] = useState(null);
  const users = usersOf(text);
  const sending = useSend(async (body, options) => setFound((await post("/v1/provisioning/previews", body, options)).data));
  const change = (value) => {
    setText(value);
    setFound(null);
  };
  const why = !text.trim() ? t("Paste users or addresses first") : users ? "" : t("That is neither JSON nor a list of addresses.");
  return html`<${Dialog} large title=${t("What would the provider do?")} onClose=${() => onClose(false)} onSubmit=${() => why || sending.run({ users })}
    footer=${html`<${Button} onClick=${() => onClose(false)}>${t("Close")}<//><${Submit} sending=${sending} why=${why}>${t("Work it out")}<//>`}>
    <p class="quiet">${t("Paste what the provider would send. Nothing is kept, and nobody is changed.")}</p>
    <${Field} area label=${t("Users")} name="users" rows="6" spellcheck="false" value=${text} onInput=${change} wrong=${sending.wrong("users")} hint=${t("Addresses, one a line, or SCIM users as JSON, such as {example}", { example: EXAMPLE })} />
    <${FormError} sending=${sending} fields=${["users"]} />${found ? html`<${Outcome} found=${found} />` : null}<//>`;
}

function Outcome({ found }) {
  const sums = Object.entries(OUTCOMES()).filter(([key]) => found[key]);
  return html`<section class="stack tight" role="status"><div class="row">${sums.map(([key, [kind, label]]) => html`<${Badge} kind=${kind}>${label}: ${found[key]}<//>`)}</div>
    <ul class="plain-list boxed" tabindex="0" aria-label=${t("What would become of them")}>${found.rows.map((one) => html`<li key=${one.row}><b data-name>${one.user_name ?? t("Row {n}", { n: one.row })}</b> · ${OUTCOMES()[one.outcome][1]}${one.changes.length ? html` <span class="quiet">(${one.changes.join(", ")})</span>` : null}${one.problem ? html`<br /><small class="quiet">${told([`foreseen:${one.because}`], one.problem)}</small>` : null}</li>`)}</ul>
    ${found.unmentioned_count ? html`<${Notice} icon="users" title=${tn(found.unmentioned_count, "{n} member isn't among them", "{n} members aren't among them")}><p>${t("They stay as they are:")} <span data-name>${found.unmentioned.slice(0, 8).map((one) => one.name).join(", ")}${found.unmentioned_count > 8 ? " …" : ""}</span></p><//>` : null}</section>`;
}
