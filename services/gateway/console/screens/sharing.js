// Sharing: every dashboard, whom it is shared with, and the dialog that shows who gains and who loses before anything changes.
import { get, post, put } from "../lib/api.js";
import { html, useEffect, useSignal, useState } from "../lib/dom.js";
import { t, tn } from "../lib/i18n.js";
import { useLive } from "../lib/live.js";
import { whyNot } from "../lib/may.js";
import { can, go, me, refine, route, say, useList, useLoad, whole } from "../lib/state.js";
import { Badge, Button, Card, Empty, Loaded, Notice, Page, Refused, useResting, When } from "../ui/basics.js";
import { Check, Choices, FormError, Search, Submit, useSend } from "../ui/forms.js";
import { Body, Dialog } from "../ui/overlays.js";
import { Act, Nothing, Table } from "../ui/table.js";
import { Tabs } from "../ui/tabs.js";
import { DashboardLinks } from "./dashboard-links.js";

const MODES = () => ({ nobody: t("Private"), all_users: t("All users"), all_analysts: t("All analysts"), groups: t("Groups") });
const LOOKS = { nobody: ["", "lock"], all_users: ["accent", "users"], all_analysts: ["accent", "users"], groups: ["ok", "groups"] };

export function Sharing({ id }) {
  const who = useSignal(me);
  const { query } = useSignal(route);
  const [text, setText] = useState(query.get("q") ?? "");
  const resting = useResting(text).trim();
  const [dialog, open] = useState(null);
  const [fresh, setFresh] = useState(null);
  useEffect(() => refine({ q: resting }), [resting]);
  const named = useLoad(() => (id ? get(`/v1/dashboards/${encodeURIComponent(id)}`) : { data: null }), id);
  useEffect(() => {
    if (named.data) open(html`<${ShareDialog} dashboard=${named.data} tab=${query.get("show")} onClose=${close(id)} />`);
  }, [named.data]);
  const close = (board) => (done) => {
    open(null);
    if (id) go("/sharing", { replace: true });
    if (!done) return;
    setFresh(board);
    list.reload();
  };
  const list = useLive(useList(`/v1/dashboards${resting ? `?q=${encodeURIComponent(resting)}` : ""}`), "sharing.dashboard");
  const mode = (one) => {
    if (!one.shared_with) return html`<span class="row">${one.my_access.filter((path) => path in MODES()).map((path) => html`<${Badge} kind=${LOOKS[path][0]} icon=${LOOKS[path][1]}>${MODES()[path]}<//>`)}${one.group_names.map((name) => html`<${Badge} kind="ok" icon="groups">${name}<//>`)}</span>`;
    const [kind, icon] = LOOKS[one.shared_with];
    return html`<${Badge} kind=${kind} icon=${icon}>${MODES()[one.shared_with]}<//>`;
  };
  const columns = [
    { key: "title", label: t("Dashboard"), cell: (one) => html`<b>${one.title}</b><div class="small quiet">${one.owner.name ?? t("Somebody who left")}</div>` },
    { key: "shared", label: t("Shared with"), cell: mode },
    { key: "changed", label: t("Changed"), secondary: true, cell: (one) => html`<${When} at=${one.updated_at} />` },
    can("sharing.manage").because?.kind === "role" ? null : { key: "act", label: t("Actions"), act: true, cell: (one) => html`<${Act} icon="share" name=${t("Share {name}", { name: one.title })} why=${whyNotShare(one)} onClick=${() => open(html`<${ShareDialog} dashboard=${one} onClose=${close(one.id)} />`)}>${t("Share…")}<//>` },
  ].filter(Boolean);
  return html`<${Page} title=${t("Sharing")} org=${who.organization.name} lead=${t("Every dashboard that you can see, and who else can.")}>
    ${named.error ? html`<${Refused} error=${named.error} retry=${named.reload} />` : null}
    <${Card} plain><div class="toolbar"><${Search} label=${t("Search dashboards")} value=${text} onInput=${setText} /></div>
    <${Table} label=${t("Dashboards")} list=${list} columns=${columns} fresh=${fresh} empty=${html`<${Nothing} filtered=${resting} clear=${() => setText("")} icon="share" title=${t("No dashboards yet")}>${t("They appear here as soon as the product registers them.")}<//>`} /><//>${dialog}<//>`;
}

/** Sharing is the owner's alone; why it can't be done by who looks at it, or nothing. */
function whyNotShare(board) {
  const why = whyNot("sharing.manage");
  if (why || board.owner.user_id === me.value.user.id) return why;
  return board.owner.name ? t("Only its owner shares it: {name}.", { name: board.owner.name }) : t("Its owner has left. An admin can hand it over to somebody.");
}

function ShareDialog({ dashboard, tab, onClose }) {
  const [at, show] = useState(tab ?? "people");
  const title = t("Share {name}", { name: dashboard.title });
  const close = () => onClose(false);
  return html`<${Dialog} large bare title=${title} onClose=${close}>
    <${Tabs} label=${title} tabs=${[["people", t("People")], ["links", t("Sharing links")]]} at=${at} onChange=${show}>
      <div class="form" hidden=${at !== "people"}><${WithPeople} dashboard=${dashboard} title=${title} onClose=${onClose} /></div>
      ${at === "links" ? html`<${DashboardLinks} dashboard=${dashboard} title=${title} onClose=${close} />` : null}<//><//>`;
}

function WithPeople({ dashboard, title, onClose }) {
  const why = whyNotShare(dashboard);
  if (why) return html`<${Body} label=${title} footer=${html`<${Button} onClick=${() => onClose(false)}>${t("Close")}<//>`}><${Empty} icon="lock" title=${t("You can't change this")}>${why}<//><//>`;
  return html`<${OfOwner} dashboard=${dashboard} title=${title} onClose=${onClose} />`;
}

function OfOwner({ dashboard, title, onClose }) {
  const sharing = useLoad(() => get(`/v1/dashboards/${encodeURIComponent(dashboard.id)}/sharing`), dashboard.id);
  const groups = useLoad(() => whole("/v1/groups"), "groups");
  if (!sharing.data || !groups.data) return html`<${Body} label=${title}><${Loaded} from=${sharing.error ? sharing : groups} lines=${5}>${() => null}<//><//>`;
  return html`<${ShareForm} key=${sharing.etag} dashboard=${dashboard} title=${title} sharing=${sharing.data} etag=${sharing.etag} groups=${groups.data} reload=${sharing.reload} onClose=${onClose} />`;
}

function ShareForm({ dashboard, title, sharing, etag, groups, reload, onClose }) {
  const before = sharing.groups.map((one) => one.group_id);
  const [mode, setMode] = useState(sharing.mode);
  const [chosen, setChosen] = useState(before);
  const [notify, setNotify] = useState(true);
  const [thumbnail, setThumbnail] = useState(true);
  const path = `/v1/dashboards/${encodeURIComponent(dashboard.id)}/sharing`;
  const wanted = { mode, group_ids: mode === "groups" ? chosen : [], notify, include_thumbnail: thumbnail };
  const key = useResting(JSON.stringify(wanted), 200);
  const changed = mode !== sharing.mode || (mode === "groups" && JSON.stringify([...chosen].sort()) !== JSON.stringify([...before].sort()));
  const empty = mode === "groups" && !chosen.length;
  const preview = useLoad(async () => (empty ? { data: null } : post(`${path}-preview`, JSON.parse(key))), key);
  const sending = useSend(async (body, options) => {
    await put(path, body, { ...options, etag });
    say(t("The sharing of {name} is changed.", { name: dashboard.title }));
    onClose(true);
  });
  const custom = groups.filter((one) => one.kind === "custom");
  const flip = (id) => (on) => setChosen(on ? [...chosen, id] : chosen.filter((one) => one !== id));
  const why = empty ? t("Choose a group first") : changed ? "" : t("Nothing is changed yet");
  const options = [
    ["nobody", t("Not shared"), t("Only the owner sees it.")],
    ["all_users", t("All users"), t("Everybody in your organization, also who joins later.")],
    ["all_analysts", t("All analysts"), t("Admins and analysts.")],
    ["groups", t("Selected groups"), t("Who is in at least one of them."), custom.length || sharing.mode === "groups" ? "" : t("There are no groups yet.")],
  ];
  const stale = sending.error?.code === "precondition_failed";
  return html`<${Body} label=${title} onSubmit=${() => why || sending.run(wanted)}
    footer=${html`<${Button} onClick=${() => onClose(false)}>${t("Cancel")}<//><${Submit} sending=${sending} why=${why}>${t("Save")}<//>`}>
    ${stale ? html`<${Notice} kind="warn" icon="warn" title=${t("Somebody else changed this meanwhile")} role="alert"><${Button} onClick=${reload}>${t("Show what is there now")}<//><//>` : html`<${FormError} sending=${sending} fields=${["mode", "group_ids"]} />`}
    ${sharing.suspended ? html`<${Notice} kind="warn" icon="lock" title=${t("Suspended by the plan")}>${t("What is chosen here is kept and works again with a plan that includes it.")}<//>` : null}
    <div class="columns"><${Choices} legend=${t("Who sees it")} wrong=${sending.wrong("mode") ?? sending.wrong("group_ids")} value=${mode} onInput=${setMode} options=${options} />
      ${mode === "groups" ? html`<div class="stack tight"><p class="label small">${t("Groups")}</p><div class="choices list" role="group" aria-label=${t("Groups")}>${custom.map((one) => html`<${Check} key=${one.id} flat label=${one.name} note=${one.suspended ? t("Suspended by the plan") : tn(one.members, "{n} person", "{n} people")} checked=${chosen.includes(one.id)} onChange=${flip(one.id)} />`)}</div></div>` : null}</div>
    <div class="choices" role="group" aria-label=${t("Mail")}><${Check} flat label=${t("Notify who gains access")} note=${t("A mail to each, once per person and dashboard.")} checked=${notify} onChange=${setNotify} />
      ${notify ? html`<${Check} flat label=${t("With a thumbnail")} note=${t("A picture of the dashboard, where there is one.")} checked=${thumbnail} onChange=${setThumbnail} />` : null}</div>
    <div role="status" aria-live="polite"><${Effect} preview=${preview} changed=${changed} /></div><//>`;
}

function Effect({ preview, changed }) {
  const data = preview.data;
  if (preview.error) return html`<${Notice} kind="warn" icon="lock" title=${preview.error.title}>${preview.error.detail}<//>`;
  if (!data || !("people_after" in data)) return null;
  const names = (list, count) => list.slice(0, 6).map((one) => one.name).join(", ") + (count > 6 ? " …" : "");
  return html`<${Notice} kind=${changed && data.losing_count ? "warn" : "accent"} icon="eye" title=${tn(data.people_after, "{n} person will see it", "{n} people will see it")}>
    ${data.gaining_count ? html`<p><b>+${data.gaining_count}</b> ${names(data.gaining, data.gaining_count)}</p>` : null}
    ${data.losing_count ? html`<p><b>−${data.losing_count}</b> ${names(data.losing, data.losing_count)}</p>` : null}
    ${!data.gaining_count && !data.losing_count ? html`<p class="quiet">${t("Nobody gains or loses access.")}</p>` : null}
    ${changed && data.gaining_count ? html`<p class="quiet">${data.mails ? tn(data.mails, "{n} person gets a mail.", "{n} people get a mail.") : t("Nobody gets a mail.")}</p>` : null}<//>`;
}
