/** The algorithms of a device, and the buttons that change them. */

import type { ComponentChildren } from "preact";
import type { AlgorithmStatus } from "../client/contract";
import type { Device } from "../state/device";
import { linkTo } from "../state/route";
import { Empty, nowMs, Panel, State } from "../ui/parts";
import { ago, bytes, fullTime, number, percent, span } from "../ui/words";
import { Action, act, type ListProps } from "./steer";

export function Algorithms({ fleet, device, onTask, onRemove }: ListProps) {
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
