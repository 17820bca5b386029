/** What goes wrong where nobody waits for a promise: handlers that throw, messages that cannot be read. */
export type Report = (error: unknown) => void;

export const reportToConsole: Report = (error) => console.error(error);

type Handler = (...args: never[]) => void;

/** Handlers by the type of event. One that throws does not keep the others from their event. */
export class Emitter {
  readonly #handlers = new Map<string, readonly Handler[]>();
  readonly #report: Report;

  constructor(report: Report) {
    this.#report = report;
  }

  /** Returns what takes the handler away again. */
  on(type: string, handler: Handler): () => void {
    this.#handlers.set(type, [...this.#of(type), handler]);
    return () => this.off(type, handler);
  }

  /** Takes the handler away, or all of that type. */
  off(type: string, handler?: Handler): void {
    const rest = handler === undefined ? [] : this.#of(type).filter((one) => one !== handler);
    if (rest.length > 0) {
      this.#handlers.set(type, rest);
    } else {
      this.#handlers.delete(type);
    }
  }

  /** `args` must be what the handlers of this type take: the typed `on` of the owner sees to that. */
  emit(type: string, ...args: readonly unknown[]): void {
    for (const handler of this.#of(type)) {
      try {
        (handler as (...args: readonly unknown[]) => void)(...args);
      } catch (error) {
        this.#report(error);
      }
    }
  }

  #of(type: string): readonly Handler[] {
    return this.#handlers.get(type) ?? [];
  }
}
