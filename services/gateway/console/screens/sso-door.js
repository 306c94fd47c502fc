// Coming back from an identity provider, and the way in when the provider itself is broken.
import { post } from "../lib/api.js";
import { html, useEffect, useSignal, useState } from "../lib/dom.js";
import { language, t } from "../lib/i18n.js";
import { go, me, recognize, ROOT, route, signOut } from "../lib/state.js";
import { pathOf, provedFrom } from "../lib/way-in.js";
import { Button, Notice, Refused, Skeleton } from "../ui/basics.js";
import { Field, FormError, Submit, useSend } from "../ui/forms.js";
import { Doorway } from "../ui/shell.js";
import { AccountProof } from "./account-proof.js";
import { SecondStep } from "./second-step.js";
import { stepFailed } from "./sso-steps.js";

const LOOK_AGAIN_MS = 1000;
const home = () => html`<a href="${ROOT}/sign-in">${t("Back to sign-in")}</a>`;
const emergency = () => html`<a href="${ROOT}/break-glass">${t("The provider is broken, and I am an admin")}</a>`;

/** Why the provider's answer didn't count, for the person who came back. */
function Failed({ step, trace }) {
  return html`<${Notice} kind="warn" icon="warn" role="alert" title=${t("You aren't signed in")}><p>${stepFailed(step)}</p>
    ${trace ? html`<p class="small quiet">${t("For your admin:")} <code>${trace}</code></p>` : null}<//>`;
}

export function SsoSignIn() {
  const { query } = useSignal(route);
  const [challenge, setChallenge] = useState(null);
  const [proof, setProof] = useState(null);
  const [arriving, setArriving] = useState(null);
  const failed = query.get("failed");
  const arrive = async (to, isNew) => {
    const who = await recognize();
    if (isNew && !who?.organization) setArriving(to);
    else go(to, { replace: true });
  };
  const goOn = async (signedIn, to, isNew) => {
    if (signedIn.challenge) setChallenge({ ...signedIn.challenge, to, isNew });
    else await arrive(to, isNew);
  };
  const sending = useSend(async () => {
    const { data } = await post("/v1/auth/sso/sign-ins", { keep: "cookie", language: language.value }, { quietly: true }).catch((refusal) => {
      // Reloaded after it had worked.
      if (refusal.code === "challenge_ended" && me.value) return { data: { return_to: `${ROOT}/` } };
      throw refusal;
    });
    const [to, isNew] = [pathOf(data.return_to), data.arriving];
    if (data.account_proof) setProof({ ...data.account_proof, to, isNew });
    else await goOn(data, to, isNew);
  });
  useEffect(() => {
    if (!failed) sending.run();
  }, []);
  if (failed) return html`<${Doorway} title=${t("Signing in at your provider didn't work")} aside=${emergency()}>
    <${Failed} step=${failed} trace=${query.get("trace")} /><a class="button primary wide" href="${ROOT}/sign-in">${t("Try again")}</a><//>`;
  if (challenge) return html`<${SecondStep} challenge=${challenge} back=${() => go("/sign-in")} done=${() => arrive(challenge.to, challenge.isNew)} />`;
  if (proof) return html`<${AccountProof} asked=${proof} done=${(signedIn) => goOn(signedIn, proof.to, proof.isNew)} />`;
  if (arriving) return html`<${Arriving} to=${arriving} />`;
  if (sending.error) return html`<${Doorway} title=${t("Signing in at your provider didn't work")} aside=${emergency()}>
    ${sending.error.code === "challenge_ended" ? html`<${Failed} step="browser" />` : html`<${Refused} error=${sending.error} />`}
    <a class="button primary wide" href="${ROOT}/sign-in">${t("Try again")}</a><//>`;
  return html`<${Doorway} title=${t("Signing you in…")}><${Skeleton} lines=${2} /><//>`;
}

/** Somebody new: the organization takes them in at once, or when an Admin agrees. */
function Arriving({ to }) {
  useEffect(() => {
    let over = false;
    const timer = setInterval(() => recognize().then((who) => { if (!over && who?.organization) go(to, { replace: true }); }, () => undefined), LOOK_AGAIN_MS);
    return () => {
      over = true;
      clearInterval(timer);
    };
  }, [to]);
  return html`<${Doorway} title=${t("You are almost in")} aside=${html`<${Button} kind="plain" onClick=${signOut}>${t("Sign out")}<//>`}>
    <p role="status">${t("Your organization takes you in. If one of its admins has to agree first, they were told; this page goes on by itself as soon as they do.")}</p><${Skeleton} lines=${1} /><//>`;
}

export function SsoProof() {
  const { query } = useSignal(route);
  const failed = query.get("failed");
  const sending = useSend(async () => {
    await post("/v1/auth/reauthentications", { sso: true }, { quietly: true });
    await recognize();
    go(provedFrom(), { replace: true });
  });
  useEffect(() => {
    if (!failed) sending.run();
  }, []);
  if (!failed && !sending.error) return html`<${Doorway} title=${t("Confirming that it's you…")}><${Skeleton} lines=${2} /><//>`;
  return html`<${Doorway} title=${t("Your provider didn't confirm that it's you")}>
    ${failed ? html`<${Notice} kind="warn" icon="warn" role="alert" title=${t("Nothing was changed")}><p>${stepFailed(failed)}</p>${query.get("trace") ? html`<p class="small quiet">${t("For your admin:")} <code>${query.get("trace")}</code></p>` : null}<//>` : html`<${Refused} error=${sending.error} />`}
    <a class="button primary wide" href="${ROOT}${provedFrom()}">${t("Back to where you were")}</a><//>`;
}

/** Where the provider sends the browser that signed out there. */
export function SignedOut() {
  const { query } = useSignal(route);
  const who = useSignal(me);
  const failed = query.get("failed");
  if (who) return html`<${Doorway} title=${t("You are still signed in here")} lead=${t("As {name}.", { name: who.user.name })} aside=${html`<a href="${ROOT}">${t("To the start")}</a>`}><${Button} kind="primary wide" onClick=${signOut}>${t("Sign out")}<//><//>`;
  return html`<${Doorway} title=${t("You are signed out")} lead=${failed ? t("Here you are. Whether you are at your provider as well, only it can tell: look there.") : t("Here and at your provider.")}>
    ${failed ? html`<${Notice} kind="warn" icon="warn" role="alert" title=${t("Your provider didn't say that it worked")}>${query.get("trace") ? html`<p class="small quiet">${t("For your admin:")} <code>${query.get("trace")}</code></p>` : null}<//>` : null}
    <a class="button primary wide" href="${ROOT}/sign-in">${t("Sign in")}</a><//>`;
}

/** An Admin asks for the mailed way in. */
export function AskForBreakGlass() {
  const [email, setEmail] = useState(new URLSearchParams(location.search).get("email") ?? "");
  const [sent, setSent] = useState(null);
  const sending = useSend(async (_, { key }) => setSent((await post("/v1/auth/break-glass", { email: email.trim() }, { key })).data));
  if (sent) return html`<${Doorway} title=${t("Look into your mailbox")} aside=${home()}>
    <p>${t("If {email} belongs to an admin whose organization signs in at a provider, a link is on its way. It works once, for {n} minutes.", { email, n: sent.minutes })}</p><//>`;
  return html`<${Doorway} title=${t("When the provider is broken")} lead=${t("Admins get a link by mail. It lets you repair or switch off single sign-on, and nothing else. All admins are told.")} aside=${home()}>
    <form class="stack" novalidate onSubmit=${(event) => (event.preventDefault(), sending.run(email))}>
      <${FormError} sending=${sending} fields=${["email"]} />
      <${Field} label=${t("Work e-mail")} name="email" type="email" autocomplete="username" value=${email} onInput=${setEmail} wrong=${sending.wrong("email")} />
      <${Submit} sending=${sending} kind="primary wide">${t("Mail me the link")}<//></form><//>`;
}

/** The mailed link: nothing happens until the person says so, since mail scanners open links too. */
export function BreakGlass({ id: token }) {
  const [challenge, setChallenge] = useState(null);
  const enter = async () => {
    await recognize();
    go("/sso", { replace: true });
  };
  const sending = useSend(async ({ key }) => {
    const { data } = await post("/v1/auth/break-glass-sessions", { token, keep: "cookie" }, { key, quietly: true });
    if (data.challenge) setChallenge(data.challenge);
    else await enter();
  });
  if (challenge) return html`<${SecondStep} challenge=${challenge} back=${() => go("/sign-in")} done=${enter} />`;
  if (sending.error?.code === "gone") return html`<${Doorway} title=${t("This link no longer works")} aside=${home()}><p>${t("It works once, for fifteen minutes, and for admins only.")}</p><a class="button primary wide" href="${ROOT}/break-glass">${t("Ask for another link")}</a><//>`;
  return html`<${Doorway} title=${t("Sign in without the provider")} lead=${t("For one hour, to repair or switch off single sign-on. All other admins are told.")} aside=${home()}>
    <form class="stack" novalidate onSubmit=${(event) => (event.preventDefault(), sending.run())}>
      <${FormError} sending=${sending} /><${Submit} sending=${sending} kind="primary wide">${t("Sign in for this")}<//></form><//>`;
}
