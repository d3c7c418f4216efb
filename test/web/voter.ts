/** A person who votes on the pages in a browser without scripts: by links and forms, over HTTP. */
import { join, visit, type Answer } from './pages.ts';

/** What a person sees. */
export interface Shown {
  question: string;
  /** The workflow id of the question's block. */
  block: string;
  /** Of A and B. */
  texts: [string, string];
}

export class Voter {
  readonly #origin: string;
  /** As the browser sends it. */
  readonly cookie: string;

  private constructor(origin: string, cookie: string) {
    this.#origin = origin;
    this.cookie = cookie;
  }

  /** Opens the link of a person's invitation. */
  static async join(origin: string, token: string): Promise<Voter> {
    return new Voter(origin, await join(origin, token));
  }

  /** The page of a voting. */
  async page(run: string): Promise<string> {
    for (;;) {
      const headers = { cookie: this.cookie };
      const { status, text } = await visit(`${this.#origin}/label/${run}?view=raw`, { headers });
      if (status === 200) return text;
      // The page says so, and tries again: no worker has answered, on a busy machine.
      if (status !== 503) throw new Error(`The page answered ${status}.`);
    }
  }

  /** The fields of the form for votes. @returns undefined if no question is left */
  async ask(run: string): Promise<Record<string, string> | undefined> {
    return fieldsOf(await this.page(run));
  }

  /** Sends a form, by default as a browser does. */
  send(
    path: string,
    fields: Record<string, string>,
    headers: Record<string, string> = { origin: this.#origin },
  ): Promise<Answer> {
    return visit(this.#origin + path, {
      method: 'POST',
      headers: { cookie: this.cookie, ...headers },
      body: new URLSearchParams(fields),
    });
  }

  /**
   * Answers up to `most` questions.
   * @param choose the answer. Undefined: the question stays held for the person, who votes no more
   * @returns the ids of the questions whose votes the page has confirmed
   */
  async vote(
    run: string,
    choose: (shown: Shown) => string | undefined | Promise<string | undefined>,
    most = Infinity,
  ): Promise<string[]> {
    const confirmed: string[] = [];
    while (confirmed.length < most) {
      const page = await this.page(run);
      const fields = fieldsOf(page);
      if (!fields) break;
      const [, question] = /data-question="([^"]+)"/.exec(page)!;
      const [, a, b] = page.split('class="response"');
      const answer = await choose({ question, block: fields['block'], texts: [textIn(a), textIn(b)] });
      if (answer === undefined) break;
      const { status, sentence } = await this.send(`/label/${run}/vote`, { ...fields, answer });
      if (status !== 303) throw new Error(`A vote was answered by ${status}: ${sentence}`);
      confirmed.push(question);
    }
    return confirmed;
  }
}

/** The hidden fields of the page's form for votes. @returns undefined if no question is left */
export function fieldsOf(page: string): Record<string, string> | undefined {
  const form = /<form [^>]*action="\/label\/[^"]*\/vote"[^]*?<\/form>/.exec(page)?.[0];
  const fields = form?.matchAll(/<input type="hidden" name="(\w+)" value="([^"]*)"/g);
  return fields && Object.fromEntries([...fields].map(([, name, value]) => [name, unescaped(value)]));
}

/** The raw texts of a page or a part of it, in order. */
export const textsIn = (html: string): string[] =>
  [...html.matchAll(/<pre dir="auto">\n?([^]*?)<\/pre>/g)].map(([, text]) => unescaped(text));

/** The text of a response, which is empty if the page says so. */
const textIn = (section: string) => textsIn(section)[0] ?? '';

const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" };
const unescaped = (text: string) => text.replaceAll(/&(amp|lt|gt|quot|#39);/g, (_, name: string) => ENTITIES[name]);
