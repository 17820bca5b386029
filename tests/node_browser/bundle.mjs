// Builds an application around each panel, to be served as files: node bundle.mjs FOLDER
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const folder = process.argv[2];
const here = fileURLToPath(new URL(".", import.meta.url));
const client = fileURLToPath(new URL("../../clients/js/dist/", import.meta.url));
const names = ["own_panel", "npm_panel"];

await build({
  absWorkingDir: here,
  entryPoints: names.map((name) => `${name}.jsx`),
  outdir: folder,
  bundle: true,
  format: "esm",
  jsx: "automatic",
  define: { "process.env.NODE_ENV": '"production"' },
  alias: {
    "callboard-client/react": join(client, "react.js"),
    "callboard-client/style.css": join(client, "style.css"),
    // One React for both, whatever lies beside what they are built from.
    react: join(here, "node_modules/react"),
    "react-dom": join(here, "node_modules/react-dom"),
  },
  logLevel: "error",
});
for (const name of names) {
  const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${name}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${name}.css">
<script type="module" src="${name}.js"></script>
</head>
<body><div id="root"></div></body>
</html>
`;
  await writeFile(join(folder, `${name}.html`), page);
}
