/** The key that signs commands: kept by the browser in a form that no script can read out again. */

import { effect, signal } from "@preact/signals";
import type { Signer } from "../client/signing";
import { fleet } from "./session";

const DATABASE = "vedette";
const STORE = "keys";
const ONLY = "signer";

export const signer = signal<Signer | null>(null);

effect(() => {
  if (fleet.value !== null) fleet.value.caller.signer = signer.value;
});

/** Take over what was kept; nothing where the browser keeps nothing. */
export async function loadSigner(): Promise<void> {
  try {
    signer.value = ((await asked(await opened(), "readonly", (keys) => keys.get(ONLY))) as Signer) ?? null;
  } catch {
    signer.value = null;
  }
}

/** Use this key from now on; also the next time, when `keep`. null: sign no more, and forget the key. */
export async function useSigner(next: Signer | null, keep: boolean): Promise<void> {
  signer.value = next;
  const database = await opened();
  await asked<IDBValidKey | undefined>(database, "readwrite", (keys) =>
    next !== null && keep ? keys.put(next, ONLY) : keys.delete(ONLY),
  );
}

function opened(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(DATABASE, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => reject(opening.error);
  });
}

function asked<T>(
  database: IDBDatabase,
  mode: IDBTransactionMode,
  ask: (keys: IDBObjectStore) => IDBRequest,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const request = ask(database.transaction(STORE, mode).objectStore(STORE));
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
