import { readFileSync } from 'node:fs';
import ort from 'onnxruntime-node';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

/** What results to the bit depend on beside their inputs: this program, and the runtime that computes. */
export const engineVersion = `selm ${version}, onnxruntime ${ort.env.versions.node}`;
