/** The pages of `selm ui --label` for votings of a test. */
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { serve } from '@hono/node-server';
import { Client, Connection } from '@temporalio/client';
import type { ReadableStore } from '../../../artifacts/store.ts';
import { EVERYBODY } from '../../../web/access/access.ts';
import { byInvitation } from '../../../web/access/by-invitation.ts';
import { Invitations } from '../../../web/access/invitations.ts';
import { webApp } from '../../../web/app.ts';
import type { VotingDesk } from '../../../web/label/desk.ts';

export interface Served {
  origin: string;
  /** A link that signs its browser in as the person. */
  invite(person: string): Promise<string>;
  stop(): Promise<void>;
}

/** @param home the folder of the invitations */
export async function serveLabelPages(
  label: VotingDesk,
  store: ReadableStore,
  home: string,
  port = 0,
): Promise<Served> {
  const invitations = new Invitations(home);
  const access = byInvitation(invitations, { others: EVERYBODY, secure: false, home: () => '/label' });
  // Pages of votings ask no other server.
  const client = new Client({ connection: Connection.lazy() });
  const server = serve({
    fetch: webApp(client, store, { access, label }).fetch,
    hostname: '127.0.0.1',
    port,
  }) as Server;
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    origin,
    invite: async (person) => `${origin}/join?token=${(await invitations.invite(person, 1, false)).token}`,
    stop: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}
