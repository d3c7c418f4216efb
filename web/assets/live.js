/**
 * Updates the parts of a page that change (web/live/), as the server sends them. Without this script, the page reloads itself.
 */
const area = document.querySelector('[data-events]');
const note = document.getElementById('live-note');
/** After the server has refused, or a proxy has ended the connection for good. */
const RETRY_MS = 15_000;
let source;
let timer;

function open() {
  close();
  source = new EventSource(`${area.dataset.events}?state=${area.dataset.state}`);
  source.addEventListener('open', () => say(''));
  source.addEventListener('sections', ({ data, lastEventId }) => {
    for (const { id, html } of JSON.parse(data)) update(document.getElementById(id), html);
    area.dataset.state = lastEventId;
  });
  source.addEventListener('problem', ({ data }) => say(data));
  source.addEventListener('end', () => {
    document.removeEventListener('visibilitychange', follow);
    close();
  });
  source.addEventListener('error', () => {
    say('The connection is interrupted, and what you see may be old. The page tries again by itself.');
    if (source.readyState === EventSource.CLOSED) timer = setTimeout(open, RETRY_MS);
  });
}

function close() {
  clearTimeout(timer);
  source?.close();
}

/** Browsers allow few connections to a server by HTTP/1.1, so pages in the background have none. */
function follow() {
  if (document.hidden) close();
  else open();
}

function say(sentence) {
  if (note.textContent !== sentence) note.textContent = sentence;
}

/** Changes a section to `html`, which the server has escaped. What stays the same keeps its focus and scroll position. */
function update(section, html) {
  const focused = section.contains(document.activeElement) && document.activeElement;
  // A document of its own, in which scripts do not run.
  changeChildren(section, new DOMParser().parseFromString(html, 'text/html').body);
  if (focused && !focused.isConnected) section.focus();
}

function change(node, wanted) {
  if (node.isEqualNode(wanted)) return;
  const isElement = node.nodeType === Node.ELEMENT_NODE;
  if (node.nodeName !== wanted.nodeName || (isElement && node.id !== wanted.id)) return node.replaceWith(wanted);
  if (!isElement) {
    node.data = wanted.data;
    return;
  }
  for (const name of node.getAttributeNames())
    // Whether details are open is the reader's choice.
    if (name !== 'open' && !wanted.hasAttribute(name)) node.removeAttribute(name);
  for (const { name, value } of wanted.attributes)
    if (node.getAttribute(name) !== value) node.setAttribute(name, value);
  changeChildren(node, wanted);
}

function changeChildren(node, wanted) {
  const [present, next] = [[...node.childNodes], [...wanted.childNodes]];
  for (const [i, child] of next.entries()) {
    if (i < present.length) change(present[i], child);
    else node.append(child);
  }
  for (const child of present.slice(next.length)) child.remove();
}

if (area) {
  document.addEventListener('visibilitychange', follow);
  follow();
}
