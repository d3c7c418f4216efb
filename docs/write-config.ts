/** `npm run docs`: writes config.md, the reference of a run's configuration, from its schema. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { z } from 'zod';
import { runSchema } from '../config/run.ts';

type Schema = z.core.JSONSchema.BaseSchema;

export const CONFIG_REFERENCE = fileURLToPath(new URL('config.md', import.meta.url));

const INTRODUCTION = `
# Configuration of a run

<!-- Written by \`npm run docs\` from the schema in config/run.ts. -->

\`selm run\` reads a YAML file. Only what is marked as required below must be in it.

\`\`\`yaml
name: smollm-ifeval
model: HuggingFaceTB/SmolLM2-135M-Instruct # or a folder, such as ./models/smollm2
prompts:
  train: ./train.jsonl # JSON Lines, Parquet or a hub data set
  heldOut: 500 # taken out of train; or a file of their own
rounds: 3
sample:
  samplesPerPrompt: 4 # only answers that differ make a preference
  temperature: 1
label:
  by: verifier
optimize:
  learningRate: [5.0e-7, 3.0e-7, 1.0e-7] # one a round
  objective:
    name: selm
    beta: 0.01
    alpha: 0.001
evaluate:
  gate:
    minWinRate: 0.5 # a round that makes the policy worse is not accepted
output: ./aligned # the last accepted policy
\`\`\`

With a language model as the judge, behind any OpenAI-compatible server:

\`\`\`yaml
label:
  by: judge
  server: http://127.0.0.1:8000/v1 # vLLM's, llama.cpp's, \`selm serve\`'s or a provider's; its key is in OPENAI_API_KEY
  model: Qwen/Qwen2.5-72B-Instruct
  pairs: first # compare the first answer with each of the others; default: every two
  requestsPerMinute: 500
  usdPerMillionTokens: { prompt: 0.4, completion: 1.2 } # to be told what it cost
\`\`\`

Paths are relative to the file. \`model\`, \`prompts.train\` and \`prompts.heldOut\` may be hub ids instead: \`a/b\` is a path if it is there
beside the file, else a hub id; \`./a/b\` is always a path.
`;

/** The reference as Markdown, formatted like everything else in the repository. */
export async function configReference(): Promise<string> {
  const schema = z.toJSONSchema(runSchema, { io: 'input' });
  const options = await resolveConfig(CONFIG_REFERENCE);
  return format(INTRODUCTION + section('', schema), { ...options, parser: 'markdown' });
}

/** A table of the keys that hold a value, then a section for each of those that hold keys. */
function section(path: string, schema: Schema): string {
  return schema.oneOf ? alternatives(path, schema) : keys(path, schema, `## \`${path}\`\n\n${schema.description}`);
}

/** A section that holds one of several sets of keys, each told by the value of its first key: a section for each. */
function alternatives(path: string, { description, oneOf }: Schema): string {
  const sections = (oneOf as Schema[]).map((one) => {
    const [[key, { const: name }]] = Object.entries(one.properties as Record<string, Schema>);
    return keys(path, one, `### \`${key}: ${String(name)}\`\n\n${one.description}`);
  });
  return [`## \`${path}\`\n\n${description}`, ...sections].join('\n\n');
}

function keys(path: string, { properties = {}, required = [] }: Schema, heading: string): string {
  const entries = Object.entries(properties as Record<string, Schema>);
  const row = ([name, schema]: [string, Schema]) =>
    [`\`${name}\``, typeOf(schema), defaultOf(schema, required.includes(name)), schema.description].join(' | ');
  // A labeler's settings are told once, where they stand at the top, and each labeler's in one table.
  const isOneOfSeveral = entries[0][1].const !== undefined;
  const isSection = ([, { properties, oneOf }]: [string, Schema]) =>
    (properties !== undefined && !isOneOfSeveral) || (oneOf !== undefined && path === '');
  const rows = entries.filter((entry) => !isSection(entry)).map((entry) => `| ${row(entry)} |`);
  const sections = entries.filter(isSection);
  return [
    path === '' ? '## The run' : heading,
    ['| Key | Value | Default | Description |', '| --- | --- | --- | --- |', ...rows].join('\n'),
    ...sections.map(([name, schema]) => section(path === '' ? name : `${path}.${name}`, schema)),
  ].join('\n\n');
}

function typeOf(schema: Schema): string {
  if (schema.const !== undefined) return `\`${String(schema.const)}\``;
  if (schema.enum) return schema.enum.map((value) => `\`${String(value)}\``).join(', ');
  if (schema.oneOf) return 'as `label`';
  if (schema.properties) return `\`{ ${Object.keys(schema.properties).join(', ')} }\``;
  if (schema.anyOf) return (schema.anyOf as Schema[]).map(typeOf).join(', or ');
  if (schema.type === 'array') return `list of ${typeOf(schema.items as Schema)}`;
  return `${schema.type as string} ${boundsOf(schema).join(', ')}`.trim();
}

function boundsOf({ minimum, exclusiveMinimum, maximum, exclusiveMaximum }: Schema): string[] {
  const bounds = [
    minimum !== undefined && `≥ ${minimum}`,
    exclusiveMinimum !== undefined && `> ${exclusiveMinimum}`,
    // Every integer has this one.
    maximum !== undefined && maximum !== Number.MAX_SAFE_INTEGER && `≤ ${maximum}`,
    exclusiveMaximum !== undefined && `< ${exclusiveMaximum}`,
  ];
  return bounds.filter((bound) => bound !== false);
}

function defaultOf({ default: value }: Schema, required: boolean): string {
  if (required) return 'required';
  if (value === undefined) return 'optional';
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(CONFIG_REFERENCE, await configReference());
