/** The page's section on sampling with selm and with the engines that serve language models on CPUs. */
import { GENERATION, type Case, type Side } from './cases.ts';
import { number, percent } from './cells.ts';
import { markdownTable } from './markdown.ts';
import { figure, rate, rateFromStart, type Results } from './results.ts';

const NAMES: Partial<Record<Side, string>> = {
  selm: 'selm',
  pytorch: 'transformers',
  'llama.cpp': 'llama.cpp',
  vllm: 'vLLM',
  openvino: 'OpenVINO GenAI',
  ctranslate2: 'CTranslate2',
  'onnxruntime-genai': 'ONNX Runtime GenAI',
};
const sides = Object.keys(NAMES) as Side[];

const label = ({ size, format }: Case) => `${size.prompts} rows, ${format === 'f32' ? 'float32' : '8 bits'}`;

/** The rate of the fastest peer. Undefined if none was measured. */
export function fastestPeer(results: Results, name: string): number | undefined {
  const rates = sides.filter((side) => side !== 'selm').flatMap((side) => figure(results, name, side, rate) ?? []);
  return rates.length > 0 ? Math.max(...rates) : undefined;
}

/** A row of rates, the highest in bold, and whose it is. */
function rateRow(results: Results, given: Case, of: typeof rate, more = ''): string[] {
  const rates = sides.map((side) => figure(results, given.name, side, of));
  const highest = Math.max(...rates.map((value) => value ?? 0));
  const cells = rates.map((value) => (value === highest ? `**${number(value, 0)}**` : number(value, 0)));
  return [label(given) + more, ...cells, NAMES[sides[rates.indexOf(highest)]]!];
}

const equalRow = (results: Results, given: Case) => {
  const { sides: measured } = results.cases.find(({ name }) => name === given.name)!;
  const cells = sides.map((side) => percent(measured[side]?.equalTokens));
  return [label(given), ...cells];
};

/** Why peers have no figures. */
function missingPeers(results: Results, given: Case): string[] {
  const result = results.cases.find(({ name }) => name === given.name)!;
  return sides.flatMap((side) => {
    const why = result.sides[side]?.missing;
    return why ? [`- ${NAMES[side]}, ${label(given)}: ${why}.`] : [];
  });
}

/** Formats the section as Markdown. */
export function generationSection(results: Results): string {
  const measured = GENERATION.filter(({ name }) => results.cases.some((result) => result.name === name));
  if (measured.length === 0) return 'Not measured.';
  const names = sides.map((side) => NAMES[side]!);
  const missing = measured.flatMap((given) => missingPeers(results, given));
  return `Greedy sampling from IFEval's prompts, 128 new tokens each: stop tokens are ignored, so that all sides generate the same number of
tokens. Each side gets the tokens of all prompts at once, after a warm-up with one prompt. Tokens per second include processing the
prompts; the highest rate is in bold. Opening the model is excluded, and in the rows with "from start" included, together with
the start of the process.

${markdownTable(
  ['tokens/s', ...names, 'fastest'],
  measured.flatMap((given) => [rateRow(results, given, rate), rateRow(results, given, rateFromStart, ', from start')]),
)}

The share of tokens that are the same as transformers' in float32. With 8 bits a response differs from its first different token on.

${markdownTable(
  ['equal tokens', ...names],
  measured.map((given) => equalRow(results, given)),
)}
${missing.length > 0 ? `\nNot measured:\n\n${missing.join('\n')}\n` : ''}
The settings of the sides:

- **selm**: 8 bits are \`weights: q8\` (integer products, one scale per row, float32 keys and values).
- **transformers**: float32 in all rows: its tokens are the reference.
- **llama.cpp**: \`llama-batched-bench\` with the same number of rows and the mean length of the prompts, since it takes no prompts; 8 bits
  are q8_0. Its tokens cannot be compared, nor its time from the start.
- **vLLM**: its build for CPUs, \`--dtype float32 --enforce-eager\`; 8 bits are compressed-tensors' W8A8 (int8 weights with one scale per
  channel, activations rounded per token).
- **OpenVINO GenAI**: \`ContinuousBatchingPipeline\`. In float32, keys and values are float32, too; with 8 bits (optimum-intel's
  \`--weight-format int8\`), keys and values have 8 bits, which is its default.
- **CTranslate2**: \`Generator.generate_batch\` with compute type float32 or int8. Only the tokens up to the shortest prompt's length are
  processed together; the rest of longer prompts is processed token by token.
- **ONNX Runtime GenAI**: 32 prompts at once, its maximum, padded on the right, as its tokenizer pads them; 8 bits are MatMulNBits with
  activations rounded to 8 bits (\`int8_accuracy_level=4\`).`;
}
