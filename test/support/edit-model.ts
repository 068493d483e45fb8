/** Changing a model before it is written, to see what is said of it. */
import { floats } from "../../src/import/onnx/build.ts";
import type { OnnxModel, OnnxNode } from "../../src/import/onnx/types.ts";

/** Handles on one model; every function changes it in place. */
export class ModelEditor {
  constructor(readonly model: OnnxModel) {}

  /** The node that makes a tensor. */
  node(output: string): OnnxNode {
    const found = this.model.graph.node.find((node) => node.output[0] === output);
    if (!found) throw new Error(`no node makes "${output}"`);
    return found;
  }

  /** Replaces an initialiser by other values. */
  constant(name: string, dims: readonly number[], values: readonly number[]): void {
    const { initializer } = this.model.graph;
    const index = initializer.findIndex((tensor) => tensor.name === name);
    if (index < 0) throw new Error(`no initialiser "${name}"`);
    initializer[index] = floats(name, dims, values);
  }

  /** Sets a metadata entry; undefined removes it. */
  metadata(key: string, value: string | undefined): void {
    const { model } = this;
    model.metadataProps = model.metadataProps.filter((entry) => entry.key !== key);
    if (value !== undefined) model.metadataProps.push({ key, value });
  }
}
