/** The workflow code of the control worker: a bundle that was made before, or modules that the worker bundles when it starts. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { WorkerOptions } from '@temporalio/worker';
import { InputError } from '../data/errors.ts';
import { moduleFile } from '../engine/process/fork.ts';
import { isTraced } from './telemetry/tracing.ts';

/** The bundle's path within the compiled package. */
export const PACKAGED_BUNDLE = 'workflows/bundle.js';

const packaged = fileURLToPath(new URL(`../${PACKAGED_BUNDLE}`, import.meta.url));
const workflowsPath = moduleFile(new URL('../workflows/index.ts', import.meta.url));

/**
 * The bundle that SELM_WORKFLOW_BUNDLE names, else the compiled package's, else the checkout's sources. These bundles do not have the
 * interceptors of tracing: where spans are exported, the worker bundles the modules with them.
 * @throws InputError when SELM_WORKFLOW_BUNDLE names a file that does not exist
 */
export function workflowCode(): Pick<WorkerOptions, 'workflowsPath' | 'workflowBundle'> {
  const named = process.env['SELM_WORKFLOW_BUNDLE'];
  if (named !== undefined && !existsSync(named)) {
    throw new InputError(
      `SELM_WORKFLOW_BUNDLE=${named} does not exist: unset it, or run npm run build (dist/${PACKAGED_BUNDLE}).`,
    );
  }
  if (isTraced()) return { workflowsPath };
  const codePath = named ?? (existsSync(packaged) ? packaged : undefined);
  return codePath === undefined ? { workflowsPath } : { workflowBundle: { codePath } };
}
