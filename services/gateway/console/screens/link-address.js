// The address of a sharing link, and what is put into a page so that it shows there.
import { get } from "../lib/api.js";
import { html, useState } from "../lib/dom.js";
import { save } from "../lib/files.js";
import { t } from "../lib/i18n.js";
import { ROOT, useLoad } from "../lib/state.js";
import { Button, Copy, Loaded, Notice } from "../ui/basics.js";
import { Code, CodeTabs } from "../ui/code.js";
import { Body, Dialog } from "../ui/overlays.js";
import { Tabs } from "../ui/tabs.js";

const attribute = (text) => text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");

/** `known`: the link with its token, when it was just answered. */
export function AddressDialog({ link, known, onClose }) {
  const [at, show] = useState("address");
  const found = useLoad(() => (known ? { data: known } : get(`/v1/links/${link.id}`)), link.id);
  const title = t("Pass on {name}", { name: link.name });
  const footer = html`<${Button} kind="primary" onClick=${() => onClose(false)}>${t("Done")}<//>`;
  return html`<${Dialog} large bare title=${title} onClose=${() => onClose(false)}>
    <${Tabs} label=${title} tabs=${[["address", t("Address")], ["code", t("Embed code")]]} at=${at} onChange=${show}>
      <${Body} label=${title} footer=${footer}><${Loaded} from=${found} lines=${4}>${(one) => (at === "address" ? html`<${Address} link=${one} />` : html`<${EmbedCode} link=${one} />`)}<//><//><//><//>`;
}

function Address({ link }) {
  const shut = link.state === "open" ? null : html`<${Notice} kind="warn" icon="warn" title=${t("It opens for nobody at present")} />`;
  if (!link.url) {
    return html`${shut}<p>${t("This link's token. Your analytics product opens it as the parameter sharingToken of a dashboard's address.")}</p>
      <p><code class="secret" data-name>${link.token}</code></p><div class="row"><${Copy} text=${link.token} label=${t("Copy the token")} /></div>
      <p class="small quiet">${t("Whoever runs Tenantry can name the product's page (TENANTRY_LINK_URL); then the whole address stands here.")}</p>`;
  }
  return html`${shut}<p class="quiet">${link.requires_secret ? t("It opens where your server adds an embed token for each viewer, as sharingSecret.") : link.has_password ? t("Pass on the password by another way than the address.") : t("Whoever has it sees what the link shows.")}</p>
    <p><code class="secret" data-name>${link.url}</code></p>
    <div class="row"><${Copy} text=${link.url} label=${t("Copy the address")} />${link.requires_secret ? null : html`<a class="button" href=${link.url} target="_blank" rel="noreferrer">${t("Open it")}</a>`}</div>
    ${link.requires_secret ? null : html`<${QrCode} link=${link} />`}`;
}

/** The address for who holds a phone to a wall or to paper. */
function QrCode({ link }) {
  const code = useLoad(() => get(`/v1/links/${link.id}/qr-code`), link.id);
  return html`<${Loaded} from=${code} lines=${3}>${({ svg }) => html`<div class="scan"><img class="qr" width="168" height="168" alt=${t("QR code of the address")} src=${`data:image/svg+xml,${encodeURIComponent(svg)}`} />
    <div class="stack tight"><p class="quiet">${t("A phone's camera opens it. Whoever photographs it has the address.")}</p><div class="row"><${Button} icon="file" onClick=${() => save(`${link.name}.svg`, svg, "image/svg+xml")}>${t("Save the picture (SVG)")}<//></div></div></div>`}<//>`;
}

function EmbedCode({ link }) {
  const samples = useLoad(() => (link.requires_secret ? get("/v1/embed-samples") : { data: { data: [] } }), link.requires_secret);
  const page = link.url ?? `${t("the dashboard's address")}?sharingToken=${link.token}`;
  const address = link.requires_secret ? `${page}&sharingSecret=${t("the token that your server signed")}` : page;
  const frame = `<iframe src="${attribute(address)}"\n  title="${attribute(link.dashboard_title)}" width="100%" height="600" loading="lazy" allowfullscreen></iframe>`;
  return html`${link.origins.length ? null : html`<${Notice} kind="warn" icon="warn" title=${t("No site may show it in a frame yet")}>${t("Name the origin of your page when you edit the link.")}<//>`}
    <p class="quiet">${t("Put this where the dashboard is to appear.")}</p><${Code} text=${frame} label=${t("Embed code")} />
    ${link.requires_secret ? html`<h3>${t("A token for each viewer")}</h3>
      <p class="quiet">${t("Your server signs it with the embed secret, anew each time the page is shown: SHARING_TOKEN is this link's token, EMBED_SECRET the secret.")} <a href="${ROOT}/embed-secret">${t("To the embed secret")}</a></p>
      <p class="small"><code data-name>SHARING_TOKEN=${link.token}</code></p>
      <${Loaded} from=${samples} lines=${8}>${({ data }) => html`<${CodeTabs} samples=${data} label=${t("Languages")} />`}<//>` : null}`;
}
