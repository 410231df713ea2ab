/** Pictures of a stream while somebody looks: a lease that is renewed, and given up when nobody does. */

import { signal } from "@preact/signals";
import { NoReply, Refused } from "../client/calls";
import type { Fleet, Picture } from "../state/fleet";

export interface Wish {
  /** Pictures a second; 0: none but those asked for one by one. */
  fps: number;
  maxWidth: number;
}

/** A decoded picture. */
export interface Shown {
  readonly bitmap: ImageBitmap;
  readonly picture: Picture;
  readonly atMs: number;
}

const LEASE_S = 30;
const RENEW_MS = 12_000;
const AGAIN_MS = 3_000;

/** Until `close`. `shown` is the newest picture; `trouble` why there is none. */
export class Preview {
  readonly shown = signal<Shown | null>(null);
  readonly trouble = signal<string | null>(null);
  #timer: ReturnType<typeof setTimeout> | undefined;
  #decoding = false;
  #next: Picture | null = null;
  #closed = false;
  #leased = false;
  #busy = false;
  #wish: Wish;
  readonly #unsubscribe: () => void;

  constructor(
    readonly fleet: Fleet,
    readonly device: string,
    readonly stream: string,
    wish: Wish,
  ) {
    this.#wish = wish;
    this.#unsubscribe = fleet.pictures(device, stream, (picture) => this.#take(picture));
    document.addEventListener("visibilitychange", this.#seen);
    void this.#renew();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    document.removeEventListener("visibilitychange", this.#seen);
    this.#release();
    this.#unsubscribe();
    this.shown.value?.bitmap.close();
  }

  wish(wish: Wish): void {
    if (wish.fps === this.#wish.fps && wish.maxWidth === this.#wish.maxWidth) return;
    this.#wish = wish;
    if (wish.fps === 0) this.#release();
    this.#schedule(0);
  }

  /** One picture now. Raises Refused or NoReply. */
  async snapshot(): Promise<void> {
    await this.fleet.caller.call(this.device, "snapshot.take", {
      stream: this.stream,
      max_width: this.#wish.maxWidth,
    });
    this.trouble.value = null;
  }

  readonly #seen = (): void => {
    if (document.visibilityState === "hidden") {
      clearTimeout(this.#timer);
      this.#release();
    } else this.#schedule(0);
  };

  #schedule(ms: number): void {
    clearTimeout(this.#timer);
    if (!this.#closed) this.#timer = setTimeout(() => void this.#renew(), ms);
  }

  async #renew(): Promise<void> {
    if (this.#closed || this.#busy || this.#wish.fps === 0 || document.visibilityState === "hidden") return;
    if (this.fleet.link.value.state !== "online") return this.#schedule(AGAIN_MS);
    this.#busy = true;
    const { fps, maxWidth } = this.#wish;
    let again = RENEW_MS;
    try {
      await this.fleet.caller.call(this.device, "preview.start", {
        stream: this.stream,
        viewer: this.fleet.clientId,
        fps,
        max_width: maxWidth,
        lease_s: LEASE_S,
      });
      this.#leased = true;
      this.trouble.value = null;
      if (this.#closed) this.#release();
    } catch (error) {
      this.trouble.value = said(error);
      again = AGAIN_MS;
    }
    this.#busy = false;
    const changed = fps !== this.#wish.fps || maxWidth !== this.#wish.maxWidth;
    this.#schedule(changed ? 0 : again);
  }

  #release(): void {
    if (!this.#leased) return;
    this.#leased = false;
    if (this.fleet.link.value.state !== "online") return; // the lease ends by itself
    const args = { stream: this.stream, viewer: this.fleet.clientId };
    this.fleet.caller.call(this.device, "preview.stop", args).catch(() => undefined);
  }

  /** The newest picture counts: what comes while one is decoded replaces what waited. */
  #take(picture: Picture): void {
    this.#next = picture;
    if (!this.#decoding) void this.#decode();
  }

  async #decode(): Promise<void> {
    this.#decoding = true;
    while (this.#next !== null) {
      const picture = this.#next;
      this.#next = null;
      try {
        const bitmap = await createImageBitmap(new Blob([picture.jpeg as BlobPart], { type: "image/jpeg" }));
        if (this.#closed) bitmap.close();
        else {
          this.shown.value?.bitmap.close();
          this.shown.value = { bitmap, picture, atMs: Date.now() };
          this.trouble.value = null;
        }
      } catch {
        this.trouble.value = "A picture came that cannot be decoded.";
      }
    }
    this.#decoding = false;
  }
}

function said(error: unknown): string {
  if (error instanceof Refused) return error.message;
  if (error instanceof NoReply) return error.message;
  throw error;
}
