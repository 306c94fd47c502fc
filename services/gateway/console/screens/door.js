// Before signing in: sign in, sign up, confirm, accept an invitation, set a new password.
import { get, post, put } from "../lib/api.js";
import { html, useLayoutEffect, useSignal, useState } from "../lib/dom.js";
import { day, language, t } from "../lib/i18n.js";
import { ROLES } from "../lib/may.js";
import { passkeysWork, showPasskey } from "../lib/passkeys.js";
import { elsewhere, go, me, recognize, ROOT, say, signOut, useLoad } from "../lib/state.js";
import { toProvider, useWayIn, wayIn } from "../lib/way-in.js";
import { Badge, Button, Notice, Refused, Skeleton } from "../ui/basics.js";
import { Check, Choices, Field, FormError, Password, Submit, useSend } from "../ui/forms.js";
import { Doorway } from "../ui/shell.js";
import { SecondStep } from "./second-step.js";

const form = (sending) => (event) => {
  event.preventDefault();
  sending.run();
};

function afterwards() {
  const to = new URLSearchParams(location.search).get("to") ?? "/";
  return to.startsWith("/") && !to.startsWith("//") ? to : "/";
}

/** Signs in; answers the challenge when a second factor is asked for first. */
async function enter(email, password, key) {
  const { data } = await post("/v1/auth/sessions", { email, password, keep: "cookie" }, { key });
  if (data.challenge) return data.challenge;
  await recognize();
  return null;
}

export function SignIn() {
  const [email, setEmail] = useState(new URLSearchParams(location.search).get("email") ?? "");
  const [password, setPassword] = useState("");
  const [challenge, setChallenge] = useState(null);
  const way = useWayIn(email);
  const there = useSignal(elsewhere);
  const atProvider = way.sso && !way.password_works;
  useLayoutEffect(() => {
    // The password's field is gone, and what was focused may have gone with it.
    if (atProvider && document.activeElement === document.body) document.querySelector("form .primary")?.focus();
  }, [atProvider]);
  const sending = useSend(async ({ key }) => {
    const known = await wayIn(email);
    if (known.sso && !known.password_works) return location.assign(toProvider(known.sso, afterwards()));
    if (!password) throw { code: "invalid", errors: [{ pointer: "/password" }], at: (name) => (name === "password" ? t("Type your password") : undefined) };
    const asked = await enter(email, password, key);
    if (asked) setChallenge(asked);
    else go(afterwards(), { replace: true });
  });
  const byKey = useSend(async () => {
    const { data: begun } = await post("/v1/auth/challenges", { keep: "cookie" });
    await post(`/v1/auth/challenges/${begun.id}/answers`, { token: begun.token, passkey: await showPasskey(begun.passkey) });
    await recognize();
    go(afterwards(), { replace: true });
  });
  if (challenge) return html`<${SecondStep} challenge=${challenge} back=${() => setChallenge(null)} done=${() => go(afterwards(), { replace: true })} />`;
  return html`<${Doorway} title=${t("Sign in")} aside=${html`${t("New here?")} <a href="${ROOT}/sign-up">${t("Create an organization")}</a>`}>
    ${there ? html`<${Notice} kind="accent" icon="key" role="status" title=${t("You are signed out here")}><p>${t("At {provider} you still are signed in: whoever uses this browser gets in again from there.", { provider: there.name })}</p><a class="button wide" href=${there.url}>${t("Also sign out at {provider}", { provider: there.name })}</a><//>` : null}
    <form class="stack" novalidate onSubmit=${form(sending)}>
      <${FormError} sending=${sending} fields=${["email", "password"]} />
      <${Field} label=${t("Work e-mail")} name="email" type="email" autocomplete="username" value=${email} onInput=${setEmail} wrong=${sending.wrong("email")} />
      ${way.sso ? html`<${Notice} icon="key" role="status" title=${t("Your organization signs in at {provider}", { provider: way.sso.name })}><p>${atProvider ? t("You go there, and come back signed in. A password isn't asked for here.") : t("You can go there, or use your password.")}</p><//>` : null}
      ${atProvider ? html`<${Submit} sending=${sending} kind="primary wide">${t("Go to {provider}", { provider: way.sso.name })}<//>
      <p class="small"><a href="${ROOT}/break-glass?email=${encodeURIComponent(email)}">${t("The provider is broken, and I am an admin")}</a></p>` : html`
      <${Password} label=${t("Password")} name="password" autocomplete="current-password" value=${password} onInput=${setPassword} wrong=${sending.wrong("password")} />
      <${Submit} sending=${sending} kind="primary wide">${t("Sign in")}<//>
      <p class="small"><a href="${ROOT}/forgot">${t("Forgot your password?")}</a></p>`}
    </form>
    ${way.sso && !atProvider ? html`<a class="button wide" href=${toProvider(way.sso, afterwards())}>${t("Go to {provider}", { provider: way.sso.name })}</a>` : null}
    ${!atProvider && passkeysWork() ? html`<div class="stack"><p class="or"><span>${t("or")}</span></p><${FormError} sending=${byKey} /><${Button} kind="wide" icon="fingerprint" busy=${byKey.busy} onClick=${() => byKey.run()}>${t("Sign in with a passkey")}<//></div>` : null}<//>`;
}

const EMPTY = { company: "", name: "", email: "", password: "", location: "eu", product_mails: false, accept_terms: false };
const country = () => new Intl.Locale(navigator.language).region?.match(/^[A-Z]{2}$/)?.[0] ?? null;
const PLACES = () => [["eu", t("European Union"), "Frankfurt"], ["us", t("United States"), "N. Virginia"]];

export function SignUp() {
  const [given, set] = useState(EMPTY);
  const [pending, setPending] = useState(null);
  const change = (name) => (value) => set((was) => ({ ...was, [name]: value }));
  const sending = useSend(async (_, options) => {
    if (!given.accept_terms) throw { code: "invalid", errors: [{ pointer: "/accept_terms" }], at: (name) => (name === "accept_terms" ? t("Accept the terms to go on.") : undefined) };
    const { data } = await post("/v1/signups", { ...given, language: language.value, country: country() }, options);
    setPending(data);
  });
  const send = (event) => {
    event.preventDefault();
    sending.run(given);
  };
  if (pending) return html`<${Look} email=${given.email} again=${() => sending.run(given)} busy=${sending.busy} back=${() => setPending(null)} />`;
  return html`<${Doorway} roomy title=${t("Create your organization")} lead=${t("You become its first admin. You can invite everybody else later.")}
    aside=${html`${t("Already have an account?")} <a href="${ROOT}/sign-in">${t("Sign in")}</a>`}>
    <form class="stack" novalidate onSubmit=${send}>
      <${FormError} sending=${sending} fields=${Object.keys(given)} />
      <${Field} label=${t("Company name")} name="company" maxlength="200" autocomplete="organization" value=${given.company} onInput=${change("company")} wrong=${sending.wrong("company")} />
      <${Field} label=${t("Your name")} name="name" maxlength="200" autocomplete="name" value=${given.name} onInput=${change("name")} wrong=${sending.wrong("name")} />
      <${Field} label=${t("Work e-mail")} name="email" type="email" autocomplete="email" value=${given.email} onInput=${change("email")} wrong=${sending.wrong("email")} />
      <${Password} label=${t("Password")} name="password" autocomplete="new-password" value=${given.password} onInput=${change("password")} wrong=${sending.wrong("password")}
        hint=${t("At least 12 characters. A few unrelated words make a good one.")} />
      <${Choices} legend=${t("Where your data is kept")} wrong=${sending.wrong("location")} value=${given.location} onInput=${change("location")} options=${PLACES()} />
      <p class="small quiet">${t("Everything of your organization is stored and processed there. It can't be changed later.")}</p>
      <div class="choices">
        <${Check} flat name="accept_terms" label=${t("I accept the terms of service and the privacy policy")} checked=${given.accept_terms} onChange=${change("accept_terms")} wrong=${sending.wrong("accept_terms")} />
        <${Check} flat name="product_mails" label=${t("Send me product news")} note=${t("At most monthly; can be switched off at any time.")} checked=${given.product_mails} onChange=${change("product_mails")} />
      </div>
      <${Submit} sending=${sending} kind="primary wide">${t("Create organization")}<//>
    </form><//>`;
}

function Look({ email, again, busy, back }) {
  return html`<${Doorway} title=${t("Look into your mailbox")} aside=${html`<a href="${ROOT}/sign-in">${t("Back to sign-in")}</a>`}>
    <div class="stack"><p>${t("We sent a link to")} <b>${email}</b>. ${t("Open it to confirm your address; then you can sign in.")}</p>
    <div class="row"><${Button} icon="mail" busy=${busy} onClick=${again}>${t("Send it again")}<//><${Button} kind="plain" onClick=${back}>${t("Change the address")}<//></div></div><//>`;
}

/** The id of what a mailed token belongs to stands in front of its version. */
export function idOf(token) {
  const found = /^tms_([a-z]{2,4})([0-7][0-9a-hjkmnp-tv-z]{25})[0-9]{1,6}-/.exec(token);
  return found ? `${found[1]}_${found[2]}` : "-";
}

export function Verify({ id: token }) {
  const confirmed = useLoad(() => post(`/v1/signups/${idOf(token)}/confirmation`, { token }, { key: token.slice(-43) }), token);
  if (confirmed.busy) return html`<${Doorway} title=${t("Confirming your address…")}><${Skeleton} lines=${2} /><//>`;
  if (confirmed.error) return html`<${Doorway} title=${t("This link no longer works")} aside=${html`<a href="${ROOT}/sign-in">${t("Sign in")}</a> · <a href="${ROOT}/sign-up">${t("Sign up again")}</a>`}>
    <${Refused} error=${confirmed.error} retry=${confirmed.error.code === "gone" ? null : confirmed.reload} /><//>`;
  return html`<${Doorway} title=${t("Your address is confirmed")} lead=${t("Your organization is ready. Sign in to begin.")}>
    <a class="button primary wide" href="${ROOT}/sign-in?email=${encodeURIComponent(confirmed.data.email)}">${t("Sign in")}</a><//>`;
}

const CLOSED = () => ({
  expired: [t("This invitation has expired"), t("Ask the person who invited you to send it again.")],
  revoked: [t("This invitation was withdrawn"), t("If you think that is a mistake, ask an admin of the organization.")],
  accepted: [t("This invitation was accepted"), t("You can sign in now.")],
});

/** Whoever has a link that doesn't work any more may ask for another; nobody is told whether it ever was one. */
function AskAgain({ token }) {
  const [asked, setAsked] = useState(false);
  const sending = useSend(async (options) => {
    await post(`/v1/invitation-tokens/${token}/renewal-request`, undefined, options);
    setAsked(true);
  });
  if (asked) return html`<${Notice} kind="accent" icon="mail" role="status" title=${t("If it was an invitation, its admins are asked")}><p>${t("When one of them sends it again, a new mail comes to you.")}</p><//>`;
  return html`<p class="quiet">${t("Has your invitation expired? Ask for another; its admins are told.")}</p><${FormError} sending=${sending} /><${Button} kind="wide" busy=${sending.busy} onClick=${() => sending.run()}>${t("Ask for a new invitation")}<//>`;
}

export function Invitation({ id: token }) {
  const shown = useLoad(() => get(`/v1/invitation-tokens/${token}`), token);
  if (shown.error) return html`<${Doorway} title=${t("This link no longer works")} aside=${html`<a href="${ROOT}/sign-in">${t("Sign in")}</a>`}><${Refused} error=${shown.error} />${shown.error.code === "gone" ? html`<${AskAgain} token=${token} />` : null}<//>`;
  if (!shown.data) return html`<${Doorway} title=${t("Your invitation")}><${Skeleton} lines=${4} /><//>`;
  if (shown.data.status !== "open") {
    const [title, lead] = CLOSED()[shown.data.status];
    return html`<${Doorway} title=${title} lead=${lead}>${shown.data.status === "expired" ? html`<${AskAgain} token=${token} />` : null}<a class="button wide" href="${ROOT}/sign-in">${t("Sign in")}</a><//>`;
  }
  return html`<${Open} token=${token} invitation=${shown.data} />`;
}

/** Somebody whose domain signs in at a provider goes there: who comes back from it is taken in by their invitation. */
function ByProvider({ sso, children }) {
  return html`<div class="stack tight"><a class="button primary wide" href=${toProvider(sso, "/")}>${t("Go to {provider}", { provider: sso.name })}</a>
    <p class="small quiet">${children}</p></div>`;
}

function Open({ token, invitation }) {
  const who = useSignal(me);
  const way = useWayIn(invitation.email);
  const [given, set] = useState({ name: "", password: "" });
  const [known, setKnown] = useState(false);
  const [challenge, setChallenge] = useState(null);
  const change = (name) => (value) => set((was) => ({ ...was, [name]: value }));
  const accept = async () => {
    const { data } = await post(`/v1/invitation-tokens/${token}/acceptance`);
    await post("/v1/me/active-organization", { org_id: data.org_id });
    await recognize();
    say(t("Welcome to {organization}.", { organization: data.organization }));
    go("/", { replace: true });
  };
  const sending = useSend(async (_, { key }) => {
    if (!who) {
      if (!known) await post(`/v1/invitation-tokens/${token}/account`, { name: given.name, password: given.password, language: language.value }, { key }).catch((refusal) => {
        if (refusal.code === "already_exists") setKnown(true);
        throw refusal;
      });
      setKnown(true);
      const asked = await enter(invitation.email, given.password);
      if (asked) return setChallenge(asked);
    }
    await accept();
  });
  const send = (event) => {
    event.preventDefault();
    sending.run(given);
  };
  if (challenge) return html`<${SecondStep} challenge=${challenge} back=${() => setChallenge(null)} done=${accept} />`;
  const lead = invitation.invited_by ? t("{person} invited you.", { person: invitation.invited_by }) : t("You were invited.");
  const other = who && who.user.email.toLowerCase() !== invitation.email.toLowerCase();
  return html`<${Doorway} roomy title=${t("Join {organization}", { organization: invitation.organization })} lead=${lead}
    aside=${who || !way.password_works ? null : html`<${Button} kind="plain" onClick=${() => setKnown(!known)}>${known ? t("I have no account yet") : t("I have an account already")}<//>`}>
    <div class="stack">
      <div class="row"><${Badge} kind="accent">${ROLES()[invitation.role]}<//>${invitation.groups.map((one) => html`<${Badge}>${one}<//>`)}<span class="small quiet">${t("valid until {day}", { day: day(invitation.expires_at) })}</span></div>
      ${other ? html`<${Notice} kind="warn" icon="warn" title=${t("You are signed in as somebody else")}><p>${t("This invitation is for {email}.", { email: invitation.email })}</p><${Button} onClick=${signOut}>${t("Sign out")}<//><//>` : html`
      ${!who && way.sso ? html`<${ByProvider} sso=${way.sso}>${way.password_works ? t("You go there, and come back as a member. Or accept with a password below.") : t("Your organization signs in there. You come back as a member.")}<//>` : null}
      ${!who && !way.password_works ? null : html`<form class="stack" novalidate onSubmit=${send}>
        <${FormError} sending=${sending} fields=${["name", "password"]} />
        ${who ? null : html`<${Field} label=${t("Work e-mail")} type="email" autocomplete="username" value=${invitation.email} readonly onInput=${() => undefined} />
          ${known ? null : html`<${Field} label=${t("Your name")} name="name" maxlength="200" autocomplete="name" value=${given.name} onInput=${change("name")} wrong=${sending.wrong("name")} />`}
          <${Password} label=${t("Password")} name="password" autocomplete=${known ? "current-password" : "new-password"} value=${given.password} onInput=${change("password")} wrong=${sending.wrong("password")}
            hint=${known ? undefined : t("At least 12 characters. A few unrelated words make a good one.")} />`}
        <${Submit} sending=${sending} kind="${way.sso && !who ? "" : "primary"} wide">${t("Accept invitation")}<//>
      </form>`}`}
    </div><//>`;
}

export function Forgot() {
  const [email, setEmail] = useState("");
  const [sent, setSent] = useState(false);
  const sending = useSend(async ({ key }) => {
    await post("/v1/auth/password-resets", { email, language: language.value }, { key });
    setSent(true);
  });
  const back = html`<a href="${ROOT}/sign-in">${t("Back to sign-in")}</a>`;
  if (sent) return html`<${Doorway} title=${t("Look into your mailbox")} aside=${back}><p>${t("If {email} has an account, a link to set a new password is on its way.", { email })}</p><//>`;
  return html`<${Doorway} title=${t("Set a new password")} lead=${t("We mail you a link.")} aside=${back}><form class="stack" novalidate onSubmit=${form(sending)}>
    <${FormError} sending=${sending} fields=${["email"]} />
    <${Field} label=${t("Work e-mail")} name="email" type="email" autocomplete="username" value=${email} onInput=${setEmail} wrong=${sending.wrong("email")} />
    <${Submit} sending=${sending} kind="primary wide">${t("Mail me the link")}<//></form><//>`;
}

export function ResetPassword({ id: token }) {
  const [password, setPassword] = useState("");
  const [done, setDone] = useState(false);
  const sending = useSend(async ({ key }) => {
    await put(`/v1/auth/password-resets/${token}`, { new_password: password }, { key });
    setDone(true);
  });
  if (done) return html`<${Doorway} title=${t("Your new password is set")} lead=${t("Every session was ended. Sign in with the new password.")}><a class="button primary wide" href="${ROOT}/sign-in">${t("Sign in")}</a><//>`;
  return html`<${Doorway} title=${t("Set a new password")} aside=${html`<a href="${ROOT}/forgot">${t("Mail me another link")}</a>`}><form class="stack" novalidate onSubmit=${form(sending)}>
    <${FormError} sending=${sending} fields=${["new_password"]} />
    <${Password} label=${t("New password")} name="new_password" autocomplete="new-password" value=${password} onInput=${setPassword} wrong=${sending.wrong("new_password")} hint=${t("At least 12 characters. A few unrelated words make a good one.")} />
    <${Submit} sending=${sending} kind="primary wide">${t("Set password")}<//></form><//>`;
}

export function AddressChange({ id }) {
  const [what, token] = id.split("/");
  const undo = what === "undo-email";
  const [done, setDone] = useState(null);
  const sending = useSend(async ({ key }) => {
    const { data } = await post(`/v1/auth/email-changes/${token}/${undo ? "undoing" : "confirmation"}`, undefined, { key });
    setDone(data);
  });
  if (done) return html`<${Doorway} title=${t("Your address is {email}", { email: done.email })} lead=${t("Sign in with it from now on.")}><a class="button primary wide" href="${ROOT}/sign-in?email=${encodeURIComponent(done.email)}">${t("Sign in")}</a><//>`;
  return html`<${Doorway} title=${undo ? t("Keep your old address") : t("Confirm your new address")} lead=${undo ? t("This takes the change of your address back.") : t("From then on you sign in with it.")}><form class="stack" novalidate onSubmit=${form(sending)}>
    <${FormError} sending=${sending} /><${Submit} sending=${sending} kind="primary wide">${undo ? t("Take the change back") : t("Confirm")}<//></form><//>`;
}
