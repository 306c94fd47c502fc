// Files that the browser writes.

/** Saves content under a name, as a download. */
export function save(name, content, media = "text/plain") {
  const url = URL.createObjectURL(new Blob([content], { type: media }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
