// A bundle's golden texts -> their answers, with plain onnxruntime-node; exit code 1 if a logit is not the golden one.
//
//     node classify.mjs BUNDLE
//
// This is everything that docs/bundle-format.md requires of a reader. Token ids come from golden.jsonl; for texts of your
// own, take them from any reader of tokenizer.json that reproduces these.

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import ort from "onnxruntime-node";

const TOLERANCE = 1e-4; // of a logit; of a regression, times its largest golden value where that is above 1
const BATCH = 4; // texts of different lengths, so that padding and mask are tested
const VARIANT = "cpu-fp32"; // in every bundle

// The bytes of a file of the bundle; an error if they are not those that `promiser` promises.
async function readChecked(folder, name, sha256, promiser = "manifest.json") {
  const bytes = await readFile(join(folder, name));
  const digest = createHash("sha256").update(bytes).digest("hex");
  if (digest !== sha256) throw new Error(`${name} is not the file that ${promiser} promises: its SHA-256 is ${digest}`);
  return bytes;
}

// The manifest; from format version 2 on, manifest.sha256 lies beside it.
async function readManifest(folder) {
  const digests = join(folder, "manifest.sha256");
  const bytes = existsSync(digests)
    ? await readChecked(folder, "manifest.json", (await readFile(digests, "utf8")).slice(0, 64), "manifest.sha256")
    : await readFile(join(folder, "manifest.json"));
  const manifest = JSON.parse(bytes.toString("utf8"));
  if (![1, 2].includes(manifest.format_version)) {
    throw new Error(`format version ${manifest.format_version}; this reads 1 and 2`);
  }
  if (manifest.format_version > 1 && !existsSync(digests)) throw new Error("manifest.sha256 is missing");
  return manifest;
}

// Right-padded int64 arrays (texts, tokens of the longest text).
function batchOf(texts, padId) {
  const width = Math.max(...texts.map(({ ids }) => ids.length));
  const rows = (cell) => {
    const cells = texts.flatMap(({ ids }) => Array.from({ length: width }, (_, at) => BigInt(cell(ids, at))));
    return new ort.Tensor("int64", BigInt64Array.from(cells), [texts.length, width]);
  };
  return {
    input_ids: rows((ids, at) => ids[at] ?? padId),
    attention_mask: rows((ids, at) => (at < ids.length ? 1 : 0)),
  };
}

function softmax(values) {
  const largest = Math.max(...values);
  const exponentials = values.map((value) => Math.exp(value - largest));
  const sum = exponentials.reduce((a, b) => a + b);
  return exponentials.map((value) => value / sum);
}

const sigmoid = (value) => 1 / (1 + Math.exp(-value));

// [answer, its probability] from the logits of one text, by the task's kind.
const ANSWERS = {
  single_label({ labels, temperature }, logits) {
    const best = logits.indexOf(Math.max(...logits)); // the first of equals
    return [labels[best], softmax(logits.map((value) => value / temperature))[best]];
  },
  multi_label({ labels, thresholds, temperature }, logits) {
    const scores = logits.map((value) => sigmoid(value / temperature));
    const positive = labels.map((_, at) => at).filter((at) => scores[at] >= thresholds[at]);
    return [positive.map((at) => labels[at]).join("|"), positive.map((at) => scores[at]).join("|")];
  },
  regression({ standardization: { mean, deviation } = { mean: 0, deviation: 1 } }, [value]) {
    return [value * deviation + mean, ""];
  },
};

async function open(folder) {
  const manifest = await readManifest(folder);
  const read = (name) => readChecked(folder, name, manifest.files[name].sha256);
  const { graph, calibration = {} } = manifest.variants[VARIANT];
  if (`${graph}.data` in manifest.files) throw new Error(`${graph} has its weights in a second file; this reads one`);
  if (manifest.inputs.includes("token_type_ids")) throw new Error(`${graph} takes token types; golden.jsonl has none`);
  const session = await ort.InferenceSession.create(await read(graph));
  const lines = (await read("golden.jsonl")).toString("utf8").trimEnd().split("\n");
  const tasks = manifest.tasks.map((task) => ({ ...task, ...calibration[task.name] }));
  return { session, tasks, padId: manifest.encoder.pad_id, golden: lines.map((line) => JSON.parse(line)) };
}

// The logits of each text, by task.
async function logitsOf(session, tasks, texts, padId) {
  const outputs = await session.run(batchOf(texts, padId));
  const rowOf = ({ data, dims: [, width] }, row) => Array.from(data.subarray(row * width, (row + 1) * width));
  const entriesOf = (row) => tasks.map(({ name }) => [name, rowOf(outputs[`logits.${name}`], row)]);
  return texts.map((_, row) => Object.fromEntries(entriesOf(row)));
}

// Compare logits with the golden ones; a difference sets the exit code.
function check(tasks, golden, computed) {
  for (const { name, kind } of tasks) {
    const expected = golden.flatMap(({ logits }) => logits[name]);
    const differences = computed.flatMap((logits) => logits[name]).map((value, at) => Math.abs(value - expected[at]));
    const largest = Math.max(...differences);
    const scale = kind === "regression" ? Math.max(1, ...expected.map(Math.abs)) : 1;
    const holds = largest <= TOLERANCE * scale;
    console.error(`${holds ? "ok" : "FAILED"}: ${name}: largest difference from the golden logits ${largest}`);
    if (!holds) process.exitCode = 1;
  }
}

async function main(folder) {
  const { session, tasks, padId, golden } = await open(folder);
  const computed = [];
  for (let start = 0; start < golden.length; start += BATCH) {
    computed.push(...(await logitsOf(session, tasks, golden.slice(start, start + BATCH), padId)));
  }
  golden.forEach(({ text }, at) => {
    for (const task of tasks) {
      const logits = computed[at][task.name];
      if (!logits.every(Number.isFinite)) throw new Error(`${task.name} has a logit that is not finite: ${text}`);
      console.log([JSON.stringify(text), task.name, ...ANSWERS[task.kind](task, logits)].join("\t"));
    }
  });
  check(tasks, golden, computed);
}

if (process.argv.length !== 3) throw new Error("usage: node classify.mjs BUNDLE");
await main(process.argv[2]);
