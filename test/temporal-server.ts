/** Temporal's server and its schema tool in the version of the deployment's images, built once with Go. */
import { SERVER_IMAGE } from '../cdk/temporal-images.ts';
import { goPrograms } from './made-once.ts';

const VERSION = `v${/:([\d.]+)@/.exec(SERVER_IMAGE)![1]}`;

/** The folder of the programs, which have their names in the images. Building takes about 5 minutes on 2 cores. */
export const findTemporalServer = (): Promise<string> =>
  goPrograms(`temporal-server-${VERSION}`, {
    'temporal-server': `go.temporal.io/server/cmd/server@${VERSION}`,
    'temporal-sql-tool': `go.temporal.io/server/cmd/tools/sql@${VERSION}`,
  });
