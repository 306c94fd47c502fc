// Signed in, and in no organization: it is being made ready, an admin has to agree, or it was closed.
import { post } from "../lib/api.js";
import { html, useEffect } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { recognize, ROOT, signOut } from "../lib/state.js";
import { Button, Notice } from "../ui/basics.js";
import { FormError, useSend } from "../ui/forms.js";
import { Doorway } from "../ui/shell.js";

const LOOK_AGAIN_MS = 700;
const LOOK_AGAIN_CLOSED_MS = 5000;

export function Nowhere({ who }) {
  const closed = who.organizations.filter((one) => one.closed);
  const others = who.organizations.filter((one) => one.status === "active" && !one.closed);
  useEffect(() => {
    const timer = setInterval(() => recognize().catch(() => undefined), closed.length ? LOOK_AGAIN_CLOSED_MS : LOOK_AGAIN_MS);
    return () => clearInterval(timer);
  }, [closed.length]);
  const changing = useSend(async (one) => {
    await post("/v1/me/active-organization", { org_id: one.id });
    location.assign(ROOT);
  });
  const aside = html`<a class="button plain" href="${ROOT}/me">${t("Your account")}</a><button type="button" class="button plain" onClick=${signOut}>${t("Sign out")}</button>`;
  const switches = others.map((one) => html`<${Button} key=${one.id} kind="wide" busy=${changing.busy} onClick=${() => changing.run(one)}>${t("Switch to {name}", { name: one.name })}<//>`);
  if (closed.length) return html`<${Doorway} title=${t("{name} is closed", { name: closed.map((one) => one.name).join(", ") })} aside=${aside}>
    <${Notice} kind="warn" icon="lock" role="status" title=${t("Nobody but its admins gets in")}><p>${t("An admin has closed it, and any of them can take that back within 30 days of then. If that happens you are in again, with all that you had; this page goes on by itself.")}</p><//>${switches}<${FormError} sending=${changing} /><//>`;
  return html`<${Doorway} title=${t("Getting your organization ready")} aside=${aside}><p class="quiet" role="status">${others.length ? t("One moment.") : t("This takes a second or two. If an admin has to agree first, you get in as soon as they do. If you were removed from your organization, there is nothing to wait for: ask an admin for an invitation.")}</p>${switches}<${FormError} sending=${changing} /><//>`;
}
