/** The job `export`, and the chat template of policies that are written. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { areUntied } from '../../model-files/embeddings.ts';
import type { ExportJob, Policy } from '../../protocol/jobs.ts';
import { CHAT_TEMPLATE } from '../../tokenizer/chat-template-settings.ts';
import { ownTemplate } from '../../tokenizer/template-files.ts';
import { openPolicyFiles } from '../../tokens/policy.ts';
import { mergeAdapter, writeModel } from '../model/export.ts';

/** `EngineMethods.export`, for every architecture. */
export async function exportModel({ policy, outDir }: ExportJob): Promise<null> {
  const { model, adapter } = openPolicyFiles(policy);
  const untied = areUntied(model.tensors) ? { tie_word_embeddings: false } : {};
  await writeModel(outDir, policy.model, await mergeAdapter(model, adapter), untied);
  writeTemplate(outDir, policy);
  return null;
}

/** Writes the policy's chat template into its folder, if the policy has one that is not its model's. */
export function writeTemplate(folder: string, { model, chatTemplate }: Policy): void {
  const template = ownTemplate(model, chatTemplate);
  if (template !== undefined) writeFileSync(join(folder, CHAT_TEMPLATE), template);
}
