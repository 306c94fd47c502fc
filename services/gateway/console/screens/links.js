// All sharing links of the organization: which are open, which want a look, and the switch for all of them.
import { get, post, remove } from "../lib/api.js";
import { html, useEffect, useSignal, useState } from "../lib/dom.js";
import { number, t } from "../lib/i18n.js";
import { useLive } from "../lib/live.js";
import { whyNot } from "../lib/may.js";
import { me, refine, ROOT, route, say, useList, useLoad } from "../lib/state.js";
import { Button, Card, Icon, Notice, Page, useResting, When } from "../ui/basics.js";
import { pickColumn } from "../ui/bulk.js";
import { FormError, Search, Select, useSend } from "../ui/forms.js";
import { Confirm, Menu } from "../ui/overlays.js";
import { PlanLock } from "../ui/plan-lock.js";
import { Nothing, Table } from "../ui/table.js";
import { LinkBar } from "./link-bulk.js";
import { linkActions, LinkState, Maker, Opened, pausing, Restrictions, STATES, useUsage } from "./link-parts.js";
import { LinkPolicy } from "./link-policy.js";

const LOOKS = { unrestricted: "unrestricted=true", unused: "unused_days=90", left: "creator_left=true" };

export function Links() {
  const who = useSignal(me);
  const { query } = useSignal(route);
  const [text, setText] = useState(query.get("q") ?? "");
  const resting = useResting(text).trim();
  const state = query.get("state") ?? "";
  const look = query.get("show") ?? "";
  const [dialog, open] = useState(null);
  const [fresh, setFresh] = useState(null);
  useEffect(() => refine({ q: resting }), [resting]);
  const search = [resting ? `q=${encodeURIComponent(resting)}` : "", state in STATES() ? `state=${state}` : "", LOOKS[look] ?? ""].filter(Boolean).join("&");
  const list = useLive(useList(`/v1/links${search ? `?${search}` : ""}`), "sharing.link");
  const usage = useUsage(list.rows ?? []);
  const [chosen, setChosen] = useState(new Map());
  const all = useLoad(() => get("/v1/links/suspension"), "switch");
  const admin = who.organization.effective_role === "admin";
  const changed = (id) => {
    setFresh(id ?? null);
    list.reload();
    all.reload();
  };
  const close = (done, id) => {
    open(null);
    if (done) changed(id);
  };
  const sending = useSend(pausing(changed));
  const switchedOff = all.data?.suspended ?? false;
  const clear = () => {
    setText("");
    refine({ q: "", state: "", show: "" });
  };
  const actions = (one) => linkActions(one, { open, close, sending, switchedOff });
  const columns = [
    pickColumn(list.rows ?? [], chosen, setChosen, t("Choose all shown")),
    { key: "name", label: t("Link"), cell: (one) => html`<b class="address" data-name>${one.name}</b><div class="small quiet" data-name>${one.dashboard_title}${one.report_id ? ` · ${one.report_id}` : ""}</div>` },
    { key: "state", label: t("State"), cell: (one) => html`<${LinkState} link=${one} />` },
    { key: "who", label: t("Who gets in"), secondary: true, cell: (one) => html`<${Restrictions} link=${one} />` },
    { key: "opens", label: t("Opened"), secondary: true, cell: (one) => html`<${Opened} link=${one} usage=${usage.get(one.id)} />` },
    { key: "maker", label: t("Made by"), secondary: true, cell: (one) => html`<span class="small"><${Maker} link=${one} /></span><div class="small quiet"><${When} at=${one.created_at} /></div>` },
    { key: "act", label: t("Actions"), act: true, cell: (one) => html`<${Menu} label=${t("Actions for {name}", { name: one.name })} items=${actions(one)} />` },
  ];
  const states = [["", t("Every state")], ...Object.entries(STATES()).map(([key, [, , label]]) => [key, label])];
  const looks = [["", t("All links")], ["unrestricted", t("Open to anybody with the address")], ["unused", t("Not opened for 90 days")], ["left", t("Whose maker has left")]];
  const off = admin && all.data && !switchedOff ? html`<${Button} kind="danger" why=${whyNot("links.suspend")} onClick=${() => open(html`<${SwitchOff} onClose=${close} />`)}>${t("Switch all off…")}<//>` : null;
  return html`<${Page} title=${t("Sharing links")} org=${who.organization.name} lead=${admin ? t("Every link to a dashboard of your organization: who gets in with it, and how it is used.") : t("Every link to your dashboards: who gets in with it, and how it is used.")} actions=${off}>
    ${switchedOff ? html`<${Notice} kind="danger" icon="warn" title=${t("All sharing links are switched off")}><p>${t("Since")} <${When} at=${all.data.since} />. ${t("None opens, and none can be made. Those of before come back one by one, each with a new token.")}</p>
      ${admin ? html`<${Button} onClick=${() => open(html`<${Allow} onClose=${close} />`)}>${t("Allow links again…")}<//>` : null}<//>` : null}
    <${PlanLock} action="links.create" title=${t("Sharing links aren't in your plan")}><p>${list.rows?.length ? t("Those below open for nobody until it includes them; they stay as they are.") : t("With one, people without an account see a dashboard, as far as you let them.")}</p><//>
    <${FormError} sending=${sending} />
    <${Card} plain><div class="toolbar"><${Search} label=${t("Search links and dashboards")} value=${text} onInput=${setText} />
      <${Select} hidden slim label=${t("State")} value=${state} onInput=${(value) => refine({ state: value })} options=${states} />
      <${Select} hidden slim label=${t("Which links")} value=${look} onInput=${(value) => refine({ show: value })} options=${looks} /></div>
    <${Table} label=${t("Sharing links")} list=${list} columns=${columns} fresh=${fresh} empty=${html`<${Nothing} filtered=${search} clear=${clear} icon="link" title=${t("No links yet")} action=${html`<a class="button" href="${ROOT}/sharing">${t("To the dashboards")}</a>`}>${t("Choose a dashboard, then Share: a link is made there.")}<//>`} />
    <${LinkBar} chosen=${chosen} open=${open} close=${close} clear=${() => setChosen(new Map())} /><//>
    <${LinkPolicy} admin=${admin} open=${open} changed=${changed} />${dialog}<//>`;
}

function SwitchOff({ onClose }) {
  const open = useList("/v1/links?state=open", 100);
  const act = async (options) => {
    await post("/v1/links/suspension", undefined, options);
    say(t("All sharing links are switched off."));
  };
  const count = open.rows ? `${number(open.rows.length)}${open.more ? "+" : ""}` : "";
  return html`<${Confirm} title=${t("Switch all sharing links off?")} verb=${t("Switch all links off")} danger act=${act} onClose=${onClose} why=${open.rows ? "" : t("What is open is being looked up")}>
    <p>${t("Every link of the organization opens for nobody from this moment on, on walls, with partners and in pages. Their addresses never work again.")}</p>
    <ul class="impact">${open.rows ? html`<li><${Icon} name="link" /><span>${t("Open at present: {n}", { n: count })}</span></li>` : null}
      <li><${Icon} name="clock" /><span>${t("Afterwards each is revived by hand, with a new token, by the owner of its dashboard.")}</span></li></ul>
    ${open.rows?.length ? html`<ul class="plain-list boxed" tabindex="0" aria-label=${t("Open links")}>${open.rows.map((one) => html`<li key=${one.id}><b data-name>${one.dashboard_title}</b> · <span data-name>${one.name}</span></li>`)}</ul>` : null}<//>`;
}

function Allow({ onClose }) {
  const act = async (options) => {
    await remove("/v1/links/suspension", options);
    say(t("Links can be made and revived again."));
  };
  return html`<${Confirm} title=${t("Allow sharing links again?")} verb=${t("Allow links again")} act=${act} onClose=${onClose}>
    <p>${t("New links can be made. None of before comes back by itself: owners revive theirs one by one, at a new address.")}</p><//>`;
}
