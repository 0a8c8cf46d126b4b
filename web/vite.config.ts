import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// `npm run dev` passes the API on to a platform that runs already.
const platform = "http://127.0.0.1:8420";

export default defineConfig({
  base: "/console/",
  plugins: [react()],
  server: { proxy: { "/api": platform } },
  build: {
    // The gateway's content policy allows files of ours alone: nothing inline, no data: URLs.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  test: { include: ["tests/**/*.test.ts"] },
});
