/**
 * Views: tensors that are another's elements in another order, and so need no layer. As in NumPy, a view is a list of
 * dimensions with a stride each; reshaping, permuting and slicing change only those numbers.
 */
/**
 * The tensor's elements, in row-major order, are those of `dims`, which may be other dimensions than its shape has. Element
 * [i, j, ...] of them lies `offset` + i * strides[0] + j * strides[1] + ... elements into `root`.
 */
export interface View {
  /** The tensor that is in memory. */
  readonly root: string;
  readonly offset: number;
  readonly dims: readonly number[];
  readonly strides: readonly number[];
}

/** How a tensor that a layer makes lies in memory: feature maps [C, H, W] with channels innermost, all else in order. */
export function storageStrides(shape: readonly number[]): number[] {
  if (shape.length === 3) return [1, shape[2]! * shape[0]!, shape[0]!];
  return rowMajorStrides(shape);
}

/** Strides of elements one after another, the last dimension fastest. */
export function rowMajorStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let d = shape.length - 2; d >= 0; d--) strides[d] = strides[d + 1]! * shape[d + 1]!;
  return strides;
}

export function wholeTensor(name: string, shape: readonly number[]): View {
  return { root: name, offset: 0, dims: shape, strides: storageStrides(shape) };
}

/** The view with dimensions `shape`, row-major order kept; undefined where no strides express that. */
export function reshapeView(view: View, shape: readonly number[]): View | undefined {
  const merged = mergeDims(view);
  const strides = new Array<number>(shape.length).fill(0);
  let current = merged.pop();
  for (let d = shape.length - 1; d >= 0; d--) {
    const size = shape[d]!;
    if (size === 1) continue;
    if (current?.size === 1) current = merged.pop();
    if (!current || current.size % size !== 0) return undefined;
    strides[d] = current.stride;
    current = { size: current.size / size, stride: current.stride * size };
  }
  return { ...view, dims: shape, strides };
}

/** Dimensions without those of one element; neighbours that are walked in one stride are one. */
function mergeDims({ dims, strides }: View): { size: number; stride: number }[] {
  const merged: { size: number; stride: number }[] = [];
  dims.forEach((size, d) => {
    if (size === 1) return;
    const stride = strides[d]!;
    const outer = merged.at(-1);
    if (outer && outer.stride === stride * size) merged[merged.length - 1] = { size: outer.size * size, stride };
    else merged.push({ size, stride });
  });
  return merged;
}

/** Whether the view's elements lie as a layer would have stored a tensor of the shape: then it is that tensor. */
export function isStored(view: View, shape: readonly number[]): boolean {
  const whole = mergeDims(wholeTensor("", shape));
  const own = reshapeView(view, shape);
  if (!own) return false;
  const merged = mergeDims(own);
  return (
    merged.length === whole.length &&
    merged.every(({ size, stride }, d) => size === whole[d]!.size && stride === whole[d]!.stride)
  );
}

/** For each element in row-major order: where it lies, in elements from the start of the root. */
export function elementOffsets({ offset, dims, strides }: View): Int32Array {
  let offsets = Int32Array.of(offset);
  dims.forEach((size, d) => {
    const longer = new Int32Array(offsets.length * size);
    offsets.forEach((at, i) => {
      for (let k = 0; k < size; k++) longer[i * size + k] = at + k * strides[d]!;
    });
    offsets = longer;
  });
  return offsets;
}
