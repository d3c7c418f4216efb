/** Web pages of the runs in a Temporal namespace and the policies in a store, and of people's votes and decisions about runs. */
import type { Client } from '@temporalio/client';
import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { secureHeaders } from 'hono/secure-headers';
import type { ReadableStore } from '../artifacts/store.ts';
import { STYLE_HASH } from '../report/layout.ts';
import { RunList } from '../workers/runs/run-list.ts';
import { EVERYBODY, type Access } from './access/access.ts';
import { SIGN_OUT } from './access/path.ts';
import { assetFiles } from './assets.ts';
import { checkForm } from './csrf.ts';
import { explain } from './explain.ts';
import type { Role, WebEnv } from './identity.ts';
import type { VotingDesk } from './label/desk.ts';
import { labelPages } from './label/pages.ts';
import { EventStreams } from './live/events.ts';
import { decisionPages } from './operate/decision-pages.ts';
import { policiesPage } from './policies.ts';
import { limitPeople } from './rate-limit.ts';
import { requireRole } from './require-role.ts';
import { problem, show } from './respond.ts';
import { runPage, RunView } from './run.ts';
import { runsPage, runsSnapshot } from './runs.ts';

/** Largest form in bytes. */
const MAX_FORM = 16 * 1024;
/** Intervals at which open pages of a run, and of all runs, are read. */
const [RUN_SECONDS, RUNS_SECONDS] = [1, 3];
const READ_ONLY = 'These pages are read-only: use the selm command to change a run.';

export interface WebOptions {
  /** Allowed Host headers (DNS-rebinding protection). Default: all. */
  hosts?: string[];
  /** The address at which browsers reach the pages through a proxy. */
  url?: URL;
  /** Who requests are from. Default: nobody signs in, and everybody sees the pages of runs and policies. */
  access?: Access;
  /** The votings in which labelers can vote. Default: none. */
  label?: VotingDesk;
  /** Whether operators can decide about runs. */
  operate?: boolean;
  /** Whether the workers run on this machine: then files that a decision names must exist here. */
  filesAreHere?: boolean;
}

/**
 * The web application. Pages are rendered on the server with escaping templates; scripts and styles are its own files only.
 * @returns the application; `app.fetch` serves it
 */
export function webApp(
  client: Client,
  store: ReadableStore,
  { hosts, url, access, label, operate = false, filesAreHere = false }: WebOptions = {},
): Hono<WebEnv> {
  const app = new Hono<WebEnv>();
  const runs = new RunList(client);
  const streams = new EventStreams();
  const methods = label || operate ? ['GET', 'HEAD', 'POST'] : ['GET', 'HEAD'];
  const served: Role[] = ['viewer', ...(label ? ['labeler' as const] : []), ...(operate ? ['operator' as const] : [])];

  app.use(
    secureHeaders({
      // A page may set its own referrer policy.
      overwrite: false,
      // Not no-referrer: browsers would send forms with `Origin: null`.
      referrerPolicy: 'same-origin',
      contentSecurityPolicy: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: [STYLE_HASH, "'self'"],
        connectSrc: ["'self'"],
        imgSrc: ["'self'"],
        baseUri: ["'none'"],
        formAction: ["'self'"],
        frameAncestors: ["'none'"],
      },
      xFrameOptions: 'DENY',
      strictTransportSecurity: 'max-age=31536000',
    }),
  );
  app.use(async (c, next) => {
    c.header('Cache-Control', 'no-store');
    if (methods.includes(c.req.method) || (access && c.req.method === 'POST' && c.req.path === SIGN_OUT)) return next();
    c.header('Allow', methods.join(', '));
    const refusal = label || operate ? `Method ${c.req.method} is not allowed.` : READ_ONLY;
    return problem(c, 405, refusal);
  });

  app.use(async (c, next) => {
    const { hostname } = new URL(c.req.url);
    if (!hosts || [...hosts, url?.hostname].includes(hostname)) return next();
    return problem(
      c,
      421,
      `These pages are served at ${hosts.join(' or ')} only; selm ui --host or --url serves them at another address.`,
    );
  });

  // Health checks have no user.
  app.get('/healthz', (c) => c.text('ok'));
  app.get('/favicon.ico', (c) => c.body(null, 204));
  app.route('/', assetFiles());
  app.use(
    access?.identify ??
      ((c, next) => {
        c.set('identity', EVERYBODY);
        return next();
      }),
  );
  app.use((c, next) => {
    const { name, roles } = c.get('identity');
    c.set('identity', { name, roles: roles.filter((role) => served.includes(role)) });
    return next();
  });
  app.use(limitPeople());
  app.use(bodyLimit({ maxSize: MAX_FORM, onError: (c) => problem(c, 413, 'This form is too large.') }));
  app.use(checkForm(url?.host));
  if (access?.pages) app.route('/', access.pages);
  if (label) {
    app.use('/label/*', requireRole('labeler'));
    app.route('/label', labelPages(label, store));
  }

  for (const path of ['/', '/events', '/runs/*', '/policies']) app.use(path, requireRole('viewer'));
  app.get('/', async (c) => show(c, runsPage(await runs.read())));
  app.get('/events', (c) => streams.respond(c, RUNS_SECONDS, async () => runsSnapshot(await runs.read())));
  app.get('/runs/:name', async (c) => show(c, await runPage(new RunView(client, store, c.req.param('name')), c)));
  app.get('/runs/:name/events', (c) => {
    const view = new RunView(client, store, c.req.param('name'));
    return streams.respond(c, RUN_SECONDS, () => view.read());
  });
  if (operate) app.route('/runs', decisionPages(client, filesAreHere));
  app.get('/policies', async (c) => show(c, await policiesPage(store)));

  app.notFound((c) => problem(c, 404, `There is no page ${c.req.path}.`));
  app.onError((error, c) => problem(c, ...explain(error, c.req.path)));
  return app;
}
