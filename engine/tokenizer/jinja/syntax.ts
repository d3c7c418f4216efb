/** Syntax of Jinja that the parser of @huggingface/jinja lacks: raw blocks, tests with arguments, and chains of comparisons. */
import { parse, Template, tokenize } from '@huggingface/jinja';
import { markChains } from './chains.ts';
import { TESTS_WITH_ARGUMENT } from './tests.ts';
import { strip } from './methods.ts';

/** A raw block, with the spaces before it in its line and the newline after it. */
const RAW = /((?<=^|\n)[ \t]+)?\{%([-+]?)\s*raw\s*(-?)%\}([^]*?)\{%([-+]?)\s*endraw\s*([-+]?)%\}(\n?)/g;

/** The source with each raw block as the expression of its text. */
export const withoutRaw = (source: string): string =>
  source.replaceAll(
    RAW,
    (_, indent = '', open: string, left: string, raw: string, right: string, close: string, newline: string) => {
      const start = left === '-' ? strip(raw, 'left') : raw;
      const text = right === '-' ? strip(start, 'right') : right === '' ? start.replace(/(?<=\n)[ \t]+$/, '') : start;
      const literal = text.replaceAll(
        /[^A-Za-z0-9 ]/g,
        (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
      );
      const [before, after] = [open === '+' ? indent : '', close === '' ? '' : newline];
      return `${before}{{${open === '-' ? '-' : ''} '${literal}' ${close === '-' ? '-' : ''}}}${after}`;
    },
  );

type Token = ReturnType<typeof tokenize>[number];

/** Parses a template as transformers configures Jinja. @throws when it cannot be parsed */
export function parseTemplate(source: string): Template {
  const template = new Template('');
  template.parsed = parse(markChains(testsAsFilters(tokenize(source, { lstrip_blocks: true, trim_blocks: true }))));
  return template;
}

/** `x is NAME(y)` and `x is NAME y` as a filter, `x | "is NAME"(y)`. The parser knows only tests without arguments. */
function testsAsFilters(tokens: Token[]): Token[] {
  const rewritten: Token[] = [];
  const isName = (token: Token | undefined, value: string) => token?.type === 'Identifier' && token.value === value;
  for (let i = 0; i < tokens.length; i++) {
    const negated = isName(tokens[i + 1], 'not') ? 1 : 0;
    const name = tokens[i + 1 + negated];
    const next = tokens[i + 2 + negated];
    const isTest = isName(tokens[i], 'is') && name?.type === 'Identifier' && TESTS_WITH_ARGUMENT.test(name.value);
    if (!isTest || tokens[i - 1]?.type === 'Dot' || !next) {
      rewritten.push(tokens[i]);
      continue;
    }
    rewritten.push(
      { value: '|', type: 'Pipe' },
      { value: `is ${negated ? 'not ' : ''}${name.value}`, type: 'Identifier' },
    );
    i += 1 + negated;
    if (next.type === 'OpenParen') continue;
    const end = endOfOperand(tokens, i + 1);
    const operand = testsAsFilters(tokens.slice(i + 1, end));
    rewritten.push({ value: '(', type: 'OpenParen' }, ...operand, { value: ')', type: 'CloseParen' });
    i = end - 1;
  }
  return rewritten;
}

/** The test of a filter that testsAsFilters() has made. */
export function testOf(filter: string): { name: string; isNegated: boolean } | undefined {
  const [is, ...words] = filter.split(' ');
  return is === 'is' && words.length > 0 ? { name: words.at(-1)!, isNegated: words.length > 1 } : undefined;
}

const OPENING = new Set(['OpenParen', 'OpenSquareBracket', 'OpenCurlyBracket']);
const CLOSING = new Set(['CloseParen', 'CloseSquareBracket', 'CloseCurlyBracket']);

/** The index after a literal or a name, with its members and calls. */
function endOfOperand(tokens: Token[], start: number): number {
  const afterBrackets = (from: number): number => {
    let depth = 0;
    for (let i = from; i < tokens.length; i++) {
      depth += OPENING.has(tokens[i].type) ? 1 : CLOSING.has(tokens[i].type) ? -1 : 0;
      if (depth === 0) return i + 1;
    }
    return tokens.length;
  };
  let end = OPENING.has(tokens[start].type) ? afterBrackets(start) : start + 1;
  for (;;) {
    const type = tokens[end]?.type;
    if (type === 'Dot') end += 2;
    else if (type === 'OpenParen' || type === 'OpenSquareBracket') end = afterBrackets(end);
    else return end;
  }
}
