#!/usr/bin/env node
/** The command line: `hedge`. */
import { createProgram } from "./program.ts";
import { runProgram } from "./run-program.ts";

const code = await runProgram(createProgram(), process.argv);
// After a failure nothing may keep the process waiting; after success what is left to write is written.
if (code !== 0) process.exit(code);
