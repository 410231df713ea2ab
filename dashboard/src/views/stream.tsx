/** One stream: what it sees, what is found in it, how that goes over time. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Device } from "../state/device";
import type { Fleet } from "../state/fleet";
import type { Pair } from "../state/pair";
import { linkTo } from "../state/route";
import { Empty, nowMs, Panel, State } from "../ui/parts";
import { ago, number } from "../ui/words";
import { ChartPanel } from "./chart";
import { CompletenessLine } from "./completeness";
import { EventList } from "./events";
import { ItemDialog, type ItemTask } from "./item";
import { PicturePanel } from "./picture";
import { ResultsPanel } from "./results";
import { act } from "./steer";
import "./stream.css";

export function StreamView(props: { fleet: Fleet; device: string; stream: string }) {
  const { fleet, device: id, stream } = props;
  useEffect(() => fleet.watch(id), [fleet, id]);
  const hidden = useSignal<ReadonlySet<string>>(new Set());
  const task = useSignal<ItemTask | null>(null);
  fleet.changed.watch();
  const device = fleet.devices.get(id);
  device?.changed.watch();
  const status = device?.streams[stream];
  if (device === undefined || status === undefined) {
    return (
      <main>
        <Empty title={device?.reported ? `${id} has no stream ${stream}` : `Waiting for ${id} …`}>
          <p>
            {device?.reported ? "It was removed, or is called otherwise." : "Nothing is known of it yet."}
          </p>
          <a href={linkTo(id)}>All of {id}</a>
        </Empty>
      </main>
    );
  }
  const pairs = device.pairsOf(stream);
  const there = device.state === "online";
  return (
    <main class="stack">
      <div class="spread">
        <h1>{stream}</h1>
        <State state={there ? status.state : device.state} />
        <span class="muted small">
          {[
            status.width ? `${status.width}×${status.height}` : null,
            status.codec,
            status.fps ? `${number(status.fps)} frames/s, ${number(status.fps_decoded)} decoded` : null,
          ]
            .filter(Boolean)
            .join(" · ")}
        </span>
        <span class="end spread">
          {status.state === "paused" ? (
            <button
              type="button"
              disabled={!there}
              onClick={() => act(fleet, id, "stream.resume", { id: stream })}
            >
              Resume
            </button>
          ) : (
            <button
              type="button"
              disabled={!there}
              onClick={() => act(fleet, id, "stream.pause", { id: stream })}
            >
              Pause
            </button>
          )}
          <button
            type="button"
            disabled={!there}
            onClick={() => (task.value = { verb: "stream.update", id: stream })}
          >
            Change
          </button>
          <button
            type="button"
            disabled={!there}
            onClick={() => (task.value = { verb: "algorithm.add", streams: [stream] })}
          >
            Add algorithm
          </button>
        </span>
      </div>
      {status.error && (
        <p class="note" data-tone="bad">
          {status.error}
        </p>
      )}
      <div class="stream">
        <div class="stack">
          <PicturePanel fleet={fleet} device={device} status={status} pairs={pairs} hidden={hidden} />
          <ChartPanel pairs={pairs} />
        </div>
        <div class="stack">
          <Found device={device} stream={stream} pairs={pairs} />
          <ResultsPanel pairs={pairs} />
          <Panel title="Events">
            <EventList
              events={device.events.of(stream)}
              empty="Changes of state and of what algorithms say yes or no to appear here."
            />
          </Panel>
        </div>
      </div>
      {task.value !== null && (
        <ItemDialog fleet={fleet} device={device} task={task.value} onClose={() => (task.value = null)} />
      )}
    </main>
  );
}

/** Each algorithm on this stream, in a line. */
function Found(props: { device: Device; stream: string; pairs: Pair[] }) {
  const { device, stream, pairs } = props;
  const silent = Object.values(device.algorithms).filter(
    ({ id, streams }) => streams?.includes(stream) && !pairs.some(({ algorithm }) => algorithm === id),
  );
  return (
    <Panel title="Algorithms">
      {pairs.length + silent.length === 0 ? (
        <Empty title="No algorithm runs on this stream">
          <p>So none of its frames is decoded.</p>
        </Empty>
      ) : (
        <table>
          <tbody>
            {pairs.map((pair) => (
              <tr key={pair.algorithm}>
                <td>
                  <strong>{pair.algorithm}</strong>
                  <span class="below">{brief(pair)}</span>
                </td>
                <td class="num">
                  {pair.rate === null ? "–" : `${number(pair.rate)}/s`}
                  <span class="below">{ago(pair.last?.result.time, nowMs.value)}</span>
                </td>
                <td class="num">
                  {number(pair.last?.result.latency_ms)} ms
                  <span class={`below ${pair.skipped > 0 ? "warn" : ""}`}>
                    {number(pair.skipped)} skipped
                  </span>
                </td>
              </tr>
            ))}
            {silent.map(({ id, state }) => (
              <tr key={id}>
                <td>
                  <strong>{id}</strong>
                  <span class="below">no result yet</span>
                </td>
                <td />
                <td class="num">
                  <State state={state} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <p class="body muted small">
        Of {device.id}: <CompletenessLine device={device} />
      </p>
    </Panel>
  );
}

/** The first few facts of the newest result. */
function brief(pair: Pair): string {
  const facts = [...pair.facts].filter(([path]) => path.startsWith("data."));
  return facts
    .slice(0, 3)
    .map(([path, value]) => {
      const name = path.slice(5).replace(/\.length$/, "");
      return `${name} ${typeof value === "boolean" ? (value ? "yes" : "no") : typeof value === "number" ? number(value) : value}`;
    })
    .join(" · ");
}
