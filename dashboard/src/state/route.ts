/** Which view is shown: in the address after `#`, so that it can be kept, sent and gone back from. */

import { signal } from "@preact/signals";
import { ID } from "../client/topics";

export type Route =
  | { view: "fleet" }
  | { view: "device"; device: string }
  | { view: "stream"; device: string; stream: string };

export function parse(hash: string): Route {
  const parts = hash.replace(/^#?\/?/, "").split("/");
  const [d, device = "", s, stream = ""] = parts.map((part) => decodeURIComponent(part));
  if (d !== "d" || !ID.test(device)) return { view: "fleet" };
  return s === "s" && ID.test(stream) ? { view: "stream", device, stream } : { view: "device", device };
}

export function linkTo(device?: string, stream?: string): string {
  if (device === undefined) return "#/";
  const base = `#/d/${encodeURIComponent(device)}`;
  return stream === undefined ? base : `${base}/s/${encodeURIComponent(stream)}`;
}

export const route = signal<Route>(parse(location.hash));

addEventListener("hashchange", () => {
  route.value = parse(location.hash);
  scrollTo(0, 0);
});
