/** The key that signs commands. */

import { useSignal } from "@preact/signals";
import { importKey } from "../client/signing";
import { ID } from "../client/topics";
import { signer, useSigner } from "../state/keys";
import { Dialog } from "../ui/parts";

export function KeyButton() {
  const open = useSignal(false);
  return (
    <>
      <button type="button" class="quiet" onClick={() => (open.value = true)}>
        {signer.value === null ? "Sign" : `Signs as ${signer.value.name}`}
      </button>
      {open.value && <KeyDialog onClose={() => (open.value = false)} />}
    </>
  );
}

function KeyDialog(props: { onClose(): void }) {
  const name = useSignal(signer.value?.name ?? "operator");
  const pem = useSignal("");
  const keep = useSignal(true);
  const wrong = useSignal<string | null>(null);

  const submit = async () => {
    if (!ID.test(name.value)) {
      wrong.value = "The name is 1 to 64 letters, digits, _ . or -, as in the device's [security.keys.NAME].";
      return;
    }
    try {
      await useSigner(await importKey(pem.value, name.value), keep.value);
      props.onClose();
    } catch (error) {
      wrong.value = error instanceof Error ? error.message : String(error);
    }
  };

  const fromFile = async (event: Event) => {
    const [file] = (event.currentTarget as HTMLInputElement).files ?? [];
    if (file === undefined) return;
    pem.value = await file.text();
    const base = file.name.replace(/\.[^.]*$/, "");
    if (ID.test(base)) name.value = base;
  };

  return (
    <Dialog
      title="Sign commands"
      onClose={props.onClose}
      onSubmit={submit}
      foot={
        <>
          {signer.value !== null && (
            <button
              type="button"
              class="danger"
              onClick={() => {
                useSigner(null, false).catch(() => undefined);
                props.onClose();
              }}
            >
              Forget the key
            </button>
          )}
          <span class="end">
            <button type="button" onClick={props.onClose}>
              Cancel
            </button>
            <button type="submit" class="primary" disabled={pem.value === ""}>
              Use this key
            </button>
          </span>
        </>
      }
    >
      <p>
        Devices with <span class="mono">require_signature</span> obey signed commands only. Give the private
        key that <span class="mono">vedette keys new --out operator.pem</span> wrote; the page signs each
        command with it.
      </p>
      <div class="field">
        <label for="key-file">Key file</label>
        <input id="key-file" type="file" accept=".pem" onChange={fromFile} />
      </div>
      <div class="field">
        <label for="key-text">or its text</label>
        <textarea
          id="key-text"
          class="mono"
          rows={4}
          spellcheck={false}
          autocomplete="off"
          placeholder="-----BEGIN PRIVATE KEY-----"
          value={pem.value}
          onInput={(event) => {
            pem.value = event.currentTarget.value;
          }}
        />
      </div>
      <div class="field">
        <label for="key-name">Name of the key on the devices</label>
        <input
          id="key-name"
          class="mono"
          value={name.value}
          onInput={(event) => {
            name.value = event.currentTarget.value;
          }}
        />
      </div>
      <label class="spread">
        <input
          type="checkbox"
          checked={keep.value}
          onChange={(event) => {
            keep.value = event.currentTarget.checked;
          }}
        />
        Keep it in this browser (it can be used here, but never read out again)
      </label>
      {wrong.value !== null && (
        <p class="note" data-tone="bad" role="alert">
          {wrong.value}
        </p>
      )}
    </Dialog>
  );
}
