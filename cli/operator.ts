/** The name of the person who uses the command line, for the record of decisions. */
import { userInfo } from 'node:os';

/**
 * The operating system's user name. All commands in a container have the same user: there it is the ECS task, which AWS's log of
 * ExecuteCommand calls (CloudTrail) names together with the person.
 */
export function operatorName(): string {
  const task = /\/v4\/([0-9a-f]+)/.exec(process.env['ECS_CONTAINER_METADATA_URI_V4'] ?? '')?.[1];
  if (task !== undefined) return `ECS task ${task}`;
  try {
    return userInfo().username;
  } catch {
    // This user id has no entry in the list of users.
    return `user ${process.getuid?.()}`;
  }
}
