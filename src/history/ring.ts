/** A queue of bounded length: when it is full, what is oldest makes room. */
export class Ring<T> {
  readonly #slots: (T | undefined)[];
  #first = 0;
  #length = 0;

  constructor(readonly capacity: number) {
    this.#slots = new Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  /** Whether something was dropped for it. */
  push(value: T): boolean {
    const full = this.#length === this.capacity;
    this.#slots[(this.#first + this.#length) % this.capacity] = value;
    if (full) this.#first = (this.#first + 1) % this.capacity;
    else this.#length++;
    return full;
  }

  /** Takes the oldest, at most `count` of them. */
  take(count: number): T[] {
    const taken = Array.from({ length: Math.min(count, this.#length) }, (_, i) => {
      const at = (this.#first + i) % this.capacity;
      const value = this.#slots[at] as T;
      // What is taken may be freed by whoever took it.
      this.#slots[at] = undefined;
      return value;
    });
    this.#first = (this.#first + taken.length) % this.capacity;
    this.#length -= taken.length;
    return taken;
  }
}
