import type { ReactElement } from "react";
import type { ConnectionState } from "../connection.js";

interface Props {
  readonly connection: ConnectionState;
  readonly onReconnect: () => void;
}

/** Whether there is a connection, and a way to try again where there is none. */
export function ConnectionLine({ connection, onReconnect }: Props): ReactElement {
  const isLost = connection.name === "waiting" || connection.name === "closed";
  return (
    <div className="callboard-connection" data-state={connection.name}>
      <output aria-label="Connection">{TEXTS[connection.name]}</output>
      {isLost && (
        <button type="button" onClick={onReconnect}>
          Connect now
        </button>
      )}
    </div>
  );
}

const TEXTS: Readonly<Record<ConnectionState["name"], string>> = {
  idle: "Not connected",
  connecting: "Connecting…",
  open: "Connected",
  waiting: "Connection lost, trying again…",
  closed: "Not connected",
};
