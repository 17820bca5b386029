/** Values handed from where they arise to a test that waits for them. */
export class Queue<Value> {
  readonly #values: Value[] = [];
  readonly #takers: ((value: Value) => void)[] = [];

  readonly put = (value: Value): void => {
    const taker = this.#takers.shift();
    if (taker === undefined) {
      this.#values.push(value);
    } else {
      taker(value);
    }
  };

  /** The next value, once there is one. */
  take(): Promise<Value> {
    if (this.#values.length === 0) {
      return new Promise((resolve) => this.#takers.push(resolve));
    }
    return Promise.resolve(this.#values.shift() as Value);
  }

  /** Takes values until one fits. */
  async until(fits: (value: Value) => boolean): Promise<Value> {
    for (;;) {
      const value = await this.take();
      if (fits(value)) {
        return value;
      }
    }
  }

  /** All that nobody has taken. */
  drain(): Value[] {
    return this.#values.splice(0);
  }
}
