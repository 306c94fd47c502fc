// Light, dark, or as the device says: kept in this browser.
const KEPT = "tenantry.theme";

export const painted = () => localStorage.getItem(KEPT) ?? "";

export function paint(theme) {
  localStorage.setItem(KEPT, theme);
  document.documentElement.dataset.theme = theme;
}
