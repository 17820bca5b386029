import { type ReactElement, useEffect, useRef } from "react";
import type { LogEntry } from "./agentView.js";

interface Props {
  readonly log: readonly LogEntry[];
  readonly onClear: () => void;
}

/** What has happened, the newest last. Not announced: the status line tells what matters. */
export function LogView({ log, onClear }: Props): ReactElement {
  const list = useRef<HTMLOListElement>(null);
  const last = log.at(-1)?.key;
  useEffect(() => {
    if (last !== undefined && list.current !== null) {
      list.current.scrollTop = list.current.scrollHeight;
    }
  }, [last]);
  return (
    <details className="callboard-log">
      <summary>Log ({log.length})</summary>
      <ol ref={list} aria-label="Log">
        {log.map(({ key, level, text, timestamp }) => (
          <li key={key} data-level={level}>
            <time dateTime={new Date(timestamp).toISOString()}>{new Date(timestamp).toLocaleTimeString()}</time> {text}
          </li>
        ))}
      </ol>
      <button type="button" onClick={onClear} disabled={log.length === 0}>
        Clear
      </button>
    </details>
  );
}
