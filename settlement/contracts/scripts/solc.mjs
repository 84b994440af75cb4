#!/usr/bin/env node
// Makes npm's solc (WebAssembly) look like the native executable to forge: `--version`, and standard JSON from
// standard input to standard output. Imports need no callback: forge passes every source with its content.
import { createRequire } from "node:module";
import { readFileSync, writeSync } from "node:fs";

const solc = createRequire(import.meta.url)("solc");

function print(text) {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(1, bytes, at);
    } catch (error) {
      if (error.code !== "EAGAIN") throw error; // a pipe that is full for the moment
    }
  }
}

const args = process.argv.slice(2);
if (args.includes("--version")) {
  print(`solc, the solidity compiler\nVersion: ${solc.version()}\n`);
} else if (args.includes("--standard-json")) {
  print(solc.compile(readFileSync(0, "utf8")));
} else {
  process.stderr.write(`solc.mjs: expected --version or --standard-json, got ${JSON.stringify(args)}\n`);
  process.exit(2);
}
