#!/usr/bin/env node
// Compiles src/ from nothing and writes artifacts/*.json and layout.json; with --check compares them instead and exits 1 if any differs.
// Shape: what alloy's `sol!` reads - contractName, abi, bytecode.object, deployedBytecode.object - and nothing that depends on
// the machine. layout.json says where the contracts keep their variables: auditors prove slots. Tests stay out of this compilation, so that they can't influence its output.
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
  const args = ["build", "--force", "--skip", "test", "--extra-output", "storageLayout", "--out", out, "--cache-path", join(root, "cache", "artifacts")];
  const forge = join(root, "node_modules", ".bin", "forge");
  const { status, error } = spawnSync(forge, args, { cwd: root, stdio: ["ignore", "ignore", "inherit"] });
  if (error) throw error;
  if (status !== 0) process.exit(1);
}

function built(contractName) {
  return JSON.parse(readFileSync(join(out, `${contractName}.sol`, `${contractName}.json`), "utf8"));
}

// Types by what they are called in the sources: the compiler's own names hold numbers that change with everything else.
function layout(contractName) {
  const { storage, types } = built(contractName).storageLayout;
  const variable = ({ label, slot, offset, type }) => {
    const { label: name, numberOfBytes, members, value } = types[type];
    const inside = members ?? types[value]?.members;
    const kept = { label, slot: Number(slot), offset, bytes: Number(numberOfBytes), type: name };
    return inside === undefined ? kept : { ...kept, members: inside.map(variable) };
  };
  return storage.map(variable);
}

function artifact(contractName) {
  const { abi, bytecode, deployedBytecode } = built(contractName);
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
const places = join(root, "layout.json");
const layouts = `${JSON.stringify(Object.fromEntries(CONTRACTS.map((name) => [name, layout(name)])), null, 1)}\n`;

if (check) {
  const different = [...wanted].filter(([file, text]) => readOrNothing(join(folder, file)) !== text).map(([file]) => file);
  const unknown = readdirSync(folder).filter((file) => !wanted.has(file));
  for (const file of different) console.error(`artifacts/${file}: not what the sources compile to`);
  for (const file of unknown) console.error(`artifacts/${file}: made from no contract`);
  const moved = readOrNothing(places) !== layouts;
  if (moved) console.error("layout.json: not where the compiler puts the variables");
  if (moved || different.length + unknown.length > 0) process.exit(1);
  console.log(`${wanted.size} artefacts and layout.json are what the sources compile to`);
} else {
  mkdirSync(folder, { recursive: true });
  for (const [file, text] of wanted) writeFileSync(join(folder, file), text);
  writeFileSync(places, layouts);
  console.log(`wrote ${wanted.size} artefacts and layout.json`);
}
