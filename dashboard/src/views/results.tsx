/** The results of one algorithm: newest facts, the last ones as a table, or as they came. */

import { useSignal } from "@preact/signals";
import type { Pair, Seen } from "../state/pair";
import { type Fact, pathName } from "../state/series";
import { Empty, Panel, Segments } from "../ui/parts";
import { clock, number } from "../ui/words";
import { Tree } from "./tree";

type Look = "facts" | "last" | "raw";

const ROWS = 30;

export function ResultsPanel(props: { pairs: Pair[] }) {
  const { pairs } = props;
  const choice = useSignal<string | null>(null);
  const look = useSignal<Look>("facts");
  const pair = pairs.find(({ algorithm }) => algorithm === choice.value) ?? pairs[0];
  const seen = pair?.last;
  return (
    <Panel
      title="Results"
      actions={
        <>
          {pairs.length > 1 && (
            <select
              class="small"
              aria-label="Algorithm"
              value={pair?.algorithm ?? ""}
              onChange={(event) => {
                choice.value = event.currentTarget.value;
              }}
            >
              {pairs.map(({ algorithm }) => (
                <option key={algorithm}>{algorithm}</option>
              ))}
            </select>
          )}
          <Segments
            label="Shown as"
            value={look.value}
            onChange={(value) => {
              look.value = value;
            }}
            choices={[
              ["facts", "Facts"],
              ["last", "Last"],
              ["raw", "Raw"],
            ]}
          />
        </>
      }
    >
      {pair === undefined || seen === undefined ? (
        <Empty title="No result yet">Results appear here as they come.</Empty>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reachable by keyboard
        <div class="scroll" tabIndex={0}>
          {look.value === "facts" && <Facts facts={pair.facts} />}
          {look.value === "last" && <Last pair={pair} />}
          {look.value === "raw" && (
            <div class="body">
              <Tree value={{ ...seen.result, data: seen.data }} />
            </div>
          )}
        </div>
      )}
    </Panel>
  );
}

export function shown(value: Fact): string {
  if (typeof value === "boolean") return value ? "yes" : "no";
  return typeof value === "number" ? number(value) : value;
}

function Facts(props: { facts: ReadonlyMap<string, Fact> }) {
  return (
    <table>
      <tbody>
        {[...props.facts].map(([path, value]) => (
          <tr key={path}>
            <td class="mono wrap">{pathName(path)}</td>
            <td class="num wrap">{shown(value)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Last(props: { pair: Pair }) {
  const rows = props.pair.recent.slice(-ROWS).reverse();
  return (
    <table>
      <thead>
        <tr>
          <th>Time</th>
          <th class="num">Frame</th>
          <th class="num">Latency</th>
          <th class="num">Skipped</th>
          <th class="num">Number</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((seen) => (
          <Row key={`${seen.result.epoch}-${seen.result.seq}`} seen={seen} />
        ))}
      </tbody>
    </table>
  );
}

function Row({ seen }: { seen: Seen }) {
  const { result, replayed } = seen;
  return (
    <tr>
      <td>
        {clock(result.time / 1000)}
        {replayed && <span class="below">came late</span>}
      </td>
      <td class="num">{number(result.frame)}</td>
      <td class="num">{number(result.latency_ms)} ms</td>
      <td class={result.skipped > 0 ? "num warn" : "num"}>{number(result.skipped)}</td>
      <td class="num muted">{result.seq}</td>
    </tr>
  );
}
