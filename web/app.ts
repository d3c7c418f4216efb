/** Read-only web pages of the runs in a Temporal namespace and the policies in a store. */
import { isGrpcServiceError, ServiceError, type Client } from '@temporalio/client';
import { Hono, type Context } from 'hono';
import { secureHeaders } from 'hono/secure-headers';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { ArtifactDamaged, StoreFailed } from '../artifacts/errors.ts';
import type { ReadableStore } from '../artifacts/store.ts';
import { InputError } from '../data/errors.ts';
import { html } from '../report/html.ts';
import { layout, STYLE_HASH } from '../report/layout.ts';
import { Undecodable } from '../workers/data-converter.ts';
import { RunList } from '../workers/run-list.ts';
import { RunUnanswered } from '../workers/errors.ts';
import type { Page } from './page.ts';
import { policiesPage } from './policies.ts';
import { runPage } from './run.ts';
import { runsPage } from './runs.ts';

/** Interval at which browsers reload the pages of runs in progress. */
const REFRESH_SECONDS = 15;

/**
 * The web application. Pages are rendered on the server with escaping templates, without scripts and external resources.
 * @param hosts allowed Host headers (DNS-rebinding protection). Default: all
 * @returns the application; `app.fetch` serves it
 */
export function webApp(client: Client, store: ReadableStore, hosts?: string[]): Hono {
  const app = new Hono();
  const runs = new RunList(client);

  app.use(
    secureHeaders({
      contentSecurityPolicy: {
        defaultSrc: ["'none'"],
        styleSrc: [STYLE_HASH],
        baseUri: ["'none'"],
        formAction: ["'none'"],
        frameAncestors: ["'none'"],
      },
      xFrameOptions: 'DENY',
      strictTransportSecurity: 'max-age=31536000',
    }),
  );
  app.use(async (c, next) => {
    c.header('Cache-Control', 'no-store');
    if (c.req.method === 'GET' || c.req.method === 'HEAD') return next();
    c.header('Allow', 'GET, HEAD');
    return problem(c, 405, 'These pages are read-only: use the selm command to change a run.');
  });

  app.use(async (c, next) => {
    const { hostname } = new URL(c.req.url);
    if (!hosts || hosts.includes(hostname)) return next();
    return problem(
      c,
      421,
      `These pages are served at ${hosts.join(' or ')} only; selm ui --host ADDRESS serves them at another address.`,
    );
  });

  app.get('/healthz', (c) => c.text('ok'));
  app.get('/', async (c) => show(c, runsPage(await runs.read())));
  app.get('/runs/:name', async (c) => show(c, await runPage(client, store, c.req.param('name'))));
  app.get('/policies', async (c) => show(c, await policiesPage(store)));

  app.notFound((c) => problem(c, 404, `There is no page ${c.req.path}.`));
  app.onError((error, c) => {
    if (error instanceof Undecodable) return problem(c, 503, error.message);
    if (error instanceof InputError) return problem(c, 404, error.message);
    console.error(`selm: ${c.req.path}: ${error.message}`);
    return problem(c, ...explain(error));
  });
  return app;
}

/** The HTTP status and the message of an error. The message of an unknown error may contain internals and is only logged. */
function explain(error: Error): [ContentfulStatusCode, string] {
  if (error instanceof RunUnanswered || error instanceof ArtifactDamaged) return [503, error.message];
  if (error instanceof StoreFailed) return [503, 'The artifact store is not available; try again in a moment.'];
  const isTemporal = error instanceof ServiceError || isGrpcServiceError(error);
  if (isTemporal) return [503, 'Temporal is not available; try again in a moment.'];
  return [500, 'This page failed to render; the log of selm ui says why.'];
}

const show = (c: Context, { title, content, changes }: Page) => {
  if (changes) c.header('Refresh', String(REFRESH_SECONDS));
  return c.html(layout(`selm: ${title}`, html`${NAVIGATION}${content}`));
};

const problem = (c: Context, status: ContentfulStatusCode, sentence: string) =>
  c.html(
    layout(
      'selm',
      html`${NAVIGATION}
        <p class="warning">${sentence}</p>`,
    ),
    status,
  );

const NAVIGATION = html`<nav><a href="/">Runs</a><a href="/policies">Policies</a></nav>`;
