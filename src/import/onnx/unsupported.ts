/** Why a node cannot be used: a clause about it ("its group is 2") and the remedy. Who catches it adds the file and the node. */
export class Unsupported extends Error {
  constructor(
    message: string,
    readonly remedy: string,
  ) {
    super(message);
  }
}
