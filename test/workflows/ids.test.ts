import { expect, test } from 'vitest';
import { blockWorkflowId, roundWorkflowId, runOfWorkflow, runWorkflowId } from '../../workflows/ids.ts';

test('the run of a workflow is in its id', () => {
  const run = runWorkflowId('a-1');
  const all = [run, roundWorkflowId(run, 2), blockWorkflowId(run, '0'.repeat(64), 3)];
  expect(all.map(runOfWorkflow)).toEqual(['a-1', 'a-1', 'a-1']);
});
