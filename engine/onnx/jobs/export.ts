/** The job `export`. */
import type { ExportJob } from '../../protocol/jobs.ts';
import { writeTemplate } from '../../tokenizer/template-files.ts';
import { mergeAdapter, writeModel } from '../model/export.ts';
import { openPolicyFiles } from '../../tokens/policy.ts';

/** `EngineMethods.export`. */
export async function exportModel({ policy, outDir }: ExportJob): Promise<null> {
  const { model, adapter } = openPolicyFiles(policy);
  await writeModel(outDir, policy.model, await mergeAdapter(model, adapter));
  writeTemplate(outDir, policy);
  return null;
}
