// The steps of a sign-in at a provider, in words for the person who stands before it.
import { t } from "../lib/i18n.js";

const STEPS = {
  browser: () => t("It was begun in another browser or tab, took longer than ten minutes, or was finished already. Begin again here."),
  provider: () => t("Your provider said no. Perhaps you aren't assigned to Tenantry there; your admin can do that."),
  domain: () => t("Your provider knows you under an address that isn't your organization's. Sign in there with your work address."),
  email: () => t("Your provider didn't tell your address, or hasn't confirmed it. Your admin can set that there."),
  person: () => t("Your provider knows you as somebody else. Sign in there with your own address."),
  freshness: () => t("Your provider didn't ask who you are once more, and so it proves nothing."),
  connection: () => t("Single sign-on was changed or switched off meanwhile. Begin again."),
};
const OTHERWISE = () => t("What your provider answered can't be trusted as it is. That is for your admin to repair: they see why under Single sign-on.");

/** What the step that failed means for whoever can do something about it; empty where only the attempt itself says more. */
export const toDoAbout = (step) => STEPS[step]?.() ?? "";

/** The same for somebody who has to ask an admin. */
export const stepFailed = (step) => toDoAbout(step) || OTHERWISE();
