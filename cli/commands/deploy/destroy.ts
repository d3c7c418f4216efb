import { createInterface } from 'node:readline/promises';
import { Command } from 'commander';
import { InputError } from '../../../data/errors.ts';
import { deployConfigOption, readDeployment } from './options.ts';

interface Flags {
  everything?: boolean;
  yes?: boolean;
}

/** `selm deploy destroy`: delete a deployment. */
export function deployDestroyCommand(): Command {
  return new Command('destroy')
    .description(
      'Delete the stacks of a deployment. The buckets, their key and a snapshot of the database stay, unless --everything is given.',
    )
    .addOption(deployConfigOption())
    .option('--everything', 'Also delete the buckets with all artifacts, the key and the snapshots of the database.')
    .option('--yes', 'Do not ask.')
    .action(async (_flags: object, command: Command) => {
      const { config: target, flags } = readDeployment<Flags>(command);
      const { everything = false, yes } = flags;
      const [deployed, removal] = await Promise.all([
        import('../../../cdk/deployed.ts'),
        import('../../../cdk/destroy.ts'),
      ]);
      await deployed.checkAccount(target);
      const stacks = await deployed.deployedStacks(target);
      const before = await removal.retainedOf(target);
      if ([stacks, before.buckets, before.keys, before.snapshots].every(({ length }) => length === 0))
        throw new InputError(`There is no deployment "${target.name}" in this account and region.`);

      console.log(`The deployment "${target.name}". Deleted:`);
      for (const { name } of stacks) console.log(`  stack ${name}`);
      const tasks = await Promise.all(stacks.map(({ name }) => removal.tasksOf(target, name)));
      const running = tasks.reduce((sum, count) => sum + count, 0);
      console.log(everything ? 'Also deleted, and lost:' : 'Stay (--everything deletes them, too):');
      for (const bucket of before.buckets) {
        const { objects, bytes } = await removal.sizeOf(target, bucket);
        console.log(`  bucket ${bucket}: ${objects} objects and earlier versions, ${(bytes / 1e9).toFixed(2)} GB`);
      }
      for (const key of before.keys) console.log(`  key ${key}`);
      for (const snapshot of before.snapshots) console.log(`  database snapshot ${snapshot}`);
      if (target.temporal.kind === 'self-hosted') console.log("  the final snapshot of Temporal's database");
      const { bucket: ownBucket } = target.storage;
      if (ownBucket !== undefined)
        console.log(`  Bucket ${ownBucket} (storage.bucket) stays: delete the objects under ${target.name}/ yourself.`);
      if (target.kmsKeyArn !== undefined) console.log(`  Key ${target.kmsKeyArn} (kmsKeyArn) stays.`);
      console.log("  Images stay in CDK's repository; npx cdk gc --unstable=gc deletes unused ones.");
      if (running > 0)
        console.log(`${running} tasks are running. End runs first: selm stop NAME, selm schedule delete NAME.`);
      await confirm(target.name, yes);

      for (const { name } of stacks) {
        await removal.allowDeletion(target, name);
        await deployed.deleteStack(target, name);
        console.log(`Stack ${name} is deleted.`);
      }
      if (!everything) return;
      // Snapshots of databases, and keys that were retained, have appeared meanwhile.
      const { buckets, keys, keysOfOwnBucket, snapshots } = await removal.retainedOf(target);
      for (const bucket of buckets) {
        await removal.deleteBucket(target, bucket);
        console.log(`Bucket ${bucket} is deleted.`);
      }
      for (const snapshot of snapshots) await removal.deleteSnapshot(target, snapshot);
      for (const key of keys) await removal.deleteKey(target, key);
      if (snapshots.length > 0) console.log(`Snapshots are deleted: ${snapshots.length}.`);
      if (keys.length > 0) console.log(`Keys are deleted in 7 days: ${keys.join(', ')}`);
      for (const key of keysOfOwnBucket)
        console.log(`Key ${key} stays: objects in ${ownBucket} may be encrypted with it.`);
    });
}

/** @throws InputError when nobody can be asked, or the answer is another one */
async function confirm(name: string, yes: boolean | undefined): Promise<void> {
  if (yes) return;
  if (!process.stdin.isTTY) throw new InputError('selm deploy destroy asks at a terminal: give --yes in a script.');
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await terminal
    .question(`Type the name of the deployment to delete it: `)
    .finally(() => terminal.close());
  if (answer.trim() !== name) throw new InputError('That is another name: nothing is deleted.');
}
