import { useCallback, useEffect, useReducer, useRef, useState } from "react";
import type { ConnectionState } from "../connection.js";
import type { JsonObject } from "../json.js";
import type { TaskOutcome } from "../steps/events.js";
import { WebSocketClient } from "../steps/webSocketClient.js";
import type { WebSocketConstructor } from "../webSocketLink.js";
import { type AgentView, NOTHING, reduceAgent } from "./agentView.js";

export interface AgentOptions {
  readonly wsUrl: string;
  /** Shown to the server, where it wants a credential. */
  readonly token?: string | undefined;
  /** The bound of the first delay before connecting again, in milliseconds. Default: 3000. */
  readonly reconnectInterval?: number | undefined;
  /** Where the platform has none, or another one is wanted. */
  readonly WebSocket?: WebSocketConstructor | undefined;
  readonly onTaskComplete?: ((result: TaskOutcome) => void) | undefined;
  readonly onError?: ((error: Error) => void) | undefined;
}

export interface Agent extends AgentView {
  readonly connection: ConnectionState;
  readonly submitTask: (task: string, context?: JsonObject) => void;
  readonly cancelTask: () => void;
  readonly confirmStep: (stepId: string, approved: boolean) => void;
  readonly clearLog: () => void;
  /** Tries at once where a retry is waited for, and again where the connection was given up. */
  readonly reconnect: () => void;
}

/** One task over the steps' WebSocket, which is open for as long as the component is there. */
export function useAgent(options: AgentOptions): Agent {
  const { wsUrl, token, reconnectInterval, WebSocket } = options;
  const [view, dispatch] = useReducer(reduceAgent, NOTHING);
  const [connection, setConnection] = useState<ConnectionState>({ name: "idle" });
  const client = useRef<WebSocketClient | undefined>(undefined);
  const callbacks = useRef(options);
  useEffect(() => {
    callbacks.current = options;
  });

  const fail = useCallback((error: unknown) => {
    const failure = error instanceof Error ? error : new Error(String(error));
    dispatch({ kind: "failed", message: failure.message, now: Date.now() });
    callbacks.current.onError?.(failure);
  }, []);

  const connect = useCallback(
    (made: WebSocketClient) => {
      made.connect({ retry: true }).then(
        () => made.getTools().catch(fail),
        // A client that this component has left behind has nothing to tell.
        (error: unknown) => client.current === made && fail(error),
      );
    },
    [fail],
  );

  useEffect(() => {
    const made = new WebSocketClient({
      url: wsUrl,
      onError: fail,
      ...(token === undefined ? {} : { token }),
      ...(reconnectInterval === undefined ? {} : { reconnectInterval }),
      ...(WebSocket === undefined ? {} : { WebSocket }),
    });
    client.current = made;
    made.onState(setConnection);
    made.on("*", (_data, frame) => dispatch({ kind: "frame", frame, now: frame.timestamp ?? Date.now() }));
    made.on("task:complete", (result) => callbacks.current.onTaskComplete?.(result));
    made.on("error", (error) => callbacks.current.onError?.(error));
    connect(made);
    return () => {
      client.current = undefined;
      made.disconnect();
    };
  }, [wsUrl, token, reconnectInterval, WebSocket, connect, fail]);

  const command = useCallback(
    (run: (client: WebSocketClient) => void): boolean => {
      try {
        if (client.current !== undefined) {
          run(client.current);
        }
        return client.current !== undefined;
      } catch (error) {
        fail(error);
        return false;
      }
    },
    [fail],
  );

  return {
    ...view,
    connection,
    submitTask: useCallback(
      (task, context) => {
        if (command((to) => to.submitTask(task, context))) {
          dispatch({ kind: "submitted", task, now: Date.now() });
        }
      },
      [command],
    ),
    cancelTask: useCallback(() => void command((to) => to.cancelTask()), [command]),
    confirmStep: useCallback(
      (stepId, approved) => {
        if (command((to) => to.confirmStep(stepId, approved))) {
          dispatch({ kind: "answered", approved, now: Date.now() });
        }
      },
      [command],
    ),
    clearLog: useCallback(() => dispatch({ kind: "log cleared" }), []),
    reconnect: useCallback(() => client.current && connect(client.current), [connect]),
  };
}
