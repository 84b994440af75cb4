#!/usr/bin/env node
// Compiles src/ from nothing and writes artifacts/*.json; with --check compares them instead and exits 1 if any differs.
// Shape: what alloy's `sol!` reads - contractName, abi, bytecode.object, deployedBytecode.object - and nothing that depends on
// the machine. Tests stay out of this compilation, so that they can't influence its output.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const CONTRACTS = [
  "FederationRegistry",
  "RoundManager",
  "RoundMirror",
  "StakeVault",
  "RewardDistributor",
  "XflToken",
];
const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const folder = join(root, "artifacts");
const out = join(root, "out", "artifacts");

function compile() {
  const args = ["build", "--force", "--skip", "test", "--out", out, "--cache-path", join(root, "cache", "artifacts")];
  const forge = join(root, "node_modules", ".bin", "forge");
  const { status, error } = spawnSync(forge, args, { cwd: root, stdio: ["ignore", "ignore", "inherit"] });
  if (error) throw error;
  if (status !== 0) process.exit(1);
}

function artifact(contractName) {
  const built = JSON.parse(readFileSync(join(out, `${contractName}.sol`, `${contractName}.json`), "utf8"));
  const { abi, bytecode, deployedBytecode } = built;
  for (const code of [bytecode, deployedBytecode]) {
    if (!/^0x([0-9a-f]{2})+$/.test(code.object)) throw new Error(`${contractName}: expected linked bytecode`);
  }
  const kept = {
    contractName,
    abi,
    bytecode: { object: bytecode.object },
    // Where the constructor writes its immutables: a client zeroes these 32-byte places before it compares code.
    deployedBytecode: {
      object: deployedBytecode.object,
      immutablePlaces: Object.values(deployedBytecode.immutableReferences ?? {})
        .flat()
        .map((place) => place.start)
        .sort((a, b) => a - b),
    },
  };
  return `${JSON.stringify(kept, null, 2)}\n`;
}

function readOrNothing(path) {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  }
}

const args = process.argv.slice(2);
if (args.some((arg) => arg !== "--check")) {
  console.error("usage: artifacts.mjs [--check]");
  process.exit(2);
}
const check = args.includes("--check");
compile();
const wanted = new Map(CONTRACTS.map((name) => [`${name}.json`, artifact(name)]));

if (check) {
  const different = [...wanted].filter(([file, text]) => readOrNothing(join(folder, file)) !== text).map(([file]) => file);
  const unknown = readdirSync(folder).filter((file) => !wanted.has(file));
  for (const file of different) console.error(`artifacts/${file}: not what the sources compile to`);
  for (const file of unknown) console.error(`artifacts/${file}: made from no contract`);
  if (different.length + unknown.length > 0) process.exit(1);
  console.log(`${wanted.size} artefacts are what the sources compile to`);
} else {
  mkdirSync(folder, { recursive: true });
  for (const [file, text] of wanted) writeFileSync(join(folder, file), text);
  console.log(`wrote ${wanted.size} artefacts`);
}
