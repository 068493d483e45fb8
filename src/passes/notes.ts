/** What passes have to say: where the lowered graph is not the model to the bit, and by how much. */

export interface Note {
  /** The pass that speaks. */
  readonly pass: string;
  /** The node or tensor of the model that it is about. */
  readonly node: string;
  /** One sentence. */
  readonly message: string;
}

/** Collects notes; a pass gets it as its second argument. */
export type Notes = Note[];
