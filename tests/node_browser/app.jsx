import { useState } from "react";
import { createRoot } from "react-dom/client";

/** Somebody's application with a panel: `?ws=` is the engine's address. */
export function show(AgentPanel) {
  const wsUrl = new URLSearchParams(location.search).get("ws");

  function App() {
    const [finished, setFinished] = useState("none");
    return (
      <main style={{ maxWidth: 860, margin: "0 auto" }}>
        <AgentPanel wsUrl={wsUrl} onTaskComplete={(result) => setFinished(String(result.success))} />
        <p>
          Told to the application: <output aria-label="Success">{finished}</output>
        </p>
      </main>
    );
  }

  createRoot(document.getElementById("root")).render(<App />);
}
