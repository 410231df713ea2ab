/** Payloads: JSON or msgpack, told apart by their first byte. */

import { decode } from "@msgpack/msgpack";

/** The payload is neither JSON nor msgpack, or holds no map. */
export class PayloadError extends Error {
  override name = "PayloadError";
}

const OPENING_BRACE = 0x7b; // as msgpack this would be the number 123, which is no document
const text = new TextDecoder();

/** The map in a payload. Raises PayloadError. */
export function unpack(payload: Uint8Array): Record<string, unknown> {
  let tree: unknown;
  try {
    tree = payload[0] === OPENING_BRACE ? JSON.parse(text.decode(payload)) : decode(payload);
  } catch (error) {
    throw new PayloadError(`neither JSON nor msgpack: ${error instanceof Error ? error.message : error}`);
  }
  if (tree === null || typeof tree !== "object" || Array.isArray(tree)) throw new PayloadError("no map");
  return tree as Record<string, unknown>;
}

/** The map in a payload as the type that its topic says; null when it is empty (cleared) or unreadable. */
export function read<T>(payload: Uint8Array): T | null {
  if (payload.length === 0) return null;
  try {
    return unpack(payload) as T;
  } catch (error) {
    if (error instanceof PayloadError) return null;
    throw error;
  }
}
