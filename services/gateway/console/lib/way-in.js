// How a person with an address signs in: with a password, at their organization's identity provider, or with either.
import { post } from "./api.js";
import { useEffect, useState } from "./dom.js";
import { me, ROOT } from "./state.js";

const BY_PASSWORD = { method: "password", sso: null, password_works: true };
const ADDRESS = /^[^\s@]+@[^\s@]+\.[^\s@]{2,}$/;
const TAKEN_BACK = /^\/[\w~.\-/]*(\?[\w~.=&%-]*)?$/;
const RESTING_MS = 350;
const PROVING = "tenantry.proving";
const found = new Map();

/** What the address's domain says; by password, where nobody answers. */
export function wayIn(email) {
  const address = email.trim();
  if (!ADDRESS.test(address)) return Promise.resolve(BY_PASSWORD);
  if (!found.has(address)) {
    found.set(address, post("/v1/auth/discovery", { email: address }, { quietly: true }).then(({ data }) => data, () => {
      found.delete(address);
      return BY_PASSWORD;
    }));
  }
  return found.get(address);
}

/** The way in of what is typed, once it rests. */
export function useWayIn(email) {
  const [way, set] = useState(BY_PASSWORD);
  useEffect(() => {
    let over = false;
    const timer = setTimeout(() => wayIn(email).then((one) => { if (!over) set(one); }), RESTING_MS);
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [email]);
  return way;
}

/** The address that leads to the provider, and afterwards back to `to`, a path of the console. */
export function toProvider(sso, to) {
  const back = TAKEN_BACK.test(to) ? `${ROOT}${to}` : `${ROOT}/`;
  return `${sso.url}&${new URLSearchParams({ return_to: back })}`;
}

/** The console's path in what the API calls `return_to`. */
export function pathOf(returnTo) {
  return returnTo?.startsWith(`${ROOT}/`) ? returnTo.slice(ROOT.length) : "/";
}

/** Whether this session began at an identity provider. */
export const comesFromProvider = () => Boolean(me.value?.session.amr.includes("sso"));

/** Leaves for one's provider, which asks anew; /sign-in/proof comes back to where one is now. */
export async function proveAtProvider() {
  const { data } = await post("/v1/auth/sso/proofs", {}, { quietly: true });
  sessionStorage.setItem(PROVING, location.pathname + location.search);
  location.assign(data.url);
}

/** Where one was when one left for the provider. */
export const provedFrom = () => pathOf(sessionStorage.getItem(PROVING));
