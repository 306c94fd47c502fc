// Server-sent events out of the body of an answer (WHATWG HTML, "Server-sent events").

/** Each event as `{id, data}`, what isn't said left out. */
export async function* frames(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      text += value;
      const whole = text.split("\n\n");
      text = whole.pop();
      for (const one of whole) yield fields(one);
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function fields(frame) {
  const said = {};
  for (const line of frame.split("\n")) {
    const found = /^(id|data): ?(.*)$/.exec(line);
    if (found) said[found[1]] = found[2];
  }
  return said;
}
