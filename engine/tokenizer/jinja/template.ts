/** Chat templates as transformers renders them. Tested against it with the templates of TRL (test/engine/tokenizer/jinja.test.ts). */
import type { Template } from '@huggingface/jinja';
import { strftimeNow } from '../fixed-date.ts';
import './interpreter.ts';
import { bounded, range } from './limits.ts';
import { parseTemplate, withoutRaw } from './syntax.ts';

/** Unicode noncharacters: no text contains them. */
const [OPEN, CLOSE] = ['\ufdd0', '\ufdd1'];
const GENERATION = /\{%([-+]?)\s*(end)?generation\s*([-+]?)%\}/g;

/** A part of a rendered conversation: index of its first character, and index after its last one. */
export type Span = [start: number, end: number];

/** Functions of every template that replace the library's. */
const OWN: Record<string, string> = { strftime_now: 'fixed_date', range: 'bounded_range' };

/** A parsed template. */
export class JinjaTemplate {
  /** Whether it marks the assistant's turns, by `{% generation %}`. */
  readonly marksTurns: boolean;
  private readonly source: string;
  private readonly template: Template;

  constructor(source: string) {
    this.source = source;
    this.marksTurns = source.search(GENERATION) >= 0;
    // Jinja reads every line ending as one newline.
    const tags = withoutRaw(source.replaceAll(/\r\n?/g, '\n')).replaceAll(
      GENERATION,
      (_, before: string, end: string | undefined, after: string) =>
        `{%${before} if true %}{{ '${end ? CLOSE : OPEN}' }}{% endif ${after}%}`,
    );
    const own = Object.keys(OWN).filter((name) => source.includes(name));
    this.template = parseTemplate(own.map((name) => `{%- set ${name} = ${OWN[name]} -%}`).join('') + tags);
  }

  /** Whether the source has a name, such as that of a variable. */
  mentions(name: string): boolean {
    return this.source.split(/\W+/).includes(name);
  }

  /** @returns the text, and the spans that the template marks as the assistant's turns */
  render(variables: Record<string, unknown>): { text: string; turns: Span[] } {
    const marked = bounded(() => this.template.render({ ...variables, fixed_date: strftimeNow, bounded_range: range }));
    if (!this.marksTurns) return { text: marked, turns: [] };
    let text = '';
    const turns: Span[] = [];
    let start = 0;
    for (const piece of marked.split(/([\ufdd0\ufdd1])/)) {
      if (piece === OPEN) start = text.length;
      else if (piece === CLOSE) turns.push([start, text.length]);
      else text += piece;
    }
    return { text, turns };
  }
}
