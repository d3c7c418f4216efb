/** The workflow code of the control worker: a prebuilt bundle, or modules that the worker bundles when it starts. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { DataConverter } from '@temporalio/common';
import type { WorkerOptions } from '@temporalio/worker';
import { InputError } from '../data/errors.ts';
import { moduleFile } from '../engine/process/fork.ts';
import { isTraced } from './telemetry/tracing.ts';

/** The bundle's path within the compiled package. */
export const PACKAGED_BUNDLE = 'workflows/bundle.js';

const packaged = fileURLToPath(new URL(`../${PACKAGED_BUNDLE}`, import.meta.url));
const workflowsPath = moduleFile(new URL('../workflows/index.ts', import.meta.url));

/**
 * The bundle in SELM_WORKFLOW_BUNDLE, otherwise the compiled package's bundle, otherwise the checkout's sources. Prebuilt bundles
 * contain neither tracing interceptors nor a user's converters: if spans are exported or converters are set, the worker bundles the
 * modules itself.
 * @param converter a data converter. Its payload and failure converters run in workflows
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
  if (isTraced()) return { workflowsPath };
  const codePath = named ?? (existsSync(packaged) ? packaged : undefined);
  return codePath === undefined ? { workflowsPath } : { workflowBundle: { codePath } };
}
