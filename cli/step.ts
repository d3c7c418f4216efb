/** What the commands that run a single step on files have in common. */
import { Option, type Command } from 'commander';
import { ignoredToolsNote } from '../activities/prompts/portions.ts';
import { resolveModel } from '../data/hub.ts';
import { InputError, located } from '../data/errors.ts';
import { onStopSignal } from '../data/stop-signals.ts';
import type { PreferenceRecord } from '../data/records.ts';
import { hasTools } from '../data/tools.ts';
import { EngineDied, JobAborted } from '../engine/protocol/errors.ts';
import type { CallOptions, Engine, Policy, ChatTemplateSettings } from '../engine/protocol/jobs.ts';
import { readChatTemplate, withTemplateOf } from '../engine/tokenizer/chat-template-settings.ts';
import { loadTokenizer } from '../engine/tokenizer/tokenizer.ts';
import { deviceSchema, DEVICES, type Device } from '../engine/protocol/settings.ts';
import { adapterPolicy, namedPolicy } from './names.ts';
import { showProgress } from './progress.ts';
import { startEngine } from '../engine/backends.ts';

/** The flags of a chat template. */
export function addChatTemplate(command: Command): Command {
  return command
    .option('--chat-template <file>', "Jinja chat template in place of the model's.")
    .option('--chat-template-arguments <json>', 'Variables of the chat template, such as {"enable_thinking": false}.');
}

export function addPolicy(command: Command): void {
  addChatTemplate(command)
    .requiredOption(
      '--model <folder|id>',
      'Hugging Face model folder, or hub id org/name[@revision], or policy NAME@version.',
    )
    .option('--adapter <folder|name>', 'PEFT adapter on top of the model, or policy NAME@version (selm policies).')
    .addOption(new Option('--device <name>', `${deviceSchema.description} (default: cpu)`).choices(DEVICES));
}

export interface PolicyFlags {
  model: string;
  adapter?: string;
  chatTemplate?: string;
  chatTemplateArguments?: string;
  device?: Device;
}

/** @throws InputError for a chat template that cannot be read, and for arguments that are no JSON object */
export async function policyOf(flags: PolicyFlags): Promise<Policy> {
  const { model, adapter, device } = flags;
  const base = (await namedPolicy(model)) ?? { model: await resolveModel(model) };
  const policy = { ...base, ...(adapter !== undefined && (await adapterPolicy(adapter))) };
  const chatTemplate = withTemplateOf(adapter, chatTemplateOf(flags) ?? policy.chatTemplate);
  return {
    ...policy,
    ...(chatTemplate && { chatTemplate }),
    ...(device && { device }),
  };
}

function chatTemplateOf({ chatTemplate, chatTemplateArguments }: PolicyFlags): ChatTemplateSettings | undefined {
  if (chatTemplate === undefined && chatTemplateArguments === undefined) return undefined;
  return {
    ...(chatTemplate !== undefined && { template: readChatTemplate(chatTemplate) }),
    ...(chatTemplateArguments !== undefined && { arguments: readArguments(chatTemplateArguments) }),
  };
}

function readArguments(json: string): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch {
    // Told below.
  }
  if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed as Record<string, unknown>;
  throw new InputError(
    `--chat-template-arguments ${json} is no JSON object; give one such as '{"enable_thinking": false}'.`,
  );
}

export const jsonOption = () => new Option('--json', 'Print a machine-readable summary as the last line.');

/** How many rows are not split where their prompt ends, where there are any. */
export const describeNonPrefix = (rows: number): string =>
  rows === 0
    ? ''
    : ` In ${rows} rows the prompt alone has other tokens than before its response: there the response begins where they differ, as in TRL.`;

/** Says of how many rows the chat template does not write the tools. Rows whose prompts are tokens have none to write. */
export function warnOfTools(policy: Policy, rows: ToolRow[]): void {
  const offering = rows.filter(
    (row, i) => row.prompt_input_ids === undefined && located(`Row ${i + 1}`, () => hasTools(row)),
  );
  if (offering.length === 0 || loadTokenizer(policy.model, policy.chatTemplate).writesTools) return;
  for (const note of ignoredToolsNote(offering.length, 'rows')) console.error(`selm: warning: ${note}`);
}

type ToolRow = Partial<Pick<PreferenceRecord, 'tools' | 'prompt_input_ids'>>;

/** Prints what was done: as JSON for machines, else as a sentence for people. */
export function summarize(flags: { json?: boolean }, summary: Record<string, unknown>, sentence: string): void {
  console.log(flags.json ? JSON.stringify(summary) : sentence);
}

/** That Ctrl-C gives a job to end in an orderly way. */
const STOP_SECONDS = 30;

/**
 * Runs with an engine whose process ends when the work is done. Ctrl-C stops the job in an orderly way; one that does not end, or a
 * second Ctrl-C, has the process killed.
 */
export async function withEngine<T>(work: (engine: Engine, options: CallOptions) => Promise<T>): Promise<T> {
  const engine = startEngine();
  const stop = new AbortController();
  const kill = () => void engine.close();
  let late: NodeJS.Timeout | undefined;
  const interrupt = () => {
    if (stop.signal.aborted) return kill();
    stop.abort();
    late = setTimeout(kill, STOP_SECONDS * 1000);
  };
  const ignoreSignals = onStopSignal(interrupt);
  const watched: Engine = {
    run: async (method, job, options) => {
      const bar = showProgress(method);
      try {
        const onProgress = options?.onProgress ?? bar.update;
        return await engine.run(method, job, { signal: stop.signal, ...options, onProgress });
      } catch (error) {
        if (stop.signal.aborted && error instanceof EngineDied) throw new JobAborted(`${method} was stopped`);
        throw error;
      } finally {
        bar.stop();
      }
    },
    close: () => engine.close(),
  };
  try {
    return await work(watched, { signal: stop.signal });
  } finally {
    clearTimeout(late);
    ignoreSignals();
    await engine.close();
  }
}
