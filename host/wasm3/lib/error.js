/** What this package throws; index.d.ts lists the codes. */
export class Wasm3Error extends Error {
  /**
   * @param {string} code
   * @param {string} message
   */
  constructor(code, message) {
    super(message);
    this.name = "Wasm3Error";
    this.code = code;
  }
}
