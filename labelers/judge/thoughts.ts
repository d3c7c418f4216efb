/** Removes a model's thoughts from the text of its answer, for servers that do not return them separately. */

// A marker directly after a quotation mark or a backtick is a quotation.
const UNQUOTED = '(?<![`\'"“‘])';
const TAGS = '(?:seed:)?think|thinking|thought|reasoning|scratchpad|analysis';

/**
 * Markers of Qwen, DeepSeek (and others with the same tags), Kimi, Magistral, Command A, Sky-T1, Gemma 4, and gpt-oss with and without its
 * special tokens.
 */
const OPENINGS = [
  `<(?:${TAGS})>`,
  '◁think▷',
  '\\[THINK\\]',
  '<\\|START_THINKING\\|>',
  '<\\|begin_of_thought\\|>',
  '<\\|channel\\|>(?!final)',
  '<\\|channel>thought',
];
const CLOSINGS = [
  `</(?:${TAGS})>`,
  '◁/think▷',
  '\\[/THINK\\]',
  '<\\|END_THINKING\\|>',
  '<\\|end_of_thought\\|>',
  '<channel\\|>',
  '<\\|channel\\|>final[^<]*(?:<\\|constrain\\|>[^<]*)?<\\|message\\|>',
  'assistantfinal',
];

// At the beginning of the text, of a line or of a sentence: within a sentence an explanation mentions the marker.
const OPENING = new RegExp(`(?<=^\\s{0,9}|[\n.!?:]\\s{0,9})(?:${OPENINGS.join('|')})|^\\s*analysis(?=[a-z])`, 'i');
const CLOSING = new RegExp(`${UNQUOTED}(?:${CLOSINGS.join('|')})`, 'gi');

/**
 * Removes the thought before an answer. The opening marker may be missing, because many chat templates end with it. A thought without a
 * closing marker, as in a truncated answer, extends to the end of the text.
 */
export function withoutThought(text: string): string {
  const closing = [...text.matchAll(CLOSING)].at(-1);
  const after = closing ? text.slice(closing.index + closing[0].length) : text;
  const opening = OPENING.exec(after);
  return (opening ? after.slice(0, opening.index) : after).trim();
}
