/** The order of the test files: the longest first, so that none of them runs alone at the end. */
import { relative } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files that take more than half a minute, the longest first. */
const LONG = [
  'cli/run',
  'cli/parked-run',
  'faults/torch-campaign',
  'engine/torch/ranks',
  'cli/ctrl-c',
  'faults/campaign',
  'engine/onnx/generation/quantize',
  'cli/doctor',
  'labelers/judge-server',
  'cdk/entry-points',
  'workers/dev-server',
  'cli/label-people',
  'cli/people-run',
  'artifacts/adversity',
  'cli/prompts',
  'artifacts/s3-store',
  'cdk/synth',
  'workers/conventions',
  'cli/server',
  'openai/server/harness',
  'activities/token-true',
  'package/package',
  'cli/deploy-destroy',
  'workflows/long-runs',
  'workflows/failed-rounds',
  'cli/decisions',
  'web/ui',
  'cli/labeling',
  'cli/schedule',
  'web/label-browser',
  'activities/killed-upload',
  'workers/deployed-version',
  'web/operate',
  'workers/voting-faults',
  'web/invitations',
  'cli/labelers',
  'engine/torch/agreement',
  'cdk/connectivity',
  'cli/deploy-doctor',
  'web/label-run',
  'labelers/bounds',
  'workers/garbage',
  'workers/deployed',
  'cli/secrets',
  'cli/report',
  'cli/judges',
].map((name) => `test/${name}.test.ts`);

function indexOf({ moduleId, project }: TestSpecification): number {
  const index = LONG.indexOf(relative(project.config.root, moduleId));
  return index < 0 ? LONG.length : index;
}

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const others = await super.sort(files);
    return others.toSorted((a, b) => indexOf(a) - indexOf(b));
  }
}
