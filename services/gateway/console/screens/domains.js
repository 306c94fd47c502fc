// E-mail domains: which addresses can be invited, and how a domain is proven to be one's own.
import { get, post, remove } from "../lib/api.js";
import { html, useSignal, useState } from "../lib/dom.js";
import { ago, day, t } from "../lib/i18n.js";
import { useLive } from "../lib/live.js";
import { whyNot } from "../lib/may.js";
import { can, go, me, ROOT, say, useList, useLoad } from "../lib/state.js";
import { Badge, Button, Card, Copy, Empty, Loaded, Notice, Page, When } from "../ui/basics.js";
import { Choices, Field, FormError, Submit, useSend } from "../ui/forms.js";
import { Confirm, Dialog } from "../ui/overlays.js";
import { PlanLock } from "../ui/plan-lock.js";
import { Table } from "../ui/table.js";

const proven = (one) => ["verified", "at_risk"].includes(one.status);

/** A domain's state as a badge, and in a sentence. */
function stateOf(one) {
  if (one.suspended) return ["warn", "lock", t("Suspended by the plan"), one.suspended.plan ? t("The plan {plan} doesn't include it. Everything is kept.", { plan: one.suspended.plan }) : t("The plan doesn't include it. Everything is kept.")];
  if (one.status === "verified") return ["ok", "check", t("Proven"), t("By its record in DNS. It is looked at again every 30 days.")];
  if (one.status === "at_risk") return ["danger", "warn", t("At risk"), t("The record is missing in DNS. Unless it comes back, the domain lapses on {day}.", { day: day(one.lapses_at) })];
  if (one.status === "lapsed") return ["warn", "warn", t("Lapsed"), t("The record stayed away. Nobody new can be invited there until it is proven again.")];
  if (one.status === "claimed" && one.expires_at) return ["accent", "clock", t("Waits for its proof"), t("Until it is proven it counts for nothing. The claim ends {when}.", { when: ago(one.expires_at) })];
  if (one.origin === "affirmed") return ["accent", "clock", t("Not proven"), t("On your word alone, people can be invited there. Whoever proves it in DNS gets it: prove it with the record below, and it is yours alone.")];
  return ["accent", "clock", t("Not proven"), t("People can be invited there, by the confirmed address of your sign-up. Whoever proves it in DNS gets it: prove it with the record below, and it is yours alone.")];
}

function State({ domain }) {
  const [kind, icon, label] = stateOf(domain);
  return html`<${Badge} kind=${kind} icon=${icon}>${label}<//>`;
}

export function Domains() {
  const who = useSignal(me);
  const [dialog, open] = useState(null);
  const list = useLive(useList("/v1/domains"), "org.domain");
  const claim = html`<${Button} kind="primary" icon="plus" why=${whyNot("domains.manage")} onClick=${() => open(html`<${Claim} onClose=${() => open(null)} />`)}>${t("Add domain")}<//>`;
  const columns = [
    { key: "name", label: t("Domain"), cell: (one) => html`<a class="name-link" href="${ROOT}/domains/${one.id}">${one.display_name}</a>` },
    { key: "state", label: t("State"), cell: (one) => html`<${State} domain=${one} />` },
    { key: "invite", label: t("Invitations"), secondary: true, cell: (one) => one.registered ? t("possible") : html`<span class="quiet">${t("not possible")}</span>` },
    { key: "next", label: t("Last checked"), secondary: true, cell: (one) => html`<${When} at=${one.checked_at} />` },
    { key: "since", label: t("Added"), secondary: true, cell: (one) => day(one.created_at) },
    { key: "act", label: t("Actions"), act: true, secondary: true, cell: (one) => (proven(one) ? null : html`<a class="button" href="${ROOT}/domains/${one.id}" aria-label=${t("Prove {domain}", { domain: one.display_name })}>${t("Prove…")}</a>`) },
  ];
  return html`<${Page} title=${t("Domains")} org=${who.organization.name} lead=${t("Whose addresses can be invited. A proof in DNS makes a domain yours alone.")} actions=${claim}>
    <${PlanLock} action="domains.manage" title=${t("More domains aren't in your plan")} />
    <${Card} plain><${Table} label=${t("Domains")} list=${list} columns=${columns} empty=${html`<${Empty} icon="globe" title=${t("No domain is on the list")} action=${claim}>${t("Without one, nobody can be invited. Add the domain of your addresses.")}<//>`} /><//>${dialog}<//>`;
}

function Claim({ onClose }) {
  const [name, setName] = useState("");
  const [way, setWay] = useState("dns");
  const plan = useLoad(() => get("/v1/subscription"), "plan");
  const any = plan.data?.entitlements.additional_domains === "any";
  const sending = useSend(async (body, options) => {
    const { data } = await post("/v1/domains", body, options);
    say(t("{domain} is on the list.", { domain: data.display_name }));
    go(`/domains/${data.id}`);
  });
  const ways = [
    ["dns", t("With a record in DNS"), t("The strong way: proven, it is yours and no one else's.")],
    ["affirmed", t("On our word"), t("At once, without a proof. Whoever proves it in DNS gets it."), plan.data && !any ? t("Only in the plan Business.") : ""],
  ];
  const why = name.trim() ? "" : t("Type the domain first");
  return html`<${Dialog} title=${t("Add a domain")} onClose=${onClose} onSubmit=${() => why || sending.run({ name: name.trim(), affirmed: way === "affirmed" })}
    footer=${html`<${Button} onClick=${onClose}>${t("Cancel")}<//><${Submit} sending=${sending} why=${why}>${t("Add domain")}<//>`}>
    <${Field} label=${t("Domain")} name="name" placeholder="example.com" autocapitalize="off" spellcheck="false" maxlength="253" value=${name} onInput=${setName} wrong=${sending.wrong("name")} hint=${t("What stands behind the @. Mail providers' domains, such as gmail.com, can't be one organization's.")} />
    <${Choices} legend=${t("How it is yours")} value=${way} onInput=${setWay} options=${ways} /><${Contested} sending=${sending} fields=${["name"]} /><//>`;
}

/** A refusal; where another organization was first, what decides. */
function Contested({ sending, fields }) {
  if (sending.error?.meta?.because !== "proven_by_another") return html`<${FormError} sending=${sending} fields=${fields} />`;
  return html`<${Notice} kind="danger" icon="warn" role="alert" title=${t("Another organization has proven this domain")}><p>${sending.error.detail}</p><//>`;
}

export function DomainPage({ id }) {
  const who = useSignal(me);
  const [dialog, open] = useState(null);
  const [seen, setSeen] = useState(null);
  const found = useLoad(() => get(`/v1/domains/${id}`), id);
  const looking = useSend(async (options) => {
    const { data } = await post(`/v1/domains/${id}/verifications`, undefined, options);
    setSeen(data);
    if (data.outcome === "proven") say(t("{domain} is proven.", { domain: data.domain.display_name }));
    found.reload();
  });
  const gone = (done) => {
    open(null);
    if (done) go("/domains");
  };
  const one = found.data;
  return html`<${Page} title=${one?.display_name ?? t("Domain")} org=${who.organization.name} crumbs=${html`<a href="${ROOT}/domains">${t("Domains")}</a>`}>
    <${Loaded} from=${found}>${(domain) => html`<${Standing} domain=${domain} />
      <${Record} domain=${domain} seen=${seen} looking=${looking} />
      <${Card} title=${t("Dates")}><dl class="facts"><${Fact} name=${t("Added")} at=${domain.created_at} /><${Fact} name=${t("Proven")} at=${domain.verified_at} /><${Fact} name=${t("Last checked")} at=${domain.checked_at} /><${Fact} name=${t("Next look")} at=${domain.next_check_at} /></dl><//>
      <${Card} kind="danger" title=${t("Danger zone")}><div class="row spread"><p class="quiet">${t("Nobody new can be invited there. Who is a member stays one.")}</p><${Button} kind="danger" why=${whyNot("domains.remove")} onClick=${() => open(html`<${RemoveDomain} domain=${domain} onClose=${gone} />`)}>${t("Remove the domain…")}<//></div><//>`}<//>${dialog}<//>`;
}

function Fact({ name, at }) {
  return html`<div><dt>${name}</dt><dd><${When} at=${at} /></dd></div>`;
}

function Standing({ domain }) {
  const [kind, icon, label, sentence] = stateOf(domain);
  return html`<${Notice} kind=${kind} icon=${icon} title=${label}><p>${sentence}</p><p>${domain.registered ? t("Addresses at {domain} can be invited.", { domain: domain.display_name }) : t("Addresses at {domain} can't be invited now.", { domain: domain.display_name })}</p><//>`;
}

function Record({ domain, seen, looking }) {
  const { record } = domain;
  const why = proven(domain) || (domain.origin === "sign_up" && can("domains.manage").because?.kind === "plan") ? "" : whyNot("domains.manage");
  const footer = html`${domain.checked_at ? html`<span class="small quiet">${t("Last checked")} <${When} at=${domain.checked_at} /></span>` : null}<${Button} kind=${proven(domain) ? "" : "primary"} busy=${looking.busy} why=${why} onClick=${() => looking.run()}>${t("Check now")}<//>`;
  return html`<${Card} title=${proven(domain) ? t("The record that proves it") : t("Prove it in DNS")} lead=${proven(domain) ? t("Leave it where it is: it is looked at again.") : t("Add this record where your domain's DNS is kept. It may take minutes, sometimes hours, until everybody sees it.")} footer=${footer}>
    <div class="stack"><dl class="record"><dt>${t("Type")}</dt><dd><code>${record.type}</code></dd><dd></dd>
      <dt>${t("Name")}</dt><dd><code>${record.name}</code></dd><dd><${Copy} text=${record.name} label=${t("Copy the name")} /></dd>
      <dt>${t("Value")}</dt><dd><code>${record.value}</code></dd><dd><${Copy} text=${record.value} label=${t("Copy the value")} /></dd></dl>
    <${Contested} sending=${looking} /><${Looked} seen=${seen} /></div><//>`;
}

function Looked({ seen }) {
  if (!seen || seen.outcome === "proven") return null;
  if (seen.outcome === "unanswered") return html`<${Notice} kind="warn" icon="clock" role="status" title=${t("DNS didn't answer")}>${t("That says nothing about your record. Check again in a minute.")}<//>`;
  return html`<${Notice} kind="warn" icon="search" role="status" title=${t("The record isn't there yet")}>${seen.seen.length ? html`<p>${t("This is what we saw instead:")}</p><ul>${seen.seen.map((one) => html`<li><code>${one}</code></li>`)}</ul>` : html`<p>${t("We saw no TXT record under that name.")}</p>`}<//>`;
}

function RemoveDomain({ domain, onClose }) {
  const act = async (options) => {
    await remove(`/v1/domains/${domain.id}`, options);
    say(t("{domain} is off the list.", { domain: domain.display_name }));
  };
  return html`<${Confirm} title=${t("Remove {domain}?", { domain: domain.display_name })} verb=${t("Remove {domain}", { domain: domain.display_name })} danger act=${act} onClose=${onClose}>
    <ul class="impact"><li>${t("Nobody new can be invited there.")}</li><li>${t("Who is a member stays one.")}</li>${proven(domain) ? html`<li>${t("Another organization can prove it from now on.")}</li>` : null}</ul><//>`;
}
