/** Light or dark: as the system has it, until somebody chooses. */

import { effect, signal } from "@preact/signals";
import { store, stored } from "./session";

export type Theme = "light" | "dark";

const STORED = "vedette.theme";
const system = matchMedia("(prefers-color-scheme: dark)");
const chosen = stored(STORED);

export const theme = signal<Theme>(
  chosen === "light" || chosen === "dark" ? chosen : system.matches ? "dark" : "light",
);

system.addEventListener("change", () => {
  if (stored(STORED) === null) theme.value = system.matches ? "dark" : "light";
});

effect(() => {
  document.documentElement.dataset.theme = theme.value;
});

export function toggleTheme(): void {
  theme.value = theme.value === "dark" ? "light" : "dark";
  store(STORED, theme.value);
}
