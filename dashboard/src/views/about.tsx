/** What a device is, and how it fares as a whole. */

import type { Device } from "../state/device";
import { nowMs, Panel, State } from "../ui/parts";
import { bytes, number, percent, span } from "../ui/words";

export function About(props: { device: Device }) {
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
