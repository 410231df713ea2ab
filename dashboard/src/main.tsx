import { render } from "preact";
import "./ui/base.css";
import "./ui/parts.css";
import { App } from "./app";
import { loadSigner } from "./state/keys";
import { begin } from "./state/session";

const root = document.getElementById("app");
if (root === null) throw new Error("the page has no #app");
render(<App />, root);
await loadSigner();
await begin();
