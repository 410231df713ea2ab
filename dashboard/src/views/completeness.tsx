/** Whether all results of a device came, as it is. */

import type { Device } from "../state/device";
import { number } from "../ui/words";

export function CompletenessLine(props: { device: Device }) {
  const known = props.device.completeness;
  if (known === null) return <span>no results heard yet</span>;
  const { missingCount, announced, missing } = known;
  const ranges = missing.slice(-5).map(([first, last]) => (first === last ? `${first}` : `${first}–${last}`));
  const title = `epoch ${known.epoch}, from number ${known.first} to ${known.last}; ${known.repeated} came twice`;
  return (
    <span title={title} data-completeness={missingCount}>
      {number(known.heard)} results heard,{" "}
      {missingCount === 0 ? (
        <span class="good">none missing</span>
      ) : (
        <span class="bad">
          {number(missingCount)} missing ({missing.length > 5 ? "… " : ""}
          {ranges.join(", ")})
        </span>
      )}
      {announced > 0 && <span class="warn">, {number(announced)} dropped on the device</span>}
    </span>
  );
}
