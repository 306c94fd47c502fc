// Legal & compliance: where data is kept, the texts that hold, the Data Processing Amendment, and the record of it all.
import { get, post } from "../lib/api.js";
import { html, useSignal, useState } from "../lib/dom.js";
import { day, t } from "../lib/i18n.js";
import { whyNot } from "../lib/may.js";
import { me, say, useList, useLoad, whole } from "../lib/state.js";
import { Badge, Button, Card, Empty, Icon, Loaded, Notice, Page, When } from "../ui/basics.js";
import { Check, Field, FormError, Submit, useSend } from "../ui/forms.js";
import { Dialog } from "../ui/overlays.js";
import { Act, Table } from "../ui/table.js";
import { Text } from "../ui/text.js";

const KINDS = () => ({ terms: t("Terms & Conditions"), privacy: t("Privacy Policy"), dpa: t("Data Processing Amendment") });
const receipt = (id) => `/v1/legal/acceptances/${id}/receipt`;

export function Legal() {
  const who = useSignal(me);
  const [dialog, open] = useState(null);
  const place = useLoad(() => get("/v1/organization"), "organization");
  const texts = useLoad(() => whole("/v1/legal/documents"), "texts");
  const dpa = useLoad(() => get("/v1/legal/dpa"), "dpa");
  const record = useList("/v1/legal/acceptances");
  const close = (done) => {
    open(null);
    if (done) [texts, dpa, record].forEach((one) => one.reload());
  };
  return html`<${Page} title=${t("Legal & compliance")} org=${who.organization.name} lead=${t("Where your data is kept, what holds between us, and the record of it.")}>
    <${Loaded} from=${dpa} lines=${4}>${(state) => html`<${Dpa} state=${state} open=${open} close=${close} />`}<//>
    <${Card} plain title=${t("Texts that hold")}><${Loaded} from=${texts} lines=${3}>${(all) => html`<${Texts} all=${all} record=${record.rows ?? []} open=${open} close=${close} />`}<//><//>
    <${Card} title=${t("Account location")}><${Loaded} from=${place} lines=${1}>${(one) => html`<div class="stack tight"><p class="row"><${Icon} name="globe" /><b>${one.location === "eu" ? t("European Union") : t("United States")}</b></p><p class="small quiet">${t("Everything of your organization is stored and processed there. It was chosen at sign-up and can't be changed.")}</p></div>`}<//><//>
    <${Record} list=${record} open=${open} />${dialog}<//>`;
}

const DPA_STATES = () => ({
  undecided: ["warn", "clock", t("Open"), t("Accept it, or say why it doesn't apply to you.")],
  accepted: ["ok", "check", t("Accepted"), ""],
  not_applicable: ["", "check", t("Doesn't apply"), ""],
});

function Dpa({ state, open, close }) {
  const [kind, icon, label, sentence] = DPA_STATES()[state.status];
  const { decided } = state;
  const renewed = state.awaits_answer && state.status === "accepted";
  const why = whyNot("legal.accept");
  const accepting = () => open(html`<${AcceptDpa} onClose=${close} />`);
  const declining = () => open(html`<${NotApplicable} onClose=${close} />`);
  const footer = html`${decided ? html`<a class="button" href=${receipt(decided.id)} download><${Icon} name="file" />${t("Receipt (PDF)")}</a>` : null}
    ${state.status === "undecided" ? html`<${Button} why=${why} onClick=${declining}>${t("It doesn't apply…")}<//>` : null}
    ${state.awaits_answer || state.status === "not_applicable" ? html`<${Button} kind=${state.awaits_answer ? "primary" : ""} why=${why} onClick=${accepting}>${t("Accept electronically…")}<//>` : html`<${Button} onClick=${() => open(html`<${Read} id="dpa" onClose=${close} />`)}>${t("Read")}<//>`}`;
  return html`<${Card} title=${t("Data Processing Amendment")} lead=${t("Under Article 28 of the GDPR, for the personal data that we process for you.")} footer=${footer}><div class="stack">
    <div class="row"><${Badge} kind=${kind} icon=${icon}>${label}<//>${sentence ? html`<span class="quiet">${sentence}</span>` : null}</div>
    ${renewed ? html`<${Notice} kind="accent" icon="info" title=${t("A new version is there")}>${t("You accepted {old}; {new} is current.", { old: decided.version, new: state.current_version })}<//>` : null}
    ${decided ? html`<dl class="facts"><div><dt>${t("Version")}</dt><dd>${decided.version}</dd></div><div><dt>${t("Decided by")}</dt><dd>${decided.name || decided.email}</dd></div><div><dt>${t("On")}</dt><dd>${day(decided.accepted_at)}</dd></div>
      ${decided.signatory ? html`<div><dt>${t("Signed by")}</dt><dd>${decided.signatory.name}${decided.signatory.title ? `, ${decided.signatory.title}` : ""}</dd></div>` : null}${decided.reason ? html`<div><dt>${t("Reason")}</dt><dd>${decided.reason}</dd></div>` : null}</dl>
      <p class="small quiet">${state.status === "accepted" ? t("What was accepted stays on the record. To end it, write to us.") : t("You can still accept it later.")}</p>` : null}</div><//>`;
}

function Texts({ all, record, open, close }) {
  const current = all.filter((one) => one.current && one.kind !== "dpa");
  const answered = (one) => record.find((entry) => entry.document === one.kind && entry.version === one.version);
  const read = (one) => () => open(html`<${Read} id=${one.id} onClose=${close} />`);
  const accept = (one) => () => open(html`<${Accept} id=${one.id} onClose=${close} />`);
  return html`<ul class="lines">${current.map((one) => html`<li key=${one.id}><span class="person"><span class="avatar" aria-hidden="true"><${Icon} name="file" /></span><span><span class="row"><b>${KINDS()[one.kind]}</b>${one.awaits_answer ? html`<${Badge} kind="warn" icon="clock">${t("Wants your answer")}<//>` : html`<${Badge} kind="ok" icon="check">${t("Accepted")}<//>`}</span>
    <small>${t("Version {version}", { version: one.version })}${answered(one) ? ` · ${t("accepted on {day} by {name}", { day: day(answered(one).accepted_at), name: answered(one).name || answered(one).email })}` : ""}</small></span></span>
    <span class="row"><${Button} onClick=${read(one)} aria-label=${t("Read {title}", { title: KINDS()[one.kind] })}>${t("Read")}<//>${one.awaits_answer ? html`<${Button} kind="primary" why=${whyNot("legal.accept")} onClick=${accept(one)}>${t("Accept…")}<//>` : null}</span></li>`)}</ul>`;
}

function Record({ list, open }) {
  const columns = [
    { key: "what", label: t("Text"), cell: (one) => html`<b>${KINDS()[one.document]}</b><br /><small class="quiet">${t("Version {version}", { version: one.version })}</small>` },
    { key: "decision", label: t("Decision"), secondary: true, cell: (one) => (one.decision === "accepted" ? html`<${Badge} kind="ok" icon="check">${t("Accepted")}<//>` : html`<${Badge}>${t("Doesn't apply")}<//>`) },
    { key: "who", label: t("By whom"), secondary: true, cell: (one) => one.name || one.email },
    { key: "when", label: t("When"), secondary: true, cell: (one) => html`<${When} at=${one.accepted_at} />` },
    { key: "act", label: t("Actions"), act: true, cell: (one) => html`<span class="row"><${Act} icon="check" name=${t("Check {title}", { title: KINDS()[one.document] })} onClick=${() => open(html`<${Verified} entry=${one} onClose=${() => open(null)} />`)}>${t("Check")}<//><a class="button square" href=${receipt(one.id)} download aria-label=${t("Receipt of {title} (PDF)", { title: KINDS()[one.document] })}><${Icon} name="file" /></a></span>` },
  ];
  return html`<${Card} plain title=${t("The record")} lead=${t("It is only ever added to. Every entry has a receipt.")}><${Table} label=${t("The record")} list=${list} columns=${columns} empty=${html`<${Empty} icon="scale" title=${t("Nothing is on the record yet")} />`} /><//>`;
}

function Verified({ entry, onClose }) {
  const found = useLoad(() => post(`/v1/legal/acceptances/${entry.id}/verifications`, {}), entry.id);
  return html`<${Dialog} title=${t("Does this entry still stand?")} onClose=${onClose} footer=${html`<${Button} onClick=${onClose}>${t("Close")}<//>`}>
    <${Loaded} from=${found} lines=${2}>${({ valid }) => (valid ? html`<${Notice} kind="ok" icon="check" title=${t("It stands")}>${t("The text that was answered is unchanged, to the byte.")}<//>` : html`<${Notice} kind="danger" icon="warn" title=${t("It doesn't fit the text")}>${t("The document isn't the one that was answered.")}<//>`)}<//>
    <dl class="facts"><div><dt>${t("Text")}</dt><dd>${KINDS()[entry.document]} ${entry.version}</dd></div><div><dt>${t("From")}</dt><dd>${entry.source_ip ?? "–"}</dd></div></dl><p class="label">SHA-256</p><p><code class="secret">${entry.sha256}</code></p><//>`;
}

function Read({ id, onClose }) {
  const text = useLoad(() => get(`/v1/legal/documents/${id}`), id);
  return html`<${Dialog} large title=${text.data ? KINDS()[text.data.kind] : t("Read")} onClose=${() => onClose(false)} footer=${html`<${Button} onClick=${() => onClose(false)}>${t("Close")}<//>`}>
    <${Loaded} from=${text}>${(one) => html`<p class="small quiet">${t("Version {version}", { version: one.version })} · <code>${one.sha256.slice(0, 16)}…</code></p><${Text} source=${withoutTitle(one.text)} />`}<//><//>`;
}

const withoutTitle = (text) => text.replace(/^#[^\n]*\n+/, "");

function Accept({ id, onClose }) {
  const text = useLoad(() => get(`/v1/legal/documents/${id}`), id);
  const [read, setRead] = useState(false);
  const sending = useSend(async (body, options) => {
    await post("/v1/legal/acceptances", body, options);
    say(t("Accepted. The receipt is on the record."));
    onClose(true);
  });
  const why = !text.data || !read ? t("Say first that you have read it") : "";
  return html`<${Dialog} large title=${t("Accept {title}", { title: KINDS()[text.data?.kind] ?? "" })} onClose=${() => onClose(false)} onSubmit=${() => why || sending.run({ document_id: text.data.id, sha256: text.data.sha256 })}
    footer=${html`<${Button} onClick=${() => onClose(false)}>${t("Cancel")}<//><${Submit} sending=${sending} why=${why}>${t("Accept")}<//>`}>
    <${Loaded} from=${text}>${(one) => html`<${Text} boxed source=${withoutTitle(one.text)} label=${one.title} />`}<//><${Check} label=${t("I have read it, and accept it for the organization")} checked=${read} onChange=${setRead} /><${FormError} sending=${sending} /><//>`;
}

function AcceptDpa({ onClose }) {
  const text = useLoad(() => get("/v1/legal/documents/dpa"), "dpa");
  const [name, setName] = useState(me.value.user.name);
  const [title, setTitle] = useState("");
  const [read, setRead] = useState(false);
  const sending = useSend(async (body, options) => {
    await post("/v1/legal/dpa/decisions", body, options);
    say(t("The amendment is accepted. The receipt is on the record."));
    onClose(true);
  });
  const why = !text.data ? t("Loading…") : !name.trim() || !title.trim() ? t("Say first who signs") : read ? "" : t("Say first that you have read it");
  const body = () => ({ decision: "accepted", sha256: text.data.sha256, signatory: { name: name.trim(), title: title.trim() } });
  return html`<${Dialog} large title=${t("Accept the Data Processing Amendment")} onClose=${() => onClose(false)} onSubmit=${() => why || sending.run(body())}
    footer=${html`<span class="note">${text.data ? t("Version {version}", { version: text.data.version }) : ""}</span><${Button} onClick=${() => onClose(false)}>${t("Cancel")}<//><${Submit} sending=${sending} why=${why}>${t("Accept electronically")}<//>`}>
    <${Loaded} from=${text}>${(one) => html`<${Text} boxed source=${withoutTitle(one.text)} label=${one.title} />`}<//>
    <div class="columns"><${Field} label=${t("Signatory")} name="signatory/name" autocomplete="name" maxlength="200" value=${name} onInput=${setName} wrong=${sending.wrong("signatory/name")} />
      <${Field} label=${t("Their position")} name="signatory/title" autocomplete="organization-title" maxlength="200" value=${title} onInput=${setTitle} wrong=${sending.wrong("signatory/title")} hint=${t("Such as managing director, or data protection officer.")} /></div>
    <${Check} label=${t("I have read it, and may accept it for {name}", { name: me.value.organization.name })} checked=${read} onChange=${setRead} />
    <p class="small quiet">${t("Who accepted, when, from where, and the exact text go on the record.")}</p><${FormError} sending=${sending} fields=${["signatory"]} /><//>`;
}

function NotApplicable({ onClose }) {
  const [reason, setReason] = useState("");
  const sending = useSend(async (body, options) => {
    await post("/v1/legal/dpa/decisions", body, options);
    say(t("It is on the record that the amendment doesn't apply."));
    onClose(true);
  });
  const why = reason.trim().length >= 3 ? "" : t("Type the reason first");
  return html`<${Dialog} title=${t("Why doesn't it apply?")} onClose=${() => onClose(false)} onSubmit=${() => why || sending.run({ decision: "not_applicable", reason: reason.trim() })}
    footer=${html`<${Button} onClick=${() => onClose(false)}>${t("Cancel")}<//><${Submit} sending=${sending} why=${why}>${t("Record it")}<//>`}>
    <${Field} area label=${t("Reason")} name="reason" maxlength="1000" value=${reason} onInput=${setReason} wrong=${sending.wrong("reason")} hint=${t("Such as: no personal data of people in the EU is processed. It goes on the record; you can still accept later.")} /><${FormError} sending=${sending} fields=${["reason"]} /><//>`;
}
