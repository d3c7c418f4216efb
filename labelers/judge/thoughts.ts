/** Thoughts that a server leaves in an answer's text: what a model writes before its answer is no part of it. */

// A marker behind a quotation mark or a backtick is one that the judge writes about.
const UNQUOTED = '(?<![`\'"“‘])';
const TAGS = '(?:seed:)?think|thinking|thought|reasoning';

/** Of Qwen and DeepSeek (and others of these tags), Kimi, Magistral, Command A, Sky-T1 and gpt-oss; the last also without its special tokens. */
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
 * An answer without the thought before it. The opening of a thought may be missing: many chat templates end with it. A thought
 * that does not end, as in an answer that was cut, is all that follows its opening.
 */
export function withoutThought(text: string): string {
  const closing = [...text.matchAll(CLOSING)].at(-1);
  const after = closing ? text.slice(closing.index + closing[0].length) : text;
  const opening = OPENING.exec(after);
  return (opening ? after.slice(0, opening.index) : after).trim();
}
