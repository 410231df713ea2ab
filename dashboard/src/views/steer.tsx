/** Commands that need no form, and their buttons; those that destroy ask first. */

import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { command } from "../state/commands";
import type { Device } from "../state/device";
import type { Fleet } from "../state/fleet";
import { Dialog } from "../ui/parts";
import type { ItemTask } from "./item";

/** Ask; what comes of it is shown among the commands. */
export function act(fleet: Fleet, device: string, verb: string, args: Record<string, unknown>): void {
  command(fleet, device, verb, args).catch(() => undefined);
}

/** What a list of streams or algorithms needs to steer them. */
export interface ListProps {
  fleet: Fleet;
  device: Device;
  onTask(task: ItemTask): void;
  onRemove(removal: Removal): void;
}

export function Action(props: {
  can: boolean;
  danger?: boolean;
  onClick(): void;
  children: ComponentChildren;
}) {
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

export interface Removal {
  verb: "stream.remove" | "algorithm.remove";
  id: string;
}

export function RemoveDialog(props: { fleet: Fleet; device: string; removal: Removal; onClose(): void }) {
  const { fleet, device, removal, onClose } = props;
  const busy = useSignal(false);
  const wrong = useSignal<string | null>(null);
  const what = removal.verb === "stream.remove" ? "stream" : "algorithm";
  const submit = async () => {
    busy.value = true;
    wrong.value = null;
    try {
      await command(fleet, device, removal.verb, { id: removal.id });
      onClose();
    } catch (error) {
      wrong.value = error instanceof Error ? error.message : String(error);
    }
    busy.value = false;
  };
  return (
    <Dialog
      title={`Remove ${what} ${removal.id}?`}
      onClose={onClose}
      onSubmit={submit}
      foot={
        <span class="end">
          <button type="button" onClick={onClose}>
            Keep it
          </button>
          <button type="submit" class="danger primary" disabled={busy.value}>
            {busy.value ? "Removing …" : `Remove ${what}`}
          </button>
        </span>
      }
    >
      <p>
        {what === "stream"
          ? `${device} closes the source, and its algorithms get no more frames of it. `
          : `${device} ends its workers. `}
        Results that were made are still delivered. Its settings are gone.
      </p>
      {wrong.value !== null && (
        <p class="note" data-tone="bad" role="alert">
          {wrong.value}
        </p>
      )}
    </Dialog>
  );
}
