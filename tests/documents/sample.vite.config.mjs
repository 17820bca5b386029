// Builds a module in TypeScript with all that it imports as one module. SAMPLE is its file and OUT a folder; PACKAGES is
// JSON: what each package that it names stands for.
const { SAMPLE, OUT, PACKAGES } = process.env;

export default {
  resolve: { alias: JSON.parse(PACKAGES) },
  define: { "process.env.NODE_ENV": '"development"' },
  build: {
    lib: { entry: SAMPLE, formats: ["es"], fileName: "sample" },
    outDir: OUT,
    minify: false,
    target: "es2022",
  },
  logLevel: "error",
};
