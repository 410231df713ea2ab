/** One device: what runs on it, how it fares, and the buttons that change it. */

import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import type { AlgorithmStatus, StreamStatus } from "../client/contract";
import type { Device } from "../state/device";
import type { Fleet } from "../state/fleet";
import { linkTo } from "../state/route";
import { Empty, nowMs, Panel, State } from "../ui/parts";
import { ago, bytes, fullTime, number, percent, span } from "../ui/words";
import { CompletenessLine } from "./completeness";
import { EventList } from "./events";
import { ItemDialog, type ItemTask } from "./item";
import { act, type Removal, RemoveDialog } from "./steer";

export function DeviceView(props: { fleet: Fleet; id: string }) {
  const { fleet, id } = props;
  useEffect(() => fleet.watch(id), [fleet, id]);
  const device = fleet.devices.get(id);
  const task = useSignal<ItemTask | null>(null);
  const removal = useSignal<Removal | null>(null);
  fleet.changed.watch();
  device?.changed.watch();
  if (device === undefined || (device.status === null && device.reported === null)) {
    return (
      <main>
        <Empty title={`Waiting for ${id} …`}>
          <p>Nothing is known of such a device at this broker, or not yet.</p>
          <a href={linkTo()}>All devices</a>
        </Empty>
      </main>
    );
  }
  const there = device.state === "online";
  return (
    <main class="stack">
      <Head device={device} />
      {!there && <Away device={device} />}
      <Streams
        fleet={fleet}
        device={device}
        onTask={(next) => (task.value = next)}
        onRemove={(next) => (removal.value = next)}
      />
      <Algorithms
        fleet={fleet}
        device={device}
        onTask={(next) => (task.value = next)}
        onRemove={(next) => (removal.value = next)}
      />
      <div class="halves">
        <Panel title="Events">
          <EventList events={device.events.all} empty="Nothing has happened since this page looks." />
        </Panel>
        <About device={device} />
      </div>
      {task.value !== null && (
        <ItemDialog fleet={fleet} device={device} task={task.value} onClose={() => (task.value = null)} />
      )}
      {removal.value !== null && (
        <RemoveDialog
          fleet={fleet}
          device={id}
          removal={removal.value}
          onClose={() => (removal.value = null)}
        />
      )}
    </main>
  );
}

function Head(props: { device: Device }) {
  const { device } = props;
  const { groups = [], labels = {} } = device.status ?? {};
  return (
    <div class="spread">
      <h1>{device.id}</h1>
      <State state={device.state} />
      {groups.map((group) => (
        <span class="chip" key={group}>
          {group}
        </span>
      ))}
      {Object.entries(labels).map(([key, value]) => (
        <span class="chip" key={key}>
          {key}={value}
        </span>
      ))}
      <span class="end muted small">
        <CompletenessLine device={device} />
      </span>
    </div>
  );
}

function Away(props: { device: Device }) {
  const { status } = props.device;
  const lost = status?.state === "lost";
  const time = props.device.reported?.time ?? status?.time;
  return (
    <p class="note" data-tone={lost ? "bad" : "warn"} role="status">
      {lost
        ? "The device went silent without a goodbye: no power, no network, or its agent was killed. "
        : "The agent has ended in good order. "}
      What is below is what it told last{time === undefined ? "" : `, ${ago(time, nowMs.value)}`}. Commands
      reach it when it is back.
    </p>
  );
}

interface ListProps {
  fleet: Fleet;
  device: Device;
  onTask(task: ItemTask): void;
  onRemove(removal: Removal): void;
}

function Streams({ fleet, device, onTask, onRemove }: ListProps) {
  const streams = Object.values(device.streams).sort((a, b) =>
    a.id.localeCompare(b.id, "en", { numeric: true }),
  );
  const can = device.state === "online";
  const add = (
    <button type="button" disabled={!can} onClick={() => onTask({ verb: "stream.add" })}>
      Add stream
    </button>
  );
  return (
    <Panel title="Streams" actions={add}>
      {streams.length === 0 ? (
        <Empty title="No streams">
          <p>A stream is a camera, an RTSP address or a file.</p>
        </Empty>
      ) : (
        <div class="table">
          <table class="cards">
            <thead>
              <tr>
                <th>Stream</th>
                <th>State</th>
                <th class="num">Frames/s in</th>
                <th class="num">decoded</th>
                <th class="num">Skipped</th>
                <th class="num">Reopened</th>
                <th class="num">CPU</th>
                <th />
              </tr>
            </thead>
            <tbody>
              {streams.map((stream) => (
                <StreamRow key={stream.id} stream={stream} device={device}>
                  {stream.state === "paused" ? (
                    <Action
                      can={can}
                      onClick={() => act(fleet, device.id, "stream.resume", { id: stream.id })}
                    >
                      Resume
                    </Action>
                  ) : (
                    <Action
                      can={can}
                      onClick={() => act(fleet, device.id, "stream.pause", { id: stream.id })}
                    >
                      Pause
                    </Action>
                  )}
                  <Action can={can} onClick={() => onTask({ verb: "stream.update", id: stream.id })}>
                    Change
                  </Action>
                  <Action can={can} danger onClick={() => onRemove({ verb: "stream.remove", id: stream.id })}>
                    Remove
                  </Action>
                </StreamRow>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  );
}

function Action(props: { can: boolean; danger?: boolean; onClick(): void; children: ComponentChildren }) {
  return (
    <button
      type="button"
      class={props.danger ? "quiet danger" : "quiet"}
      disabled={!props.can}
      title={props.can ? undefined : "The device is not there."}
      onClick={props.onClick}
    >
      {props.children}
    </button>
  );
}

function StreamRow(props: { stream: StreamStatus; device: Device; children: ComponentChildren }) {
  const { stream } = props;
  const { received = 0, skipped_busy = 0, skipped_stale = 0, corrupt = 0 } = stream.frames ?? {};
  const skipped = skipped_busy + skipped_stale;
  const how = [
    stream.width ? `${stream.width}×${stream.height}` : null,
    stream.codec,
    stream.backend,
    stream.hwaccel && stream.hwaccel !== "none" ? stream.hwaccel : null,
  ];
  const trouble = stream.error ?? stream.note;
  const retry = stream.retry_in_s ? `, again in ${span(stream.retry_in_s)}` : "";
  return (
    <>
      <tr class={trouble ? "has-more" : ""}>
        <td>
          <a href={linkTo(props.device.id, stream.id)}>
            <strong>{stream.id}</strong>
          </a>
          <span class="below mono wrap">{stream.source}</span>
        </td>
        <td data-name="State">
          <span>
            <State state={stream.state} title={`since ${fullTime(stream.since)}`} />
            <span class="below">{how.filter(Boolean).join(" · ") || stream.cause || ""}</span>
          </span>
        </td>
        <td class="num" data-name="Frames/s in">
          {number(stream.fps)}
        </td>
        <td class="num" data-name="Decoded/s">
          {number(stream.fps_decoded)}
        </td>
        <td class="num" data-name="Skipped" title={`of ${number(received)} frames`}>
          {number(skipped)}
          {skipped + corrupt > 0 && (
            <span class="below">
              {[
                skipped_busy > 0 ? `${number(skipped_busy)} busy` : null,
                skipped_stale > 0 ? `${number(skipped_stale)} stale` : null,
                corrupt > 0 ? `${number(corrupt)} damaged` : null,
              ]
                .filter(Boolean)
                .join(", ")}
            </span>
          )}
        </td>
        <td class="num" data-name="Reopened">
          {number(stream.reopened ?? 0)}
        </td>
        <td class="num" data-name="CPU (cores)">
          {percent(stream.cpu)}
        </td>
        <td class="actions">{props.children}</td>
      </tr>
      {trouble && (
        <tr class="more">
          <td colSpan={8}>
            <p class="note wrap" data-tone={stream.error ? "bad" : "warn"}>
              {stream.cause ? `${stream.cause}: ` : ""}
              {trouble}
              {retry}
            </p>
          </td>
        </tr>
      )}
    </>
  );
}

function Algorithms({ fleet, device, onTask, onRemove }: ListProps) {
  const algorithms = Object.values(device.algorithms).sort((a, b) =>
    a.id.localeCompare(b.id, "en", { numeric: true }),
  );
  const can = device.state === "online";
  const add = (
    <button type="button" disabled={!can} onClick={() => onTask({ verb: "algorithm.add" })}>
      Add algorithm
    </button>
  );
  return (
    <Panel title="Algorithms" actions={add}>
      {algorithms.length === 0 ? (
        <Empty title="No algorithms">
          <p>Without one no frame is decoded, and nothing is found.</p>
        </Empty>
      ) : (
        <div class="table">
          <table class="cards">
            <thead>
              <tr>
                <th>Algorithm</th>
                <th>State</th>
                <th>Streams</th>
                <th class="num">Results/s</th>
                <th class="num">Run time</th>
                <th class="num">Failed</th>
                <th class="num">CPU</th>
                <th class="num">Memory</th>
                <th />
              </tr>
            </thead>
            <tbody>
              {algorithms.map((algorithm) => (
                <AlgorithmRow key={algorithm.id} algorithm={algorithm} device={device}>
                  <Action
                    can={can}
                    onClick={() => act(fleet, device.id, "algorithm.restart", { id: algorithm.id })}
                  >
                    Restart
                  </Action>
                  <Action can={can} onClick={() => onTask({ verb: "algorithm.update", id: algorithm.id })}>
                    Change
                  </Action>
                  <Action
                    can={can}
                    danger
                    onClick={() => onRemove({ verb: "algorithm.remove", id: algorithm.id })}
                  >
                    Remove
                  </Action>
                </AlgorithmRow>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  );
}

function AlgorithmRow(props: { algorithm: AlgorithmStatus; device: Device; children: ComponentChildren }) {
  const { algorithm } = props;
  const { failures = 0, unpackable = 0, timeouts = 0, crashes = 0, memory_kills = 0 } = algorithm;
  const failed = failures + unpackable + timeouts + crashes + memory_kills;
  const parts = [
    failures > 0 ? `${failures} raised` : null,
    unpackable > 0 ? `${unpackable} unpackable` : null,
    timeouts > 0 ? `${timeouts} too slow` : null,
    crashes > 0 ? `${crashes} crashed` : null,
    memory_kills > 0 ? `${memory_kills} too large` : null,
  ];
  const recordings = Object.entries(algorithm.recordings ?? {});
  return (
    <>
      <tr class={algorithm.error ? "has-more" : ""}>
        <td>
          <strong>{algorithm.id}</strong>
          <span class="below mono">
            {algorithm.kind}
            {algorithm.version ? ` ${algorithm.version}` : ""}
          </span>
        </td>
        <td data-name="State">
          <span>
            <State state={algorithm.state} title={`since ${fullTime(algorithm.since)}`} />
            {algorithm.retry_in_s ? <span class="below">again in {span(algorithm.retry_in_s)}</span> : null}
            {recordings.length > 0 && (
              <span class="below">records {recordings.map(([stream]) => stream).join(", ")}</span>
            )}
          </span>
        </td>
        <td data-name="Streams">
          <span class="wrap">
            {(algorithm.streams ?? []).map((stream, index) => (
              <span key={stream}>
                {index > 0 && ", "}
                <a href={linkTo(props.device.id, stream)}>{stream}</a>
              </span>
            ))}
            {(algorithm.streams ?? []).length === 0 && <span class="muted">none</span>}
          </span>
        </td>
        <td
          class="num"
          data-name="Results/s"
          title={`${number(algorithm.results)} results of ${number(algorithm.runs)} runs`}
        >
          {number(algorithm.runs_per_s)}
          {(algorithm.skipped ?? 0) > 0 && <span class="below">{number(algorithm.skipped)} skipped</span>}
        </td>
        <td class="num" data-name="Run time">
          {algorithm.run_ms_mean == null ? "–" : `${number(algorithm.run_ms_mean)} ms`}
          {algorithm.run_ms_max != null && <span class="below">max {number(algorithm.run_ms_max)} ms</span>}
        </td>
        <td class="num" data-name="Failed">
          {number(failed)}
          {failed > 0 && <span class="below">{parts.filter(Boolean).join(", ")}</span>}
        </td>
        <td class="num" data-name="CPU (cores)">
          {percent(algorithm.cpu)}
        </td>
        <td class="num" data-name="Memory">
          {bytes(algorithm.memory)}
        </td>
        <td class="actions">{props.children}</td>
      </tr>
      {algorithm.error && (
        <tr class="more">
          <td colSpan={9}>
            <div class="note" data-tone="bad">
              {algorithm.error}
              {algorithm.error_time ? (
                <span class="muted"> · {ago(algorithm.error_time, nowMs.value)}</span>
              ) : null}
              {algorithm.traceback && (
                <details>
                  <summary>Traceback</summary>
                  <pre>{algorithm.traceback}</pre>
                </details>
              )}
            </div>
          </td>
        </tr>
      )}
    </>
  );
}

function About(props: { device: Device }) {
  const { info, metrics, reported, gaps, status } = props.device;
  const delivery = reported?.delivery ?? {};
  const hardware = info?.hardware;
  const sinks = Object.values(reported?.sinks ?? {});
  return (
    <Panel title="Device">
      <dl class="facts body">
        <dt>Vedette</dt>
        <dd>
          {info?.version ?? props.device.status?.version ?? "–"}
          {info && <span class="muted"> · Python {info.python}</span>}
        </dd>
        <dt>System</dt>
        <dd>{info?.platform ?? "–"}</dd>
        <dt>Hardware</dt>
        <dd>
          {hardware
            ? `${hardware.cpu || "unknown"}, ${hardware.cores} cores, ${bytes(hardware.memory_bytes)}`
            : "–"}
          {hardware?.decoders?.length ? (
            <span class="muted"> · decodes by {hardware.decoders.join(", ")}</span>
          ) : null}
        </dd>
        <dt>Up for</dt>
        <dd>
          {status?.state === "online" ? span((nowMs.value - status.time / 1000) / 1000) : "–"}
          <span class="muted"> · epoch {reported?.epoch ?? "–"}</span>
        </dd>
        <dt>Load</dt>
        <dd>
          {percent(load(props.device))} of a core{metrics && `, agent ${bytes(metrics.memory)}`}
          {metrics?.disk_free != null && <span class="muted"> · {bytes(metrics.disk_free)} disk free</span>}
        </dd>
        <dt>Latency</dt>
        <dd>
          {metrics?.latency_s_p50 != null
            ? `${number(metrics.latency_s_p50 * 1000)} ms median, ${number((metrics.latency_s_p95 ?? 0) * 1000)} ms at 95 %`
            : "–"}
        </dd>
        <dt>Spool</dt>
        <dd class={Number(delivery.waiting ?? 0) > 100 ? "warn" : ""}>
          {number(Number(delivery.waiting ?? 0))} waiting, {number(Number(delivery.delivered ?? 0))}{" "}
          delivered, {number(Number(delivery.dead ?? 0))} refused by the broker
        </dd>
        <dt>Gaps</dt>
        <dd>
          {(gaps?.gaps?.length ?? 0) === 0 ? (
            "none"
          ) : (
            <details>
              <summary class="bad">
                {number(gaps?.gaps?.reduce((sum, { count }) => sum + count, 0))} results dropped on the device
              </summary>
              <ul>
                {gaps?.gaps?.slice(-50).map((gap) => (
                  <li key={`${gap.epoch}-${gap.first}`}>
                    epoch {gap.epoch}: {gap.first} to {gap.last}, {gap.reason}
                  </li>
                ))}
              </ul>
            </details>
          )}
        </dd>
        {sinks.map((sink) => (
          <SinkFact key={sink.id} id={sink.id} state={sink.state} error={sink.error ?? null} />
        ))}
        <dt>Packages</dt>
        <dd class="muted">
          {Object.entries(info?.packages ?? {})
            .map(([name, version]) => `${name} ${version}`)
            .join(", ") || "–"}
        </dd>
        <dt>Commands</dt>
        <dd class="muted">
          {info ? (info.limits.require_signature ? "signed ones only" : "signed or not") : "–"}
        </dd>
      </dl>
    </Panel>
  );
}

/** Cores that streams and runs use now. */
function load({ streams, algorithms }: Device): number {
  const all = [...Object.values(streams), ...Object.values(algorithms)];
  return all.reduce((sum, { cpu }) => sum + (cpu ?? 0), 0);
}

function SinkFact(props: { id: string; state: string; error: string | null }) {
  return (
    <>
      <dt>Sink {props.id}</dt>
      <dd>
        <State state={props.state} />
        {props.error && <span class="below">{props.error}</span>}
      </dd>
    </>
  );
}
