// The entry of the build: the style sheet goes into a file of its own, and the declarations do not know of it.
import "./panel.css";

export * from "./index.js";
