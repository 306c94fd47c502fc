// An embed token taken apart: whether it would be accepted now, and at which step it fails.
import { post } from "../lib/api.js";
import { html, useState } from "../lib/dom.js";
import { exactly, t } from "../lib/i18n.js";
import { Badge, Card, Icon, Notice, When } from "../ui/basics.js";
import { Code } from "../ui/code.js";
import { Field, FormError, Submit, useSend } from "../ui/forms.js";
import { Coded, reasonInWords, whyRefused } from "./embed-refusals.js";
import { STATES } from "./link-parts.js";

const STEPS = () => ({
  form: t("It is a signed token"), header: t("Its header is right"), signature: t("Your secret has signed it"), secret: t("That secret is valid"),
  claims: t("Its claims are whole"), time: t("It is valid now"), link: t("The link opens"), parameters: t("Its parameters are allowed"),
});

export function Inspector() {
  const [token, setToken] = useState("");
  const [found, setFound] = useState(null);
  const sending = useSend(async (body, options) => setFound((await post("/v1/embed-token-inspections", body, options)).data));
  const why = token.trim() ? "" : t("Paste a token first");
  const send = (event) => {
    event.preventDefault();
    if (why) return;
    setFound(null);
    sending.run({ token: token.trim() });
  };
  return html`<${Card} title=${t("Inspect a token")} lead=${t("What your server made and hands over as sharingSecret. It is looked at and not kept.")}>
    <form class="stack" novalidate onSubmit=${send}><${FormError} sending=${sending} fields=${["token"]} />
      <${Field} area label=${t("Embed token")} name="token" maxlength="8000" spellcheck="false" autocomplete="off" placeholder="eyJ…" value=${token} onInput=${setToken} wrong=${sending.wrong("token")} class="input token" />
      <div class="row"><${Submit} sending=${sending} why=${why}>${t("Inspect")}<//></div></form>
    <div role="status" aria-live="polite">${found ? html`<${Verdict} found=${found} />` : null}</div><//>`;
}

function Verdict({ found }) {
  const failed = found.steps.find((one) => one.passed === false);
  return html`<div class="stack after">${found.accepted ? html`<${Notice} kind="ok" icon="check" title=${t("It would be accepted now")}>${found.claims.exp ? html`<p>${t("It ends {when}.", { when: exactly(found.claims.exp * 1000) })}</p>` : null}<//>`
    : html`<${Notice} kind="danger" icon="warn" title=${t("It would be refused: {reason}", { reason: reasonInWords(found.reason) })}><p><${Coded} text=${whyRefused(found.reason, failed?.detail ?? "")} /></p><//>`}
    <div class="columns"><div class="stack tight"><h3>${t("Step by step")}</h3><ol class="checks">${found.steps.map((one) => html`<${Step} key=${one.step} step=${one} detail=${one.detail && whyRefused(found.reason, one.detail)} />`)}</ol></div>
      <div class="stack tight"><h3>${t("What it says")}</h3><${Facts} found=${found} /></div></div></div>`;
}

function Step({ step, detail }) {
  const [kind, icon, label] = step.passed === null ? ["open", null, t("not reached")] : step.passed ? ["ok", "check", t("passed")] : ["danger", "close", t("failed")];
  return html`<li><span class="avatar ${kind}">${icon ? html`<${Icon} name=${icon} label=${label} />` : html`<span class="visually-hidden">${label}</span>`}</span><span>${STEPS()[step.step]}${detail ? html`<small><${Coded} text=${detail} /></small>` : null}</span></li>`;
}

function Facts({ found }) {
  const { link, claims, header } = found;
  const state = link ? STATES()[link.state] : null;
  const times = [["exp", t("Ends")], ["iat", t("Made")], ["nbf", t("Begins")]].filter(([name]) => Number.isFinite(claims[name]) && Math.abs(claims[name]) < 8e12);
  return html`<dl class="facts"><div><dt>${t("Link")}</dt><dd>${link ? html`<span class="row"><span data-name>${link.name}</span><${Badge} kind=${state[0]} icon=${state[1]}>${state[2]}<//></span>` : t("None of your organization")}</dd></div>
      <div><dt>${t("Signed with")}</dt><dd>${found.secret_id ? html`<code>${found.secret_id}</code>` : t("None of your secrets")}</dd></div>
      ${times.map(([name, label]) => html`<div key=${name}><dt>${label}</dt><dd><${When} at=${new Date(claims[name] * 1000).toISOString()} /></dd></div>`)}
      ${found.other_claims.length ? html`<div><dt>${t("Other claims, ignored")}</dt><dd data-name>${found.other_claims.join(", ")}</dd></div>` : null}</dl>
    ${Object.keys(header).length ? html`<${Code} text=${JSON.stringify({ ...header, ...claims }, null, 2)} label=${t("Header and claims")} copy=${t("Copy")} />` : null}`;
}
