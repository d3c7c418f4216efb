/** HTML templates that escape their contents. */

/** HTML text, which templates insert without escaping. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Content = Html | string | number | false | undefined | Content[];

/** `html\`<p>${response}</p>\`` escapes the response. Lists are joined; false and undefined become nothing. */
export const html = (parts: TemplateStringsArray, ...contents: Content[]): Html =>
  new Html(parts.map((part, i) => (i === 0 ? part : textOf(contents[i - 1]) + part)).join(''));

function textOf(content: Content): string {
  if (content === undefined || content === false) return '';
  if (Array.isArray(content)) return content.map(textOf).join('');
  return content instanceof Html ? content.text : escape(String(content));
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

const escape = (text: string) => text.replace(/[&<>"']/g, (character) => ENTITIES[character]);
