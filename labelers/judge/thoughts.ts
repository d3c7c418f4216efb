/** Removes a model's thoughts from the text of its answer, for servers that do not separate them. */

// A marker after a quotation mark or a backtick is quoted.
const UNQUOTED = '(?<![`\'"“‘])';
const TAGS = '(?:seed:)?think|thinking|thought|reasoning';

/** Of Qwen, DeepSeek (and others with these tags), Kimi, Magistral, Command A, Sky-T1, and gpt-oss, also without its special tokens. */
const OPENINGS = [
  `<(?:${TAGS})>`,
  '◁think▷',
  '\\[THINK\\]',
  '<\\|START_THINKING\\|>',
  '<\\|begin_of_thought\\|>',
  '<\\|channel\\|>(?!final)',
];
const CLOSINGS = [
  `</(?:${TAGS})>`,
  '◁/think▷',
  '\\[/THINK\\]',
  '<\\|END_THINKING\\|>',
  '<\\|end_of_thought\\|>',
  '<\\|channel\\|>final[^<]*(?:<\\|constrain\\|>[^<]*)?<\\|message\\|>',
  'assistantfinal',
];

const OPENING = new RegExp(`${UNQUOTED}(?:${OPENINGS.join('|')})|^\\s*analysis(?=[a-z])`, 'i');
const CLOSING = new RegExp(`${UNQUOTED}(?:${CLOSINGS.join('|')})`, 'gi');

/**
 * An answer without the thought before it. The opening of a thought may be missing, since many chat templates end with it. A thought
 * without an end, as in an answer that was cut, extends to the end of the text.
 */
export function withoutThought(text: string): string {
  const closing = [...text.matchAll(CLOSING)].at(-1);
  const after = closing ? text.slice(closing.index + closing[0].length) : text;
  const opening = OPENING.exec(after);
  return (opening ? after.slice(0, opening.index) : after).trim();
}
