// Passkeys: what the browser makes and shows, in the gateway's JSON (WebAuthn Level 3).
import { Refusal } from "./api.js";
import { t } from "./i18n.js";

export const passkeysWork = () => Boolean(globalThis.PublicKeyCredential?.parseRequestOptionsFromJSON);

/** The browser's answer to registration options, as JSON; a Refusal when the person or the device says no. */
export function makePasskey(options) {
  return asked(() => navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) }));
}

/** The browser's answer to sign-in options, as JSON. */
export function showPasskey(options) {
  return asked(() => navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) }));
}

async function asked(ask) {
  try {
    return (await ask()).toJSON();
  } catch (reason) {
    const known = reason.name === "InvalidStateError";
    throw new Refusal(400, {
      code: "passkey",
      title: known ? t("This device holds a passkey of yours already.") : t("No passkey was used."),
      detail: known ? "" : t("It was cancelled, took too long, or this device has none that fits. Nothing has changed."),
    });
  }
}
