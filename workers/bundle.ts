/** `npm run bundle`: the workflows as one file, for images (SELM_WORKFLOW_BUNDLE). */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { bundleWorkflowCode } from '@temporalio/worker';
import { tracingModules } from './telemetry/tracing.ts';
import { workflowsPath } from './workflow-code.ts';

const file = resolve(process.argv[2] ?? 'dist/workflows.js');
// Spans of workflows go nowhere where nothing exports them.
const { code } = await bundleWorkflowCode({ workflowsPath, workflowInterceptorModules: tracingModules });
mkdirSync(dirname(file), { recursive: true });
writeFileSync(file, code);
