// How much happened when: a bar for each interval; drag over some, or choose one in the table, to look at that time alone.
import { html, useState } from "../lib/dom.js";
import { day, t, tn, toTheMinute } from "../lib/i18n.js";
import { Button } from "./basics.js";
import { Bars, Figure } from "./charts.js";

const LENGTHS = { hour: 3_600_000, day: 86_400_000, week: 604_800_000 };
const WIDTH = 600;

/** Every interval from one moment to another, with the count that was told for it or none. */
export function filled(bars, interval, from, to) {
  const length = LENGTHS[interval];
  const first = bars.length ? Math.min(new Date(bars[0].at).getTime(), from) : from;
  const offset = interval === "week" && bars.length ? new Date(bars[0].at).getTime() % length : 0;
  const begin = Math.floor((first - offset) / length) * length + offset;
  const counted = new Map(bars.map((one) => [new Date(one.at).getTime(), one.count]));
  const count = Math.max(1, Math.ceil((to - begin) / length));
  return Array.from({ length: count }, (_, n) => ({ at: begin + n * length, count: counted.get(begin + n * length) ?? 0 }));
}

export function named(at, interval) {
  return interval === "hour" ? toTheMinute(at) : day(new Date(at).toISOString().slice(0, 10));
}

/** `choose(from, to)` is given moments; the last one isn't part of what was chosen. */
export function Histogram({ bars, interval, choose }) {
  const [pointed, hover] = useState(null);
  const [begun, begin] = useState(null);
  // The pointer rests where it was while the time that was chosen comes with fewer bars.
  const over = pointed === null ? null : Math.min(pointed, bars.length - 1);
  const length = LENGTHS[interval];
  const all = bars.reduce((sum, one) => sum + one.count, 0);
  const most = bars.reduce((best, one) => (one.count > best.count ? one : best), bars[0]);
  const sentence = all ? t("{entries} in this time; most of them, {most}, on {when}.", { entries: tn(all, "{n} entry", "{n} entries"), most: most.count, when: named(most.at, interval) }) : t("Nothing in this time.");
  const at = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    return Math.min(bars.length - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * bars.length)));
  };
  const press = (event) => {
    event.currentTarget.setPointerCapture(event.pointerId);
    begin(at(event));
  };
  const release = (event) => {
    if (begun === null) return;
    const [first, last] = [begun, at(event)].sort((one, other) => one - other);
    begin(null);
    choose(bars[first].at, bars[last].at + length);
  };
  const step = WIDTH / bars.length;
  const marked = begun === null || over === null ? (over === null ? null : [over, over]) : [Math.min(begun, over), Math.max(begun, over)];
  const legend = marked ? `${named(bars[marked[0]].at, interval)}${marked[1] > marked[0] ? ` – ${named(bars[marked[1]].at, interval)}` : ""} · ${tn(bars.slice(marked[0], marked[1] + 1).reduce((sum, one) => sum + one.count, 0), "{n} entry", "{n} entries")}` : sentence;
  const rows = bars.filter((one) => one.count).reverse().map((one) => [html`<${Button} kind="plain small" onClick=${() => choose(one.at, one.at + length)}>${named(one.at, interval)}<//>`, one.count]);
  return html`<${Figure} sentence=${sentence} legend=${legend} head=${[t("Time (UTC)"), t("Entries")]} rows=${rows} from=${named(bars[0].at, interval)} to=${named(bars.at(-1).at, interval)}>
    ${marked ? html`<rect class="marked" x=${marked[0] * step} y="0" width=${(marked[1] - marked[0] + 1) * step} height="100" />` : null}<${Bars} counts=${bars.map((one) => one.count)} />
    <rect class="catch" width=${WIDTH} height="100" onPointerDown=${press} onPointerUp=${release} onPointerMove=${(event) => hover(at(event))} onPointerLeave=${() => hover(null)} onPointerCancel=${() => begin(null)} /><//>`;
}
