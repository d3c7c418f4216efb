/** Flags and helpers of the commands that run a single step on files. */
import { Option, type Command } from 'commander';
import { counted } from '../data/counted.ts';
import { countIgnored, ignoredNotes } from '../activities/prompts/ignored.ts';
import { withComputeDefaults } from '../config/compute.ts';
import { resolveModel } from '../data/hub/models.ts';
import { InputError, located } from '../data/errors.ts';
import { onStopSignal } from '../data/stop-signals.ts';
import type { Message, TemplateFields, Text } from '../data/records.ts';
import { templateInputs } from '../data/template-inputs.ts';
import { hasTools } from '../data/tools.ts';
import type { ComputeSettings } from '../engine/protocol/compute.ts';
import { EngineDied, JobAborted } from '../engine/protocol/errors.ts';
import type { CallOptions, Engine, Policy, ChatTemplateSettings } from '../engine/protocol/jobs.ts';
import { checkCompute, computeFields } from '../engine/protocol/settings.ts';
import { readChatTemplate } from '../engine/tokenizer/chat-template-settings.ts';
import { withTemplateOf } from '../engine/tokenizer/template-files.ts';
import { loadTokenizer, type ModelTokenizer } from '../engine/tokenizer/tokenizer.ts';
import { adapterPolicy, namedPolicy } from './names.ts';
import { showProgress } from './progress.ts';
import { SettingsFlags } from './settings.ts';
import { startEngine } from '../engine/backends.ts';

/** Adds the flags of a chat template. */
export function addChatTemplate(command: Command): Command {
  return command
    .option('--chat-template <file>', "File with a Jinja chat template that replaces the model's.")
    .option('--chat-template-arguments <json>', 'Variables of the chat template, such as {"enable_thinking": false}.');
}

/** Adds the flags of a policy: model, adapter, chat template. */
export function addPolicy(command: Command): void {
  addChatTemplate(command)
    .requiredOption(
      '--model <folder|id>',
      'Base model: a Hugging Face model folder, a hub id org/name[@revision], or a policy NAME@version.',
    )
    .option(
      '--adapter <folder|name>',
      'PEFT adapter of the model: a folder, or a policy NAME@version (selm policies).',
    );
}

/** The flags that addPolicy() adds. */
export interface PolicyFlags {
  model: string;
  adapter?: string;
  chatTemplate?: string;
  chatTemplateArguments?: string;
}

/** Reads the policy from the flags. @throws InputError that names the flag, the model or the chat template */
export async function policyOf(flags: PolicyFlags): Promise<Policy> {
  const { model, adapter } = flags;
  const base = (await namedPolicy(model)) ?? { model: await resolveModel(model) };
  const policy = { ...base, ...(adapter !== undefined && (await adapterPolicy(adapter))) };
  const chatTemplate = withTemplateOf(adapter, chatTemplateOf(flags) ?? policy.chatTemplate);
  return {
    ...policy,
    ...(chatTemplate && { chatTemplate }),
  };
}

/** The chat template that the flags give. @throws InputError when it cannot be read */
export function chatTemplateOf({ chatTemplate, chatTemplateArguments }: PolicyFlags): ChatTemplateSettings | undefined {
  if (chatTemplate === undefined && chatTemplateArguments === undefined) return undefined;
  return {
    ...(chatTemplate !== undefined && { template: readChatTemplate(chatTemplate) }),
    ...(chatTemplateArguments !== undefined && { arguments: readArguments(chatTemplateArguments) }),
  };
}

/** Parses --chat-template-arguments. @throws InputError when it is not a JSON object */
function readArguments(json: string): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch {
    // The error is reported below.
  }
  if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed as Record<string, unknown>;
  throw new InputError(
    `--chat-template-arguments ${json} is not a JSON object; give one such as '{"enable_thinking": false}'.`,
  );
}

/** What computes a step that more than one backend can compute. */
export const computeFlags = new SettingsFlags(computeFields.check(checkCompute));

/** What computes, with the defaults of this machine. @throws InputError that names the flag */
export const computeOf = (flags: object): ComputeSettings => withComputeDefaults(computeFlags.read({ ...flags }));

/** The flag `--json`. */
export const jsonOption = () => new Option('--json', 'Print a summary as JSON on the last line.');

/** A note on rows whose prompt encoding is not a prefix. Empty if there are none. */
export const describeNonPrefix = (rows: number): string =>
  rows === 0
    ? ''
    : ` In ${counted(rows, 'row')} the prompt's tokens are not a prefix of the tokens of prompt and response: ` +
      'their response begins where the two differ, as in TRL.';

/**
 * Warns about rows from which the chat template leaves something out. Prompts that are token ids need no template.
 * @param numbers of the rows in their file, if some rows of the file are left out
 * @throws InputError that names the row if the template refuses it, or writes nothing of a response
 */
export function warnOfIgnored(policy: Policy, rows: TextRow[], numbers?: number[]): void {
  let tokenizer: ModelTokenizer | undefined;
  const ignored = rows.map((row, i) =>
    located(`Row ${numbers?.[i] ?? i + 1}`, () => {
      const prompt = row.prompt ?? row.messages;
      if (prompt === undefined || row.prompt_input_ids !== undefined || !mayLose(row)) return [];
      tokenizer ??= loadTokenizer(policy.model, policy.chatTemplate);
      return tokenizer.ignored(prompt, responsesOf(row), templateInputs(row));
    }),
  );
  for (const note of ignoredNotes(countIgnored(ignored), 'row')) console.error(`selm: warning: ${note}`);
}

const RESPONSES = ['chosen', 'rejected', 'reference_response', 'response', 'completion'] as const;

/** A row of any kind with texts. */
type TextRow = { prompt?: Text; messages?: Message[]; prompt_input_ids?: number[] } & TemplateFields &
  Partial<Record<(typeof RESPONSES)[number], Text>>;

const responsesOf = (row: TextRow): Text[] =>
  RESPONSES.map((name) => row[name]).filter((response) => response !== undefined);

/** Whether a template may leave out something of a row: of a question and an answer without a thought, it does not. */
const mayLose = (row: TextRow): boolean =>
  hasTools(row) ||
  Boolean(row.chat_template_kwargs) ||
  [row.prompt, row.messages, ...responsesOf(row)]
    .filter((text) => text !== undefined)
    .some((text) => typeof text !== 'string' || text.includes('</think>'));

/** Prints the result as JSON with --json, otherwise as a sentence. */
export function summarize(flags: { json?: boolean }, summary: Record<string, unknown>, sentence: string): void {
  console.log(flags.json ? JSON.stringify(summary) : sentence);
}

/** The time limit for a job to end after Ctrl-C, in seconds. */
const STOP_SECONDS = 30;

/**
 * Starts an engine, runs `work` with it and closes it. Ctrl-C aborts the job. If the job does not end within `STOP_SECONDS`,
 * or on a second Ctrl-C, the engine's process is killed.
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
    version: (settings) => engine.version(settings),
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
