// The organization: its details, what it gets mailed, its identifiers.
import { html, useSignal } from "../lib/dom.js";
import { day, t } from "../lib/i18n.js";
import { me, useLoad } from "../lib/state.js";
import { Card, Copy, Loaded, Page } from "../ui/basics.js";
import { DangerZone } from "./closing.js";
import { Details, loadOrganization } from "./organization-form.js";

export function Organization() {
  const who = useSignal(me);
  const found = useLoad(loadOrganization, "organization");
  return html`<${Page} title=${t("Organization")} org=${who.organization.name} lead=${t("What your organization is called, and how it is reached.")}>
    <${Loaded} from=${found}>${(data) => html`<${Details} key=${found.etag} data=${data} etag=${found.etag} reload=${found.reload} />
      <${Card} title=${t("Identifiers")}><dl class="facts"><div class="whole"><dt>${t("Id")}</dt><dd class="row"><code>${data.id}</code><${Copy} text=${data.id} label=${t("Copy the id")} /></dd></div><div><dt>${t("Data location")}</dt><dd>${data.location === "eu" ? t("European Union") : t("United States")}</dd></div><div><dt>${t("Created")}</dt><dd>${day(data.created_at)}</dd></div></dl><//><${DangerZone} />`}<//><//>`;
}
