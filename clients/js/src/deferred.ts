import { RequestTimeoutError } from "./errors.js";

/** A promise that is settled from elsewhere, or rejects by itself after a while. */
export class Deferred<Value> {
  readonly promise: Promise<Value>;
  #settle: { resolve: (value: Value) => void; reject: (error: unknown) => void } | undefined;
  readonly #timeout: ReturnType<typeof setTimeout>;

  constructor(timeoutMs: number) {
    this.promise = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    // It may fail before anybody waits for it.
    this.promise.catch(() => undefined);
    this.#timeout = setTimeout(() => this.reject(new RequestTimeoutError()), timeoutMs);
  }

  resolve(value: Value): void {
    clearTimeout(this.#timeout);
    this.#settle?.resolve(value);
  }

  reject(error: unknown): void {
    clearTimeout(this.#timeout);
    this.#settle?.reject(error);
  }
}
