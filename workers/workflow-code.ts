/** The workflows as the control worker loads them: bundled at its start, or once for an image (SELM_WORKFLOW_BUNDLE). */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { DataConverter } from '@temporalio/common';
import type { WorkerOptions } from '@temporalio/worker';
import { InputError } from '../data/errors.ts';

export const workflowsPath = fileURLToPath(new URL('../workflows/index.ts', import.meta.url));

/**
 * @param converter with converters of its own: they run in workflows and are in no bundle that was made before
 * @throws InputError when a bundle is named that is not there
 */
export function workflowCode({ payloadConverterPath, failureConverterPath }: DataConverter = {}): Pick<
  WorkerOptions,
  'workflowsPath' | 'workflowBundle'
> {
  if (payloadConverterPath !== undefined || failureConverterPath !== undefined) return { workflowsPath };
  const codePath = process.env['SELM_WORKFLOW_BUNDLE'];
  if (codePath === undefined) return { workflowsPath };
  if (!existsSync(codePath))
    throw new InputError(`SELM_WORKFLOW_BUNDLE=${codePath} is not there; npm run bundle makes it.`);
  return { workflowBundle: { codePath } };
}
