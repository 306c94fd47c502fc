// Fields, and forms that are sent once, keep what was typed, and lead to what is wrong.
import { html, useId, useRef, useSignal, useState } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { offline } from "../lib/state.js";
import { Button, Icon, Refused } from "./basics.js";

export function Wrong({ id, children }) {
  return children ? html`<p class="wrong" id=${id}><${Icon} name="warn" />${children}</p>` : null;
}

export function Field({ label, hint, wrong, value, onInput, type = "text", name, area, ...rest }) {
  const id = useId();
  const described = [hint && `${id}-hint`, wrong && `${id}-wrong`].filter(Boolean).join(" ") || undefined;
  const control = { id, name, class: "input", value, "aria-describedby": described, "aria-invalid": wrong ? "true" : undefined, onInput: (event) => onInput(event.target.value), ...rest };
  return html`<div class="field"><label for=${id}>${label}</label>
    ${area ? html`<textarea ...${control}></textarea>` : html`<input type=${type} ...${control} />`}
    ${hint ? html`<p class="hint" id="${id}-hint">${hint}</p>` : null}<${Wrong} id="${id}-wrong">${wrong}<//></div>`;
}

export function Password({ label, hint, wrong, value, onInput, name, ...rest }) {
  const id = useId();
  const [shown, show] = useState(false);
  const described = [hint && `${id}-hint`, wrong && `${id}-wrong`].filter(Boolean).join(" ") || undefined;
  return html`<div class="field"><label for=${id}>${label}</label><div class="with-action">
      <input id=${id} name=${name} class="input" type=${shown ? "text" : "password"} value=${value} aria-describedby=${described} spellcheck="false"
        aria-invalid=${wrong ? "true" : undefined} onInput=${(event) => onInput(event.target.value)} ...${rest} />
      <button type="button" class="button plain" aria-pressed=${String(shown)} aria-label=${t("Show password")} onClick=${() => show(!shown)}>${shown ? t("Hide") : t("Show")}</button></div>
    ${hint ? html`<p class="hint" id="${id}-hint">${hint}</p>` : null}<${Wrong} id="${id}-wrong">${wrong}<//></div>`;
}

export function Select({ label, hidden, value, onInput, options, slim, hint, wrong, ...rest }) {
  const id = useId();
  const described = [hint && `${id}-hint`, wrong && `${id}-wrong`].filter(Boolean).join(" ") || undefined;
  return html`<div class=${hidden ? undefined : "field"}><label for=${id} class=${hidden ? "visually-hidden" : undefined}>${label}</label>
    <select id=${id} class="input ${slim ? "slim" : ""}" value=${value} aria-describedby=${described} aria-invalid=${wrong ? "true" : undefined} onChange=${(event) => onInput(event.target.value)} ...${rest}>
      ${options.map(([key, text]) => html`<option value=${key} selected=${key === value}>${text}</option>`)}</select>
    ${hint ? html`<p class="hint" id="${id}-hint">${hint}</p>` : null}<${Wrong} id="${id}-wrong">${wrong}<//></div>`;
}

export function Search({ label, value, onInput, ...rest }) {
  const id = useId();
  return html`<div class="with-icon"><label class="visually-hidden" for=${id}>${label}</label><${Icon} name="search" />
    <input id=${id} class="input slim" type="search" data-search placeholder=${label} value=${value} autocomplete="off" spellcheck="false"
      onInput=${(event) => onInput(event.target.value)} ...${rest} /></div>`;
}

export function Check({ label, note, checked, onChange, disabled, flat, wrong, name }) {
  return html`<label class="choice ${flat ? "flat" : ""}"><input type="checkbox" name=${name} checked=${checked} disabled=${disabled} aria-invalid=${wrong ? "true" : undefined}
      onChange=${(event) => onChange(event.target.checked)} />
    <span><b>${label}</b>${note ? html`<small>${note}</small>` : null}${wrong ? html`<${Wrong}>${wrong}<//>` : null}</span></label>`;
}

/** Radio buttons that explain themselves: `options` are `[value, label, note, why not]`. */
export function Choices({ legend, hidden, value, onInput, options, wrong }) {
  const name = useId();
  const refused = wrong ? { role: "radiogroup", tabindex: -1, "aria-invalid": "true", "aria-describedby": `${name}-wrong` } : {};
  return html`<fieldset class="stack tight" ...${refused}><legend class=${hidden ? "visually-hidden" : "label small"}>${legend}</legend><div class="choices">
    ${options.map(([key, label, note, why]) => html`<label class="choice" key=${key}><input type="radio" name=${name} value=${key} checked=${value === key} disabled=${Boolean(why)}
        onChange=${() => onInput(key)} /><span><b>${label}</b>${note ? html`<small>${note}</small>` : null}${why ? html`<small>${why}</small>` : null}</span></label>`)}
  </div><${Wrong} id="${name}-wrong">${wrong}<//></fieldset>`;
}

/** What a form needs to be sent: one Idempotency-Key per content, one attempt at a time, the refusal kept. */
export function useSend(send) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const key = useRef(null);
  const run = async (...given) => {
    if (busy) return undefined;
    setBusy(true);
    setError(null);
    const content = JSON.stringify(given.map((one) => (one instanceof Event ? null : one)));
    if (key.current?.content !== content) key.current = { content, key: crypto.randomUUID() };
    try {
      const result = await send(...given, { key: key.current.key });
      key.current = null;
      return result;
    } catch (refusal) {
      setError(refusal);
      if (refusal.code !== "offline" && refusal.status < 500) key.current = null;
      // As soon as it is drawn, before another key is pressed.
      queueMicrotask(() => (document.querySelector("[aria-invalid='true']") ?? document.querySelector("[role='alert']"))?.focus?.());
      return undefined;
    } finally {
      setBusy(false);
    }
  };
  return { run, busy, error, forget: () => setError(null), wrong: (name) => error?.at?.(name) };
}

/** A refusal above a form; what belongs to a field is said at the field. */
export function FormError({ sending, fields = [] }) {
  const { error } = sending;
  if (!error) return null;
  const placed = error.errors?.length && error.errors.every((one) => fields.some((name) => one.pointer?.startsWith(`/${name}`)));
  return placed ? html`<p class="visually-hidden" role="alert">${t("Please check the marked fields.")}</p>` : html`<${Refused} error=${error} />`;
}

export function Submit({ sending, kind = "primary", children, why }) {
  const away = useSignal(offline);
  return html`<${Button} type="submit" kind=${kind} busy=${sending.busy} why=${away ? t("Tenantry can't be reached") : why}>${children}<//>`;
}
