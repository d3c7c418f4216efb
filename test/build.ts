/**
 * Vitest's global setup: the compiled package, for tests that start commands and workers. Compiled once, a command starts in a third of
 * the time that it takes by tsx, and a worker does not bundle the workflows. A build is kept by the hash of what it was made from, so it
 * is always that of the current sources.
 */
import { createHash } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';
import { build, filesOf, INPUTS } from '../build.ts';
import { PACKAGED_BUNDLE } from '../workers/workflow-code.ts';
import { bundleProcesses } from './bundle.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
/** Below node_modules, so that the packages are found from there. */
const builds = join(root, 'node_modules/.cache/selm');
/** A build's folders: the package as it is shipped, and the one whose processes are bundled, which starts faster. */
const [SHIPPED, BUNDLED] = ['shipped', 'bundled'];

export default async function setup(project: TestProject): Promise<void> {
  await useCurrentBuild();
  project.onTestsRerun(useCurrentBuild);
}

async function useCurrentBuild(): Promise<void> {
  const folder = await currentBuild();
  process.env['SELM_TEST_SHIPPED'] = join(folder, SHIPPED);
  process.env['SELM_TEST_PACKAGE'] = join(folder, BUNDLED);
  process.env['SELM_WORKFLOW_BUNDLE'] = join(folder, BUNDLED, PACKAGED_BUNDLE);
}

async function currentBuild(): Promise<string> {
  const hash = createHash('sha256');
  for (const file of [...INPUTS, 'test/build.ts', 'test/bundle.ts'].flatMap(filesOf).sort())
    hash.update(`${file}\0`).update(readFileSync(join(root, file)));
  const folder = join(builds, hash.digest('hex'));
  removeOld();
  if (existsSync(folder)) return folder;
  const unfinished = mkdtempSync(join(builds, 'unfinished-'));
  const [shipped, bundled] = [SHIPPED, BUNDLED].map((name) => join(unfinished, name));
  await build(shipped, { check: false });
  cpSync(shipped, bundled, { recursive: true });
  // Other users run it, too: see permissions.test.ts.
  chmodSync(unfinished, 0o755);
  await bundleProcesses(bundled, join(folder, BUNDLED));
  try {
    renameSync(unfinished, folder);
  } catch (error) {
    // Another test run may have made it meanwhile.
    if (!existsSync(folder)) throw error;
    rmSync(unfinished, { recursive: true });
  }
  return folder;
}

/** Builds of a day ago and before, which no test run uses any more. */
function removeOld(): void {
  mkdirSync(builds, { recursive: true });
  const yesterday = Date.now() - 24 * 3600 * 1000;
  for (const name of readdirSync(builds)) {
    const path = join(builds, name);
    if (statSync(path).mtimeMs < yesterday) rmSync(path, { recursive: true, force: true });
  }
}
