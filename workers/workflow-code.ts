/** The workflow code of the control worker: a bundle that was made before, or sources that the worker bundles when it starts. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { DataConverter } from '@temporalio/common';
import type { WorkerOptions } from '@temporalio/worker';
import { InputError } from '../data/errors.ts';

/** The bundle's path within the compiled package. */
export const PACKAGED_BUNDLE = 'workflows/bundle.js';

const packaged = fileURLToPath(new URL(`../${PACKAGED_BUNDLE}`, import.meta.url));
const workflowsPath = fileURLToPath(new URL('../workflows/index.ts', import.meta.url));

/**
 * The bundle that SELM_WORKFLOW_BUNDLE names, else the compiled package's, else the sources of the checkout.
 * @param converter a data converter: its payload and failure converters run in workflows, so that existing bundles do not have them
 * @throws InputError when SELM_WORKFLOW_BUNDLE names a file that does not exist
 */
export function workflowCode({ payloadConverterPath, failureConverterPath }: DataConverter = {}): Pick<
  WorkerOptions,
  'workflowsPath' | 'workflowBundle'
> {
  if (payloadConverterPath !== undefined || failureConverterPath !== undefined) return { workflowsPath };
  const named = process.env['SELM_WORKFLOW_BUNDLE'];
  if (named !== undefined && !existsSync(named)) {
    throw new InputError(
      `SELM_WORKFLOW_BUNDLE=${named} does not exist: unset it, or run npm run build (dist/${PACKAGED_BUNDLE}).`,
    );
  }
  const codePath = named ?? (existsSync(packaged) ? packaged : undefined);
  return codePath === undefined ? { workflowsPath } : { workflowBundle: { codePath } };
}
