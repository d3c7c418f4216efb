/** Versions that bitwise reproducibility depends on, besides the inputs. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const versionIn = (packageFile: string | URL) =>
  (JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string }).version;

export const selmVersion = versionIn(new URL('../package.json', import.meta.url));

/** The backend of this engine. From its package.json: importing the package would load the native runtime. */
export const onnxRuntime = `onnxruntime ${versionIn(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'))}`;

/** Both, for benchmarks. */
export const engineVersion = `selm ${selmVersion}, ${onnxRuntime}`;
