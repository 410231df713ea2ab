import preact from "@preact/preset-vite";
import { defineConfig } from "vite";

// The built files are committed: whoever installs the wheel, or has no Node.js, needs no build.
export default defineConfig({
  plugins: [preact({ devToolsEnabled: false })],
  base: "./",
  build: {
    outDir: "../agent/dashboard/static",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    // Never inlined as data: URLs, which the page's Content-Security-Policy forbids.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 900,
  },
});
