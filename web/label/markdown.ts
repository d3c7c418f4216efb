/**
 * Markdown of models as HTML that cannot do anything: raw HTML is shown as text, links and images become text with their addresses, so
 * that nothing is loaded from elsewhere and no click leaves the page.
 */
import MarkdownIt from 'markdown-it';
import { Html } from '../../report/html.ts';
import { math } from './math.ts';

/** Line breaks are kept, as in the chat pages that people know. */
const markdown = new MarkdownIt({ html: false, linkify: false, breaks: true }).use(math);
const { escapeHtml } = markdown.utils;

/**
 * CommonMark (https://spec.commonmark.org) with tables, without links, images and raw HTML.
 * @param top the level of the text's first heading
 */
export const renderMarkdown = (text: string, top: number): Html => new Html(markdown.render(text, { top }));

markdown.core.ruler.push('heading_levels', ({ tokens, env }) => {
  const above = Number(env['top']) - 1;
  let last = above;
  for (const token of tokens) {
    // Models skip levels; the outline that a screen reader shows must not.
    if (token.type === 'heading_open') last = Math.min(Number(token.tag.slice(1)) + above, last + 1, 6);
    if (token.type.startsWith('heading_')) token.tag = `h${last}`;
  }
});

markdown.renderer.rules.link_open = () => '<span class="link">';
markdown.renderer.rules.link_close = (tokens, i) => {
  const opening = tokens.findLastIndex(({ type }, at) => at < i && type === 'link_open');
  const address = String(tokens[opening].attrGet('href'));
  // An autolink is its own address.
  const isShown = tokens[opening + 1]?.content === address;
  return isShown ? '</span>' : `</span> (${escapeHtml(address)})`;
};
markdown.renderer.rules.image = (tokens, i) =>
  `<span class="link">[image: ${escapeHtml(tokens[i].content)}]</span> (${escapeHtml(String(tokens[i].attrGet('src')))})`;

// The policy of the pages allows no style attributes.
for (const cell of ['th_open', 'td_open']) {
  markdown.renderer.rules[cell] = (tokens, i, options, _env, self) => {
    const style = tokens[i].attrGet('style');
    tokens[i].attrs = style === null ? [] : [['class', String(style).replace('text-align:', '')]];
    return self.renderToken(tokens, i, options);
  };
}

// A wide table scrolls in a box, which the keyboard must reach.
markdown.renderer.rules.table_open = () =>
  '<div class="scroll" role="region" aria-label="Table" tabindex="0"><table>\n';
markdown.renderer.rules.table_close = () => '</table></div>\n';
