#!/usr/bin/env node
// Exits 1 unless every error that the contracts revert with is expected by a test, and every test that REVIEW.md names is there.
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

function text(folder, ending) {
  const files = readdirSync(join(root, folder), { recursive: true }).filter((file) => file.endsWith(ending));
  return files.map((file) => readFileSync(join(root, folder, file), "utf8")).join("\n");
}

const tests = text("test", ".sol");
const rust = text("../tests", ".rs") + text("../src", ".rs");
const review = readFileSync(join(root, "REVIEW.md"), "utf8");

const errors = [...text("src", ".sol").matchAll(/^\s*error (\w+)\(/gm)].map((match) => match[1]);
const untested = [...new Set(errors)].filter((name) => !tests.includes(`${name}.selector`));
for (const name of untested) console.error(`error ${name}: no test expects it`);

// A star stands for any ending.
const named = [...review.matchAll(/`((?:test|invariant|check)_\w+\*?)`/g)].map((match) => match[1]);
const missing = [...new Set(named)].filter((name) =>
  name.endsWith("*") ? !tests.includes(`function ${name.slice(0, -1)}`) : !tests.includes(`function ${name}(`),
);
const inRust = [...review.matchAll(/`([a-z]+(?:_[a-z0-9]+){3,})`/g)].map((match) => match[1]);
const known = (name) => rust.includes(`fn ${name}(`) || tests.includes(`function ${name}(`);
missing.push(...new Set(inRust.filter((name) => !name.startsWith("test_") && !name.startsWith("invariant_") && !known(name))));
for (const name of missing) console.error(`REVIEW.md names ${name}, which is no test`);

if (untested.length + missing.length > 0) process.exit(1);
console.log(`${new Set(errors).size} errors are tested, ${new Set(named).size} tests that REVIEW.md names are there`);
