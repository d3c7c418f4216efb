/**
 * Keys, measured times and kept answers of the page where people vote. It puts pages of the server into the page; without it, the same
 * forms and links work.
 *
 * An answer that is on its way is kept in the tab's storage until the server has confirmed or refused it. It is sent again until then:
 * the server takes an answer once, however often it arrives.
 */

const PENDING = `selm answer ${location.pathname}`;
const KEYS_OFF = 'selm keys off';
const [FIRST_DELAY, LONGEST_DELAY, TIMEOUT] = [500, 15_000, 30_000];
const LOOK_AGAIN = 10_000;

const find = (selector) => document.querySelector(selector);
/** Whether an answer is on its way. */
let isSending = false;

// Times: from when a question was first shown in this tab, also if the page is loaded again.

const shownKey = () => `selm shown ${find('#question')?.dataset.lease}`;

function noteShown() {
  if (find('#question') && sessionStorage.getItem(shownKey()) === null)
    sessionStorage.setItem(shownKey(), String(Date.now()));
}

const secondsShown = () => (Date.now() - Number(sessionStorage.getItem(shownKey()))) / 1000;

// Pages of the server.

const parsed = (text) => new DOMParser().parseFromString(text, 'text/html');
const sentenceOf = (page) => page.querySelector('.warning, [data-waiting]')?.textContent.trim();

/** Shows the work of a page that the server has sent. */
function show(page) {
  for (const id of ['title', 'status']) find(`#${id}`).textContent = page.querySelector(`#${id}`).textContent;
  find('#work').replaceWith(page.querySelector('#work'));
  noteShown();
}

function showNext(page) {
  show(page);
  find('#title').focus({ preventScroll: true });
  scrollTo(0, 0);
}

const tell = (sentence) => {
  if (find('#alert').textContent !== sentence) find('#alert').textContent = sentence;
};

/** @returns the answer of the server with its page; undefined if there is none, or if it is another server's */
async function ask(address, options) {
  try {
    const response = await fetch(address, { ...options, signal: AbortSignal.timeout(TIMEOUT) });
    return { status: response.status, page: parsed(await response.text()) };
  } catch {
    return undefined;
  }
}

const isPage = (answer) => answer?.status === 200 && answer.page.querySelector('#work') !== null;

/** Loads what a link leads to, with the control focused that was focused before. */
async function load(address) {
  const answer = await ask(address);
  if (!isPage(answer)) return tell('The server does not answer at the moment: try again.');
  tell('');
  const focused = document.activeElement?.getAttribute('aria-keyshortcuts');
  history.replaceState(null, '', address);
  show(answer.page);
  if (focused) find(`[aria-keyshortcuts="${focused}"]`)?.focus({ preventScroll: true });
}

// Answers.

document.addEventListener('submit', (event) => {
  const form = event.target;
  // The form that signs out leads to another page.
  if (form.getAttribute('method') !== 'post' || !form.closest('#work')) return;
  event.preventDefault();
  if (isSending) return;
  const fields = new URLSearchParams(new FormData(form, event.submitter));
  if (fields.has('answer')) fields.set('seconds', String(secondsShown()));
  void send({ action: form.getAttribute('action'), fields: String(fields) });
});

/** Sends an answer until the server has confirmed or refused it. */
async function send(given) {
  let request = given;
  isSending = true;
  sessionStorage.setItem(PENDING, JSON.stringify(request));
  find('#work').setAttribute('aria-busy', 'true');
  for (let delay = FIRST_DELAY; ; delay = Math.min(2 * delay, LONGEST_DELAY)) {
    const answer = await ask(request.action, { method: 'POST', body: new URLSearchParams(request.fields) });
    if (isPage(answer)) {
      finish();
      tell('');
      return showNext(answer.page);
    }
    if (isRefusal(answer?.status)) {
      sessionStorage.removeItem(PENDING);
      tell(sentenceOf(answer.page) ?? 'The server has not taken this answer.');
      const next = await ask(location.href);
      finish();
      return isPage(next) ? showNext(next.page) : undefined;
    }
    if (answer?.status === 403) request = await withNewToken(request);
    const why = (answer && sentenceOf(answer.page)) ?? 'The server does not answer.';
    tell(`${why} Your answer is kept in this page, and is sent again until the server has it.`);
    await waitFor(delay);
  }
}

function finish() {
  isSending = false;
  sessionStorage.removeItem(PENDING);
  sessionStorage.removeItem(shownKey());
  find('#work').removeAttribute('aria-busy');
}

/** Sending the same again does not help. 403: the person can sign in again, 408 and 429: later. */
const isRefusal = (status) => status >= 400 && status < 500 && ![401, 403, 408, 429].includes(status);

/** The request with the token of the session that the browser has now. */
async function withNewToken(request) {
  const token = (await ask(location.href))?.page.querySelector('[name=_csrf]')?.value;
  if (token === undefined) return request;
  const fields = new URLSearchParams(request.fields);
  fields.set('_csrf', token);
  return { ...request, fields: String(fields) };
}

const waitFor = (delay) =>
  new Promise((resolve) => {
    setTimeout(resolve, delay);
    addEventListener('online', resolve, { once: true });
  });

addEventListener('beforeunload', (event) => {
  if (isSending) event.preventDefault();
});

// Keys: those that the controls declare.

const keysAreOn = () => localStorage.getItem(KEYS_OFF) === null;

document.addEventListener('keydown', (event) => {
  const { target, key } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || find('dialog[open]')) return;
  if (key === 'Escape') return closeOpen();
  if (!keysAreOn() || target.closest('input, textarea, select')) return;
  // In a table that scrolls, arrows scroll.
  if (key.startsWith('Arrow') && target.closest('[role=region]')) return;
  const control = controlOf(key.length === 1 ? key.toLowerCase() : `${event.shiftKey ? 'Shift+' : ''}${key}`);
  if (!control) return;
  event.preventDefault();
  control.click();
  if (control.localName === 'summary') focusIn(control.parentElement);
});

/** While the reasons to skip are shown, keys are theirs. */
const controlOf = (key) =>
  [...(find('#skip[open]') ?? document).querySelectorAll('[aria-keyshortcuts]')].find(
    (control) => control.getAttribute('aria-keyshortcuts').split(' ').includes(key) && control.checkVisibility(),
  );

/** Where the page was scrolled to when details were opened with a key. */
let scrolled = 0;

function focusIn(details) {
  const summary = details.querySelector('summary');
  if (details.open) scrolled = scrollY;
  (details.open ? (details.querySelector('button') ?? summary) : summary).focus({ preventScroll: !details.open });
  if (!details.open) scrollTo(0, scrolled);
}

function closeOpen() {
  const details = find('#skip[open]') ?? find('#guidelines[open]');
  if (!details) return;
  details.open = false;
  focusIn(details);
}

document.addEventListener('click', (event) => {
  const link = event.target.closest('a.view');
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  if (!isSending) void load(link.getAttribute('href'));
});

find('#keys-open').hidden = false;
find('#keys-open').addEventListener('click', () => find('#keys').showModal());
find('#keys-on').checked = keysAreOn();
find('#keys-on').addEventListener('change', ({ target }) =>
  target.checked ? localStorage.removeItem(KEYS_OFF) : localStorage.setItem(KEYS_OFF, 'true'),
);

// Who waits for questions gets them without loading the page, and who waits for a worker the page that was asked for.
setInterval(async () => {
  const waiting = find('[data-waiting]');
  if (!waiting || isSending) return;
  const answer = await ask(location.href);
  const isWanted = isPage(answer) && (waiting.dataset.waiting === 'worker' || answer.page.querySelector('#question'));
  if (isWanted && !isSending) show(answer.page);
}, LOOK_AGAIN);

noteShown();
const kept = sessionStorage.getItem(PENDING);
if (kept !== null) void send(JSON.parse(kept));
