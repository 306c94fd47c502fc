// Open and expired invitations: sent again, taken back; who asks for another is seen.
import { post, remove } from "../lib/api.js";
import { html } from "../lib/dom.js";
import { ago, day, t, tn } from "../lib/i18n.js";
import { useLive } from "../lib/live.js";
import { ROLES, whyNot } from "../lib/may.js";
import { refine, say, useList, useLoad, whole } from "../lib/state.js";
import { Badge, Button, Card, Notice, Person, When } from "../ui/basics.js";
import { Search } from "../ui/forms.js";
import { Confirm, Dialog, Menu } from "../ui/overlays.js";
import { Nothing, Table } from "../ui/table.js";
import { GroupNames, useSearch } from "./users.js";

export function Invited({ open, close, fresh, invite }) {
  const [text, setText, query] = useSearch();
  const list = useLive(useList(`/v1/invitations?status=pending${query.get("q") ? `&q=${encodeURIComponent(query.get("q"))}` : ""}`), "org.invitation,org.member");
  const groups = useLoad(() => whole("/v1/groups"), "groups");
  const named = (id) => ({ id, kind: "custom", name: groups.data?.find?.((one) => one.id === id)?.name ?? "…" });
  const resend = (one) => async () => {
    try {
      await post(`/v1/invitations/${one.id}/resends`);
      say(t("The invitation to {email} is on its way again.", { email: one.email }));
      close(true, one.id);
    } catch (refusal) {
      open(html`<${Dialog} title=${t("Not sent again")} onClose=${() => close(false)} footer=${html`<${Button} onClick=${() => close(false)}>${t("Close")}<//>`}><p>${refusal.detail || refusal.title}</p><//>`);
    }
  };
  const asking = (list.rows ?? []).filter((one) => one.renewal_requested_at);
  const sendAll = async () => {
    for (const one of asking) await post(`/v1/invitations/${one.id}/resends`);
    say(tn(asking.length, "{n} invitation is on its way again.", "{n} invitations are on their way again."));
  };
  const sendingAll = () => open(html`<${Confirm} title=${tn(asking.length, "Send {n} invitation again?", "Send {n} invitations again?")} verb=${t("Send again")} act=${sendAll} onClose=${close}><ul class="plain-list">${asking.map((one) => html`<li>${one.email} <span class="quiet">${ago(one.renewal_requested_at)}</span></li>`)}</ul><//>`);
  const columns = [
    { key: "email", label: t("E-mail"), cell: (one) => html`<${Person} name="" email=${one.email} extra=${html`${one.status === "expired" ? html`<${Badge} kind="warn" icon="clock">${t("Expired")}<//>` : null}${one.renewal_requested_at ? html`<${Badge} kind="accent" icon="mail">${t("asks for a new one")}<//>` : null}`} />` },
    { key: "role", label: t("Role"), cell: (one) => ROLES()[one.role] },
    { key: "groups", label: t("Groups"), secondary: true, cell: (one) => html`<${GroupNames} groups=${one.group_ids.map(named)} />` },
    { key: "sent", label: t("Sent"), secondary: true, cell: (one) => html`<${When} at=${one.sent_at} />` },
    { key: "expires", label: t("Valid until"), secondary: true, cell: (one) => html`<time datetime=${one.expires_at}>${day(one.expires_at)}</time>` },
    { key: "act", label: t("Actions"), act: true, cell: (one) => html`<${Menu} label=${t("Actions for {name}", { name: one.email })} items=${[
      { label: t("Send again"), note: t("The link sent before stops working"), why: whyNot("invitations.manage"), act: resend(one) }, null,
      { label: t("Revoke…"), danger: true, why: whyNot("invitations.revoke"), act: () => open(html`<${Revoke} invitation=${one} onClose=${close} />`) }]} />` },
  ];
  return html`${asking.length ? html`<${Notice} kind="accent" icon="mail" title=${tn(asking.length, "{n} person came too late and asks for a new invitation", "{n} people came too late and ask for a new invitation")}><${Button} why=${whyNot("invitations.manage")} onClick=${sendingAll}>${t("Send again…")}<//><//>` : null}<${Card} plain><div class="toolbar"><${Search} label=${t("Search by e-mail")} value=${text} onInput=${setText} /></div>
    <${Table} label=${t("Invitations")} list=${list} columns=${columns} fresh=${fresh} empty=${html`<${Nothing} filtered=${query.get("q")} clear=${() => { setText(""); refine({ q: "" }); }} icon="mail" title=${t("No invitation is open")} action=${invite}>${t("Invited people appear here until they accept.")}<//>`} /><//>`;
}

function Revoke({ invitation, onClose }) {
  const act = async (options) => {
    await remove(`/v1/invitations/${invitation.id}`, options);
    say(t("The invitation to {email} is revoked.", { email: invitation.email }));
  };
  return html`<${Confirm} title=${t("Revoke the invitation to {email}?", { email: invitation.email })} verb=${t("Revoke invitation")} danger act=${act} onClose=${onClose}>
    <p>${t("The link in the mail stops working at once, and the reserved slot is free again.")}</p><//>`;
}
