// Embed secrets: the one in force, older ones that count down, who uses which; beside them the inspector, code, and what was refused.
import { get, post } from "../lib/api.js";
import { html, useEffect, useSignal, useState } from "../lib/dom.js";
import { ago, exactly, number, remaining, t, tn } from "../lib/i18n.js";
import { useLive } from "../lib/live.js";
import { whyNot } from "../lib/may.js";
import { me, ROOT, route, say, useLoad } from "../lib/state.js";
import { Badge, Button, Card, Copy, Empty, Loaded, Notice, Page, When } from "../ui/basics.js";
import { Ring } from "../ui/charts.js";
import { CodeTabs } from "../ui/code.js";
import { Choices, FormError, Submit, useSend } from "../ui/forms.js";
import { Confirm, Dialog } from "../ui/overlays.js";
import { Table } from "../ui/table.js";
import { Inspector } from "./embed-inspector.js";
import { Refusals } from "./embed-refusals.js";

const HOUR = 3600;
const USUAL_OVERLAP = String(24 * HOUR);
const TICK_MS = 20_000;

export function EmbedSecret() {
  const who = useSignal(me);
  const { query } = useSignal(route);
  const tabs = [["secrets", t("Secrets")], ["inspect", t("Inspect a token")], ["code", t("Code")], ["refusals", t("Refusals")]];
  const at = tabs.some(([key]) => key === query.get("show")) ? query.get("show") : "secrets";
  const [dialog, open] = useState(null);
  const list = useLive(useLoad(() => get("/v1/embed-secrets"), "secrets"), "sharing.embed_secret", { atOnce: true });
  const secrets = list.data?.data ?? [];
  const current = secrets.find((one) => one.state === "current");
  useCountdown(secrets.filter((one) => one.state === "expiring"), list.reload);
  const close = (done) => {
    open(null);
    if (done) list.reload();
  };
  const show = async (secret, options) => {
    const { data } = await post(`/v1/embed-secrets/${secret.id}/reveal`, undefined, options);
    open(html`<${Shown} secret=${data} onClose=${() => close(true)} />`);
  };
  const showing = useSend(show);
  const resetting = () => open(html`<${Reset} current=${current} show=${show} onClose=${close} />`);
  const revoking = (secret) => open(html`<${Revoke} secret=${secret} onClose=${close} />`);
  const given = { showing, revoking };
  return html`<${Page} title=${t("Embed secret")} org=${who.organization.name} lead=${t("What your servers sign embed tokens with. Whoever has it can show your dashboards to anybody.")}
      actions=${html`<${Button} kind="primary" icon="key" why=${whyNot("embed_secrets.reset")} onClick=${resetting}>${t("Reset the secret…")}<//>`}>
    <nav class="tabs" aria-label=${t("Embed secret")}>${tabs.map(([key, label]) => html`<a key=${key} href="${ROOT}/embed-secret${key === "secrets" ? "" : `?show=${key}`}" aria-current=${key === at ? "page" : undefined}>${label}</a>`)}</nav>
    ${at === "inspect" ? html`<${Inspector} />` : at === "code" ? html`<${Samples} />` : at === "refusals" ? html`<${Refusals} />` : html`<${FormError} sending=${showing} />
    <${Loaded} from=${list} lines=${5}>${() => html`<${InForce} secret=${current} ...${given} />
      <${Older} secrets=${secrets.filter((one) => one.state === "expiring")} newest=${current} ...${given} />
      <${WhoUses} key=${secrets.map((one) => one.id + one.state).join()} secrets=${secrets.filter((one) => ["current", "expiring"].includes(one.state))} />
      <${Ended} secrets=${secrets.filter((one) => ["expired", "revoked"].includes(one.state))} />`}<//>`}${dialog}<//>`;
}

function Samples() {
  const samples = useLoad(() => get("/v1/embed-samples"), "samples");
  return html`<${Card} title=${t("A token for each viewer")} lead=${t("One program per language; each prints a token that is good for ten minutes.")}>
    <div class="stack"><p>${t("Your server runs it each time the page is shown, and never the browser. It reads two environment variables: SHARING_TOKEN, the token of a sharing link that needs an embed token, and EMBED_SECRET, the secret in force.")}</p>
      <${Loaded} from=${samples} lines=${8}>${({ data }) => html`<${CodeTabs} samples=${data} label=${t("Languages")} />`}<//>
      <p class="small quiet">${t("Replace the fixed parameters with what this viewer may see; leave them out where the link takes none.")}</p></div><//>`;
}

/** Paints anew as time goes by, and asks again when a moment has come. */
function useCountdown(ending, reload) {
  const [, tick] = useState(0);
  const next = Math.min(...ending.map((one) => new Date(one.expires_at).getTime()));
  useEffect(() => {
    if (!Number.isFinite(next)) return undefined;
    const timer = setInterval(() => (next <= Date.now() ? reload() : tick(Date.now())), TICK_MS);
    return () => clearInterval(timer);
  }, [next]);
}

function Actions({ secret, showing, revoking }) {
  return html`<${Button} icon="eye" busy=${showing.busy} why=${whyNot("embed_secrets.reveal")} aria-label=${t("Show {id}…", { id: secret.id })} onClick=${() => showing.run(secret)}>${t("Show…")}<//>
    <${Button} kind="danger" why=${whyNot("embed_secrets.revoke")} aria-label=${t("Revoke {id} now…", { id: secret.id })} onClick=${() => revoking(secret)}>${t("Revoke now…")}<//>`;
}

function Used({ secret }) {
  return html`${tn(secret.uses, "{n} use", "{n} uses")} · ${secret.last_used_at ? html`${t("last used")} <${When} at=${secret.last_used_at} />` : t("never used")}`;
}

function InForce({ secret, ...given }) {
  if (!secret) return html`<${Card} plain><${Empty} icon="key" title=${t("No secret is in force")}>${t("Reset the secret to make one.")}<//><//>`;
  return html`<${Card} title=${t("In force")} lead=${t("Embed tokens that are signed with it are accepted.")} footer=${html`<code class="quiet small">${secret.id}</code><${Actions} secret=${secret} ...${given} />`}>
    <dl class="facts"><div><dt>${t("Created")}</dt><dd><${When} at=${secret.created_at} /></dd></div>
      <div><dt>${t("Last used")}</dt><dd>${secret.last_used_at ? html`<${When} at=${secret.last_used_at} />` : t("never")}</dd></div>
      <div><dt>${t("Uses")}</dt><dd class="number">${number(secret.uses)}</dd></div></dl><//>`;
}

function Older({ secrets, newest, ...given }) {
  if (!secrets.length) return null;
  const left = (one) => Math.max(0, Math.min(1, (new Date(one.expires_at) - Date.now()) / Math.max(24 * HOUR * 1000, new Date(one.expires_at) - new Date(newest?.created_at ?? Date.now()))));
  const inUse = (one) => one.last_used_at && newest && new Date(one.last_used_at) > new Date(newest.created_at);
  return html`<${Card} plain title=${t("Older, and still valid")} lead=${t("They are accepted beside the one in force until their time is over.")}><ul class="lines">
    ${secrets.map((one) => html`<li key=${one.id}><span class="person"><${Ring} done=${left(one)} of=${1} />
      <span><span class="row"><b><time datetime=${one.expires_at} title=${exactly(one.expires_at)}>${t("{time} left", { time: remaining(one.expires_at) })}</time></b>${inUse(one) ? html`<${Badge} kind="warn" icon="warn">${t("Still used")}<//>` : html`<${Badge}>${t("No longer used")}<//>`}</span>
      <small><code>${one.id}</code> · ${t("created")} <${When} at=${one.created_at} /> · <${Used} secret=${one} /></small></span></span>
      <span class="row"><${Actions} secret=${one} ...${given} /></span></li>`)}</ul><//>`;
}

function Ended({ secrets }) {
  if (!secrets.length) return null;
  const columns = [
    { key: "id", label: t("Id"), cell: (one) => html`<code>${one.id}</code>` },
    { key: "state", label: t("State"), cell: (one) => (one.state === "revoked" ? html`<${Badge} kind="danger">${t("Revoked")}<//>` : html`<${Badge}>${t("Expired")}<//>`) },
    { key: "ended", label: t("Ended"), cell: (one) => html`<${When} at=${one.revoked_at ?? one.expires_at} />` },
    { key: "uses", label: t("Uses"), secondary: true, cell: (one) => html`<span class="number">${number(one.uses)}</span>` },
    { key: "last", label: t("Last used"), secondary: true, cell: (one) => html`<${When} at=${one.last_used_at} />` },
  ];
  return html`<${Card} plain title=${t("Ended")}><${Table} label=${t("Ended secrets")} list=${{ rows: secrets, total: null }} columns=${columns} /><//>`;
}

/** Every link that is opened with tokens of a valid secret, those first that have to change over. */
function WhoUses({ secrets }) {
  const known = useLoad(async () => ({ data: await Promise.all(secrets.map(async (one) => (await get(`/v1/embed-secrets/${one.id}`)).data)) }), "who");
  const rows = (known.data ?? []).flatMap((secret) => secret.used_by.map((one) => ({ ...one, id: `${secret.id} ${one.link_id}`, secret })));
  rows.sort((a, b) => (a.secret.state === "current") - (b.secret.state === "current") || b.last_used_at.localeCompare(a.last_used_at));
  const columns = [
    { key: "link", label: t("Link"), cell: (one) => html`${one.link_name ? html`<a class="name-link" href="${ROOT}/links?q=${encodeURIComponent(one.link_name)}" data-name>${one.link_name}</a>` : html`<span class="quiet">${t("A link that is gone")}</span>`}<div class="small quiet" data-name>${one.dashboard_title ?? one.dashboard_id}</div>` },
    { key: "secret", label: t("Signed with"), cell: ({ secret }) => html`${secret.state === "current" ? html`<${Badge} kind="ok" icon="check">${t("In force")}<//>` : html`<${Badge} kind="warn" icon="clock">${t("{time} left", { time: remaining(secret.expires_at) })}<//>`}<div class="small quiet"><code>${secret.id}</code></div>` },
    { key: "uses", label: t("Uses"), secondary: true, cell: (one) => html`<span class="number">${number(one.uses)}</span>` },
    { key: "last", label: t("Last used"), secondary: true, cell: (one) => html`<${When} at=${one.last_used_at} />` },
  ];
  return html`<${Card} plain title=${t("Who uses which")} lead=${t("Links that were opened with tokens of a valid secret. What is signed with an older one has to change over before its time is over.")}>
    <${Table} label=${t("Who uses which")} list=${{ ...known, rows: known.data ? rows : null, total: null }} columns=${columns} empty=${html`<${Empty} icon="key" title=${t("Nobody has signed with them yet")} action=${html`<a class="button" href="${ROOT}/embed-secret?show=code">${t("Show me the code")}</a>`}>${t("A link that needs an embed token appears here once it is opened with one.")}<//>`} /><//>`;
}

/** Where tokens of a secret were shown, those of the last 24 hours first. */
function UsedBy({ users, none }) {
  const recent = users.filter((one) => one.recent);
  if (!recent.length) return html`<${Notice} kind="ok" icon="check" title=${none} />`;
  return html`<${Notice} kind="warn" icon="warn" title=${tn(recent.length, "{n} sharing link used it in the last 24 hours", "{n} sharing links used it in the last 24 hours")}>
    <ul class="plain-list">${recent.map((one) => html`<li key=${one.link_id}><b data-name>${one.dashboard_title ?? one.dashboard_id}</b>${one.link_name ? ` · ${one.link_name}` : ""} · ${tn(one.uses, "{n} use", "{n} uses")}, ${ago(one.last_used_at)}</li>`)}</ul><//>`;
}

function Reset({ current, show, onClose }) {
  const [overlap, setOverlap] = useState(USUAL_OVERLAP);
  const known = useLoad(async () => (current ? get(`/v1/embed-secrets/${current.id}`) : { data: { used_by: [] } }), current?.id);
  const sending = useSend(async (body, options) => {
    const { data } = await post("/v1/embed-secrets", body, options);
    say(t("There is a new embed secret."));
    await show(data).catch(() => onClose(true));
  });
  const options = [
    ["0", t("Not at all"), t("When it has leaked. What isn't changed over shows nothing at once.")],
    [String(HOUR), t("1 hour")],
    [USUAL_OVERLAP, t("24 hours"), t("Time for your servers to change over. The usual choice.")],
    [String(72 * HOUR), t("3 days")],
    [String(168 * HOUR), t("7 days"), t("The longest.")],
  ];
  return html`<${Dialog} title=${t("Reset the embed secret")} onClose=${() => onClose(false)} onSubmit=${() => sending.run({ overlap_seconds: Number(overlap) })}
    footer=${html`<${Button} onClick=${() => onClose(false)}>${t("Cancel")}<//><${Submit} sending=${sending} kind=${overlap === "0" ? "primary danger" : "primary"}>${t("Reset and show the new one")}<//>`}>
    <p class="quiet">${t("A new secret is in force at once. Put it into your servers before the present one ends.")}</p>
    <${Choices} legend=${t("How long the present one still works")} wrong=${sending.wrong("overlap_seconds")} value=${overlap} onInput=${setOverlap} options=${options} />
    <div role="status" aria-live="polite"><${Loaded} from=${known} lines=${1}>${(one) => html`<${UsedBy} users=${one.used_by} none=${t("No sharing link used it in the last 24 hours.")} />`}<//></div>
    <${FormError} sending=${sending} fields=${["overlap_seconds"]} /><//>`;
}

function Revoke({ secret, onClose }) {
  const known = useLoad(() => get(`/v1/embed-secrets/${secret.id}`), secret.id);
  const act = async (options) => {
    await post(`/v1/embed-secrets/${secret.id}/revocation`, undefined, options);
    say(t("The secret is revoked."));
  };
  return html`<${Confirm} title=${t("Revoke this embed secret now?")} verb=${t("Revoke now")} danger act=${act} onClose=${onClose} why=${known.data ? "" : t("Who uses it is being looked up")}>
    <p><code>${secret.id}</code></p>
    <p>${secret.state === "current" ? t("Embed tokens that are signed with it are refused from this moment on. A new secret takes its place at once.") : t("Embed tokens that are signed with it are refused from this moment on.")}</p>
    <${Loaded} from=${known} lines=${1}>${(one) => html`<${UsedBy} users=${one.used_by} none=${t("No sharing link used it in the last 24 hours.")} />`}<//><//>`;
}

function Shown({ secret, onClose }) {
  return html`<${Dialog} title=${t("The embed secret")} onClose=${onClose} footer=${html`<${Copy} text=${secret.secret} label=${t("Copy the secret")} /><${Button} kind="primary" onClick=${onClose}>${t("Done")}<//>`}>
    <p class="quiet">${t("Keep it where only your servers read it: never in a page, an app or a repository.")}</p>
    <p class="small quiet"><code>${secret.id}</code></p><p><code class="secret" data-name>${secret.secret}</code></p>
    <p class="small quiet">${t("It is in the audit log that you looked.")}</p><//>`;
}
