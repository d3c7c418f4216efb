import { Command, Option } from 'commander';
import { byInvitation } from '../../web/access/by-invitation.ts';
import { Invitations } from '../../web/access/invitations.ts';
import { EVERYBODY, type Access } from '../../web/access/access.ts';
import { webApp } from '../../web/app.ts';
import { temporalDesk } from '../../web/label/desk.ts';
import { bySignIn, readSignIn } from '../../web/sign-in.ts';
import { hasServer } from '../../workers/temporal/connection.ts';
import { hasDatabase } from '../../workers/dev-server/dev-server.ts';
import { openStore } from '../../workers/store.ts';
import { joinLink, publicUrl } from '../join-link.ts';
import { hostsOf, listen, listenFlags } from '../listen.ts';
import { operatorName } from '../operator.ts';
import { withRuns, withServer } from '../server.ts';
import type { GivenFlags } from '../settings.ts';

/** How long the link of this machine's user is valid, if the command runs that long. */
const OWN_LINK_DAYS = 30;

const addressFlags = listenFlags(
  8080,
  'Without --label and --operate, everybody who can connect sees runs and policies.',
);

interface Flags {
  label?: true;
  operate?: true;
  url?: URL;
}

/** `selm ui`: serve runs and policies as web pages, votes and decisions, until Ctrl-C. */
export function uiCommand(): Command {
  const command = new Command('ui')
    .description(
      'Serve runs and policies as read-only web pages. With --label, invited people can vote; with --operate, decide about runs.',
    )
    .option('--label', 'People with an invitation (selm label invite) can vote in rounds with label.by: people.')
    .option('--operate', 'Operators can decide about runs; prints a link that makes you one in your browser.')
    .addOption(
      new Option(
        '--url <address>',
        'Address at which browsers reach the pages through a proxy, such as https://labels.example.com.',
      ).argParser(publicUrl),
    );
  return addressFlags.addTo(command).action(async (flags: GivenFlags & Flags) => {
    const at = addressFlags.read(flags);
    const { label, operate, url } = flags;
    const hosts = hostsOf(at.host);
    const filesAreHere = !hasServer();
    const signIn = readSignIn();
    const isLocal = hosts !== undefined && url === undefined;
    const invitations = label || operate ? new Invitations() : undefined;
    const access = signIn ? bySignIn(signIn) : invitations && accessByInvitation(invitations, isLocal, flags);
    const ownLink = operate && !signIn ? await invitations!.inviteHere(operatorName(), OWN_LINK_DAYS, true) : undefined;
    const store = await openStore();
    // A folder without a database has no runs. The pages then show policies only, and no worker is needed for queries.
    await (hasDatabase() ? withRuns : withServer)((client) =>
      listen(
        webApp(client, store, { hosts, url, access, label: label && temporalDesk(client), operate, filesAreHere }),
        at,
        (address) => {
          console.log(`Serving at ${address}`);
          if (ownLink !== undefined)
            console.log(`To decide about runs, open ${joinLink(url?.href ?? address, ownLink)}`);
          if (!isLocal && !signIn && url?.protocol !== 'https:')
            console.error(
              'Connections are not encrypted: others on the network can read the pages and take over sessions; ' +
                'use a proxy with TLS and --url https://… outside of networks that you trust.',
            );
        },
      ),
    );
  });
}

/** Beyond this machine, pages of runs are for operators: labelers must not see how others have voted. */
function accessByInvitation(invitations: Invitations, isLocal: boolean, { label, url }: Flags): Access {
  return byInvitation(invitations, {
    others: isLocal ? EVERYBODY : { roles: [] },
    secure: url?.protocol === 'https:',
    home: ({ roles }) => (label && !roles.includes('operator') ? '/label' : '/'),
  });
}
