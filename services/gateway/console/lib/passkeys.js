// Passkeys: what the browser makes and shows, in the gateway's JSON (WebAuthn Level 3).
import { Refusal } from "./api.js";
import { t } from "./i18n.js";

export const passkeysWork = () => Boolean(globalThis.PublicKeyCredential?.parseRequestOptionsFromJSON);

/** The browser's answer to registration options, as JSON; a Refusal when the person or the device says no. */
export function makePasskey(options) {
  return asked(options.rp.id, () => navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) }));
}

/** The browser's answer to sign-in options, as JSON. */
export function showPasskey(options) {
  return asked(options.rpId, () => navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) }));
}

async function asked(name, ask) {
  try {
    return (await ask()).toJSON();
  } catch (reason) {
    throw new Refusal(400, { code: "passkey", ...why(reason.name, name) });
  }
}

function why(reason, name) {
  if (reason === "InvalidStateError") return { title: t("This device holds a passkey of yours already."), detail: "" };
  if (reason === "SecurityError") return { title: t("Passkeys don't work at this address."), detail: t("A passkey belongs to a name, never to an IP address, and here to the one that the console is published under: {name}.", { name }) };
  return { title: t("No passkey was used."), detail: t("It was cancelled, took too long, or this device has none that fits. Nothing has changed.") };
}
