// One thing chosen out of very many: a combobox by the ARIA pattern, whose list the server searches.
import { get } from "../lib/api.js";
import { html, useEffect, useId, useRef, useState } from "../lib/dom.js";
import { t, tn } from "../lib/i18n.js";
import { useLoad } from "../lib/state.js";
import { Icon, useResting } from "./basics.js";

const SHOWN = 8;

/** `find` gives the address of a search, `option` what a row of its answer is shown as: `{id, title, note}`; `chosen` is such a one, or null. */
export function Picker({ label, hint, chosen, find, option, onChoose }) {
  const id = useId();
  const [text, setText] = useState(null);
  const [at, setAt] = useState(0);
  const resting = useResting((text ?? "").trim(), 200);
  const open = text !== null;
  const typed = (text ?? "").trim();
  const awaited = useRef(null);
  const found = useLoad(async () => (open ? { ...(await get(`${find(resting)}&limit=${SHOWN}`)), of: resting } : { data: null, of: null }), open ? `?${resting}` : "");
  const options = open && found.data ? found.data.data.map(option) : [];
  const fresh = found.of === typed;
  useEffect(() => {
    // Who is faster than the search gets what it finds.
    if (open && fresh && awaited.current === typed && options[0]) choose(options[0]);
  }, [found.of, found.data]);
  const shut = () => {
    awaited.current = null;
    setText(null);
    setAt(0);
  };
  const choose = (one) => {
    shut();
    onChoose(one);
  };
  const type = (value) => {
    awaited.current = null;
    setText(value);
    setAt(0);
  };
  const keys = (event) => {
    const to = { ArrowDown: at + 1, ArrowUp: at - 1 + options.length }[event.key];
    if (to !== undefined && !open) setText("");
    else if (to !== undefined && options.length) setAt(to % options.length);
    else if (event.key === "Enter" && open) {
      if (!fresh) awaited.current = typed;
      else if (options[at]) choose(options[at]);
    }
    else if (event.key === "Escape" && open) shut();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const told = !open || found.busy || !fresh ? "" : options.length ? tn(options.length, "{n} to choose from", "{n} to choose from") : t("Nothing matches");
  return html`<div class="field picker"><label for=${id}>${label}</label>
    <div class="with-icon"><${Icon} name="search" /><input id=${id} class="input" role="combobox" aria-autocomplete="list" aria-expanded=${String(open)} aria-controls="${id}-list" aria-activedescendant=${options[at] ? `${id}-${at}` : undefined} aria-describedby=${hint ? `${id}-hint` : undefined}
      autocomplete="off" spellcheck="false" placeholder=${t("Type to search")} value=${text ?? chosen?.title ?? ""} onClick=${(event) => event.target.select()} onInput=${(event) => type(event.target.value)} onKeyDown=${keys} onBlur=${shut} />
      ${chosen && !open ? html`<button type="button" class="button plain square" aria-label=${t("Choose nothing for {field}", { field: label })} onClick=${() => onChoose(null)}><${Icon} name="close" /></button>` : null}</div>
    <ul id="${id}-list" role="listbox" aria-label=${label} hidden=${!open}>${options.map((one, n) => html`<li key=${one.id} id="${id}-${n}" role="option" aria-selected=${String(n === at)} onPointerDown=${(event) => event.preventDefault()} onClick=${() => choose(one)}><b data-name>${one.title}</b>${one.note ? html`<small data-name>${one.note}</small>` : null}</li>`)}</ul>
    ${open && fresh && !options.length && !found.busy ? html`<p class="none">${t("Nothing matches")}</p>` : null}
    ${hint ? html`<p class="hint" id="${id}-hint">${hint}</p>` : null}<p class="visually-hidden" role="status">${told}</p></div>`;
}
