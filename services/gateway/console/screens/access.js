// Who can see what: everything of one person, everybody of one dashboard, or both and exactly why.
import { get } from "../lib/api.js";
import { html, useEffect, useSignal, useState } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { whyNot } from "../lib/may.js";
import { me, refine, route, useLoad } from "../lib/state.js";
import { Button, Card, Empty, Loaded, Page } from "../ui/basics.js";
import { Picker } from "../ui/picker.js";
import { Explained } from "./explained.js";
import { Review, SeenBy, Viewers } from "./who-sees.js";

const personOption = (one) => ({ id: one.id, title: one.name, note: one.email });
const boardOption = (one) => ({ id: one.id, title: one.title, note: one.owner.name ?? t("Somebody who left") });
const asking = (text) => (text ? `&q=${encodeURIComponent(text)}` : "");
const findPeople = (text) => `/v1/users?status=active${asking(text)}`;
const findBoards = (text) => `/v1/dashboards?scope=organization${asking(text)}`;

/** What an id in the address stands for. */
function useChosen(id, load, option) {
  const [known, set] = useState(null);
  const found = useLoad(async () => (id && known?.id !== id ? load(id) : { data: null }), id ?? "");
  useEffect(() => {
    if (found.data) set(option(found.data));
  }, [found.data]);
  return { one: id && known?.id === id ? known : null, keep: set, found };
}

async function loadBoard(id) {
  const { data } = await get(`/v1/dashboards?scope=organization&id=${encodeURIComponent(id)}`);
  return { data: data.data[0] ?? { id, title: t("A dashboard that isn't there"), owner: { name: "" } } };
}

export function Access() {
  const who = useSignal(me);
  const { query } = useSignal(route);
  const [dialog, open] = useState(null);
  const user = query.get("user");
  const dashboard = query.get("dashboard");
  const person = useChosen(user, (id) => get(`/v1/users/${encodeURIComponent(id)}`), personOption);
  const board = useChosen(dashboard, loadBoard, boardOption);
  const choose = (name, { keep }) => (one) => {
    keep(one);
    refine({ [name]: one?.id, at: "" });
  };
  const failed = [person, board].map((one) => one.found).find((one) => one.error);
  const waiting = (user && !person.one) || (dashboard && !board.one);
  const review = () => open(html`<${Review} person=${person.one} board=${board.one} onClose=${() => open(null)} />`);
  return html`<${Page} title=${t("Who can see what")} org=${who.organization.name} lead=${t("Choose a person, a dashboard, or both; see who sees what, and exactly why.")}
    actions=${html`<${Button} icon="file" why=${whyNot("access.review")} onClick=${review}>${t("Access review…")}<//>`}>
    <${Card}><div class="columns"><${Picker} label=${t("Person")} chosen=${person.one} find=${findPeople} option=${personOption} onChoose=${choose("user", person)} />
      <${Picker} label=${t("Dashboard")} chosen=${board.one} find=${findBoards} option=${boardOption} onChoose=${choose("dashboard", board)} /></div><//>
    ${failed ? html`<${Card} plain><${Loaded} from=${failed}>${() => null}<//><//>` : waiting ? html`<${Card} plain><${Loaded} from=${{}}>${() => null}<//><//>` : html`<${Found} person=${person.one} board=${board.one} />`}${dialog}<//>`;
}

function Found({ person, board }) {
  if (person && board) return html`<${Explained} key="${person.id} ${board.id}" person=${person} board=${board} />`;
  if (person) return html`<${SeenBy} key=${person.id} person=${person} />`;
  if (board) return html`<${Viewers} key=${board.id} board=${board} />`;
  return html`<${Card}><${Empty} icon="eye" title=${t("Choose whom or what it is about")}>${t("A person alone shows everything that they see; a dashboard alone everybody who sees it. Both together show every path, those that lead nowhere, and the smallest change.")}<//><//>`;
}
