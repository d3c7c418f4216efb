import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Client } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';

/** Writes the history of a workflow to test/fixtures/histories, for test/workflows/replay.test.ts. */
export async function recordHistory(client: Client, file: string, workflowId: string, runId?: string): Promise<void> {
  const history = await client.workflow.getHandle(workflowId, runId).fetchHistory();
  // Removes the host name and the folder of the recording.
  const text = historyToJSON(history)
    .replace(/\d+@[\w.-]+/g, 'recorder')
    .replace(/"stackTrace":\s*"(\\.|[^"\\])*"/g, '"stackTrace":""');
  const path = fileURLToPath(new URL(`../fixtures/histories/${file}.json`, import.meta.url));
  writeFileSync(path, JSON.stringify({ workflowId, history: JSON.parse(text) as unknown }));
}
