/**
 * LaTeX in markdown stays text: without these rules markdown would take its backslashes, underscores and asterisks for its own.
 * Formulas are `\(…\)`, `\[…\]`, `$$…$$` and, with pandoc's conditions (tex_math_dollars), `$…$`.
 */
import type { MarkdownIt, StateBlock, StateInline } from 'markdown-it';

const CLOSING: Record<string, string> = { '\\(': '\\)', '\\[': '\\]', $$: '$$' };
const BLOCKS = ['\\[', '$$'];

/** No space inside the dollars, and no digit after them: prices are not formulas. */
const SINGLE_DOLLARS = /\$(?=[^\s$])(?:[^$\\\n]|\\[^\n])*?(?<=\S)\$(?!\d)/y;

/** The plugin for `MarkdownIt.use`. */
export function math(markdown: MarkdownIt): void {
  const { escapeHtml } = markdown.utils;
  markdown.inline.ruler.before('escape', 'math_inline', inlineFormula);
  const alt = ['paragraph', 'reference', 'blockquote', 'list'];
  markdown.block.ruler.before('fence', 'math_block', blockFormula, { alt });
  markdown.renderer.rules.math_inline = (tokens, i) => `<code class="math">${escapeHtml(tokens[i].content)}</code>`;
  markdown.renderer.rules.math_block = (tokens, i) =>
    `<pre class="math"><code>${escapeHtml(tokens[i].content)}</code></pre>\n`;
}

function inlineFormula(state: StateInline, silent: boolean): boolean {
  const { src, pos, posMax } = state;
  const end = endOf(state, pos);
  if (end === undefined || end > posMax) return false;
  if (!silent) state.push('math_inline', 'code', 0).content = src.slice(pos, end);
  state.pos = end;
  return true;
}

function endOf(state: StateInline, pos: number): number | undefined {
  const { src } = state;
  const mark = src.slice(pos, pos + 2);
  if (mark in CLOSING) {
    const at = closingOf(state, mark, pos + 2);
    return at < 0 ? undefined : at + 2;
  }
  SINGLE_DOLLARS.lastIndex = pos;
  return SINGLE_DOLLARS.test(src) ? SINGLE_DOLLARS.lastIndex : undefined;
}

/** A formula that fills its lines, which are then no lists or headings. */
function blockFormula(state: StateBlock, start: number, end: number, silent: boolean): boolean {
  const { src, bMarks, tShift, eMarks } = state;
  const from = bMarks[start] + tShift[start];
  const mark = src.slice(from, from + 2);
  if (!BLOCKS.includes(mark)) return false;
  const at = closingOf(state, mark, from + 2);
  if (at < 0 || at > eMarks[end - 1]) return false;
  // With text after it, the formula belongs to a paragraph.
  if (!/[ \t]*(?:\n|$)/y.test(src.slice(at + 2, at + 80))) return false;
  if (silent) return true;
  let last = start;
  while (eMarks[last] < at) last++;
  state.line = last + 1;
  state.push('math_block', 'code', 0).content = state.getLines(start, state.line, state.blkIndent, false);
  return true;
}

/** The last search in a text for each mark: a text with many marks and no end of one is searched once. */
const searches = new WeakMap<StateInline | StateBlock, Map<string, { from: number; at: number }>>();

/** Where the formula ends that begins with `mark`, from `pos` on; -1 if it does not end. */
function closingOf(state: StateInline | StateBlock, mark: string, pos: number): number {
  const known = searches.get(state) ?? new Map<string, { from: number; at: number }>();
  searches.set(state, known);
  const last = known.get(mark);
  if (last && last.from <= pos && (last.at < 0 || pos <= last.at)) return last.at;
  const at = state.src.indexOf(CLOSING[mark], pos);
  known.set(mark, { from: pos, at });
  return at;
}
