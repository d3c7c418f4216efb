/** The job `export`. */
import { areUntied } from '../../model-files/embeddings.ts';
import { checkNewFolder } from '../../model-files/new-folder.ts';
import type { ExportJob } from '../../protocol/jobs.ts';
import { writeTemplates } from '../../tokenizer/template-files.ts';
import { openPolicyFiles } from '../../tokens/policy.ts';
import { mergeAdapter, writeModel } from '../model/export.ts';

/** `EngineMethods.export`, for every architecture. */
export async function exportModel({ policy, outDir }: ExportJob): Promise<null> {
  const { model, adapter } = openPolicyFiles(policy);
  checkNewFolder(outDir, 'the model');
  const untied = areUntied(model.tensors) ? { tie_word_embeddings: false } : {};
  await writeModel(outDir, policy.model, await mergeAdapter(model, adapter), untied);
  writeTemplates(outDir, policy);
  return null;
}
