// What an admin can do about one person; what can't be done says why.
import { post } from "../lib/api.js";
import { html, useState } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { ROLES, whyNot } from "../lib/may.js";
import { ROOT, say } from "../lib/state.js";
import { Icon, Notice } from "../ui/basics.js";
import { ByPassword } from "../ui/by-password.js";
import { Check, Choices, Field } from "../ui/forms.js";
import { Confirm } from "../ui/overlays.js";
import { Departure, HandOver } from "./departure.js";
import { RoleAndGroups } from "./role-and-groups.js";

export const Impact = ({ lines }) => html`<ul class="impact">${lines.filter(Boolean).map(([icon, text]) => html`<li><${Icon} name=${icon} /><span>${text}</span></li>`)}</ul>`;

/** The menu of a user. `open(dialog)` shows a dialog, `close(done, id)` closes it. */
export function actions(user, who, open, close) {
  const manage = whyNot("users.manage");
  const mine = user.id === who.user.id ? t("That is you.") : "";
  const done = (ok) => close(ok, user.id);
  const show = (Part, given) => () => open(html`<${Part} user=${user} onClose=${done} ...${given} />`);
  const handOver = { label: t("Hand over dashboards…"), why: whyNot("dashboards.hand_over"), act: show(HandOver) };
  if (user.status !== "active") return [
    { label: t("Reactivate…"), why: manage, act: show(Reactivate) },
    handOver,
    null,
    { label: t("Remove for good…"), danger: true, why: manage, act: show(Departure, { kind: "remove" }) },
  ];
  return [
    { label: t("Role & groups…"), why: manage, act: () => open(html`<${RoleAndGroups} id=${user.id} onClose=${done} />`) },
    { label: t("See what {name} can access", { name: user.name }), href: `${ROOT}/access?user=${user.id}` },
    handOver,
    null,
    { label: t("End sessions…"), why: mine ? t("Yours are under Security.") : whyNot("users.end_sessions"), act: show(EndSessions) },
    { label: t("Send a link for a new password…"), why: mine ? t("Yours is under Security.") : whyNot("users.send_password_reset"), act: show(SendReset) },
    { label: t("Remove second factors…"), danger: true, why: mine ? t("Yours are under Security.") : whyNot("users.remove_two_factor"), act: show(RemoveTwoFactor) },
    null,
    { label: t("Deactivate…"), danger: true, why: manage || mine, act: show(Departure, { kind: "deactivate" }) },
    { label: t("Remove for good…"), danger: true, why: manage || mine, act: show(Departure, { kind: "remove" }) },
  ];
}

function Reactivate({ user, onClose }) {
  const act = async (options) => {
    await post(`/v1/users/${user.id}/reactivation`, undefined, options);
    say(t("{name} is active again.", { name: user.name }));
  };
  return html`<${Confirm} title=${t("Reactivate {name}?", { name: user.name })} verb=${t("Reactivate")} act=${act} onClose=${onClose}>
    <p>${t("{name} comes back as {role} with the same groups, and takes a slot again.", { name: user.name, role: ROLES()[user.role] })}</p><//>`;
}

function EndSessions({ user, onClose }) {
  const act = async (options) => {
    await post(`/v1/users/${user.id}/session-revocations`, undefined, options);
    say(t("{name} is signed out of this organization.", { name: user.name }));
  };
  return html`<${Confirm} title=${t("End all sessions of {name}?", { name: user.name })} verb=${t("End sessions")} danger act=${act} onClose=${onClose}>
    <${Impact} lines=${[["out", t("Every session in your organization ends within a second.")], ["mail", t("{name} is told by mail, and can sign in again.", { name: user.name })], ["globe", t("Sessions in other organizations go on.")]]} /><//>`;
}

function SendReset({ user, onClose }) {
  const act = async (options) => {
    await post(`/v1/users/${user.id}/password-resets`, undefined, options);
    say(t("The mail to {name} is sent.", { name: user.name }));
  };
  return html`<${Confirm} title=${t("Send {name} a link for a new password?", { name: user.name })} verb=${t("Send the link")} act=${act} onClose=${onClose}>
    <${Impact} lines=${[["mail", t("It goes to {email} alone, works once, and ends after 30 minutes. A link that was sent before is dead.", { email: user.email })], ["lock", t("The present password and all sessions go on until they follow it.")], ["shield", t("A second factor is still asked for.")]]} /><//>`;
}

const REASONS = () => [
  ["lost", t("Lost device")],
  ["new", t("New device")],
  ["other", t("Another reason")],
];
const SENT = { lost: "Lost device", new: "New device" };

function RemoveTwoFactor({ user, onClose }) {
  const [reason, setReason] = useState("lost");
  const [other, setOther] = useState("");
  const [checked, check] = useState(false);
  const given = SENT[reason] ?? other.trim();
  const act = async (password, options) => {
    await post(`/v1/users/${user.id}/two-factor-removal`, { password, reason: given }, options);
    say(t("The second factors of {name} are removed.", { name: user.name }));
  };
  const why = !given ? t("Type the reason first") : checked ? "" : t("Make sure first who is asking");
  return html`<${ByPassword} title=${t("Remove the second factors of {name}?", { name: user.name })} verb=${t("Remove second factors")} act=${act} onClose=${onClose} why=${why} fields=${{ reason: given }}>
    ${(sending) => html`<${Notice} kind="warn" icon="warn" title=${t("This is what impostors ask for")}>${t("Call {name} on a number that you know, or meet. A mail or a chat message isn't enough.", { name: user.name })}<//>
      <${Impact} lines=${[["shield", t("Authenticator app, passkeys and recovery codes are gone.")], ["out", t("All sessions end, everywhere.")], ["mail", t("{name} and every other admin are told by mail, with your reason.", { name: user.name })]]} />
      <${Choices} legend=${t("Reason")} wrong=${reason === "other" ? undefined : sending.wrong("reason")} value=${reason} onInput=${setReason} options=${REASONS()} />
      ${reason === "other" ? html`<${Field} label=${t("Which reason?")} name="reason" maxlength="200" value=${other} onInput=${setOther} wrong=${sending.wrong("reason")} />` : null}
      <${Check} label=${t("I have made sure that {name} is asking", { name: user.name })} checked=${checked} onChange=${check} />`}<//>`;
}
