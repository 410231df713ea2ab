/** Adding and changing streams and algorithms, by forms made from what the device publishes of itself. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Algorithms, KindInfo, Streams } from "../client/contract";
import { focusFirstProblem, SchemaForm } from "../form/Form";
import { type Problem, problems } from "../form/problems";
import { changes, type Schema, type Value } from "../form/schema";
import { command } from "../state/commands";
import type { Device } from "../state/device";
import type { Fleet } from "../state/fleet";
import { Dialog } from "../ui/parts";

export type ItemTask =
  | { verb: "stream.add" }
  | { verb: "stream.update"; id: string }
  | { verb: "algorithm.add"; streams?: string[] }
  | { verb: "algorithm.update"; id: string };

const TITLES: Record<ItemTask["verb"], string> = {
  "stream.add": "Add a stream",
  "stream.update": "Change stream",
  "algorithm.add": "Add an algorithm",
  "algorithm.update": "Change algorithm",
};

/** What most people set comes first; the rest is behind "More settings". */
const COMMON: Record<ItemTask["verb"], string[]> = {
  "stream.add": ["id", "source", "fps"],
  "stream.update": ["source", "fps"],
  "algorithm.add": ["id", "streams", "interval", "params"],
  "algorithm.update": ["streams", "interval", "params"],
};

const PREFIX = "item";

export function ItemDialog(props: { fleet: Fleet; device: Device; task: ItemTask; onClose(): void }) {
  const { fleet, device, task, onClose } = props;
  const info = device.info;
  const before = useSignal<Value | null>("id" in task ? null : {});
  const value = useSignal<Value>("streams" in task ? { streams: task.streams } : {});
  const busy = useSignal(false);
  const tried = useSignal(false);
  const wrong = useSignal<string | null>(null);
  const ofAlgorithm = task.verb.startsWith("algorithm");
  const kindName = typeof value.value.kind === "string" ? value.value.kind : "";
  const kind = info?.kinds?.[kindName];
  // For a change, too, the form is that of adding: its schema knows the defaults.
  const adding = ofAlgorithm ? "algorithm.add" : "stream.add";
  const known = info?.commands?.[task.verb] !== undefined;
  const schema = known
    ? schemaOf(info?.commands?.[adding]?.args_schema, ofAlgorithm ? kind : undefined)
    : null;

  useEffect(() => {
    if (!("id" in task)) return;
    present(fleet, device.id, task)
      .then((config) => {
        before.value = config;
        value.value = config;
      })
      .catch((error: unknown) => {
        wrong.value = error instanceof Error ? error.message : String(error);
      });
  }, []);

  const found: Problem[] = schema === null || before.value === null ? [] : problems(schema, value.value);
  const submit = async () => {
    if (schema === null || before.value === null) return;
    tried.value = true;
    if (found.length > 0) return focusFirstProblem(PREFIX, found);
    const changed = changes(schema, value.value, before.value);
    const args = "id" in task ? { ...changed, id: task.id } : changed;
    busy.value = true;
    wrong.value = null;
    try {
      await command(fleet, device.id, task.verb, args);
      onClose();
    } catch (error) {
      wrong.value = error instanceof Error ? error.message : String(error);
    }
    busy.value = false;
  };

  const ready = schema !== null && before.value !== null;
  const choosing = task.verb === "algorithm.add" && kindName === "";
  return (
    <Dialog
      title={"id" in task ? `${TITLES[task.verb]} ${task.id}` : TITLES[task.verb]}
      onClose={onClose}
      onSubmit={submit}
      foot={
        <>
          {kindName !== "" && task.verb === "algorithm.add" && (
            <button
              type="button"
              class="quiet"
              onClick={() => (value.value = { ...value.value, kind: "", params: {} })}
            >
              ← Another kind
            </button>
          )}
          <span class="end">
            <button type="button" onClick={onClose}>
              Cancel
            </button>
            <button type="submit" class="primary" disabled={!ready || busy.value || choosing}>
              {busy.value ? "Asking the device …" : "id" in task ? "Change" : "Add"}
            </button>
          </span>
        </>
      }
    >
      {wrong.value !== null && (
        <p class="note" data-tone="bad" role="alert">
          {wrong.value}
        </p>
      )}
      {info === null && <p class="muted pulse">Waiting for what the device says of itself …</p>}
      {info !== null && schema === null && (
        <p class="note" data-tone="warn">
          This device does not know {task.verb}.
        </p>
      )}
      {info !== null && choosing && (
        <Kinds kinds={info.kinds ?? {}} onChoose={(name) => (value.value = { ...value.value, kind: name })} />
      )}
      {ready && !choosing && (
        <>
          {kind !== undefined && (
            <p class="muted small">
              <span class="mono">{kindName}</span> · {kind.doc?.split("\n")[0]}
            </p>
          )}
          <SchemaForm
            schema={schema}
            value={value.value}
            onChange={(next) => (value.value = next)}
            idPrefix={PREFIX}
            hidden={["kind", ...("id" in task ? ["id"] : [])]}
            common={COMMON[task.verb]}
            problems={tried.value ? found : []}
            suggestions={{ streams: ["*", ...Object.keys(device.streams)] }}
            disabled={busy.value}
          />
        </>
      )}
      {!ready && info !== null && schema !== null && wrong.value === null && (
        <p class="muted pulse">Asking the device for its present settings …</p>
      )}
    </Dialog>
  );
}

/** The arguments of a verb; those of an algorithm with the parameters of its kind. */
function schemaOf(args: unknown, kind: KindInfo | undefined): Schema | null {
  if (args === undefined) return null;
  const schema = args as Schema;
  const params = kind?.params_schema as Schema | undefined;
  if (params === undefined || schema.properties?.params === undefined) return schema;
  const asked = (params.required ?? []).length > 0 ? ["params"] : [];
  return {
    ...schema,
    required: [...(schema.required ?? []), ...asked],
    $defs: { ...schema.$defs, ...params.$defs },
    properties: { ...schema.properties, params: { ...params, description: "" } },
  };
}

/** How an item is configured now. */
async function present(fleet: Fleet, device: string, task: { verb: string; id: string }): Promise<Value> {
  if (task.verb === "stream.update") {
    const { streams } = await fleet.caller.call<Streams>(device, "stream.list", {});
    const item = streams[task.id];
    if (item === undefined) throw new Error(`${device} has no stream ${task.id} any longer.`);
    return item.config as unknown as Value;
  }
  const { algorithms } = await fleet.caller.call<Algorithms>(device, "algorithm.list", {});
  const item = algorithms[task.id];
  if (item === undefined) throw new Error(`${device} has no algorithm ${task.id} any longer.`);
  return item.config as unknown as Value;
}

function Kinds(props: { kinds: Readonly<Record<string, KindInfo>>; onChoose(name: string): void }) {
  const kinds = Object.entries(props.kinds).sort(([a], [b]) => a.localeCompare(b));
  return (
    <div class="stack">
      <p>Which kind?</p>
      {kinds.map(([name, kind]) => (
        <button
          key={name}
          type="button"
          class="kind"
          disabled={kind.error != null}
          onClick={() => props.onChoose(name)}
        >
          <strong class="mono">{name}</strong> <span class="muted">{kind.version}</span>
          <span class="below">{kind.error ?? kind.doc?.split("\n")[0]}</span>
        </button>
      ))}
    </div>
  );
}
