import { defineConfig } from "vitest/config";

export default defineConfig({
  build: {
    lib: {
      entry: { index: "src/index.ts", react: "src/react/styled.ts" },
      formats: ["es"],
      cssFileName: "style",
    },
    rolldownOptions: { external: [/^react($|\/)/] },
    sourcemap: true,
    minify: false,
    target: "es2022",
  },
  test: {
    include: ["test/**/*.test.{ts,tsx}"],
    testTimeout: 10_000,
  },
});
