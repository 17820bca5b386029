// The client as somebody uses it who reads on before doing what the last lines of an example say: what ends a task or
// the connection is held back in the global `held` until it is released.
import { WebSocketClient as Client } from "callboard-client";

export class WebSocketClient extends Client {
  cancelTask(...args) {
    globalThis.held.push(() => super.cancelTask(...args));
  }

  disconnect() {
    globalThis.held.push(() => super.disconnect());
  }
}
