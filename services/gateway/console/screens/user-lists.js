// Lists of people as files: invitations from a CSV, users into one.
import { post } from "../lib/api.js";
import { html, useEffect, useId, useState } from "../lib/dom.js";
import { textOf } from "../lib/files.js";
import { t, tn } from "../lib/i18n.js";
import { Button, Notice } from "../ui/basics.js";
import { Field, FormError, Submit, useSend } from "../ui/forms.js";
import { Dialog } from "../ui/overlays.js";
import { Progress, useOperation } from "../ui/progress.js";

const MOST_CHARACTERS = 2_000_000;
const HEAD = /^\s*sep=.$|(^|[,;\t])\s*"?e-?mail"?\s*([,;\t]|$)/i; // what stands above the rows
const EXAMPLE = "email,role,groups\nana@example.com,analyst,Finance|Board\nbo@example.com,viewer,";

export function ImportDialog({ onClose }) {
  const [csv, setCsv] = useState("");
  const [begun, setBegun] = useState(null);
  const id = useId();
  const sending = useSend(async (body, options) => setBegun((await post("/v1/invitations/imports", body, options)).data));
  const read = async (event) => {
    const [file] = event.target.files;
    if (file) setCsv(await textOf(file));
  };
  if (begun) return html`<${Importing} begun=${begun} onClose=${() => onClose(true)} />`;
  const rows = csv.trim().split(/\r?\n/).filter((line, place) => line.trim() && !(place < 2 && HEAD.test(line))).length;
  const why = !csv.trim() ? t("Choose a file or paste a list first") : csv.length > MOST_CHARACTERS ? t("The list is too long.") : "";
  return html`<${Dialog} large title=${t("Invite from a list")} onClose=${() => onClose(false)} onSubmit=${() => why || sending.run({ csv })}
    footer=${html`<span class="note" role="status">${csv.trim() ? tn(rows, "{n} row", "{n} rows") : ""}</span><${Button} onClick=${() => onClose(false)}>${t("Cancel")}<//><${Submit} sending=${sending} why=${why}>${t("Invite everybody")}<//>`}>
    <p class="quiet">${t("A CSV with the columns email, role and groups, or addresses alone, one a line. Up to 10,000 rows; who has no role becomes a viewer. Several groups are separated by |.")}</p>
    <div class="field"><label for=${id}>${t("CSV file")}</label><input id=${id} class="input" type="file" accept=".csv,text/csv,text/plain" onChange=${read} data-first /></div>
    <${Field} area label=${t("Or paste it here")} name="csv" rows="7" spellcheck="false" placeholder=${EXAMPLE} value=${csv} onInput=${setCsv} wrong=${sending.wrong("csv")} /><${FormError} sending=${sending} fields=${["csv"]} /><//>`;
}

function Importing({ begun, onClose }) {
  const state = useOperation(begun);
  const result = state.operation.result ?? {};
  return html`<${Dialog} title=${t("Invite from a list")} onClose=${onClose} footer=${html`<${Button} onClick=${onClose}>${t("Close")}<//>`}>
    <${Progress} state=${state} doing=${t("Inviting…")} done=${t("Everybody on the list is answered.")} file=${t("Every row's answer (CSV)")}>
      ${result.created ? html`<${Notice} kind="ok" icon="check" title=${tn(result.created, "{n} invitation is on its way.", "{n} invitations are on their way.")} />` : null}
      ${result.refused ? html`<${Notice} kind="warn" icon="warn" title=${tn(result.refused, "{n} row was refused", "{n} rows were refused")}>${t("The file says why, with the number of each row in your list.")}<//>` : null}<//><//>`;
}

/** Writes the users of a filter into a file; `filter` is what the list is asked for. */
export function ExportDialog({ filter, onClose }) {
  const [begun, setBegun] = useState(null);
  const sending = useSend(async (body, options) => setBegun((await post("/v1/users/exports", body, options)).data));
  useEffect(() => void sending.run(filter), []);
  return html`<${Dialog} title=${t("Export users")} onClose=${onClose} footer=${html`<${Button} onClick=${onClose}>${t("Close")}<//>`}>
    <p class="quiet">${Object.keys(filter).length > 1 ? t("The users that fit the filter of the list, by name.") : t("All users of this list, by name.")}</p>
    <${FormError} sending=${sending} />${begun ? html`<${Exporting} begun=${begun} />` : null}<//>`;
}

function Exporting({ begun }) {
  const state = useOperation(begun);
  return html`<${Progress} state=${state} doing=${t("Writing…")} done=${t("The file is ready.")} file=${t("Download the file (CSV)")} />`;
}
