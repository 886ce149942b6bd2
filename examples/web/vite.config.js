import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

// Where the service is; it goes into the page and its policy when that is built.
process.env.VITE_SERVICE ??= "http://127.0.0.1:8000";
const client = fileURLToPath(new URL("../../clients/typescript/src", import.meta.url));

export default defineConfig({
  // The client as it stands in this repository; elsewhere it is a dependency like others.
  resolve: { alias: { "careers-users": `${client}/index.ts` } },
  // Another port would be another origin, which the service does not know.
  server: { host: "127.0.0.1", port: 5173, strictPort: true, fs: { allow: [".", client] } },
  preview: { host: "127.0.0.1", port: 5173, strictPort: true },
});
