/**
 * Chains of comparisons: in Python, `a < b < c` is `a < b and b < c`. The library's parser groups it as `(a < b) < c`, and keeps no
 * parentheses, so the tokens mark each comparison that continues a chain.
 */
import type { tokenize } from '@huggingface/jinja';

type Token = ReturnType<typeof tokenize>[number];

const MARK = 'and ';

const OPENING = new Set(['OpenParen', 'OpenSquareBracket', 'OpenCurlyBracket']);
const CLOSING = new Set(['CloseParen', 'CloseSquareBracket', 'CloseCurlyBracket']);
/** What ends the operands of a comparison within its brackets: tokens by their types, and words. */
const ENDS = new Set(['Comma', 'Colon', 'Equals', 'CloseStatement', 'CloseExpression']);
const WORDS = new Set(['and', 'or', 'if', 'elif', 'else']);

/** The tokens with the operators marked that continue a chain. */
export function markChains(tokens: Token[]): Token[] {
  const marked: Token[] = [];
  // Whether there is a comparison before, by brackets.
  const compared = [false];
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i];
    const isWord = token.type === 'Identifier' && tokens[i - 1]?.type !== 'Dot';
    if (OPENING.has(token.type)) compared.push(false);
    else if (CLOSING.has(token.type)) compared.pop();
    else if (ENDS.has(token.type) || (isWord && WORDS.has(token.value))) compared[compared.length - 1] = false;
    else if (token.type === 'ComparisonBinaryOperator' || (isWord && token.value === 'in')) {
      if (compared.at(-1)) {
        const isNegated = token.value === 'in' && tokens[i - 1].value === 'not';
        if (isNegated) marked.pop();
        marked.push({ value: `${MARK}${isNegated ? 'not ' : ''}${token.value}`, type: 'ComparisonBinaryOperator' });
        continue;
      }
      compared[compared.length - 1] = true;
    }
    marked.push(token);
  }
  return marked;
}

/** The operator that continues a chain, without its mark; undefined for any other operator. */
export const chainedOperator = (operator: string): string | undefined =>
  operator.startsWith(MARK) ? operator.slice(MARK.length) : undefined;
