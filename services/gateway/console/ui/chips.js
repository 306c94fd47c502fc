// Several values in one field, each of which can be taken out again.
import { html, useId, useRef, useState } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { Icon } from "./basics.js";

/** `parse` makes values of typed or pasted text; `bad` says whether one is marked; `after` stands beside the hint. */
export function Chips({ label, hint, chips, onChange, parse, bad = () => false, wrong, after, name, ...rest }) {
  const id = useId();
  const [text, setText] = useState("");
  const input = useRef(null);
  const described = [hint && `${id}-hint`, wrong && `${id}-wrong`].filter(Boolean).join(" ") || undefined;
  const add = (more) => {
    const known = new Set(chips.map((one) => one.toLowerCase()));
    onChange([...chips, ...more.filter((one) => !known.has(one.toLowerCase()) && known.add(one.toLowerCase()))]);
    setText("");
  };
  const keys = (event) => {
    if (["Enter", ",", ";"].includes(event.key) && text.trim()) {
      event.preventDefault();
      add(parse(text));
    } else if (event.key === "Backspace" && !text && chips.length) {
      onChange(chips.slice(0, -1));
    }
  };
  const paste = (event) => {
    const pasted = event.clipboardData.getData("text");
    if (!/[,;\s]/.test(pasted.trim())) return;
    event.preventDefault();
    add(parse(text + pasted));
  };
  const without = (one) => () => {
    onChange(chips.filter((other) => other !== one));
    input.current.focus();
  };
  return html`<div class="field"><label for=${id}>${label}</label>
    <div class="chips">${chips.map((one) => html`<span class="chip ${bad(one) ? "bad" : ""}" key=${one}>${one}<button type="button" aria-label=${t("Remove {name}", { name: one })} onClick=${without(one)}><${Icon} name="close" /></button></span>`)}
      <input id=${id} ref=${input} name=${name} type="text" autocomplete="off" spellcheck="false" value=${text} aria-describedby=${described} aria-invalid=${wrong ? "true" : undefined}
        onInput=${(event) => setText(event.target.value)} onKeyDown=${keys} onPaste=${paste} onBlur=${() => text.trim() && add(parse(text))} ...${rest} /></div>
    ${hint || after ? html`<div class="row spread"><p class="hint" id="${id}-hint">${hint}</p>${after}</div>` : null}
    ${wrong ? html`<p class="wrong" id="${id}-wrong"><${Icon} name="warn" />${wrong}</p>` : null}</div>`;
}

/** Values between commas, semicolons or line ends. */
export const separated = (text) => text.split(/[,;\n\r\t]+/).map((one) => one.trim()).filter(Boolean);
