/** Invitations of people to the pages of `selm ui`: `selm label invite`, `invitations` and `revoke`. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { Invitations, isValid, type Invitation } from '../../../web/access/invitations.ts';
import { joinLink, publicUrl } from '../../join-link.ts';
import { jsonOption } from '../../step.ts';

const DEFAULT_ADDRESS = 'http://127.0.0.1:8080';
/** Browsers keep a cookie for at most 400 days. */
const MAX_DAYS = 365;
const DEFAULT_DAYS = 7;

interface InviteFlags {
  days?: number;
  operator?: boolean;
  url: URL;
}

/** `selm label invite`: print a person's link to the pages. */
export const labelInviteCommand = () =>
  new Command('invite')
    .description(
      'Invite a person to vote on the pages of selm ui --label. Prints a link: whoever opens it signs in as that person. ' +
        'For a person who has a valid invitation, it prints the same link again.',
    )
    .argument('<name>', 'Name of the person, which votes are recorded with.')
    .addOption(
      new Option(
        '--days <n>',
        `Days until the invitation and its sessions end; at most ${MAX_DAYS}. Default: ${DEFAULT_DAYS}.`,
      ).argParser(days),
    )
    .option('--operator', 'The person can also decide about runs (selm ui --operate), and sees their pages.')
    .addOption(
      new Option('--url <address>', 'Address at which the person reaches selm ui.')
        .argParser(publicUrl)
        .default(new URL(DEFAULT_ADDRESS), DEFAULT_ADDRESS),
    )
    .action(async (person: string, { days: length, operator = false, url }: InviteFlags) => {
      const invitations = new Invitations();
      // Flags are of a new invitation: a known one does not change.
      const known = length === undefined && !operator ? await invitations.linkOf(person) : undefined;
      const { invitation, token } = known ?? (await invitations.invite(person, length ?? DEFAULT_DAYS, operator));
      console.log(joinLink(url.href, token));
      const role = invitation.operator ? ', an operator,' : '';
      console.error(`The link signs in as "${person}"${role} until ${invitation.expires}; give it to nobody else.`);
    });

/** `selm label invitations`: list invitations. */
export const labelInvitationsCommand = () =>
  new Command('invitations')
    .description('List the invitations.')
    .addOption(jsonOption())
    .action(async ({ json }: { json?: boolean }) => {
      const invitations = await new Invitations().list();
      if (json) return console.log(JSON.stringify(invitations));
      for (const invitation of invitations) console.log(describe(invitation));
    });

/** `selm label revoke`: end a person's invitation. */
export const labelRevokeCommand = () =>
  new Command('revoke')
    .description("End a person's invitation and sessions. The person's votes stay.")
    .argument('<name>', 'Name of the person.')
    .action(async (person: string) => {
      await new Invitations().revoke(person);
      console.log(`The invitation of "${person}" is revoked.`);
    });

function describe(invitation: Invitation): string {
  const { person, operator, expires, revoked } = invitation;
  const role = operator ? 'operator' : 'labeler';
  if (revoked !== undefined) return `${person}: ${role}, revoked ${revoked}`;
  return `${person}: ${role}, ${isValid(invitation) ? 'until' : 'expired'} ${expires}`;
}

function days(given: string): number {
  const length = Number(given);
  if (length > 0 && length <= MAX_DAYS) return length;
  throw new InvalidArgumentError(`Give a number of days above 0, and at most ${MAX_DAYS}.`);
}
