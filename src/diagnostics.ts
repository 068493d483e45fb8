/**
 * Every way in which a model can fail to compile, by number. Hundreds are stages: 1 the file, 2 its nodes, 3 the passes, 4 the planner,
 * 5 the board.
 * An error's own sentence names the node and the value; this table says what the number means whatever the model is.
 */
export interface Diagnostic {
  /** What is wrong: a clause that starts with a capital letter. */
  readonly summary: string;
  /** What helps in general, in the imperative. */
  readonly remedy: string;
}

/** Numbers stay with their meaning: one that is given up is not used again. */
export const DIAGNOSTICS = {
  H101: {
    summary: "The file is not an ONNX model, or is cut short",
    remedy: "Give the path of a whole ONNX file, or export the model again.",
  },
  H102: {
    summary: "The file, or one that it names, is larger than Hedge reads",
    remedy: "Give a smaller model: Hedge compiles networks for microcontrollers.",
  },
  H103: {
    summary: "The file is of an ONNX version that Hedge does not know, or does not say of which",
    remedy: "Export the model with a current exporter.",
  },
  H104: {
    summary: "A tensor's data do not fit its shape or type",
    remedy: "Export the model again.",
  },
  H105: {
    summary: "A tensor's elements are of a type that Hedge does not read",
    remedy: "Export the tensor as float32 or as integers, in one piece.",
  },
  H106: {
    summary: "Data that lie outside of the model's file are missing, or not where they may be",
    remedy: "Keep the data files in the model's folder, or save the model as one file.",
  },
  H107: {
    summary: "The model's metadata lack a key, or one is malformed",
    remedy: "Correct the hedge.* keys as docs/model-format.md says.",
  },
  H108: {
    summary: "A tensor that the metadata or an option names cannot be what they say",
    remedy: "Name tensors of the model: the cut is a feature map, an exit a vector of logits.",
  },
  H109: {
    summary: "The input's shape is not fixed, or not one that compiles",
    remedy: "Export the model with a static input shape.",
  },
  H110: {
    summary: "The input is not quantised, so that hosts would not know which integers to write",
    remedy: "Put a Quant of 8 bits behind the input, or say what its bytes are worth (--input ZERO:STEP).",
  },
  H201: {
    summary: "An operator does not compile",
    remedy: "Replace it by operators of docs/operators.md, or cut the model in front of it.",
  },
  H202: {
    summary: "An operator compiles, but not in this form",
    remedy: "Export another form of it; docs/operators.md says which compile.",
  },
  H203: {
    summary: "Shapes do not fit each other",
    remedy: "Correct the shapes in the model, and export it again.",
  },
  H204: {
    summary: "A quantiser's scale, zero point, bit width or rounding mode is not valid",
    remedy: "Use positive finite scales, whole zero points, 1 to 32 bits and the rounding modes of QONNX.",
  },
  H205: {
    summary: "A parameter is no usable constant: computed from the input, empty, or not finite",
    remedy: "Export the model with this parameter as a constant of finite values.",
  },
  H206: {
    summary: "A node reads a tensor that nothing makes",
    remedy: "Export the model again.",
  },
  H207: {
    summary: "A node depends on itself",
    remedy: "Export the model again.",
  },
  H208: {
    summary: "A tensor is made twice, or its name is none",
    remedy: "Give every tensor a printable name of its own.",
  },
  H209: {
    summary: "The model has more nodes than any that a device could run",
    remedy: "Cut the model earlier.",
  },
  H210: {
    summary: "A tensor has more values than Hedge works with",
    remedy: "Use a smaller input or fewer channels.",
  },
  H301: {
    summary: "A value lies so close to a quantisation boundary that float rounding decides it",
    remedy: "Move the batch norm's bias by a thousandth of the input's step.",
  },
  H302: {
    summary: "A quantiser's input has too many possible values to tabulate",
    remedy: "Quantise its input to 8 bits.",
  },
  H303: {
    summary: "Integers grow beyond what is exact",
    remedy: "Quantise the inputs to fewer bits, or to coarser scales.",
  },
  H304: {
    summary: "The cut does not separate the cloud part from the edge part",
    remedy: "Cut where a single tensor goes from the edge part to the cloud part.",
  },
  H305: {
    summary: "A cloud part has operators that no runtime of standard ONNX knows",
    remedy: "Export the cloud part with standard ONNX operators only.",
  },
  H306: {
    summary: "A quantiser gets values that are not finite",
    remedy: "Look for parameters that are not finite, or divisions by zero, in front of it.",
  },
  H401: {
    summary: "There is no kernel for a node among these neighbours",
    remedy: "Compare the model with docs/model-format.md.",
  },
  H402: {
    summary: "A tensor is off the integer grid, or beyond 32 bits, where a kernel needs integers",
    remedy: "Put a Quant node behind the node that makes it, or use fewer bits.",
  },
  H405: {
    summary: "The model needs more memory than a module has",
    remedy: "Use smaller inputs or fewer channels, or cut the model earlier.",
  },
  H406: {
    summary: "The cut is not quantised to 1, 2, 4 or 8 bits",
    remedy: "Put a Quant node in front of the cut.",
  },
  H501: {
    summary: "The model needs more RAM or flash than the board has left",
    remedy: "Use smaller maps, fewer channels or bits, cut the model earlier, or take a board that has more.",
  },
} as const satisfies Readonly<Record<`H${number}`, Diagnostic>>;

export type DiagnosticCode = keyof typeof DIAGNOSTICS;

/** One thing that keeps a model from compiling. */
export interface Problem {
  readonly code: DiagnosticCode;
  /** The node's name; absent where it is the model as a whole. */
  readonly node?: string | undefined;
  /** A sentence that says where and why. */
  readonly message: string;
  /** What to do about it. */
  readonly remedy: string;
}
