/** The live picture, with what algorithms found drawn over it. */

import { type Signal, useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import type { StreamStatus } from "../client/contract";
import { paint, shapeAt, sumOf } from "../shapes/paint";
import type { Device } from "../state/device";
import type { Fleet } from "../state/fleet";
import type { Pair } from "../state/pair";
import { nowMs, Panel } from "../ui/parts";
import { span } from "../ui/words";
import { Preview } from "./preview";

const OLD_S = 10; // a picture older than this says how old it is

export function PicturePanel(props: {
  fleet: Fleet;
  device: Device;
  status: StreamStatus;
  pairs: Pair[];
  hidden: Signal<ReadonlySet<string>>;
}) {
  const { fleet, device, status, pairs, hidden } = props;
  const [fps, setFps] = useState(2);
  const preview = usePreview(fleet, device.id, status.id, fps);
  const asking = useSignal(false);
  const why = reason(device, status) ?? preview?.trouble.value ?? null;

  const snapshot = async () => {
    if (preview === null) return;
    asking.value = true;
    try {
      await preview.snapshot();
    } catch (error) {
      preview.trouble.value = error instanceof Error ? error.message : String(error);
    }
    asking.value = false;
  };

  const toggle = (algorithm: string) => {
    const next = new Set(hidden.value);
    if (!next.delete(algorithm)) next.add(algorithm);
    hidden.value = next;
  };

  return (
    <Panel
      label="Picture"
      title={
        <span class="spread">
          <h2>Picture</h2>
          {pairs.map(({ algorithm }) => (
            <button
              key={algorithm}
              type="button"
              class="chip"
              aria-pressed={!hidden.value.has(algorithm)}
              title={`Draw what ${algorithm} finds`}
              onClick={() => toggle(algorithm)}
            >
              {algorithm}
            </button>
          ))}
        </span>
      }
      actions={
        <>
          <select
            class="small"
            aria-label="Pictures a second"
            value={String(fps)}
            onChange={(event) => setFps(Number(event.currentTarget.value))}
          >
            <option value="0">Still</option>
            <option value="0.5">1 in 2 s</option>
            <option value="1">1 a second</option>
            <option value="2">2 a second</option>
            <option value="5">5 a second</option>
          </select>
          <button
            type="button"
            class="quiet"
            disabled={asking.value || device.state !== "online"}
            onClick={snapshot}
          >
            {asking.value ? "Taking …" : "Snapshot"}
          </button>
          <Save preview={preview} name={`${device.id}-${status.id}`} />
        </>
      }
    >
      {preview === null ? (
        <div class="picture" />
      ) : (
        <Canvas preview={preview} status={status} device={device} pairs={pairs} hidden={hidden} why={why} />
      )}
    </Panel>
  );
}

/** Why there cannot be a picture now. */
function reason(device: Device, status: StreamStatus): string | null {
  if (device.state !== "online")
    return `The device is ${device.state === "unknown" ? "not known" : device.state}.`;
  if (status.state === "paused") return "The stream is paused.";
  if (status.state === "ended") return "The stream was played to its end.";
  if (status.state === "refused" || status.state === "retrying")
    return status.error ?? "The stream has no picture.";
  return null;
}

function usePreview(fleet: Fleet, device: string, stream: string, fps: number): Preview | null {
  const [preview, setPreview] = useState<Preview | null>(null);
  const wish = { fps, maxWidth: Math.min(1280, Math.max(480, Math.ceil(innerWidth / 160) * 160)) };
  useEffect(() => {
    const opened = new Preview(fleet, device, stream, wish);
    setPreview(opened);
    return () => opened.close();
  }, [fleet, device, stream]);
  useEffect(() => preview?.wish(wish), [preview, fps]);
  return preview;
}

function Canvas(props: {
  preview: Preview;
  status: StreamStatus;
  device: Device;
  pairs: Pair[];
  hidden: Signal<ReadonlySet<string>>;
  why: string | null;
}) {
  const { preview, status, device, pairs, hidden, why } = props;
  const ref = useRef<HTMLCanvasElement>(null);
  const tip = useSignal<{ x: number; y: number; text: string } | null>(null);
  const size = useSignal({ width: 0, height: 0 });
  const found = useSignal("nothing found");
  const { shown } = preview;

  useEffect(() => {
    const canvas = ref.current;
    if (canvas === null) return;
    const observer = new ResizeObserver(() => {
      size.value = { width: canvas.clientWidth, height: canvas.clientHeight };
    });
    observer.observe(canvas);
    return () => observer.disconnect();
  }, []);

  const timeUs = () => shown.value?.picture.timeUs ?? null;
  const seen = () =>
    pairs
      .filter(({ algorithm }) => !hidden.value.has(algorithm))
      .flatMap((pair) => {
        const result = pair.at(timeUs());
        return result === undefined ? [] : [pair.shapesOf(result)];
      });
  const view = () => ({
    ...size.value,
    ...(status.width && status.height ? { saw: { width: status.width, height: status.height } } : {}),
  });

  useSignalEffect(() => {
    device.changed.watch();
    const canvas = ref.current;
    const context = canvas?.getContext("2d");
    const { width, height } = size.value;
    if (canvas == null || context == null || width === 0) return;
    const scale = devicePixelRatio || 1;
    const want = { width: Math.round(width * scale), height: Math.round(height * scale) };
    if (canvas.width !== want.width || canvas.height !== want.height) Object.assign(canvas, want);
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    if (shown.value !== null) context.drawImage(shown.value.bitmap, 0, 0, width, height);
    const all = seen();
    for (const shapes of all) paint(context, shapes, view());
    found.value = all.map(sumOf).filter(Boolean).join(", ") || "nothing found";
  });

  const point = (event: MouseEvent) => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const hit = seen()
      .map((shapes) => shapeAt(shapes, view(), x, y))
      .find((text) => text !== null);
    tip.value = hit ? { x, y, text: hit } : null;
  };

  const ratio = status.width && status.height ? `${status.width} / ${status.height}` : "16 / 9";
  const age = shown.value === null ? 0 : (nowMs.value - shown.value.atMs) / 1000;
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the tip repeats what the results say in words
    <div
      class="picture"
      style={{ aspectRatio: ratio }}
      onMouseMove={point}
      onMouseLeave={() => (tip.value = null)}
      data-pictures={shown.value === null ? "none" : shown.value.atMs}
      data-found={found.value}
    >
      <canvas ref={ref} role="img" aria-label={`${status.id}: ${found.value}`} />
      {why !== null ? (
        <p class="over">{why}</p>
      ) : (
        shown.value === null && <p class="over pulse">Waiting for a picture …</p>
      )}
      {age > OLD_S && <span class="age">{span(age)} old</span>}
      {tip.value !== null && (
        <span class="tip" style={{ left: `${tip.value.x + 12}px`, top: `${tip.value.y + 12}px` }}>
          {tip.value.text}
        </span>
      )}
    </div>
  );
}

function Save(props: { preview: Preview | null; name: string }) {
  const shown = props.preview?.shown.value ?? null;
  const save = () => {
    if (shown === null) return;
    const url = URL.createObjectURL(new Blob([shown.picture.jpeg as BlobPart], { type: "image/jpeg" }));
    const link = document.createElement("a");
    link.href = url;
    link.download = `${props.name}-${new Date(shown.atMs).toISOString().replace(/[:.]/g, "-")}.jpg`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  };
  return (
    <button type="button" class="quiet" disabled={shown === null} onClick={save}>
      Save
    </button>
  );
}
